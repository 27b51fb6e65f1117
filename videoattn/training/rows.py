"""What a row of a table says: metrics of one job's scores, or of several jobs' fused."""

from collections.abc import Mapping

from torch import Tensor

from videoattn.evaluation.fusion import fuse, fused_by_search, sweep
from videoattn.evaluation.metrics import classification_metrics
from videoattn.training.jobs import Row

SHARES = tuple(i / 20 for i in range(21))  # weights of the first of two fused streams


def row_metrics(row: Row, found: Mapping[str, Mapping[str, Tensor]]) -> dict:
    """Metrics of a row; of two streams with given weights also the accuracy by share, and "weights" that were searched.

    Args:
        found: what `Study.scores` gives, by job.
    """
    scores = {f"{name} {stream}": found[name][stream] for name, stream, _ in row.parts}
    (protocol,) = {stream.partition(" ")[2] for _, stream, _ in row.parts}
    first = found[row.parts[0][0]]
    labels = first[f"labels {protocol}".rstrip()]
    if row.searched:
        held = {f"{name} {stream}": found[name][f"{stream} {row.searched}"] for name, stream, _ in row.parts}
        fused, weights = fused_by_search(scores, held, first[f"labels {row.searched}"])
        return classification_metrics(fused, labels) | {"weights": weights}
    metrics = classification_metrics(
        fuse(scores, {f"{name} {stream}": weight for name, stream, weight in row.parts}), labels
    )
    return metrics | ({"sweep": sweep(scores, labels, *scores, SHARES)} if len(scores) == 2 else {})
