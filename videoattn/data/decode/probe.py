"""What a video file holds: how many of its frames decode, of what size, and when each is shown.

A short clip is decoded once, to find out. Of a long one the packets alone are read, and its ends decoded.
"""

import itertools
import os
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from videoattn.data.decode import pyav as decode_pyav
from videoattn.data.decode.pyav import UPRIGHT, Pictures, Refused, count_by_time, times_of, turn_of

DECORD_CODECS = ("h264", "mpeg4", "vp8", "vp9")
DECORD_FORMATS = ("yuv420p", "yuvj420p")
_AT = 1e-6  # seconds by which two moments may differ and be the same


@dataclass(frozen=True)
class Look:
    """What was seen of a file. frames, height, width, fps, timed: as in `decode.VideoInfo`.

    plain: nothing speaks against decord so far. shown: when the frames are shown, in seconds by the container's clock,
    ascending; empty where it does not tell. tick: of this clock, in seconds.
    """

    frames: int
    height: int
    width: int
    fps: float
    timed: bool
    plain: bool
    shown: np.ndarray
    tick: float


def look(path: str) -> Look:
    """Of a file; remembered while it does not change. Raises Refused, and what PyAV raises."""
    status = os.stat(path)
    return _look(path, status.st_ino, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _look(path: str, *_: int) -> Look:
    pictures = Pictures(path)
    first = pictures.advance()
    if first is None:
        raise Refused(pictures.error)
    turn, stream, context = turn_of(first), pictures.stream, pictures.stream.codec_context
    height, width = (first.width, first.height) if turn[0] else (first.height, first.width)
    frames, plain, times, intra = 0, False, [], set()
    if pictures.declared() * height * width > decode_pyav.WHOLE:
        frames = count_by_time(path, height * width)
    timed = frames > 0
    if timed:
        times = times_of(path)[0][:frames]
    else:
        while pictures.current is not None:
            times.append(pictures.current.pts)
            if pictures.current.key_frame:
                intra.add(pictures.current.pts)
            pictures.advance()
        frames = len(times)
        times = times if None not in times and all(a < b for a, b in itertools.pairwise(times)) else []
        plain = bool(times) and intra.issuperset(pictures.met_keys) and not pictures.open_groups
        plain = plain and turn == UPRIGHT and context.name in DECORD_CODECS and context.pix_fmt in DECORD_FORMATS
        plain = plain and not (context.name == "mpeg4" and context.has_b_frames)
        plain = plain and bool(stream.duration or pictures.container.duration)
    tick, fps = float(stream.time_base), float(stream.average_rate or stream.guessed_rate or 0)
    return Look(frames, height, width, fps, timed, plain, np.array(times, float) * tick, tick)


def span(found: Look, start: float, end: float) -> tuple[int, int]:
    """Of the part from `start` to `end`, in seconds from the first frame: its first frame, and the one behind its last.

    The first is the one that is shown at `start`; what is shown from `end` on is not in. Times are those of a constant
    frame rate where they are as near to it as the container's clock allows. Raises Refused where the video ends before
    `start`, or tells nothing of time.
    """
    if not len(found.shown) and not found.fps:
        raise Refused("neither its frames' times nor their rate is known: a part must be given in frames")
    numbers = np.arange(found.frames)
    seconds = found.shown - found.shown[0] if len(found.shown) else numbers / found.fps
    if found.fps:
        numbers = np.rint(seconds * found.fps)
        if (np.diff(numbers) == 1).all() and np.abs(seconds - numbers / found.fps).max() <= found.tick:
            seconds = numbers / found.fps
    last = 1 / found.fps if found.fps else 0.0
    if start >= seconds[-1] + max(last, 2 * _AT) - _AT:
        raise Refused(f"the part begins at {start:g} s; the video ends at {seconds[-1] + last:.6g} s")
    first = int(np.searchsorted(seconds, start + _AT, "right")) - 1
    return first, max(int(np.searchsorted(seconds, end - _AT)), first + 1)
