"""Decoded images that stay in memory, so that small data sets are read once."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

KEPT_BYTES = 2 << 30  # of decoded images, in each process that loads clips
SHORT = 32  # frames of a video that is decoded as a whole for training: all of it costs little more than its last frame


class FrameCache:
    """Images of videos in memory, up to a number of bytes; what comes later is not kept.

    memory: bytes. left: those that are free. items: whatever else is kept, under any key. A copy for another process is
    empty.
    """

    def __init__(self, memory: int):
        self.memory = self.left = memory
        self.items: dict[tuple, tuple] = {}
        self._kept: dict[tuple[str, int], tuple[np.ndarray, Tensor]] = {}  # row of each time, -1 for none; images

    def __reduce__(self):
        return FrameCache, (self.memory,)

    def take(self, count: int) -> bool:
        """Whether so many bytes were free; they are then taken."""
        free = count <= self.left
        self.left -= count if free else 0
        return free

    def has_all(self, stream: str, video: int, count: int) -> bool:
        """Whether all of the `count` images of a video are here."""
        kept = self._kept.get((stream, video))
        return kept is not None and len(kept[1]) == count

    def read(
        self, stream: str, video: int, wanted: np.ndarray, count: int, read: Callable[[int, np.ndarray], Tensor]
    ) -> Tensor:
        """Of the `count` images of a video those at the times `wanted`, stacked in front: (n, ...).

        `read(video, times)` gives those that are not here. The result may be what is kept: change a copy of it.
        """
        rows, images = self._kept.get((stream, video)) or (np.full(count, -1), None)
        place = rows[wanted]
        if place.min() < 0:
            absent = np.unique(wanted[place < 0])
            fresh = read(video, absent)
            rows = rows.copy()
            rows[absent] = np.arange(len(absent)) + (0 if images is None else len(images))
            images = fresh if images is None else torch.cat([images, fresh])
            if self.take(fresh.nbytes):
                self._kept[stream, video] = rows, images
            place = rows[wanted]
        if len(place) == len(images) and np.array_equal(place, np.arange(len(images))):
            return images
        return images.index_select(0, torch.from_numpy(place))
