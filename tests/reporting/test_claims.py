"""Verdicts on claims: what the interval over seeds allows to be said."""

from dataclasses import replace

import pytest
from example import record

from videoattn.reporting.audit import printed_value
from videoattn.reporting.claims import judged, ordered
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


def test_without_a_record_nothing_is_said():
    assert judged(None, "a", "b") == NOT_RUN


def test_the_order_of_a_table():
    rows = [(f"R = {r}", "Top-1", f"r{r}") for r in (1, 2, 3)]  # 91.4, 91.8, 92.5 in the paper

    def said(values: list[float], **others: dict[int, float]) -> str:
        found = {f"r{r}": dict.fromkeys(range(3), value) for r, value in enumerate(values, 1)}
        return ordered(replace(record(found | others), paper="rcca"), "3", rows)

    printed = [float(printed_value("rcca", "3", row, column)) for row, column, _ in rows]
    assert printed == sorted(printed)
    assert said([0.1, 0.2, 0.3]) == "agrees on the probe: Kendall's tau of 3 rows 1.00 ± 0.00"
    assert said([0.3, 0.2, 0.1]) == "does not agree on the probe: Kendall's tau of 3 rows -1.00 ± 0.00"
    assert said([0.1, 0.2, 0.3], r3={0: 0.3, 1: 0.0, 2: 0.0}).startswith("undecided on the probe: ")
    assert said([0.1, 0.2, 0.3], r3={0: 0.3}) == NOT_RUN  # other seeds
    assert ordered(None, "3", rows) == ordered(record({}), "3", rows) == NOT_RUN
    assert ordered(record({"r1": {0: 0.5}}), "3", rows[:1]) == NOT_RUN  # one row has no order
