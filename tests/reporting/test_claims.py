"""Verdicts on claims: what the interval over seeds allows to be said."""

import pytest
from example import record

from videoattn.reporting.claims import judged
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
