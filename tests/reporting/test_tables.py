"""Tables from records: numbers as they are printed."""

import math
from dataclasses import replace

import pytest
from example import ENVIRONMENT, record

from videoattn import published
from videoattn.evaluation.intervals import Interval, accuracy_interval
from videoattn.evaluation.psychometric import level_at, level_interval
from videoattn.reporting import tables
from videoattn.reporting.printed import lines


def cells(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


@pytest.mark.parametrize(
    ("value", "interval", "signed", "text"),
    [
        (0.98765, Interval(0.95, 0.99), False, "98.8 [95.0, 99.0]"),
        (1.0, Interval(0.9, 1.0), False, "100.0 [90.0, 100.0]"),
        (0.5, None, False, "50.0"),
        (0.4, Interval(0.35, 0.45), True, "+40.0 [+35.0, +45.0]"),
        (-0.031, None, True, "-3.1"),
        (-0.0004, Interval(-0.1, 0.1), True, "+0.0 [-10.0, +10.0]"),
    ],
)
def test_percent(value, interval, signed, text):
    assert tables.shown(value, interval, signed=signed) == text


def test_an_accuracy_is_the_mean_with_its_interval():
    one = record({"rgb": {0: 0.5, 1: 0.6, 2: 0.7}, "flow": {0: 0.25}})
    low, high = accuracy_interval([0.5, 0.6, 0.7], 2000)
    assert tables.accuracy(one, "rgb") == f"60.0 [{100 * low:.1f}, {100 * high:.1f}]"
    assert tables.accuracy(one, "flow") == "25.0"
    assert tables.accuracy(one, "rgb", "top5").startswith("100.0 [")
    assert tables.accuracy(one, "none") == tables.NOT_RUN


def test_a_metric_that_counts_no_videos_has_its_range():
    one = record({"rgb": {0: 0.5, 1: 0.6}})
    for result, value in zip(one.results, (0.3, 0.4), strict=True):
        result["metrics"]["rgb"]["map"] = value
    assert tables.accuracy(one, "rgb", "map") == "35.0 (30.0 to 40.0)"


def test_each_seed_is_told():
    one = record({"rgb": {0: 1.0, 1: 0.998, 2: 0.331}, "flow": {0: 0.254}})
    assert tables.each_seed(one, "rgb") == "33, 2 x 100"
    assert tables.each_seed(one, "flow") == "25"
    assert tables.each_seed(one, "none") == ""
    for result in one.results:
        result["training"] = {"accuracy": result["metrics"][result["job"]]["top1"], "slope": 0.01}
    assert tables.each_seed(one, "rgb") == "33, 2 x 100; 1 still learning"  # the others have no more to learn


def test_what_was_learnt_of_the_training_videos_is_told():
    one = record({"rgb": {0: 0.5, 1: 0.6}, "flow": {0: 0.25}})
    assert tables.learnt(one, "rgb") == ""
    for result, accuracy in zip(one.results, (0.992, 0.998, 0.4), strict=True):
        result["training"] = {"accuracy": accuracy, "slope": 0.0}
    assert [(r["job"], r["seed"]) for r in one.results] == [("rgb", 0), ("rgb", 1), ("flow", 0)]
    assert tables.learnt(one, "rgb") == "99.5 (99.2 to 99.8)"
    assert tables.learnt(one, "flow") == "40.0"
    assert tables.learnt(one, "none") == ""
    assert list(one.ends("rgb")) == [0, 1]


def test_an_order_is_of_the_seeds_that_all_rows_have():
    rows = [line._replace(ours=ours) for line, ours in zip(lines("cma", "2")[::2], "abc", strict=True)]
    values = {"a": {0: 0.1, 1: 0.15}, "b": {1: 0.3, 0: 0.2}, "c": {0: 0.3, 1: 0.2}}
    assert tables.order(record(values), rows) == [[0.1, 0.15], [0.2, 0.3], [0.3, 0.2]]
    assert tables.order(record(values | {"c": {1: 0.3, 7: 0.9}}), rows) == [[0.15], [0.3], [0.3]]
    assert tables.order(record(values | {"c": {7: 0.3}}), rows) is None
    assert tables.order(record({"a": {0: 0.1}}), rows) is None
    assert tables.order(record(values), rows[:1]) is None
    assert tables.run(record({"a": {0: 0.1}, "c": {0: 0.1}}), rows) == [rows[0], rows[2]]
    assert tables.run(None, rows) == []


def test_the_caption_is_one_line():
    one = record({"rgb": {0: 0.5, 1: 0.6}})
    assert tables.caption(one) == (
        "probe: 20 training and 10 test videos of 2 classes; profile quick, 2 seeds; 2 cores of A CPU; torch 2.0.0; "
        "1.5 minutes of training and testing, added up; run 0123456789"
    )
    hardware = ENVIRONMENT["hardware"] | {"gpu": "1 x A GPU"}
    other = record(
        {"rgb": {7: 0.5}}, environment=ENVIRONMENT | {"hardware": hardware}, parameters={"DATASET": "ucf101"}
    )
    assert tables.caption(other).startswith("ucf101: 20 training")
    dry_run = replace(other, parameters={"DATASET": "ucf101", "STEPS": 2})
    assert tables.caption(dry_run).startswith("a dry run of 2 steps and as many test videos at most; ucf101: 20")
    assert "profile quick, 1 seed; 1 x A GPU; torch" in tables.caption(other)


def test_summary_names_rows_and_files(tmp_path):
    one = record({"rgb": {0: 0.5, 1: 0.5}, "flow": {0: 0.25}}, complete=False)
    one.save(tmp_path)
    (tmp_path / "log.csv").touch()
    head, table, state = published.summary(tmp_path).split("\n\n")
    assert head == tables.caption(one)
    assert cells(table)[0] == ["row", "top-1 %", "each seed"]
    assert cells(table)[2:] == [["rgb", tables.accuracy(one, "rgb"), "2 x 50"], ["flow", "25.0", "25"]]
    lines = state.splitlines()
    assert lines[0] == "not complete: the same command goes on"
    assert lines[1:] == [f"  {tmp_path / 'record.json'}", f"  {tmp_path / 'log.csv'}"]
    record({}).save(tmp_path)
    assert "\n\ncomplete\n" in published.summary(tmp_path)
    record({}, parameters={"STEPS": 2}).save(tmp_path)
    assert "\n\ndry run complete\n" in published.summary(tmp_path)


@pytest.mark.parametrize(("classes", "told"), [(5, False), (6, True)])
def test_top_5_is_told_where_it_can_be_wrong(classes, told):
    table = tables.measured(record({"rgb": {0: 0.5}}, data={"classes": ["a"] * classes}))
    assert ("top-5 %" in cells(table)[0], "100.0" in cells(table)[2]) == (told, told)


def test_the_level_of_a_row():
    def one(*seeds):
        found = record({"a": dict.fromkeys(range(len(seeds)), 0.5)})
        for result, counts in zip(found.results, seeds, strict=True):
            result["metrics"]["a"]["levels"] = counts
        return found

    middle = [[0.5, 40, 100], [1.0, 70, 100], [2.0, 95, 100]]
    easier = [[0.5, 50, 100], [1.0, 80, 100], [2.0, 97, 100]]
    all_right, all_wrong = ([[level, right, 100] for level in (0.5, 1.0, 2.0)] for right in (99, 40))
    chance = one(middle).chance("a")
    each = [level_at(counts, chance=chance) for counts in (middle, easier)]
    low, high = level_interval(each)
    expected = f"{math.sqrt(each[0] * each[1]):.2g} [{low:.2g}, {high:.2g}]"
    assert tables.level(one(middle, easier), "a") == expected
    assert tables.level(one(middle), "a") == f"{each[0]:.2g}"
    assert tables.level(one(all_right, middle), "a") == "below 0.5 with 1 of 2 seeds"
    assert tables.level(one(all_right, all_wrong, all_wrong), "a") == (
        "below 0.5 with 1 of 3 seeds, above 2 with 2 of 3 seeds"
    )
    assert tables.level(one(middle), "b") == tables.NOT_RUN
