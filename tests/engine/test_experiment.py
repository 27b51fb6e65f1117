"""The profile, jobs and flow that the parameters of a run make."""

from dataclasses import dataclass, replace

import demo as paper
import pytest
from demo import CHECK, Profile

from videoattn.data.flow.cache import FlowSettings
from videoattn.engine.experiment import flow_settings, module_of, no_weights, reads_flow, sized, studies
from videoattn.engine.parameters import check
from videoattn.engine.protocol import FROM_SCRATCH, IMAGENET, Start
from videoattn.engine.recipe import Recipe
from videoattn.engine.record import Record
from videoattn.errors import InputError

STEPS = Recipe(epochs=9, batch_size=8, lr=0.1, schedule="steps 3 6")


@dataclass(frozen=True, kw_only=True)
class FlowProfile(Profile):
    """Whose networks read flow."""

    flow: str = "dis"
    other: Recipe = STEPS


FLOW = FlowProfile(jobs=("a", "b"), seeds=1, probe=paper.Points())
FLOWS = dict.fromkeys(paper.PROFILES, FLOW)


def with_flow(name: str, profile: FlowProfile, start: Start):
    """a: flow, b: RGB and warped flow, c: RGB alone, d: both kinds of its own size."""
    own = paper.job(name, profile, start)
    streams = {"a": ("flow",), "b": ("rgb", "warped"), "c": ("rgb",), "d": ("flow", "warped")}[name]
    return replace(
        own, streams=streams, flow=FlowSettings(algorithm=profile.flow, short_side=32 if name == "d" else 16)
    )


def asked(study: str = "", **values: object):
    return sized(check("demo", values, paper.SETS), study)


def on_videos(root, study: str = "", **values: object):
    return asked(study, **{"DATASET": "ucf101", "DATA": str(root), "PROFILE": "paper"} | values)


def run(root, name="run", **changes):
    record = Record("demo", "paper", "0123456789", {"DATASET": "kinetics400"}, {}, {}, complete=True)
    replace(record, **changes).save(root / name)
    return str(root / name)


def test_a_profile_is_that_of_the_probe_or_changed_for_videos(demo, tmp_path):
    assert asked() == (CHECK, FROM_SCRATCH)
    assert asked(PROFILE="full") == (replace(CHECK, jobs=("a", "b", "c", "d")), FROM_SCRATCH)
    assert on_videos(tmp_path) == (replace(CHECK, size=7), Start(IMAGENET))  # as the first protocol says
    assert on_videos(tmp_path, PROFILE="quick") == (replace(CHECK, size=3), FROM_SCRATCH)
    assert on_videos(tmp_path, DATASET="folder") == (replace(CHECK, size=3), FROM_SCRATCH)  # no protocol
    assert on_videos(tmp_path, DATASET="cifar100") == (replace(CHECK, size=4), FROM_SCRATCH)
    assert on_videos(tmp_path, PRETRAINED=False) == (replace(CHECK, size=7), FROM_SCRATCH)


def test_a_protocol_is_that_of_the_start(demo, tmp_path):
    start = Start("kinetics400", tmp_path / "run", "0123456789")
    assert on_videos(tmp_path, INIT=run(tmp_path)) == (replace(CHECK, jobs=("transfer",)), start)


@pytest.mark.parametrize(("pretrained", "name"), [("true", "imagenet"), ("false", "scratch")])
def test_a_protocol_that_fine_tunes_trains_its_networks_here_without_a_run(demo, tmp_path, pretrained, name):
    """What it fine-tunes is not there: the jobs are those of the profile on videos."""
    with pytest.raises(InputError, match="on charades demo fine-tunes networks that were trained on kinetics400"):
        on_videos(tmp_path, DATASET="charades")
    found = on_videos(tmp_path, DATASET="charades", PRETRAINED=pretrained)
    assert found == (CHECK, Start(name))
    demo.VIDEOS = {**paper.VIDEOS, "paper": {"jobs": ("b",), "size": 3}}
    assert on_videos(tmp_path, DATASET="charades", PRETRAINED=pretrained)[0] == replace(CHECK, jobs=("b",))
    assert on_videos(tmp_path, DATASET="charades", INIT=run(tmp_path))[0].jobs == ("transfer",)


def test_a_job_on_another_probe_needs_a_run_where_there_are_videos(make, tmp_path):
    given = {"DATASET": "ucf101", "DATA": "/", "JOBS": "transfer"}
    with pytest.raises(InputError, match="transfer fine-tunes networks of another data set: give INIT="):
        make(**given)
    assert [job.name for job in make(JOBS="transfer").jobs] == ["a", "transfer"]  # there is a second probe
    assert [job.name for job in make(**given, INIT=run(tmp_path)).jobs] == ["transfer"]


