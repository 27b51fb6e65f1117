"""Late fusion of the scores of several streams, with weights that are given or searched."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, pairwise
from math import isclose

from torch import Tensor

from videoattn.errors import InputError


def fuse(scores: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """Sum of the streams' scores, each (videos, classes), with weights that are first divided by their sum.

    Fusing the scores of frames and those of videos is the same, since the average over frames is linear.

    Raises:
        InputError: a weight for a stream without scores, or weights with a sum of 0 or less.
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


def searched_weights(scores: Mapping[str, Tensor], labels: Tensor, *, step: float = 0.05) -> dict[str, float]:
    """The weights, multiples of `step` with the sum 1, whose fused scores are right most often.

    Weights that were searched on the videos of a result make it too good: search them on a part of the training set
    (`data.clips.held_out`) that the networks were not trained on, then fuse the scores of the test set by them.

    Among equally good weights the nearest to equal ones are taken, among those the ones with more weight on the streams
    that come first. Scores are not scaled: streams of different scales should be brought to one before.

    Args:
        scores: (videos, classes) of at least two streams. labels: (videos,).
        step: 1 / step is a whole number; with 0.05 there are 21 candidates of 2 streams, 231 of 3, 1771 of 4.

    Raises:
        InputError: fewer than two streams, scores that are not finite or do not fit the labels, or an impossible step.
    """
    check_scores(scores, labels)
    parts = round(1 / step) if 0 < step <= 1 else 0
    if not parts or not isclose(parts * step, 1):
        raise InputError(f"step={step}: 1 / step must be a whole number, such as that of 0.05")

    def weights(shares: tuple[int, ...]) -> dict[str, float]:
        return {stream: share / parts for stream, share in zip(scores, shares, strict=True)}

    def merit(shares: tuple[int, ...]) -> tuple[int, int, tuple[int, ...]]:
        right = int((fuse(scores, weights(shares)).argmax(1) == labels).sum())
        return right, -sum(share**2 for share in shares), shares

    return weights(max(compositions(parts, len(scores)), key=merit))


def fused_by_search(
    scores: Mapping[str, Tensor], held_out: Mapping[str, Tensor], labels: Tensor, *, step: float = 0.05
) -> tuple[Tensor, dict[str, float]]:
    """Late fusion of test scores by weights searched on held-out videos; the fused scores and the weights.

    The scores of each stream are first divided by their standard deviation on the held-out videos, so that margins of
    SVMs and scores of networks are of one scale. A stream whose scores do not vary there stays as it is.

    Args:
        scores: (videos, classes) of each stream on the test set. held_out, labels: the same of the held-out videos.

    Raises:
        InputError: as `searched_weights`; or `scores` and `held_out` are of different streams.
    """
    if scores.keys() != held_out.keys():
        raise InputError(
            f"test scores of {', '.join(scores)}, held-out scores of {', '.join(held_out)}: must be the same"
        )
    scale = {stream: found.double().std().item() or 1.0 for stream, found in held_out.items()}
    weights = searched_weights({stream: found / scale[stream] for stream, found in held_out.items()}, labels, step=step)
    return fuse({stream: found / scale[stream] for stream, found in scores.items()}, weights), weights


def compositions(total: int, parts: int) -> Iterator[tuple[int, ...]]:
    """All ways to write `total` as a sum of `parts` numbers of at least 0, in order."""
    for bars in combinations(range(1, total + parts), parts - 1):
        yield tuple(right - left - 1 for left, right in pairwise((0, *bars, total + parts)))


def check_scores(scores: Mapping[str, Tensor], labels: Tensor) -> None:
    """Raise `InputError` unless there are finite scores of at least two streams for the same videos and classes."""
    shapes = {stream: tuple(found.shape) for stream, found in scores.items()}
    if len(scores) < 2:
        raise InputError(f"scores of {', '.join(scores) or 'no stream'}: at least two streams are expected")
    if len(set(shapes.values())) > 1 or any(len(s) != 2 or s[:1] != labels.shape or not s[0] for s in shapes.values()):
        raise InputError(f"scores {shapes} do not fit labels {tuple(labels.shape)}: (videos, classes) and (videos,)")
    broken = [stream for stream, found in scores.items() if not found.isfinite().all()]
    if broken:
        raise InputError(f"scores of {', '.join(broken)} are not finite")
    classes = next(iter(shapes.values()))[1]
    if labels.min() < 0 or labels.max() >= classes:
        raise InputError(f"labels from {int(labels.min())} to {int(labels.max())} do not fit {classes} classes")
