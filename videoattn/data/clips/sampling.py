r"""Segment sampling of temporal segment networks.

Wang et al., "Temporal segment networks: towards good practices for deep action recognition", ECCV 2016.

A clip of n frames (or flow fields) has S = n - length + 1 starts at which a snippet of `length` consecutive ones fits.
Segment i of K is the interval [i S / K, (i + 1) S / K) on the line of starts. Training draws a real position in each
interval, testing takes its centre; both are rounded down to a start.

Departures of `segment_starts`: the authors' code truncates S / K to an integer when training, so up to K - 1 starts at
the end are never drawn, and falls back to start 0 in every segment when S < K; here the segments cover all starts, and
when S < K neighbouring segments share a start. Where a centre is a whole number its floating point can fall short of
it, as for 7, 12 and 25 segments; here it never does.

`tsn_starts` and `window_starts` are the rules of the public code of TSN and TSM to the letter (yjxiong/tsn-pytorch,
dataset.py; mit-han-lab/temporal-shift-module, ops/dataset.py), for results that are set beside theirs.
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


def tsn_starts(
    frames: int, segments: int, length: int, rng: np.random.Generator | None = None, *, clips: int = 1
) -> np.ndarray:
    """One snippet start in each segment, as the code of TSN and TSM chooses it: int64 (clips, segments).

    With `rng` (training) segments are S // K starts long, and what is left at the end is not drawn; where S < K, all
    are drawn from all starts if there are more frames than segments, else all are 0. Without (testing) clip 0 has
    int(tick / 2 + i tick), tick = S / K in floating point, and clip 1, TSM's "twice sample", int(i tick). S is at least
    1. Raises InputError for a value below 1 and for more than two clips.
    """
    _positive({"frames": frames, "segments": segments, "length": length, "clips": clips})
    if clips > (2 if rng is None else 1):
        raise InputError(f"clips is {clips}; the code of TSM takes one or, in testing, two")
    starts = max(frames - length + 1, 1)
    index = np.arange(segments)
    if rng is None:
        tick = starts / segments
        return np.stack([tick / 2 + tick * index, tick * index])[:clips].astype(np.int64)
    if starts >= segments:
        found = index * (starts // segments) + rng.integers(starts // segments, size=segments)
    elif frames > segments:
        found = np.sort(rng.integers(starts, size=segments))
    else:
        found = np.zeros(segments, np.int64)
    return found[None]


def window_starts(frames: int, window: int, clips: int, rng: np.random.Generator | None = None) -> np.ndarray:
    """Where `clips` windows of consecutive frames begin, as in the dense sampling of TSM's code: int64 (clips,).

    Testing spreads them from 0 to the last start at which a window fits, both included; a single one begins at 0.
    Training (`rng`) draws any start but that last one. All are 0 where no window fits: indices then run past the end.
    Raises InputError for a value below 1.
    """
    _positive({"frames": frames, "window": window, "clips": clips})
    last = max(frames - window, 0)
    return np.linspace(0, last, clips, dtype=np.int64) if rng is None else rng.integers(max(last, 1), size=clips)


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
