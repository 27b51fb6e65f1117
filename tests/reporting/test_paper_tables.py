"""A run stands in the paper's tables only where its protocol is the paper's, and else says why not."""

import json
from dataclasses import replace

import pytest
from example import ENVIRONMENT
from example import record as small_record

from videoattn import published
from videoattn.engine.protocol import IMAGENET, Start
from videoattn.engine.recipe import dry_run, values
from videoattn.engine.record import Record
from videoattn.papers.istpa.experiments import PROTOCOLS as PYRAMID
from videoattn.papers.rcca.experiments import PAPER, PROTOCOLS
from videoattn.reporting.paper_tables import departures, filled_tables, paper_table
from videoattn.reporting.tables import accuracy

CHAIN = (("hmdb51", IMAGENET), ("hmdb51", "kinetics400"), ("kinetics400", IMAGENET))
HMDB, TUNED, KINETICS = (next(p for p in PROTOCOLS if (p.data_set, p.start) == own) for own in CHAIN)
COUNTS = dict.fromkeys((1, 2, 3), (3570, 1530))


def record(protocol=HMDB, *, split=1, top1=0.5, profile=None, start=None, **changes) -> Record:
    """A finished run of a protocol with two seeds, as its study would record it."""
    own = profile or replace(PAPER, **protocol.changes)
    start = start or Start(protocol.start)
    plan = values(own) | start.plan() | {"seeds": [0, 1], "data": ["a", f"b{split}"]}
    for name in ("max_unreadable", "probe"):
        del plan[name]
    rows = [(job, seed) for job in own.jobs for seed in (0, 1)]
    results = [
        {"job": job, "seed": seed, "metrics": {job: {"top1": top1 + seed / 100}}, "wall_s": 1.0} for job, seed in rows
    ]
    own_values = {
        "paper": "rcca",
        "profile": "paper",
        "digest": f"000000000{split}",
        "parameters": {"DATASET": protocol.data_set} | ({"SPLIT": split} if split > 1 else {}),
        "recipe": json.loads(json.dumps(plan)),
        "data": {"train": 3570, "test": 1530, "classes": ["a", "b"], "missing": 0},
        "results": results,
        "environment": ENVIRONMENT,
        "complete": True,
    }
    return Record(**own_values | changes)


def chained(folder, *, split=1, top1=0.5, digest=None, **before) -> Record:
    """A run on HMDB51 whose networks started from a run on Kinetics-400, which lies in `folder`."""
    first = replace(record(KINETICS, data={"train": 240436, "test": 19796, "classes": [], "missing": 0}), **before)
    first.save(folder / "first")
    start = Start("kinetics400", folder / "first", digest or first.digest)
    given = {"DATASET": "hmdb51", "INIT": str(folder / "first")} | ({"SPLIT": split} if split > 1 else {})
    return record(TUNED, split=split, top1=top1, start=start, parameters=given)


def found(own: Record, protocol=HMDB) -> list[str]:
    return departures(own, protocol, replace(PAPER, **protocol.changes), COUNTS)


def test_the_protocol_itself_has_no_departures():
    assert found(record()) == []
    assert found(record(split=2)) == []
    assert found(record(profile=replace(PAPER, jobs=("tsm-r3",), max_unreadable=0.5))) == []  # fewer rows


@pytest.mark.parametrize(
    ("own", "says"),
    [
        (replace(record(), profile="full"), "its profile is full, not paper"),
        (replace(record(), complete=False), "it is not complete"),
        (replace(record(), parameters={"DATASET": "hmdb51", "STEPS": 3}), "it is a dry run (STEPS=3)"),
        (record(start=Start("scratch")), "its networks start from scratch, not from imagenet"),
        (record(profile=replace(PAPER, dropout=0.8)), "dropout is 0.8, not 0.5"),
        (
            record(profile=replace(PAPER, recipe=replace(PAPER.recipe, lr=0.01))),
            "recipe.lr is 0.01, not 0.02",
        ),
        (record(profile=replace(PAPER, recipe=dry_run(PAPER.recipe, 2))), "recipe.max_steps is 2, not None"),
        (
            record(profile=replace(PAPER, uniform=replace(PAPER.uniform, test_crops=1))),
            "uniform.test_crops is 1, not 10",
        ),
        (record(profile=replace(PAPER, crops=(1,))), "crops is [1], not []"),
        (
            record(data={"train": 3569, "test": 1530, "classes": []}),
            "it has 3569 training and 1530 test videos, not 3570 and 1530",
        ),
    ],
)
def test_every_departure_is_named(own, says):
    assert says in found(own)


def test_a_protocol_that_cannot_be_the_papers_says_so():
    assert found(record(), replace(HMDB, departs="the weights are not public")) == ["the weights are not public"]


def test_many_differences_are_counted():
    other = replace(PAPER.recipe, epochs=2, batch_size=4, lr=1.0, weight_decay=0.0, accumulation=1, schedule="plateau")
    assert found(record(profile=replace(PAPER, recipe=other)))[-1] == "and 1 more values"


