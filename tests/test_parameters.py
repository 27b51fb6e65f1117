"""Names, defaults and good values of the notebooks' parameters, and what is refused."""

import contextlib
import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videoattn.data.datasets import dataset_info
from videoattn.engine.parameters import NAMES, PARAMETERS, RUNTIME, check, check_notebook, parameters_cell
from videoattn.errors import InputError
from videoattn.papers import PAPERS, data_sets

SETS = ("folder", "ucf101")


def refused(values, **more):
    with pytest.raises(InputError) as error:
        check("demo", values | more, SETS)
    return str(error.value)


def test_defaults():
    found = dataclasses.asdict(check("demo", {}, SETS))
    assert found == {
        "paper": "demo",
        "profile": "check",
        "dataset": "probe",
        "data": None,
        "split": 1,
        "seeds": 0,
        "first_seed": 0,
        "flow": "auto",
        "jobs": (),
        "pretrained": "auto",
        "init": None,
        "backbone": "",
        "steps": 0,
        "parallel": -1,
        "workers": -1,
        "test_batch": -1,
        "accumulation": -1,
        "allow_missing": False,
        "runs": None,
        "init_source": "",
        "init_second": None,
    }


def test_texts_are_read(tmp_path):
    values = {"DATASET": "ucf101", "DATA": str(tmp_path), "SPLIT": "2", "SEEDS": "20", "PRETRAINED": "TRUE"}
    found = check("demo", values | {"ALLOW_MISSING": "0", "FLOW": "dis", "RUNS": str(tmp_path / "new")}, SETS)
    assert (found.split, found.seeds, found.pretrained, found.allow_missing) == (2, 20, "true", False)
    assert (found.data, found.runs, found.flow) == (tmp_path, tmp_path / "new", "dis")


@pytest.mark.parametrize(
    ("name", "value", "good"),
    [
        ("PROFILE", "fast", "check, quick, full, paper, auto"),
        ("PROFILE", "QUICK", "check, quick, full, paper, auto"),
        ("PROFILE", "", "check, quick, full, paper, auto"),
        ("FLOW", "TVL1", "auto, tvl1, dis"),
        ("SPLIT", 4, "1 to 3"),
        ("SPLIT", 0, "1 to 3"),
        ("SPLIT", True, "1 to 3"),
        ("SPLIT", 2.0, "1 to 3"),
        ("SEEDS", float("nan"), "0 to 20"),
        ("SEEDS", "1e-3", "0 to 20"),
        ("SEEDS", "1_0", "0 to 20"),
        ("SEEDS", 1_000, "0 to 20"),
        ("SEEDS", -1, "0 to 20"),
        ("SEEDS", "", "0 to 20"),
        ("SEEDS", None, "0 to 20"),
        ("PRETRAINED", "yes", "auto, true, false, 1, 0"),
        ("ALLOW_MISSING", "yes", "true, false, 1, 0"),
        ("ALLOW_MISSING", 2, "true, false, 1, 0"),
        ("STEPS", -1, "0 to 1000"),
        ("PARALLEL", 65, "-1 to 64"),
        ("PARALLEL", "two", "-1 to 64"),
        ("WORKERS", -2, "-1 to 128"),
        ("TEST_BATCH", 1025, "-1 to 1024"),
        ("ACCUMULATION", "1.5", "-1 to 1024"),
        ("PARALLEL", 0, "1 or more, or -1"),
        ("TEST_BATCH", "0", "1 or more, or -1"),
        ("ACCUMULATION", 0, "1 or more, or -1"),
        ("JOBS", 3, "a text"),
        ("PRETRAINED", 2, "true, false, 1, 0"),
        ("PRETRAINED", 1.0, "true, false, 1, 0"),
        ("DATASET", "ucf11", "probe, folder, ucf101"),
        ("DATASET", ["probe"], "a text"),
        ("DATA", 2024, "a text"),
        ("RUNS", None, "a text"),
    ],
)
def test_wrong_values_are_named_with_the_good_ones(name, value, good):
    message = refused({name: value})
    assert name in message
    assert repr(value).strip("'") in message
    assert good in message


@pytest.mark.parametrize(("old", "new"), [("cpu", "quick"), ("gpu", "full")])
def test_profiles_of_before_are_refused_with_their_new_names(old, new):
    told = f"PROFILE is '{old}', which is called '{new}' now: it says how much is run, on any device"
    assert refused({"PROFILE": old}) == told
    assert check("demo", {"PROFILE": new}, SETS).profile == new


