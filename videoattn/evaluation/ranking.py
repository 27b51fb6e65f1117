"""How far two orderings of the same rows agree."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import kendalltau, permutation_test

from videoattn.errors import InputError

ORDERS = 5040  # that are tried: all of up to seven rows


class Order(NamedTuple):
    """Kendall's tau-b, and how probable one as large, or as small, is if all orders are as probable."""

    tau: float
    p: float
    opposite: float


def order_p(reference: Sequence[float], values: Sequence[float]) -> Order:
    """Agreement of the values of some rows with a reference, such as a paper's accuracies of the same rows.

    Values that are all equal order nothing: their tau is 0.

    Raises:
        InputError: fewer than two rows, values of another number of rows, or a reference whose values are all equal.
    """
    if len(reference) < 2 or len(set(reference)) < 2:
        raise InputError(f"reference {list(reference)}: at least two different values are needed for an order")
    if len(values) != len(reference):
        raise InputError(f"{len(values)} values for {len(reference)} rows: they must be as many")
    if len(set(values)) < 2:
        return Order(0.0, 1.0, 1.0)

    def tau(order: np.ndarray) -> float:
        return kendalltau(reference, order).statistic

    def p(alternative: str) -> float:
        options = {"permutation_type": "pairings", "n_resamples": ORDERS, "rng": np.random.default_rng(0)}
        return float(permutation_test((np.asarray(values),), tau, alternative=alternative, **options).pvalue)

    return Order(float(tau(np.asarray(values))), p("greater"), p("less"))
