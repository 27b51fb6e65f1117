"""What is said of the studies of a paper, the first and the others."""

import argparse
from dataclasses import replace

import pytest

from videoattn import published
from videoattn.engine.experiment import studies
from videoattn.engine.parameters import check
from videoattn.engine.record import Record, environment
from videoattn.engine.study import make_study
from videoattn.errors import RunError
from videoattn.papers import PAPERS
from videoattn.reporting import tables


def record(study: str, rows: dict[str, float]) -> Record:
    """A record of ISTPA's profile quick with three seeds, as its study would be recorded now."""
    own = make_study(check("istpa", {"PROFILE": "quick"}, ()), study)
    results = [
        {"job": row, "seed": seed, "metrics": {row: {"top1": top1}}, "wall_s": 60.0}
        for row, top1 in rows.items()
        for seed in range(3)
    ]
    return replace(
        own.record(),
        data={"train": 2, "test": 1, "classes": ["a", "b"]},
        results=results,
        environment=environment(),
        complete=True,
    )


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "repository", lambda: tmp_path)
    for study, row in (("", "mean"), ("streams", "rgb+flow")):
        own = record(study, {row: 0.25 if study else 0.75})
        own.save(tmp_path / "runs" / "istpa" / f"published-{study or 'first'}")
    return tmp_path / "runs" / "istpa"


def test_studies_of_a_paper_are_folders_with_experiments():
    more = {"banet": ("", "relation"), "istpa": ("", "streams")}
    assert {paper: studies(paper) for paper in PAPERS} == dict.fromkeys(PAPERS, ("",)) | more


def test_each_study_has_its_own_published_record(runs):
    assert tables.reference("istpa")[0] == runs / "published-first"
    assert tables.reference("istpa", "streams")[0] == runs / "published-streams"
    assert tables.reference("istpa", "third") is None


def test_a_section_shows_the_rows_of_each_study(runs):
    text = published.result_section("istpa")
    heads = [line.split("|")[1].strip() for line in text.splitlines() if "| top-1 %, probe" in line]
    assert heads == ["istpa", "istpa, streams"]
    lines = {
        line.split("|")[1].strip(): line.split("|")[2].strip() for line in text.splitlines() if line.count("|") == 4
    }
    assert lines["mean over the scores of the frames"].startswith("75.0 [")
    assert lines["RGB + flow, late fusion"].startswith("25.0 [")
    assert "Stale" not in text
    assert text.count("probe: 2 training and 1 test videos") == 2


def test_a_record_of_another_recipe_is_stale_in_its_own_study_alone(runs):
    own = tables.reference("istpa", "streams")[1]
    assert not published.is_stale(own)
    replace(own, digest="0" * 10).save(runs / "published-streams")
    assert published.result_section("istpa").count("**Stale") == 1
    assert published.is_stale(replace(own, study=""))


def test_a_record_from_a_tree_that_was_not_clean_is_marked(runs):
    folder, own = tables.reference("istpa", "streams")
    for clean in (True, False):
        replace(own, environment=own.environment | {"clean": clean}).save(folder)
        replace(tables.reference("istpa")[1], environment=own.environment | {"clean": True}).save(
            runs / "published-first"
        )
        assert published.result_section("istpa").count("**Its tree was not clean") == (not clean)


BEFORE_THE_RULE = {"published-quick-probe-7ae7d94361", "published-quick-probe-690d8daf5a"}  # see docs/history.md


def test_published_records_are_from_clean_trees():
    found = {
        folder.name: r for paper in PAPERS for s in studies(paper) for folder, r in tables.published(paper, s).items()
    }
    assert len(found) == 7
    assert {name for name, r in found.items() if not r.environment["clean"]} == BEFORE_THE_RULE


def test_a_broken_record_hinders_neither_the_list_nor_another_run(runs, monkeypatch, capsys):
    monkeypatch.setattr(published, "runs_root", lambda: runs.parent)
    (runs / "published-first" / "record.json").write_text("[]")
    last = replace(record("", {}), parameters={"INIT": "/nowhere/net.pt"})
    last.save(runs / "started")
    published.main_runs(argparse.Namespace(action="list"))
    shown = capsys.readouterr()
    streams, started = shown.out.splitlines()
    assert streams.startswith(f"{runs / 'published-streams'}: complete; ")
    assert started.startswith(f"{runs / 'started'}: complete, cannot be repeated (INIT is '/nowhere/net.pt'")
    assert shown.err.count("\n") == 1
    assert f"left out: {runs / 'published-first'}/record.json is no record" in shown.err
    with pytest.raises(RunError, match="published-first"):
        published.main_runs(argparse.Namespace(action="table", update=None))