def test_how_it_runs_may_be_said():
    values = {"PARALLEL": "2", "WORKERS": 0, "TEST_BATCH": 16, "ACCUMULATION": "4"}
    found = check("demo", values, SETS)
    assert (found.parallel, found.workers, found.test_batch, found.accumulation) == (2, 0, 16, 4)
    assert found.changed() == {"PARALLEL": 2, "WORKERS": 0, "TEST_BATCH": 16, "ACCUMULATION": 4}
    assert set(RUNTIME) == values.keys()


@pytest.mark.parametrize("name", ["PROFLE", "profile", "SEED", "PAPER", "", "x" * 200])
def test_unknown_names(name):
    message = refused({name: "quick"})
    assert repr(name) in message
    assert ", ".join(NAMES) in message


def test_near_names_are_suggested():
    assert "did you mean PROFILE?" in refused({"PROFLE": "quick"})
    assert "did you mean PROFILE?" in refused({"profile": "quick"})
    assert "did you mean ucf101?" in refused({"DATASET": "ucf11"})


def test_data_sets_and_folders_belong_together(tmp_path):
    assert "DATA is empty" in refused({"DATASET": "ucf101"})
    assert str(tmp_path / "nowhere") in refused({"DATASET": "ucf101", "DATA": str(tmp_path / "nowhere")})
    file = tmp_path / "file"
    file.touch()
    assert "no folder" in refused({"DATASET": "ucf101", "DATA": str(file)})
    assert "no folder" in refused({"RUNS": str(file)})
    assert "~nobody-of-that-name/x" in refused({"DATASET": "folder", "DATA": "~nobody-of-that-name/x"})


def test_a_split_is_one_of_the_data_set():
    assert refused({"DATASET": "folder", "DATA": "/", "SPLIT": 2}) == "SPLIT is 2, but folder has a single split, 1"
    assert [check("demo", {"DATASET": "ucf101", "DATA": "/", "SPLIT": n}, SETS).split for n in (1, 2, 3)] == [1, 2, 3]


def test_a_split_is_one_of_every_data_set_of_the_papers():
    for paper in PAPERS:
        for name in data_sets(paper):
            values = {"DATASET": name, "DATA": "/", "SPLIT": 3}
            with (
                contextlib.nullcontext()
                if 3 in dataset_info(name).splits
                else pytest.raises(InputError, match="SPLIT is 3")
            ):
                assert check(paper, values, data_sets(paper)).split == 3


@pytest.mark.parametrize("given", [{"DATA": "."}, {"SPLIT": 2}, {"ALLOW_MISSING": "1"}])
def test_what_the_probe_would_ignore_is_refused(given):
    message = refused(given)
    assert next(iter(given)) in message
    assert "folder, ucf101" in message


def test_jobs_are_names_between_commas():
    assert check("demo", {"JOBS": " a, b-c,,"}, SETS).jobs == ("a", "b-c")


@pytest.mark.parametrize(("given", "kept"), [(True, "true"), (0, "false"), ("1", "true"), ("auto", "auto")])
def test_pretrained_may_be_yes_no_or_as_the_protocol_says(given, kept):
    assert check("demo", {"PRETRAINED": given}, SETS).pretrained == kept


def test_init_may_be_a_file(tmp_path):
    (tmp_path / "net.pt").touch()
    for path in (tmp_path, tmp_path / "net.pt"):
        assert check("demo", {"INIT": str(path)}, SETS).init == path
    assert "does not exist" in refused({"INIT": str(tmp_path / "other.pt")})


def test_init_may_say_whose_file_it_is(tmp_path):
    path = tmp_path / "net.pt"
    path.touch()
    found = check("demo", {"INIT": f"{path}:tsn"}, SETS)
    assert (found.init, found.init_source) == (path, "tsn")
    assert found.changed() == {"INIT": f"{path}:tsn"}
    assert check("demo", {"INIT": str(path)}, SETS).init_source == ""
    assert check("demo", {"INIT": ""}, SETS).init_source == ""
    assert f"{tmp_path / 'other.pt'} does not exist" in refused({"INIT": f"{tmp_path / 'other.pt'}:tsn"})
    other = tmp_path / "net.pt:tsn"
    other.touch()  # a path that exists is meant as it is
    assert check("demo", {"INIT": str(other)}, SETS).init == other


