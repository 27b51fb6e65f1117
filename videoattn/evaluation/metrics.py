"""Accuracies with their counts, and intervals over seeds."""

from collections.abc import Sequence

import numpy as np
from scipy import stats
from torch import Tensor
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_confusion_matrix

from videoattn.errors import InputError


def classification_metrics(scores: Tensor, labels: Tensor) -> dict:
    """Accuracies of scores (N, classes) for labels (N,), as fractions, with the counts behind them.

    Returns:
        "top1", "top5": accuracies. "mean_class": mean of the top-1 accuracies of the classes that have videos.
        "videos": N. "confusion": counts, (classes, classes) nested lists, rows are true classes.
    """
    classes = scores.shape[1]
    options = {"num_classes": classes, "average": "micro"}
    confusion = multiclass_confusion_matrix(scores, labels, num_classes=classes)
    videos = confusion.sum(1)
    return {
        "top1": float(multiclass_accuracy(scores, labels, top_k=1, **options)),
        "top5": float(multiclass_accuracy(scores, labels, top_k=min(5, classes), **options)),
        "mean_class": float((confusion.diag() / videos)[videos > 0].mean()),
        "videos": len(labels),
        "confusion": confusion.tolist(),
    }


def class_gains(confusion: Sequence, baseline: Sequence) -> list[tuple[int, float, int]]:
    """Where `confusion` beats `baseline`, both counts with the true classes as rows.

    Returns:
        (class, gain in accuracy, the class that the baseline most often took it for), largest gain first.
    """
    ours, theirs = np.asarray(confusion), np.asarray(baseline)
    videos = np.maximum(theirs.sum(1), 1)
    gain = np.diag(ours) / np.maximum(ours.sum(1), 1) - np.diag(theirs) / videos
    wrong = theirs.copy()
    np.fill_diagonal(wrong, -1)
    return [(int(c), float(gain[c]), int(wrong[c].argmax())) for c in np.argsort(-gain, kind="stable")]


def mean_interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """Mean and half-width of Student's t interval; the half-width is infinite for a single value."""
    values = np.asarray(values, dtype=float)
    if not len(values):
        raise InputError("an interval needs at least one value")
    if len(values) == 1:
        return float(values[0]), float("inf")
    half = stats.t.ppf((1 + level) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean()), float(half)


def paired_difference(values: Sequence[float], baseline: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """Mean and half-width of the differences of two rows measured with the same seeds in the same order."""
    if len(values) != len(baseline):
        raise InputError(f"{len(values)} and {len(baseline)} seeds cannot be paired")
    return mean_interval(np.asarray(values, dtype=float) - np.asarray(baseline, dtype=float), level)
