"""Verdicts of RCCA-3D: the steps that are needed, the order of rows, and rows for each distance."""

import pytest
from measured import measured

from videoattn.engine.record import Record
from videoattn.papers.rcca.claims import claims, needed
from videoattn.reporting.claims import OPEN, UNKNOWN


def steps(pooled: list[float], place: list[float]) -> Record:
    """A record of pairs at distance 3 after two steps."""
    return measured("rcca", {"cells-r2 at 3": pooled, "place-r2 at 3": place})


@pytest.mark.parametrize(
    ("pooled", "place", "said"),
    [
        (
            0.9,
            0.5,
            "does not hold: for a pooled read-out, but it does for one at the place; with R = 2 pairs at distance ",
        ),
        (0.9, 0.9, "does not hold: for a pooled read-out; with R = 2 pairs at distance 3 reach 90.0 ["),
        (0.5, 0.5, "holds: with R = 2 pairs at distance 3 reach 50.0 ["),
    ],
)
def test_whether_two_steps_are_enough(pooled, place, said):
    assert str(needed(steps([pooled] * 5, [place] * 5))).startswith(said)


def test_wide_intervals_decide_nothing():
    assert needed(steps([0.9, 0.5, 0.6, 0.4, 0.5], [0.5] * 5)).word == OPEN
    assert needed(steps([0.5] * 3, [0.5] * 3)).reason == "3 seeds, where 5 are the least"
    assert needed(measured("rcca", {"cells-r2 at 3": [0.9]})) == needed(None) == UNKNOWN


def test_order_of_the_structures():
    best_first = {"cells-r3": 0.9, "cells-b": 0.8, "cells-c": 0.7, "cells-d": 0.6}  # as the paper has them
    same = measured("rcca", {row: [value] * 5 for row, value in best_first.items()})
    found = {claim.claim: claim.verdict for claim in claims(same)}
    assert str(found["Structure a is better than b, c and d"]) == "holds: Kendall's tau of 4 rows 1.00, p = 0.042"
    assert found["C' = C / 4 is best"] == UNKNOWN


def test_claims_stand_without_a_record():
    found = {claim.claim: claim.verdict for claim in claims(None)}
    assert found["Criss-cross attention relates distant positions"] == UNKNOWN
    assert str(found["30% fewer FLOPs than the non-local block"]).startswith(
        "does not hold: it does only between two un"
    )
