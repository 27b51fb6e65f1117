"""Late fusion of the scores of several streams."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from videoattn.errors import InputError


def fuse(scores: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """Weighted sum of (videos, classes) scores, the weights brought to the sum 1.

    Frame-level and video-level fusion are the same, since the average over frames is linear.
    """
    absent = [stream for stream in weights if stream not in scores]
    total = sum(weights.values())
    if absent or total <= 0:
        raise InputError(f"weights {dict(weights)} do not fit the streams {', '.join(scores)}, or sum to 0 or less")
    return sum(scores[stream] * (weight / total) for stream, weight in weights.items())


def sweep(
    scores: Mapping[str, Tensor], labels: Tensor, first: str, second: str, shares: Sequence[float]
) -> list[float]:
    """Top-1 accuracy of `first` and `second` fused with weights share and 1 - share, for each share."""
    return [
        float((fuse(scores, {first: share, second: 1 - share}).argmax(1) == labels).float().mean()) for share in shares
    ]
