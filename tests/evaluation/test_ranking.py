"""Kendall's tau and its exact distribution."""

import pytest
from scipy.stats import kendalltau

from videoattn.errors import InputError
from videoattn.evaluation.ranking import order_p


@pytest.mark.parametrize("values", [[1, 2, 3, 4, 5], [5, 4, 3, 2, 1], [2, 1, 4, 3, 5], [3, 1, 2, 5, 4]])
def test_without_ties_the_probabilities_are_scipys(values):
    found = order_p([10, 20, 30, 40, 50], values)
    for name, value in (("greater", found.p), ("less", found.opposite)):
        exact = kendalltau([10, 20, 30, 40, 50], values, method="exact", alternative=name)
        assert (found.tau, value) == pytest.approx((exact.statistic, exact.pvalue))


def test_ties_are_counted():
    """Of the 6 orders of 1, 1, 2 two have the largest tau; by hand: tau-b = 2 / sqrt(3 * 2)."""
    found = order_p([1, 2, 3], [1, 1, 2])
    assert found == pytest.approx((2 / 6**0.5, 2 / 6, 1))


def test_equal_values_order_nothing():
    assert order_p([1, 2, 3], [5, 5, 5]) == (0, 1, 1)


@pytest.mark.parametrize(
    ("reference", "values", "said"),
    [([1], [1], "at least two"), ([2, 2], [1, 2], "at least two"), ([1, 2, 3], [1, 2], "2 values for 3 rows")],
)
def test_what_has_no_order(reference, values, said):
    with pytest.raises(InputError, match=said):
        order_p(reference, values)