def test_cma_trains_its_own_networks_on_ucf101_where_no_run_is_named(ucf101):
    from videoattn.engine.study import make_study
    from videoattn.papers import data_sets
    from videoattn.papers.cma.experiments import CENTRAL

    def given(**values):
        own = {"DATASET": "ucf101", "DATA": str(ucf101), "PROFILE": "paper"}
        return check("cma", own | values, data_sets("cma"))

    for pretrained in ("true", "false"):
        study = make_study(given(PRETRAINED=pretrained))
        assert tuple(job.name for job in study.jobs) == CENTRAL
        assert study.profile.recipe.epochs == 30
        assert not any(job.initial and study.start.path for job in study.jobs)
    with pytest.raises(InputError, match="transfer-rgb fine-tunes networks of another data set: give INIT="):
        make_study(given(PRETRAINED="true", JOBS="transfer-rgb"))
    with pytest.raises(InputError, match=r"trained on kinetics400 \(section 5.7, table 6\): give INIT="):
        make_study(given())


@pytest.fixture
def ucf101(tmp_path):
    """Its official layout with three classes of one video for training and one for testing."""
    from layouts import put

    root = tmp_path / "ucf"
    names = ("Archery", "Punch", "YoYo")
    put(root, *(f"UCF-101/{name}/v_{name}_{group}_c01.avi" for name in names for group in ("g01", "g08")))
    (root / "ucfTrainTestlist").mkdir()
    for name, text in {
        "classInd": "".join(f"{n} {name}\n" for n, name in enumerate(names, 1)),
        "trainlist01": "".join(f"{name}/v_{name}_g08_c01.avi {n}\n" for n, name in enumerate(names, 1)),
        "testlist01": "".join(f"{name}/v_{name}_g01_c01.avi\n" for name in names),
    }.items():
        (root / "ucfTrainTestlist" / f"{name}.txt").write_text(text)
    return root


def test_another_host_changes_the_profile_and_keeps_the_jobs_that_can_have_it(demo):
    with pytest.raises(InputError, match="BACKBONE is 'resnet18', but demo has networks of its own: leave it empty"):
        asked(BACKBONE="resnet18")
    demo.hosted = lambda profile, name: replace(
        profile, size=len(name), jobs=tuple(job for job in profile.jobs if job in "abc")
    )
    assert asked(BACKBONE="resnet18", PROFILE="full")[0] == replace(CHECK, size=8)
    assert asked(BACKBONE="test_convnext", JOBS="c")[0] == replace(CHECK, size=13, jobs=("a", "c"))
    assert asked(JOBS="d")[0].size == 1
    with pytest.raises(InputError, match="with which d cannot be run: name some in JOBS of a, b, c"):
        asked(BACKBONE="resnet18", JOBS="a,d")
    demo.PROFILES = {**paper.PROFILES, "quick": replace(CHECK, jobs=("d",))}
    with pytest.raises(InputError, match="with which d cannot be run"):
        asked(BACKBONE="resnet18", PROFILE="quick")
    with pytest.raises(InputError, match="BACKBONE is 'resnet5x': timm has no network 'resnet5x'; nearest: resnet5"):
        asked(BACKBONE="resnet5x")


def test_jobs_may_be_any_and_bring_what_they_need(demo):
    demo.VARIANTS = {**paper.VARIANTS, "e": paper.Variant(after=("c", "b"))}
    demo.job = lambda name, profile, start: replace(
        paper.job("a", profile, start), name=name, after=demo.VARIANTS[name].after
    )
    for given, expected in {
        "a": ("a",),
        "c, a": ("a", "c"),
        "d,b": ("d", "b"),
        "e": ("a", "c", "b", "e"),
        "b,e,d": ("b", "a", "c", "e", "d"),
        "c,c": ("a", "c"),
    }.items():
        assert asked(JOBS=given)[0].jobs == expected
    assert asked()[0].jobs == ("a", "b", "c")


def test_a_wrong_job_lists_good_ones_of_all_studies(demo, add_study):
    with pytest.raises(InputError, match=r"unknown name in JOBS 'q'; choose from a, b, c, d, transfer$"):
        asked(JOBS="a,q")
    with pytest.raises(InputError, match=r"unknown name in JOBS 'transfr' \(did you mean transfer\?\)"):
        asked(JOBS="transfr")
    add_study("second", DATA_SETS=(), VARIANTS={"x": paper.Variant()}, job=lambda name, *own: paper.job("a", *own))
    with pytest.raises(InputError, match=r"unknown name in JOBS 'q'; choose from a, b, c, d, transfer, x$"):
        asked(JOBS="a,q")
    assert asked(JOBS="a,x")[0].jobs == ("a",)
    assert asked("second", JOBS="a,x")[0].jobs == ("x",)
    assert asked("second", JOBS="a") is None
    assert asked("second", BACKBONE="resnet50") is None  # refused by the first study, once
    with pytest.raises(InputError, match=r"JOBS is 'x': name one of the first study too: \('a', 'b', 'c'\)"):
        asked(JOBS="x")


