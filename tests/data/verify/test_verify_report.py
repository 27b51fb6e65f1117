"""The file that keeps what a verification found: what it holds after a kill, and what it answers."""

import json
import resource
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videoattn.data.verify.report import Finding, default_report, open_report
from videoattn.errors import InputError, RunError

GOOD = Finding(
    name="A/1 é.avi",
    size=10,
    mtime=7,
    whole=True,
    limit=10.0,
    seconds=0.5,
    frames=25,
    height=48,
    width=64,
    fps=25.0,
    decoder="pyav",
    declared=26,
)
BAD = Finding(name="B/2.avi", size=0, mtime=0, whole=False, limit=10.0, seconds=0.0, reason="an empty file")


def kept(path):
    with open_report(path) as report:
        return dict(report.findings)


def test_a_line_for_each_finding_the_latest_counts(tmp_path):
    path = tmp_path / "new" / "report"
    with open_report(path) as report:
        assert report.findings == {}
        report.add(GOOD)
        assert json.loads(path.read_text())["frames"] == 25  # at once, not when the work ends
        report.add(BAD)
    with open_report(path) as report:
        report.add(replace(GOOD, frames=24))
    assert kept(path) == {GOOD.name: replace(GOOD, frames=24), BAD.name: BAD}
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["name"] for line in lines] == [GOOD.name, BAD.name, GOOD.name]
    assert lines[1] == {
        "name": "B/2.avi",
        "size": 0,
        "mtime": 0,
        "whole": False,
        "limit": 10.0,
        "seconds": 0.0,
        "reason": "an empty file",
    }


@given(st.data())
def test_a_kill_at_any_byte_costs_the_last_line_alone(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("cut") / "report"
    findings = [replace(GOOD, name=str(number)) for number in range(3)]
    with open_report(path) as report:
        for finding in findings:
            report.add(finding)
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    complete = whole[:cut].count(b"\n")
    with open_report(path) as report:
        assert list(report.findings.values()) == findings[:complete]
        report.add(BAD)  # not behind a torn line
    assert list(kept(path).values()) == [*findings[:complete], BAD]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("my notes\n", 1),
        ("my notes", 1),
        ('{"frames": 3}', 1),
        ("[1]\n", 1),
        ('{"name": "a"}\n', 1),
        ('{"name": "a", "frames": 3}\n{"name"', 1),
        ("{good}\ntorn\n{good}\n", 2),
    ],
)
def test_another_file_is_refused_and_left_as_it_is(tmp_path, text, line):
    with open_report(tmp_path / "good") as report:
        report.add(GOOD)
    path = tmp_path / "file"
    path.write_text(text.replace("{good}", (tmp_path / "good").read_text().strip()))
    before = path.read_bytes()
    with pytest.raises(InputError, match=f"file:{line}: this is no line of a report"):
        kept(path)
    assert path.read_bytes() == before


def test_two_processes_do_not_write_one_report(tmp_path):
    with open_report(tmp_path / "report"), pytest.raises(RunError, match="another process writes the report"):
        kept(tmp_path / "report")
    assert kept(tmp_path / "report") == {}


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="cannot write the report"):
        kept(tmp_path / "file" / "report")


def test_a_full_disk_is_told_once_and_keeps_what_is_done(tmp_path):
    path = tmp_path / "report"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill():
        with open_report(path) as report:
            report.add(GOOD)
            resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 10, before[1]))
            report.add(BAD)

    try:
        with pytest.raises(RunError, match=r"cannot write .*report: File too large; what it holds is kept"):
            fill()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_bytes().endswith(b'\n{"name": "')  # as much as there was place for
    assert kept(path) == {GOOD.name: GOOD}


def test_when_a_finding_still_holds():
    assert GOOD.answers((10, 7), whole=True, limit=10.0)
    assert GOOD.answers((10, 7), whole=False, limit=99.0)  # what was read is readable with more time, too
    assert not GOOD.answers((11, 7), whole=True, limit=10.0)
    assert not GOOD.answers((10, 8), whole=True, limit=10.0)
    assert BAD.answers((0, 0), whole=False, limit=5.0)
    assert not BAD.answers((0, 0), whole=True, limit=5.0)
    assert not BAD.answers((0, 0), whole=False, limit=10.5)


def test_the_default_place_is_of_the_folder_itself(tmp_path, monkeypatch):
    monkeypatch.setenv("VIDEOATTN_CACHE", str(tmp_path / "cache"))
    (tmp_path / "set").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "set")
    place = default_report("ucf101", tmp_path / "set")
    assert place.parent == tmp_path / "cache" / "verify"
    assert place.name.startswith("ucf101-")
    assert place.suffix == ".jsonl"
    monkeypatch.chdir(tmp_path)
    assert default_report("ucf101", tmp_path / "link") == default_report("ucf101", Path("set")) == place
    assert len({place, default_report("ucf101", tmp_path), default_report("folder", tmp_path / "set")}) == 3
