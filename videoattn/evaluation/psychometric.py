r"""Accuracy over the level of difficulty of what is tested, and the level at which a share of it is right.

Where clips of several levels x > 0 are mixed, the accuracy at a level is taken to be

(1)  p(x) = g + (1 - g - l) / (1 + exp(-b (ln x - a)))

with g the accuracy of guessing, which is known, and 0 <= l <= 0.06 the share that is missed at any level (F. Wichmann
and N. Hill, The psychometric function: I, 2001, section "The psychometric function"). a, b and l are those of the
greatest likelihood, of right clips at a level as binomial. b > 0: a larger x is easier.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import optimize, stats
from scipy.special import expit, xlogy
from torch import Tensor

from videoattn.errors import InputError
from videoattn.evaluation.intervals import LEVEL, Interval

AT = 0.75
LAPSES = 0.06
_SLOPE = (0.05, 20.0)  # of ln x: from hardly any effect of the level to a step


class AtLevel(NamedTuple):
    """How many of the clips of a level are right."""

    level: float
    right: int
    clips: int


def by_level(scores: Tensor, labels: Tensor, levels: Tensor) -> list[AtLevel]:
    """Counts by level, from the lowest level on, of scores (N, classes), labels (N,) and levels (N,)."""
    right = scores.argmax(1) == labels
    return [
        AtLevel(float(level), int(right[levels == level].sum()), int((levels == level).sum()))
        for level in levels.unique()
    ]


def level_at(counts: Sequence[AtLevel | Sequence[float]], *, chance: float, at: float = AT) -> float:
    """The level at which a share `at` is right, by Eq. (1).

    Returns:
        A level within those tested; 0 where even the lowest is above `at`, infinity where not even the highest is.

    Raises:
        InputError: fewer than two levels, one that is not above 0, or `at` not above chance.
    """
    x, right, clips = (np.asarray(column, dtype=float) for column in zip(*counts, strict=True))
    if len(x) < 2 or x.min() <= 0:
        raise InputError(f"levels {x.tolist()}: two or more are needed, all above 0")
    if not chance < at <= 1 - LAPSES:
        raise InputError(f"at={at}: expected more than chance, {chance:.2f}, and at most {1 - LAPSES}")

    def accuracy(values: Sequence[float], level: np.ndarray) -> np.ndarray:
        a, b, missed = values
        return chance + (1 - chance - missed) * expit(b * (np.log(level) - a))  # Eq. (1)

    def loss(values: np.ndarray) -> float:
        p = np.clip(accuracy(values, x), 1e-9, 1 - 1e-9)
        return -float(np.sum(xlogy(right, p) + xlogy(clips - right, 1 - p)))

    low, high = math.log(x.min()), math.log(x.max())
    span = high - low
    bounds = [(low - 2 * span, high + 2 * span), _SLOPE, (0.0, LAPSES)]
    starts = [(low + share * span, slope, 0.01) for share in (0.0, 0.25, 0.5, 0.75, 1.0) for slope in (1.0, 4.0)]
    found = min((optimize.minimize(loss, start, bounds=bounds) for start in starts), key=lambda result: result.fun)
    if accuracy(found.x, x.min()) > at:
        return 0.0
    if accuracy(found.x, x.max()) < at:
        return math.inf
    return math.exp(optimize.brentq(lambda logarithm: accuracy(found.x, np.exp(logarithm)) - at, low, high))


def level_interval(found: Sequence[float], level: float = LEVEL) -> Interval | None:
    """The interval of the geometric mean over seeds of what `level_at` gives, by Student's t of its logarithms.

    None where a seed's is outside the levels tested, or where there is one seed.
    """
    if len(found) < 2 or not all(0 < value < math.inf for value in found):
        return None
    logs = np.log(found)
    half = stats.t.ppf((1 + level) / 2, len(logs) - 1) * logs.std(ddof=1) / math.sqrt(len(logs))
    return Interval(math.exp(logs.mean() - half), math.exp(logs.mean() + half))
