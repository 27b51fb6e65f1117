"""Accuracy over levels: known thresholds are found again; what lies outside the levels is said to."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from videoattn.errors import InputError
from videoattn.evaluation.psychometric import AtLevel, by_level, level_at, level_interval

LEVELS = np.array([0.1, 0.2, 0.4, 0.8, 1.6])


def expected(a: float, b: float, missed: float, chance: float, clips: int = 10_000) -> list[AtLevel]:
    """Counts as Eq. (1) has them, written with a tanh instead."""
    half = (1 - chance - missed) / 2
    p = chance + half * (1 + np.tanh(b / 2 * np.log(LEVELS / math.exp(a))))
    return [AtLevel(level, round(clips * share), clips) for level, share in zip(LEVELS, p, strict=True)]


@pytest.mark.parametrize(("a", "b", "missed", "chance"), [(-1.0, 3.0, 0.0, 0.125), (-0.5, 1.5, 0.04, 0.25)])
def test_a_known_level_is_found(a, b, missed, chance):
    share = (0.75 - chance) / (1 - chance - missed)
    level = math.exp(a + math.log(share / (1 - share)) / b)
    assert level_at(expected(a, b, missed, chance), chance=chance) == pytest.approx(level, rel=0.01)


def test_another_share():
    assert level_at(expected(-1.0, 3.0, 0.0, 0.0), chance=0.0, at=0.5) == pytest.approx(math.exp(-1.0), rel=0.01)


def test_a_lapse_is_no_threshold():
    """What is missed at every level alike does not move the level at which the rest is right."""
    free, lapsing = (level_at(expected(-1.0, 6.0, missed, 0.125), chance=0.125) for missed in (0.0, 0.05))
    assert lapsing == pytest.approx(free, rel=0.05)


def test_outside_of_the_levels():
    assert level_at([(x, 99, 100) for x in LEVELS], chance=0.125) == 0.0
    assert level_at([(x, 30, 100) for x in LEVELS], chance=0.125) == math.inf
    assert level_at([(x, 0, 100) for x in LEVELS], chance=0.125) == math.inf


def test_samples_scatter_around_it():
    rng = np.random.default_rng(0)
    truth = expected(-1.0, 3.0, 0.0, 0.125)
    found = [
        level_at([(x, rng.binomial(200, right / clips), 200) for x, right, clips in truth], chance=0.125)
        for _ in range(40)
    ]
    assert np.median(found) == pytest.approx(level_at(truth, chance=0.125), rel=0.05)
    assert max(found) / min(found) < 1.6


@pytest.mark.parametrize(
    ("counts", "at", "message"),
    [
        ([(1.0, 5, 10)], 0.75, r"levels \[1.0\]: two or more are needed"),
        ([(0.0, 5, 10), (1.0, 5, 10)], 0.75, "all above 0"),
        ([(1.0, 5, 10), (2.0, 5, 10)], 0.2, "more than chance, 0.25"),
        ([(1.0, 5, 10), (2.0, 5, 10)], 0.96, "at most 0.94"),
    ],
)
def test_what_has_no_level_is_refused(counts, at, message):
    with pytest.raises(InputError, match=message):
        level_at(counts, chance=0.25, at=at)


def test_counts_by_level():
    scores = torch.eye(3)[torch.tensor([0, 1, 2, 0, 1])]
    labels = torch.tensor([0, 1, 0, 0, 2])
    levels = torch.tensor([2.0, 0.5, 0.5, 2.0, 2.0])
    assert by_level(scores, labels, levels) == [(0.5, 1, 2), (2.0, 2, 3)]


def test_the_interval_is_that_of_logarithms():
    found = [0.2, 0.25, 0.3, 0.22, 0.28]
    low, high = level_interval(found)
    logs = stats.ttest_1samp(np.log(found), 0.0).confidence_interval(0.95)
    assert (math.log(low), math.log(high)) == pytest.approx((logs.low, logs.high))
    assert level_interval([0.2]) is None
    assert level_interval([0.2, 0.0, 0.3]) is None
    assert level_interval([0.2, math.inf, 0.3]) is None
