"""Accuracies with their counts."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_confusion_matrix


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
