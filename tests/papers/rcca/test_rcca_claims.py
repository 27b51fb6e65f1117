"""Verdicts of RCCA-3D: the steps that are needed, the order of rows, and rows for each distance."""

from types import SimpleNamespace

import pytest
import torch

from videoattn.engine.record import Record
from videoattn.papers.rcca import inspection
from videoattn.papers.rcca.claims import claims, needed
from videoattn.reporting.tables import NOT_RUN


def record(accuracies: dict[str, dict[int, float]]) -> Record:
    """A record with a top-1 accuracy for each row and seed."""
    results = [
        {"job": row, "seed": seed, "metrics": {row: {"top1": top1}}, "wall_s": 1.0}
        for row, seeds in accuracies.items()
        for seed, top1 in seeds.items()
    ]
    return Record(paper="rcca", profile="quick", digest="0", parameters={}, recipe={}, data={}, results=results)


def steps(values: dict[str, list[float]]):
    """A record with the same accuracy for three seeds, a list over distances 1 to 3 for each row."""
    rows = {f"{row} at {d}": dict.fromkeys(range(3), v) for row, vs in values.items() for d, v in enumerate(vs, 1)}
    return record(rows)


@pytest.mark.parametrize(
    ("pooled", "place", "verdict"),
    [
        (
            0.9,
            0.5,
            "holds on the probe only for a read-out at the place: with R = 2 pairs at distance 3 reach 90.0 ± 0.0",
        ),
        (0.9, 0.9, "does not hold on the probe: "),
        (0.5, 0.5, "holds on the probe: "),
    ],
)
def test_whether_two_steps_are_enough(pooled, place, verdict):
    one = steps({"cells-r2": [1.0, 1.0, pooled], "place-r2": [1.0, 1.0, place]})
    assert needed(one).startswith(verdict)


def test_wide_intervals_decide_nothing():
    rows = {"cells-r2 at 3": {0: 0.9, 1: 0.5, 2: 0.6}, "place-r2 at 3": {0: 0.5, 1: 0.5, 2: 0.5}}
    assert needed(record(rows)).startswith("undecided on the probe: ")
    assert needed(record({"cells-r2 at 3": {0: 0.9}})) == needed(None) == NOT_RUN


def test_order_of_the_structures():
    best_first = {"cells-r3": 0.9, "cells-b": 0.8, "cells-c": 0.7, "cells-d": 0.6}  # as the paper has them
    same = record({row: dict.fromkeys(range(3), v) for row, v in best_first.items()})
    found = {claim.claim: claim.verdict for claim in claims(same)}
    assert found["Structure a is better than b, c and d"] == "agrees on the probe: Kendall's tau of 4 rows 1.00 ± 0.00"
    assert found["C' = C / 4 is best"] == NOT_RUN


def test_claims_stand_without_a_record():
    found = {claim.claim: claim.verdict for claim in claims(None)}
    assert found["Criss-cross attention relates distant positions"] == NOT_RUN
    assert found["30% fewer FLOPs than the non-local block"].startswith("only between two units, 30%")


def test_metrics_are_split_by_distance():
    names = ["a", "b", "c", "d"]
    videos = SimpleNamespace(samples=[SimpleNamespace(name=name) for name in names])
    data = SimpleNamespace(
        truth={"clips": {name: {"distance": d} for name, d in zip(names, (1, 3, 1, 3), strict=True)}},
        test=lambda job: SimpleNamespace(videos=videos),
    )
    scores = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    found = inspection.by_distance(data, SimpleNamespace(name="job"), None, {"rgb": scores}, torch.tensor([0, 1, 1, 1]))
    assert {row: metrics["top1"] for row, metrics in found.items()} == {"job at 1": 0.5, "job at 3": 1.0}
