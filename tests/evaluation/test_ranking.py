"""Kendall's tau with its interval, against pairs counted one by one."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videoattn.errors import InputError
from videoattn.evaluation.metrics import mean_interval
from videoattn.evaluation.ranking import kendall


def tau_b(ours, theirs) -> float:
    """Concordant minus discordant pairs over the geometric mean of the pairs that each orders."""
    agree = ordered = ordered_theirs = 0
    for i, j in itertools.combinations(range(len(ours)), 2):
        a, b = ours[i] - ours[j], theirs[i] - theirs[j]
        agree += (a * b > 0) - (a * b < 0)
        ordered += a != 0
        ordered_theirs += b != 0
    return agree / math.sqrt(ordered * ordered_theirs) if ordered and ordered_theirs else 0.0


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=7))
def test_tau_is_that_of_the_pairs(rows):
    reference, *seeds = (list(column) for column in zip(*rows, strict=True))
    if len(set(reference)) == 1:
        reference[0] += 1
    mean, half = kendall(reference, seeds)
    expected = mean_interval([tau_b(reference, values) for values in seeds])
    assert (mean, half) == pytest.approx(expected)


def test_known_values():
    assert kendall([1, 2, 3, 4], [[10, 20, 30, 40]]) == (1.0, math.inf)
    assert kendall([1, 2, 3, 4], [[4, 3, 2, 1], [1, 2, 3, 4]])[0] == pytest.approx(0.0)
    assert kendall([1, 2, 3], [[5, 5, 5]])[0] == 0.0


@pytest.mark.parametrize(
    ("reference", "seeds", "message"),
    [([1], [[1]], "two different"), ([2, 2], [[1, 2]], "two different"), ([1, 2], [[1, 2, 3]], "3 rows")],
)
def test_what_cannot_be_ordered_is_refused(reference, seeds, message):
    with pytest.raises(InputError, match=message):
        kendall(reference, seeds)
