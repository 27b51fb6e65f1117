"""Grey frames of a video for flow, a few decoded at a time, and the decoder of a process that computes them."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from videoattn.data.datasets.videos import Source
from videoattn.data.decode.decoder import Decoder
from videoattn.errors import RunError
from videoattn.parallel import stopping

CHUNK = 32  # frames decoded at a time

_decoder: Decoder | None = None  # of a worker process


def start_decoder(decode_limit: float) -> None:
    """Make a worker process ready. decode_limit: seconds, as `Decoder` has them."""
    global _decoder
    cv2.setNumThreads(1)
    _decoder = Decoder(time_limit=decode_limit)


def worker_decoder() -> Decoder:
    """The decoder of this process. Raises RunError where `start_decoder` was not called."""
    if _decoder is None:
        raise RunError("this process has no decoder: call start_decoder first")
    return _decoder


def gray_frames(decoder: Decoder, video: Path | Source, count: int, size: tuple[int, int]) -> Iterator[np.ndarray]:
    """The first `count` frames of a video or a part of it, uint8 (H, W) of `size`.

    Raises UnreadableVideo, and RunError once the process is asked to stop.
    """
    for start in range(0, count, CHUNK):
        for frame in decoder.frames(video, range(start, min(start + CHUNK, count)), size=size):
            if stopping():
                raise RunError(f"reading {video} was stopped")
            yield cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
