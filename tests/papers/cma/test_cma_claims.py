"""Verdicts that CMA's claims derive from more than two accuracies."""

import numpy as np
import pytest
from measured import measured

from videoattn.engine.rows import SHARES
from videoattn.papers.cma.claims import any_weight, claims, looked, of_turns, turn_accuracy
from videoattn.reporting.claims import FAILS, HOLDS, NOT_RUN, OPEN

SEEDS = range(6)


def curve(at_half: float, above: float, below: float = 0.1) -> list[float]:
    """Accuracy over the share of the first stream."""
    return [at_half if share == 0.5 else above if share > 0.5 else below for share in SHARES]


def noisy(value: float, seed: int) -> float:
    return value + 0.002 * (seed % 3)


def test_every_larger_weight_counts_against_the_best_of_two_streams():
    def said(above: float, half: float) -> str:
        ours = [curve(half, noisy(above, seed)) for seed in SEEDS]
        theirs = [curve(0.4, noisy(0.5, seed), below=0.3) for seed in SEEDS]
        return any_weight(measured("cma", {"cma-1-S": ours, "two-stream": theirs}, "sweep")).word

    assert said(0.8, half=0.2) == HOLDS  # equal weights are not asked about
    assert said(0.3, half=0.9) == FAILS
    assert any_weight(None).word == NOT_RUN
    dip = curve(0.9, 0.9)
    dip[-3] = 0.2  # one bad weight is enough
    record = measured("cma", {"cma-1-S": [dip] * 6, "two-stream": [curve(0.4, 0.5)] * 6}, "sweep")
    assert any_weight(record).word == FAILS


def test_turns_are_told_apart_from_colours():
    counts = np.zeros((4, 4), dtype=int)  # two colours, each with two turns
    counts[0, 0], counts[0, 2], counts[0, 1], counts[3, 1] = 3, 4, 2, 1  # right, colour wrong, turn wrong, colour wrong
    assert turn_accuracy(counts.tolist()) == pytest.approx(8 / 10)
    both, colours = np.diag([500] * 4), np.kron(np.eye(2, dtype=int), np.full((2, 2), 250))
    turns = np.kron(np.full((2, 2), 250), np.eye(2, dtype=int))
    for theirs, word in ((colours, HOLDS), (turns, OPEN)):  # the other knows colours alone; or all turns, too
        rows = {"cma-1-R": [both.tolist()] * 6, "two-stream": [theirs.tolist()] * 6}
        assert of_turns(measured("cma", rows, "confusion")).word == word
    assert of_turns(None).word == NOT_RUN


def test_where_the_blocks_look_is_said_for_each():
    rows = {"attention layer1.0": (0.40, 0.20, 36), "attention layer2.0": (0.30, 0.30, 9)}
    record = measured("cma", {row: [0.0] * 6 for row in rows})
    for result in record.results:
        share, area, keys = rows[result["job"]]
        result["metrics"][result["job"]] |= {"share": noisy(share, result["seed"]), "area": area, "keys": keys}
    verdict = looked(record)
    assert verdict.word != HOLDS  # the second does not
    assert "layer1.0, 36 keys: holds: 40.2 (40.0 to 40.4)% of it on 20% of the area" in verdict.said
    assert "layer2.0, 9 keys: " in verdict.said
    assert looked(None).word == looked(measured("cma", {"rgb": [0.5]})).word == NOT_RUN


@pytest.mark.parametrize(("third", "word"), [(0.9, HOLDS), (0.8, HOLDS), (0.5, FAILS)])
def test_iteration_3_may_bring_more_than_was_lost(third, word):
    record = measured("cma", {"cma-1-R": [noisy(0.8, s) for s in SEEDS], "cma-3-R": [noisy(third, s) for s in SEEDS]})
    (found,) = [claim.verdict for claim in claims(record) if claim.claim == "Iteration 3 brings it back"]
    assert found.word == word


def test_without_a_record_only_what_is_computed_is_said():
    words = [claim.verdict.word for claim in claims(None)]
    assert words.count(NOT_RUN) == len(words) - 3
