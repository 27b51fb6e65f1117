"""Verdicts on claims: what the interval over seeds allows to be said."""

from dataclasses import replace

import pytest
from example import record

from videoattn.reporting.claims import all_judged, joined, judged, ordered, word
from videoattn.reporting.printed import lines
from videoattn.reporting.tables import NOT_RUN

BASE = {0: 0.50, 1: 0.52, 2: 0.51}


@pytest.mark.parametrize(
    ("ours", "none", "verdict"),
    [
        ({0: 0.90, 1: 0.92, 2: 0.91}, False, "holds on the probe: +40.0 ± 0.0 points"),
        ({0: 0.10, 1: 0.12, 2: 0.11}, False, "does not hold on the probe: -40.0 ± 0.0 points"),
        ({0: 0.90, 1: 0.12, 2: 0.51}, False, "undecided on the probe: +0.0 ± 99.4 points"),
        ({0: 0.90, 1: 0.92, 2: 0.91}, True, "does not hold on the probe: +40.0 ± 0.0 points"),
        ({0: 0.90, 1: 0.12, 2: 0.51}, True, "agrees on the probe: +0.0 ± 99.4 points"),
        ({0: 0.90}, False, NOT_RUN),
    ],
)
def test_verdicts(ours, none, verdict):
    assert judged(record({"a": ours, "b": BASE}), "a", "b", claimed_none=none) == verdict


@pytest.mark.parametrize(
    ("mean", "said"), [(0.71, "holds"), (0.65, "undecided"), (0.45, "undecided"), (0.39, "does not hold")]
)
def test_words_between_two_bounds(mean, said):
    assert word(mean, 0.1, above=0.6, below=0.5) == said


def test_verdicts_are_joined_but_those_that_are_missing():
    assert joined({"a": "holds", "b": NOT_RUN, "c": "agrees"}) == "a: holds; c: agrees"
    assert joined({"a": NOT_RUN}) == joined({}) == NOT_RUN
    one = record({"a": {0: 0.9, 1: 0.92, 2: 0.91}, "b": BASE})
    assert (
        all_judged(one, {"over b": ("a", "b"), "over c": ("a", "c")})
        == "over b: holds on the probe: +40.0 ± 0.0 points"
    )
    assert all_judged(None, {"over b": ("a", "b")}) == NOT_RUN


def test_without_a_record_nothing_is_said():
    assert judged(None, "a", "b") == NOT_RUN


def test_the_order_of_a_table():
    found = [line for line in lines("rcca", "3") if line.row in ("R = 1", "R = 2", "R = 3")]
    rows = [line._replace(ours=f"r{r}") for r, line in enumerate(found, 1)]

    def said(values: list[float], **others: dict[int, float]) -> str:
        found = {f"r{r}": dict.fromkeys(range(3), value) for r, value in enumerate(values, 1)}
        return ordered(replace(record(found | others), paper="rcca"), rows)

    printed = [float(line.value) for line in rows]
    assert printed == sorted(printed)
    assert said([0.1, 0.2, 0.3]) == "agrees on the probe: Kendall's tau of 3 rows 1.00 ± 0.00"
    assert said([0.3, 0.2, 0.1]) == "does not agree on the probe: Kendall's tau of 3 rows -1.00 ± 0.00"
    assert said([0.1, 0.2, 0.3], r3={0: 0.3, 1: 0.0, 2: 0.0}).startswith("undecided on the probe: ")
    assert said([0.1, 0.2, 0.3], r3={0: 0.3}) == NOT_RUN  # other seeds
    assert ordered(None, rows) == ordered(record({}), rows) == NOT_RUN
    assert ordered(record({"r1": {0: 0.5}}), rows[:1]) == NOT_RUN  # one row has no order