def test_a_table_with_what_was_measured():
    one = small_record({"two-stream": {0: 0.25, 1: 0.35}, "cma-1-R": {0: 0.99}})
    table = [
        [c.strip() for c in line.strip("|").split("|")]
        for line in paper_table(one, "2", data_set="Kinetics").splitlines()
    ]
    assert table[0] == ["model", "column", "paper, Kinetics, %", "here, probe, top-1 %"]
    assert table[2:] == [
        ["two-stream", "top-1", "71.21", accuracy(one, "two-stream")],
        ["CMA_iter1-R", "top-1", "72.17", "99.0"],
        [""],
        ["Not run: 1 of the paper's 3 rows."],
    ]
    assert paper_table(small_record({}), "2", data_set="Kinetics") == "Not run: 3 of the paper's 3 rows."


def test_each_metric_has_its_table():
    metrics = {"bn-both": {"map": 0.2, "wap": 0.3}, "bn-scales-3": {"map": 0.1, "wap": 0.2}}
    results = [{"job": job, "seed": 0, "metrics": {job: found}, "wall_s": 1.0} for job, found in metrics.items()]
    one = small_record({}, paper="istpa", parameters={"DATASET": "charades"}, results=results)
    first, second = filled_tables({1: one}, next(p for p in PYRAMID if p.data_set == "charades"))
    assert "split 1, mAP %" in first
    assert [line.split("|")[4].strip() for line in first.splitlines()[4:6]] == ["20.0", "10.0"]
    assert first.endswith("Not run: 2 of the paper's 4 rows.")
    assert "split 1, wAP %" in second
    assert [line.split("|")[4].strip() for line in second.splitlines()[4:]] == ["30.0"]


def test_tables_hold_the_papers_numbers_and_ours():
    tables = list(filled_tables({1: record()}, HMDB))
    assert [table.splitlines()[0] for table in tables] == ["**Table 5**", "**Table 8**"]
    assert "| TSM+RCCA*1 | HMDB51   | 52.55" in tables[0]
    assert "here, hmdb51, split 1, top-1 %" in tables[0]
    assert accuracy(record(), "tsm-r3") in tables[0]
    assert "MF-Net" not in tables[0]


def test_means_of_splits_wait_for_all_of_them():
    runs = {1: record(top1=0.5), 2: record(split=2, top1=0.53), 3: record(split=3, top1=0.59)}
    tables = list(filled_tables(runs, HMDB))
    assert [table.splitlines()[0] for table in tables] == ["**Table 5**", *["**Table 8**"] * 4, "**Table 9**"]
    assert "mean of splits 1, 2, 3" in tables[-1]
    assert tables[-1].splitlines()[-1].split("|")[4].strip() == "54.5"  # (50.5 + 53.5 + 59.5) / 3
    assert len(list(filled_tables({1: runs[1], 2: runs[2]}, HMDB))) == 3


def test_a_report_looks_for_the_other_splits(tmp_path):
    for split in (1, 2, 3):
        record(split=split).save(tmp_path / "rcca" / f"paper-hmdb51-{split}")
    record(split=2, profile=replace(PAPER, dropout=0.9), top1=0.9).save(tmp_path / "rcca" / "paper-hmdb51-0")
    fewer = replace(PAPER, jobs=("tsm-r3",))  # no departure, but another run
    record(split=2, profile=fewer, top1=0.9).save(tmp_path / "rcca" / "paper-hmdb51-000")
    chained(tmp_path, split=2, top1=0.9).save(tmp_path / "rcca" / "paper-hmdb51-00")
    (tmp_path / "rcca" / "published-broken").mkdir()
    (tmp_path / "rcca" / "published-broken" / "record.json").write_text("{")
    text = published.run_report(tmp_path / "rcca" / "paper-hmdb51-1")
    assert "**Table 9**" in text
    assert "mean of splits 1, 2, 3" in text
    assert text.splitlines()[-1].split("|")[4].strip() == "50.5"


def test_a_report_of_other_runs_says_why_not(tmp_path):
    small = tmp_path / "rcca" / "quick-hmdb51-1"
    replace(record(), profile="quick").save(small)
    said = "Not set beside the paper's tables (sections 4.2 to 4.6, tables 5, 8 and 9), since its profile is quick"
    assert published.run_report(small).endswith(f"{said}, not paper.")
    replace(record(), parameters={"DATASET": "diving48"}).save(small)
    assert published.run_report(small).endswith("The paper has no results on diving48.")
    replace(record(), parameters={}).save(small)
    assert "paper" not in published.run_report(small).splitlines()[-1]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, ""),
        ({"profile": "quick"}, "the run that it started from is not the paper's: its profile is quick, not paper"),
        ({"parameters": {"DATASET": "kinetics400", "STEPS": 2}}, "is not the paper's: it is a dry run (STEPS=2)"),
        ({"complete": False}, "is not the paper's: it is not complete"),
        ({"digest": "another"}, "the run that it started from, another, no longer lies in"),
    ],
)
def test_a_chain_is_the_papers_in_each_link(tmp_path, changes, says):
    own = tmp_path / "rcca" / "paper-hmdb51-1"
    chained(tmp_path, **changes).save(own)
    text = published.run_report(own)
    assert ("Not set beside" in text) == bool(says)
    assert says in text
    assert ("| TSM + RCCA-3D Kinetics-400" in text) == (not says)


def test_a_chain_whose_first_run_is_gone_cannot_be_judged(tmp_path):
    own = tmp_path / "rcca" / "paper-hmdb51-1"
    chained(tmp_path).save(own)
    (tmp_path / "first" / "record.json").unlink()
    assert "the run that it started from cannot be judged: " in published.run_report(own)
