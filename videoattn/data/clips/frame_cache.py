"""Decoded images that stay in memory, so that small data sets are read once."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

KEPT_BYTES = 2 << 30  # of decoded images, in each process that loads clips
SHORT = 32  # frames of a video that is decoded as a whole for training: all of it costs little more than its last frame


class Kept:
    """Tensors of the images of videos, up to a number of bytes; what comes later is not kept.

    memory: bytes. images: (stream, video, time) -> one image; with another key, whatever its owner keeps.
    """

    def __init__(self, memory: int):
        self.left = memory
        self.images: dict[tuple[str, int, int], Tensor] = {}

    def keep(self, key: tuple[str, int, int], image: Tensor) -> bool:
        """Whether there was room for it."""
        if image.nbytes > self.left:
            return False
        self.images[key] = image
        self.left -= image.nbytes
        return True

    def absent(self, stream: str, video: int, wanted: np.ndarray) -> list[int]:
        """The times of `wanted` that are not here, sorted, each once."""
        return sorted({int(t) for t in wanted if (stream, video, int(t)) not in self.images})

    def read(self, stream: str, video: int, wanted: np.ndarray, read: Callable[[int, Sequence[int]], Tensor]) -> Tensor:
        """The images at the times `wanted`, stacked in front; `read(video, times)` gives those that are not here."""
        absent = self.absent(stream, video, wanted)
        fresh = dict(zip(absent, read(video, absent), strict=True)) if absent else {}
        for t, image in fresh.items():
            self.keep((stream, video, t), image)
        return torch.stack([fresh[int(t)] if int(t) in fresh else self.images[stream, video, int(t)] for t in wanted])
