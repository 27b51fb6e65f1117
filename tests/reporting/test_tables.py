"""Tables from records: numbers as they are printed."""

from dataclasses import replace

import pytest
from example import ENVIRONMENT, record

from videoattn import published
from videoattn.reporting import tables
from videoattn.reporting.printed import lines


def cells(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


@pytest.mark.parametrize(
    ("mean", "half", "signed", "shown"),
    [
        (0.98765, 0.0123, False, "98.8 ± 1.2"),
        (1.0, 0.0, False, "100.0 ± 0.0"),
        (0.5, float("inf"), False, "50.0"),
        (0.4, 0.05, True, "+40.0 ± 5.0"),
        (-0.031, float("inf"), True, "-3.1"),
        (-0.0004, 0.1, True, "+0.0 ± 10.0"),
    ],
)
def test_percent(mean, half, signed, shown):
    assert tables.percent(mean, half, signed=signed) == shown


def test_accuracy_is_the_mean_with_students_interval():
    one = record({"rgb": {0: 0.5, 1: 0.6, 2: 0.7}, "flow": {0: 0.25}})
    assert tables.accuracy(one, "rgb") == "60.0 ± 24.8"  # 4.3027 * 10 / sqrt(3)
    assert tables.accuracy(one, "flow") == "25.0"
    assert tables.accuracy(one, "rgb", "top5") == "100.0 ± 0.0"
    assert tables.accuracy(one, "none") == tables.NOT_RUN


def test_difference_is_paired_by_seed():
    one = record({"a": {2: 0.9, 0: 0.5, 1: 0.7}, "b": {0: 0.4, 1: 0.6, 2: 0.8}, "c": {0: 0.1, 1: 0.2}})
    mean, half = tables.difference(one, "a", "b")  # the same 0.1 for every seed, however far the seeds are apart
    assert (mean, half) == (pytest.approx(0.1), pytest.approx(0, abs=1e-12))
    assert tables.difference(one, "a", "c") is None
    assert tables.difference(one, "a", "none") is tables.difference(one, "none", "a") is None


def test_difference_of_other_seeds_is_none():
    assert tables.difference(record({"a": {0: 0.5, 1: 0.7}, "b": {0: 0.4, 2: 0.6}}), "a", "b") is None


def test_agreement_is_kendalls_tau_with_the_printed_values():
    rows = [line._replace(ours=ours) for line, ours in zip(lines("cma", "2")[::2], "abc", strict=True)]
    values = {"a": {0: 0.1, 1: 0.1}, "b": {0: 0.2, 1: 0.3}, "c": {0: 0.3, 1: 0.2}}  # 67.73 < 71.21 < 72.17
    mean, half = tables.agreement(record(values), rows)
    assert mean == pytest.approx((1 + 1 / 3) / 2)
    assert half == pytest.approx(12.7062 * (2 / 3) / 2, rel=1e-4)
    assert tables.agreement(record(values | {"c": {0: 0.3}}), rows) is None
    assert tables.agreement(record({"a": {0: 0.1}}), rows) is None
    assert tables.run(record({"a": {0: 0.1}, "c": {0: 0.1}}), rows) == [rows[0], rows[2]]
    assert tables.run(None, rows) == []


def test_the_caption_is_one_line():
    one = record({"rgb": {0: 0.5, 1: 0.6}})
    assert tables.caption(one) == (
        "probe: 20 training and 10 test videos of 2 classes; profile cpu, 2 seeds; 2 cores of A CPU; torch 2.0.0; "
        "1.5 minutes of training and testing, added up; run 0123456789"
    )
    hardware = ENVIRONMENT["hardware"] | {"gpu": "1 x A GPU"}
    other = record(
        {"rgb": {7: 0.5}}, environment=ENVIRONMENT | {"hardware": hardware}, parameters={"DATASET": "ucf101"}
    )
    assert tables.caption(other).startswith("ucf101: 20 training")
    dry_run = replace(other, parameters={"DATASET": "ucf101", "STEPS": 2})
    assert tables.caption(dry_run).startswith("a dry run of 2 steps and as many test videos at most; ucf101: 20")
    assert "profile cpu, 1 seed; 1 x A GPU; torch" in tables.caption(other)


def test_summary_names_rows_and_files(tmp_path):
    one = record({"rgb": {0: 0.5, 1: 0.5}, "flow": {0: 0.25}}, complete=False)
    one.save(tmp_path)
    (tmp_path / "log.csv").touch()
    head, table, state = published.summary(tmp_path).split("\n\n")
    assert head == tables.caption(one)
    assert cells(table)[0] == ["row", "top-1 %", "seeds"]
    assert cells(table)[2:] == [["rgb", "50.0 ± 0.0", "2"], ["flow", "25.0", "1"]]
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
