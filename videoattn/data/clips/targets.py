"""What a network is to say of a video: one class, a class of each head, or any number of classes."""

from functools import lru_cache

import torch
from torch import Tensor

from videoattn.data.clips import augment
from videoattn.data.datasets.videos import Sample, VideoList


def target(videos: VideoList, sample: Sample, mirrored: bool = False) -> int | Tensor:
    """The label of a video, as batches hold it.

    An int for one label; of several heads int64 (heads,), an index for each; of several labels float32 (classes,), 1
    for each that the video has and 0 for the others. mirrored: of its mirror image, which must be `flippable`.
    """
    labels = [_mirrored(classes)[label] if mirrored else label for classes, label in _labels(videos, sample)]
    if videos.multilabel:
        found = torch.zeros(len(videos.classes))
        found[labels] = 1
        return found
    return torch.tensor(labels) if videos.heads else labels[0]


def flippable(videos: VideoList, sample: Sample) -> bool:
    """Whether the mirror image of a video has a label, see `augment.mirrored`."""
    return all(_mirrored(classes)[label] is not None for classes, label in _labels(videos, sample))


def check_ten_crops(videos: VideoList) -> None:
    """Raise InputError where left and right tell classes of any head apart: five of ten crops would show another."""
    for classes in _heads(videos):
        augment.check_ten_crops(classes)


def stratum(videos: VideoList, sample: Sample) -> int | None:
    """The class, of several heads that of the first, of which a split takes its share; None with several labels."""
    return None if videos.multilabel else _labels(videos, sample)[0][1]


_mirrored = lru_cache(maxsize=16)(augment.mirrored)  # data sets with hundreds of classes are asked for every item


def _heads(videos: VideoList) -> list[tuple[str, ...]]:
    return [classes for _, classes in videos.heads] or [videos.classes]


def _labels(videos: VideoList, sample: Sample) -> list[tuple[tuple[str, ...], int]]:
    """Each label of a video with the classes that it is one of."""
    if videos.multilabel:
        return [(videos.classes, label) for label in sample.labels]
    if videos.heads:
        return list(zip(_heads(videos), sample.labels, strict=True))
    return [(videos.classes, sample.label)]