def test_init_may_name_two_files(tmp_path):
    first, second = tmp_path / "bn.pth", tmp_path / "3d.pth.tar"
    first.touch(), second.touch()
    found = check("demo", {"INIT": f"{first},{second}"}, SETS)
    assert (found.init, found.init_second, found.init_source) == (first, second, "")
    assert check("demo", found.changed(), SETS) == found
    assert check("demo", {"INIT": f"{first},{second}:eco"}, SETS).init_source == "eco"
    assert f"{tmp_path / 'other.pt'} does not exist" in refused({"INIT": f"{first},{tmp_path / 'other.pt'}"})
    whole = tmp_path / "bn.pth,3d.pth.tar"
    whole.touch()  # a path that exists is meant as it is
    assert check("demo", {"INIT": str(whole)}, SETS).init == whole


def test_relative_folders_count_from_the_current_one(tmp_path, monkeypatch):
    (tmp_path / "a clip's folder").mkdir()
    monkeypatch.chdir(tmp_path)
    found = check("demo", {"DATASET": "folder", "DATA": "a clip's folder", "RUNS": "here"}, SETS)
    assert (found.data, found.runs) == (tmp_path / "a clip's folder", tmp_path / "here")


@given(
    profile=st.sampled_from(["check", "quick", "full", "paper", "auto"]),
    split=st.integers(1, 3),
    seeds=st.integers(0, 20),
    flow=st.sampled_from(["auto", "tvl1", "dis"]),
    flags=st.tuples(st.booleans(), st.booleans()),
    as_text=st.booleans(),
)
def test_changed_values_give_the_same_parameters_again(profile, split, seeds, flow, flags, as_text):
    values = {"PROFILE": profile, "DATASET": "ucf101", "DATA": "/", "SPLIT": split, "SEEDS": seeds, "FLOW": flow}
    values |= {"PRETRAINED": ("true", "auto")[flags[0]], "ALLOW_MISSING": flags[1], "JOBS": ("", "a,b")[flags[1]]}
    found = check("demo", {name: str(value) if as_text else value for name, value in values.items()}, SETS)
    assert check("demo", found.changed(), SETS) == found
    assert found.changed() == {p.name: values[p.name] for p in PARAMETERS if values.get(p.name, p.default) != p.default}


@given(
    st.sampled_from(PARAMETERS),
    st.none() | st.booleans() | st.integers() | st.floats() | st.text("10eT~/. -", max_size=4),
)
def test_any_value_is_read_or_refused(parameter, value):
    with contextlib.suppress(InputError):
        found = getattr(check("demo", {parameter.name: value}, SETS), parameter.name.lower())
        path = parameter.name in ("DATA", "INIT", "RUNS")
        assert isinstance(
            found, Path | None if path else tuple if parameter.name == "JOBS" else type(parameter.default)
        )


def test_auto_takes_what_the_machine_has(monkeypatch):
    import torch

    for cuda, profile in ((True, "full"), (False, "quick")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda cuda=cuda: cuda)
        assert check("demo", {"PROFILE": "auto"}, SETS).resolved().profile == profile
    assert check("demo", {"PROFILE": "paper"}, SETS).resolved().profile == "paper"


def test_the_cell_sets_the_defaults():
    namespace = {}
    exec(parameters_cell(), namespace)
    assert {name: namespace[name] for name in NAMES} == {p.name: p.default for p in PARAMETERS}
    assert check_notebook("demo", namespace, SETS) == check("demo", {}, SETS)
    assert max(map(len, parameters_cell().splitlines())) <= 120


def test_names_that_papermill_injected_are_seen():
    history = ["", parameters_cell(), '# Parameters\nPROFLE = "quick"\nSEEDS = 3\n']
    namespace = {"In": history}
    for cell in history:
        exec(cell, namespace)
    with pytest.raises(InputError, match="PROFLE"):
        check_notebook("demo", namespace, SETS)


def test_an_injected_cell_that_was_corrected_counts_no_more():
    history = [parameters_cell(), '# Parameters\nPROFLE = "quick"\n', '# Parameters\nPROFILE = "quick"\n', "runs = 1"]
    namespace = {"In": history}
    for cell in history:
        exec(cell, namespace)
    assert check_notebook("demo", namespace, SETS).profile == "quick"
