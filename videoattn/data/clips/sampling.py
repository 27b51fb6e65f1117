r"""Segment sampling of temporal segment networks.

Wang et al., "Temporal segment networks: towards good practices for deep action recognition", ECCV 2016.

A clip of n frames (or flow fields) has S = n - length + 1 starts at which a snippet of `length` consecutive ones fits.
Segment i of K is the interval [i S / K, (i + 1) S / K) on the line of starts. Training draws a real position in each
interval, testing takes its centre; both are rounded down to a start.

Departures: the authors' code truncates S / K to an integer when training, so up to K - 1 starts at the end are never
drawn, and falls back to start 0 in every segment when S < K; here the segments cover all starts, and when S < K
neighbouring segments share a start.
"""

import numpy as np

from videoattn.errors import InputError


def segment_starts(frames: int, segments: int, length: int, rng: np.random.Generator | None = None) -> np.ndarray:
    """One snippet start in each of `segments` equal segments.

    `frames` counts what the snippet is made of: frames, or flow fields (one fewer than frames). `rng` draws at random
    in the segment (training); None takes the centre (testing). Returns int64 (segments,), non-decreasing, each in
    [0, max(frames - length, 0)]. Where the clip is shorter than a snippet every start is 0 and the snippet runs past
    the end: `snippet_indices` then repeats the last index. Raises InputError for a value below 1.
    """
    _positive({"frames": frames, "segments": segments, "length": length})
    starts = max(frames - length + 1, 1)
    index = np.arange(segments, dtype=np.int64)
    if rng is None:
        return (2 * index + 1) * starts // (2 * segments)
    position = (index + rng.random(segments)) * starts / segments
    return np.minimum(position.astype(np.int64), starts - 1)  # rounding up to S itself is possible in floating point


def snippet_indices(starts: np.ndarray, length: int, frames: int) -> np.ndarray:
    """The `length` consecutive indices from each start, clamped to the last of `frames`: int64 (segments, length).

    Raises InputError for a value below 1.
    """
    _positive({"length": length, "frames": frames})
    return np.minimum(np.asarray(starts, np.int64)[:, None] + np.arange(length), frames - 1)


def _positive(values: dict[str, int]) -> None:
    for name, value in values.items():
        if value < 1:
            raise InputError(f"{name} is {value}; it must be at least 1")