def test_a_dry_run_cuts_every_training(demo, monkeypatch):
    monkeypatch.setattr(demo, "PROFILES", FLOWS)
    profile, _ = asked(STEPS=2)
    for recipe, whole in ((profile.recipe, FLOW.recipe), (profile.other, FLOW.other)):
        assert recipe == replace(whole, epochs=1, schedule="plateau", max_steps=2)
    assert asked()[0] == FLOW


def test_flow_is_for_papers_that_read_it(demo, add_study, monkeypatch):
    assert not reads_flow(demo)
    assert asked(FLOW="none") == asked()
    for algorithm in ("dis", "tvl1"):
        with pytest.raises(InputError, match=f"FLOW is '{algorithm}', but demo looks at RGB alone: leave it at 'auto'"):
            asked(FLOW=algorithm)
    second = add_study("second", DATA_SETS=("ucf101",), PROFILES=FLOWS)
    assert reads_flow(second)
    assert asked(FLOW="tvl1")[0] == CHECK  # the second study reads it
    assert asked("second", FLOW="tvl1")[0] == replace(FLOW, flow="tvl1")
    assert asked("second")[0] == FLOW
    assert asked("second", FLOW="none") is None
    assert asked(FLOW="none")[0] == CHECK
    monkeypatch.setattr(demo, "PROFILES", FLOWS)
    with pytest.raises(InputError, match="FLOW is 'none', but demo needs flow; choose from auto, tvl1, dis"):
        asked(FLOW="none")


def test_a_second_study_runs_on_its_data_sets(demo, add_study, tmp_path):
    add_study("second", DATA_SETS=("ucf101",), PROTOCOLS=())
    assert asked("second")[0] == CHECK
    assert on_videos(tmp_path, "second") == (replace(CHECK, size=3), FROM_SCRATCH)
    assert on_videos(tmp_path, "second", DATASET="folder") is None
    assert on_videos(tmp_path, DATASET="folder")[0] == replace(CHECK, size=3)


def test_a_second_study_starts_from_runs_of_its_own_alone(demo, add_study, tmp_path):
    add_study("second", DATA_SETS=("ucf101",))
    first, second = run(tmp_path), run(tmp_path, "second-run", study="second")
    (tmp_path / "net.pt").write_bytes(b"weights")
    assert on_videos(tmp_path, "second", INIT=first) is None
    assert on_videos(tmp_path, "second", INIT=str(tmp_path / "net.pt")) is None
    found = on_videos(tmp_path, "second", INIT=second)
    assert found == (replace(CHECK, jobs=("transfer",)), Start("kinetics400", tmp_path / "second-run", "0123456789"))
    with pytest.raises(InputError, match="a run of demo/second; one of demo is expected"):
        on_videos(tmp_path, INIT=second)


def test_all_flow_of_a_papers_studies(demo, add_study, monkeypatch):
    with pytest.raises(InputError, match="the studies of demo look at RGB alone on probe: they need no flow"):
        flow_settings(check("demo", {}, paper.SETS))
    add_study("second", DATA_SETS=(), PROFILES=FLOWS, job=with_flow, VARIANTS=dict.fromkeys("abcd", paper.Variant()))
    dis = FlowSettings(algorithm="dis", short_side=16)
    assert flow_settings(check("demo", {}, paper.SETS)) == (dis, replace(dis, warped=True))
    tvl1 = replace(dis, algorithm="tvl1")
    assert flow_settings(check("demo", {"FLOW": "tvl1"}, paper.SETS)) == (tvl1, replace(tvl1, warped=True))
    assert flow_settings(check("demo", {"JOBS": "a"}, paper.SETS)) == (dis,)
    large = replace(dis, short_side=32)
    found = flow_settings(check("demo", {"JOBS": "a,d"}, paper.SETS))
    assert found == (dis, large, replace(large, warped=True))
    with pytest.raises(InputError, match="they need no flow"):
        flow_settings(check("demo", {"JOBS": "transfer"}, paper.SETS))
    assert flow_settings(check("demo", {"JOBS": "a,c"}, paper.SETS)) == (dis,)


def test_studies_are_the_folders_with_experiments(demo, add_study):
    assert studies("demo") == ("",)
    other, first = add_study("zeta"), add_study("alpha")
    assert studies("demo") == ("", "alpha", "zeta")
    assert (module_of("demo"), module_of("demo", "zeta"), module_of("demo", "alpha")) == (demo, other, first)
    assert studies("istpa") == ("", "streams")


def test_seeds_for_tuning_have_a_probe_of_their_own(demo, tmp_path):
    assert asked(FIRST_SEED=99)[0] == CHECK
    assert asked(FIRST_SEED=100)[0] == replace(CHECK, probe=replace(CHECK.probe, seed=CHECK.probe.seed + 100))
    assert on_videos(tmp_path, FIRST_SEED=100)[0].jobs == on_videos(tmp_path)[0].jobs


def test_a_network_that_asks_for_weights_where_none_are_fails():
    with pytest.raises(LookupError, match="the weights of a are asked for"):
        no_weights("a")
