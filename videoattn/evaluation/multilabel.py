"""Videos with several labels, or none: a loss, and the metrics of Charades.

G. A. Sigurdsson et al. Hollywood in Homes: Crowdsourcing Data Collection for Activity Understanding. ECCV 2016; the
metrics are those of `Charades_v1_classify.m`, which comes with the data.

Average precision is computed here, since torchmetrics' groups equal scores, and squeezes scores outside [0, 1] through
a sigmoid, which makes more of them equal. Without ties, and of scores within [0, 1], both are the same.
"""

import torch
import torch.nn.functional as functional
from torch import Tensor

from videoattn.errors import InputError


def multilabel_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of a sigmoid for each class, the mean over videos and classes.

    Args:
        scores: (N, classes), any real number. labels: (N, classes) of 0 and 1, of any type.

    Raises:
        InputError: other shapes.
    """
    check_shapes(scores, labels)
    return functional.binary_cross_entropy_with_logits(scores, labels.to(scores.dtype))


def average_precision(scores: Tensor, labels: Tensor) -> Tensor:
    """Of each class the mean, over its positives, of the precision at their rank; not interpolated: (classes,) float64.

    Videos are ranked by falling score; of equal scores the first video comes first. Videos without any label come
    last, as if their scores were -inf. A class without a positive has no average precision: it is not a number.

    Args, errors: as for `charades_metrics`.
    """
    check_values(scores, labels)
    truth = labels.bool()
    ranked = scores.masked_fill(~truth.any(1, keepdim=True), -torch.inf)
    order = ranked.argsort(dim=0, descending=True, stable=True)
    hits = truth.gather(0, order).double()
    ranks = torch.arange(1, len(hits) + 1, dtype=hits.dtype, device=hits.device)
    precision = hits.cumsum(0) / ranks[:, None]
    return (precision * hits).sum(0) / hits.sum(0)


def charades_metrics(scores: Tensor, labels: Tensor) -> dict:
    """The metrics of a test set.

    Args:
        scores: (N, classes), larger where a class is likelier; -inf is possible, as for a video without a prediction.
        labels: (N, classes) of 0 and 1, of any type.

    Returns:
        "map": mean of the classes' average precisions. "wap": the same, weighted by their numbers of positives. Both
        are fractions. "ap": those of the classes, None without a positive. "positives": how many each class has.
        "videos": N.

    The official script gives no number at all where a class has no positive, which its own test set does not have. Here
    such a class is left out of the mean, and has the weight 0.

    Raises:
        InputError: other shapes, other labels, scores that are not a number, no positive at all.
    """
    found = average_precision(scores, labels)
    positives = labels.bool().sum(0)
    known = positives > 0
    if not known.any():
        raise InputError(f"none of {len(labels)} videos has a label: there is nothing to rank")
    return {
        "map": float(found[known].mean()),
        "wap": float((found * positives)[known].sum() / positives.sum()),
        "ap": [value if there else None for value, there in zip(found.tolist(), known.tolist(), strict=True)],
        "positives": positives.tolist(),
        "videos": len(labels),
    }


def check_shapes(scores: Tensor, labels: Tensor) -> None:
    """Raise `InputError` unless both have one shape (N, classes)."""
    if scores.dim() != 2 or scores.shape != labels.shape or not scores.numel():
        raise InputError(
            f"scores have shape {tuple(scores.shape)}, labels {tuple(labels.shape)}: (N, classes) is expected of both, "
            "with one video and one class at least"
        )


def check_values(scores: Tensor, labels: Tensor) -> None:
    """Raise `InputError` unless the shapes are right, all labels 0 or 1 and all scores numbers."""
    check_shapes(scores, labels)
    others = labels[(labels != 0) & (labels != 1)]
    if len(others):
        raise InputError(f"labels hold {others[0].item()}: 0 and 1 are expected, one for each class")
    if scores.isnan().any():
        raise InputError(f"{int(scores.isnan().sum())} of the scores are not a number: they cannot be ranked")
