r"""Intervals of accuracies over seeds, of their differences, and paired tests.

A row of a table is n networks trained with n seeds and tested on the same N videos. Seed i has k_i of N right:

(1)  k_i ~ Binomial(N, p_i),  p_i ~ Beta(mu kappa, (1 - mu) kappa)

mu is the accuracy on these videos over all seeds, kappa says how alike seeds are: below 1 a network learns the task or
does not. Flat priors on mu and on kappa^(-1/2) (A. Gelman et al., Bayesian Data Analysis, 3rd edition, section 5.3).
The videos are a sample, too, and the same for all seeds, so that more seeds do not make them more:

(2)  accuracy on all videos of the kind | mu  ~  Beta(N mu + 1/2, N (1 - mu) + 1/2)

Intervals are of the mean over seeds in the sense of (2), equal-tailed, but one-sided where no video, or every one, is
right (L. Brown, T. Cai and A. DasGupta, Interval Estimation for a Binomial Proportion, 2001, section 4.1.2), and as
wide as it takes to hold what was measured. They stay in [0, 1]. A failure that comes once in ten seeds and has not come
is not in them: read how many seeds there are.
"""

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats
from scipy.special import betaln, expit, logit

from videoattn.errors import InputError

LEVEL = 0.95
_LOG_ODDS = (-9.0, 9.0)  # of mu
_POINTS = 201
_NOTHING = 1e-6  # of the probability, on either side of the finer grid
_KAPPA = np.linspace(0.02, 3, 50) ** -2.0
_QUANTILES = (np.arange(400) + 0.5) / 400
EXACT = 14  # seeds up to which all signs are tried


class Interval(NamedTuple):
    """From `low` to `high`."""

    low: float
    high: float


def accuracy_interval(values: Sequence[float], videos: int, level: float = LEVEL) -> Interval:
    """The interval of the mean accuracy.

    Args:
        values: of each seed, from 0 to 1. videos: N, on which each is measured.

    Raises:
        InputError: no value, one outside [0, 1], fewer than one video.
    """
    mu, below = _posterior(_checked(values, videos), videos)

    def quantile(at: float) -> float:
        return float(np.interp(at, below, mu))

    if min(values) == 1:
        return Interval(quantile(1 - level), 1.0)
    if max(values) == 0:
        return Interval(0.0, quantile(level))
    low, high, mean = quantile((1 - level) / 2), quantile((1 + level) / 2), float(np.mean(values))
    return Interval(min(low, mean), max(high, mean))


def difference_interval(
    values: Sequence[float], baseline: Sequence[float], videos: int, level: float = LEVEL
) -> Interval:
    """The interval of the difference of two mean accuracies on the same videos, as if the rows were independent.

    Rows that share seeds, videos and earlier trainings vary together, so that it is rather too wide.

    Raises:
        InputError: as `accuracy_interval`.
    """
    posteriors = (_posterior(_checked(row, videos), videos) for row in (values, baseline))
    quantiles = [np.interp(_QUANTILES, below, mu) for mu, below in posteriors]
    differences = np.subtract.outer(*quantiles)
    tail, found = (1 - level) / 2, float(np.mean(values) - np.mean(baseline))
    low, high = map(float, np.quantile(differences, (tail, 1 - tail)))
    return Interval(min(low, found), max(high, found))


def paired_interval(values: Sequence[float], baseline: Sequence[float], videos: int, level: float = LEVEL) -> Interval:
    """The interval of the difference of two rows in which one network has a part, seed by seed, on the same videos.

    Where its training fails, both rows do, so that their difference varies less than they: Student's t over seeds, and
    the sampling of the videos, as if the rows were independent in that, added as variances.

    Raises:
        InputError: as `accuracy_interval`; rows of other lengths.
    """
    for row in (values, baseline):
        _checked(row, videos)
    if len(values) != len(baseline):
        raise InputError(f"{len(values)} and {len(baseline)} seeds cannot be paired")
    differences = np.asarray(values, dtype=float) - np.asarray(baseline, dtype=float)
    means = np.array([np.mean(values), np.mean(baseline)])
    tail = (1 + level) / 2
    seeds = stats.t.ppf(tail, len(values) - 1) * stats.sem(differences) if len(values) > 1 else 1.0
    sampled = stats.norm.ppf(tail) * math.sqrt(float((means * (1 - means)).sum()) / videos)
    half, found = math.hypot(seeds, sampled), float(differences.mean())
    return Interval(max(-1.0, found - half), min(1.0, found + half))


def paired_p(values: Sequence[float], baseline: Sequence[float]) -> float:
    """How probable it is that the mean difference over paired seeds is as large as found, if its signs are chance.

    The one-sided sign-flip test of scipy; exact up to `EXACT` seeds, so that n seeds give at least 2^-n.

    Raises:
        InputError: rows of other lengths, or without a value.
    """
    if len(values) != len(baseline) or not values:
        raise InputError(f"{len(values)} and {len(baseline)} seeds cannot be paired")
    differences = np.asarray(values, dtype=float) - np.asarray(baseline, dtype=float)
    found = stats.permutation_test(
        (differences,),
        np.mean,
        permutation_type="samples",
        alternative="greater",
        n_resamples=2**EXACT,
        rng=np.random.default_rng(0),
    )
    return float(found.pvalue)


def _checked(values: Sequence[float], videos: int) -> tuple[int, ...]:
    """How many videos each seed has right."""
    if not len(values) or videos < 1:
        raise InputError(f"{len(values)} values of {videos} videos: an interval needs at least one of each")
    wrong = [value for value in values if not 0 <= value <= 1]
    if wrong:
        raise InputError(f"{wrong[0]} is no accuracy: a number from 0 to 1 is expected")
    return tuple(sorted(round(value * videos) for value in values))


@functools.lru_cache(maxsize=4096)
def _posterior(right: tuple[int, ...], videos: int) -> tuple[np.ndarray, np.ndarray]:
    """The accuracy on all videos of the kind: points from 0 to 1, and the probability that it is below each."""
    mu, density = _on_grid(right, videos, *_LOG_ODDS)
    inside = np.flatnonzero((np.cumsum(density) > _NOTHING) & (np.cumsum(density[::-1])[::-1] > _NOTHING))
    mu, density = _on_grid(right, videos, *logit(mu[[max(0, inside[0] - 1), min(_POINTS - 1, inside[-1] + 1)]]))
    return mu, np.cumsum(density) - density / 2


def _on_grid(right: tuple[int, ...], videos: int, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """Points between two log-odds, and the probability of each."""
    mu = expit(np.linspace(low, high, _POINTS))
    width = mu * (1 - mu)  # of a step, but for a factor
    a, b = mu[:, None] * _KAPPA, (1 - mu[:, None]) * _KAPPA
    counts, times = np.unique(right, return_counts=True)
    k = counts[:, None, None]
    likelihood = np.tensordot(times, betaln(k + a, videos - k + b) - betaln(a, b), axes=1)  # Eq. (1)
    seeds = np.exp(likelihood - likelihood.max()).sum(1) * width
    sampled = stats.beta.logpdf(mu, videos * mu[:, None] + 0.5, videos * (1 - mu[:, None]) + 0.5)  # Eq. (2)
    rows = np.exp(sampled - sampled.max(1, keepdims=True)) * width
    density = seeds @ (rows / rows.sum(1, keepdims=True))
    return mu, density / density.sum()
