"""How far two orderings of the same rows agree."""

from collections.abc import Sequence

from scipy.stats import kendalltau

from videoattn.errors import InputError
from videoattn.evaluation.metrics import mean_interval


def kendall(reference: Sequence[float], seeds: Sequence[Sequence[float]], level: float = 0.95) -> tuple[float, float]:
    """Agreement of an ordering with the one that each seed gives: mean of Kendall's tau-b over seeds, and half-width.

    Args:
        reference: a value for each row, such as a paper's accuracies.
        seeds: for each seed a value for each row, in the same order. A seed whose rows are all equal orders nothing:
            its tau is 0.

    Raises:
        InputError: fewer than two rows, a seed with another number of rows, or a reference whose values are all equal.
    """
    if len(reference) < 2 or len(set(reference)) < 2:
        raise InputError(f"reference {list(reference)}: at least two different values are needed for an order")
    wrong = [len(values) for values in seeds if len(values) != len(reference)]
    if wrong:
        raise InputError(f"a seed has {wrong[0]} rows, the reference {len(reference)}: they must be as many")
    taus = [kendalltau(reference, values).statistic if len(set(values)) > 1 else 0.0 for values in seeds]
    return mean_interval(taus, level)
