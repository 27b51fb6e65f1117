"""Records: written and read back whole, or refused; runs that git keeps."""

import subprocess
from pathlib import Path

import pytest
import torch
from example import ENVIRONMENT, record

from videoattn.engine import record as record_module
from videoattn.engine.record import PACKAGES, environment, publish, read, records
from videoattn.errors import RunError
from videoattn.locations import repository


@pytest.fixture
def run(tmp_path):
    """The folder of a finished run."""
    folder = tmp_path / "runs" / "cma" / "cpu-probe-0123456789"
    record({"rgb": {0: 0.5}}).save(folder)
    for name in (
        "log.csv",
        "notebook.ipynb",
        "figures/a.png",
        "figures/b.png",
        "figures/notes.txt",
        "scores/rgb.pt",
        ".lock",
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def test_a_record_comes_back_as_it_was(tmp_path):
    written = record({"rgb": {0: 1 / 3, 1: 0.1}}, data={"classes": ["é", "b"]})
    written.save(tmp_path / "new" / "folder")
    assert read(tmp_path / "new" / "folder") == written
    written.results.clear()
    written.save(tmp_path / "new" / "folder")
    assert read(tmp_path / "new" / "folder").results == []
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == ["record.json"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: b"",
        lambda text: b"\xff\xfe" + text,
        lambda text: b"[1, 2]",
        lambda text: b"null",
        lambda text: b"{}",
        lambda text: text.replace(b'"paper"', b'"journal"'),
        lambda text: text.replace(b'"complete": true', b'"complete": "yes"'),
    ],
)
def test_what_is_no_record_is_refused(run, damage):
    path = run / "record.json"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(RunError, match=r"record\.json is no record: "):
        read(run)


def test_a_folder_without_a_record(tmp_path):
    with pytest.raises(RunError, match=r"holds no record\.json"):
        read(tmp_path)


def test_values_and_seeds_are_in_the_order_of_the_seeds():
    one = record({"rgb": {2: 0.2, 10: 0.9, 0: 0.1}, "flow": {1: 0.5}})
    assert one.seeds("rgb") == [0, 2, 10]
    assert one.values("rgb") == [0.1, 0.2, 0.9]
    assert one.values("flow", "top5") == [1.0]
    assert one.values("none") == one.seeds("none") == []
    assert [one.has("flow", seed) for seed in (0, 1)] == [False, True]
    assert not one.has("none", 1)


def test_the_records_of_a_paper(run):
    record({}, profile="gpu").save(run.with_name("a-first"))
    record({}, paper="aia").save(run.parents[1] / "aia" / "other")
    (run.parent / "no-run").mkdir()
    found = list(records(run.parents[1], "cma"))
    assert [(folder.name, r.profile) for folder, r in found] == [("a-first", "gpu"), (run.name, "quick")]
    assert list(records(run.parents[1], "rcca")) == []


def test_a_broken_record_is_left_out_with_a_line_unless_it_is_published(run, capsys):
    root, broken = run.parents[1], run.with_name("a-broken")
    broken.mkdir()
    (broken / "record.json").write_text("{")
    assert [folder for folder, _ in records(root, "cma")] == [run]
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"left out: {broken}/record.json is no record: Expecting property name")
    broken.rename(run.with_name("published-a"))
    with pytest.raises(RunError, match=r"published-a/record\.json is no record"):
        list(records(root, "cma"))
    assert [folder for folder, _ in records(root, "cma", strict=False)] == [run]
    assert capsys.readouterr().err.count("\n") == 1


def test_a_record_that_may_not_be_read_is_told(run):
    (run / "record.json").unlink()
    (run / "record.json").mkdir()
    with pytest.raises(RunError, match=r"record\.json cannot be read: Is a directory"):
        read(run)


def test_publish_copies_what_git_keeps(run):
    target = publish(run)
    assert target == run.parent / "published-cpu-probe-0123456789"
    copied = sorted(path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file())
    assert copied == ["figures/a.png", "figures/b.png", "log.csv", "notebook.ipynb", "record.json"]
    assert all((target / name).read_bytes() == (run / name).read_bytes() for name in copied)


def test_a_study_besides_the_first_is_published_without_a_notebook(run):
    (run / "notebook.ipynb").unlink()
    record({}, study="streams").save(run)
    target = publish(run)
    assert (target / "record.json").exists()
    assert not (target / "notebook.ipynb").exists()


def test_publish_refuses_a_run_that_is_not_finished(run):
    (run / "log.csv").unlink()
    with pytest.raises(RunError, match=r"has no log\.csv"):
        publish(run)
    record({}, complete=False).save(run)
    with pytest.raises(RunError, match="is not complete: run the same command again"):
        publish(run)
    (run / "log.csv").touch()
    record({}, environment=ENVIRONMENT | {"clean": False}).save(run)
    with pytest.raises(RunError, match="was made from a tree that was not clean"):
        publish(run)
    assert not run.with_name(f"published-{run.name}").exists()


def test_the_environment_names_versions_and_hardware():
    found = environment("cpu")
    assert found["versions"].keys() == {"python", *PACKAGES}
    assert found["versions"]["torch"] == torch.__version__.split("+")[0]
    assert found["hardware"].keys() == {"cpu", "cores", "memory_gib"}
    assert min(found["hardware"]["cores"], found["hardware"]["memory_gib"]) > 0


def test_the_hardware_is_that_of_the_machine(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"name of {device}")
    assert environment("cuda")["hardware"]["gpu"] == "2 x name of cuda"
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    assert not names or environment()["hardware"]["cpu"] == names[0].partition(":")[2].strip()


def test_the_commit_is_that_of_the_checkout_or_unknown(monkeypatch, tmp_path):
    git = ["git", "-C", str(repository()), "rev-parse", "HEAD"]
    found = subprocess.run(git, capture_output=True, text=True, check=False)
    assert environment()["commit"] == (found.stdout.strip() if found.returncode == 0 else None)
    monkeypatch.setattr(record_module, "repository", lambda: tmp_path)
    assert (environment()["commit"], environment()["clean"]) == (None, False)
