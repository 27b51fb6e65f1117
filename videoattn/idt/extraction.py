"""What a worker process does: from a video file to the content of its file of tracks.

It imports neither torch nor scikit-learn, so that workers start fast and stay small.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from videoattn.data.decode import Decoder, UnreadableVideo, short_side
from videoattn.data.optical_flow import SMALLEST
from videoattn.data.parallel import stopping
from videoattn.errors import RunError
from videoattn.idt.settings import IDTSettings
from videoattn.idt.tracks import Tracks, extract, rooted

_CHUNK = 32  # frames decoded at a time


@dataclass(frozen=True)
class Job:
    """A video whose tracks are wanted."""

    video: Path
    settings: IDTSettings


_decoder: Decoder | None = None  # of a worker process


def start_decoder(decode_limit: float) -> None:
    """Makes a worker ready. decode_limit: seconds, as `Decoder` has them."""
    global _decoder
    cv2.setNumThreads(1)
    _decoder = Decoder(time_limit=decode_limit)


def compute(job: Job) -> tuple[int, bytes] | str:
    """In a worker: the number of tracks of one video and the content of their file, or the reason why there is none."""
    try:
        tracks = video_tracks(_decoder, job.video, job.settings)
    except UnreadableVideo as error:
        return error.reason
    buffer = io.BytesIO()
    arrays = {name: array.astype(np.float16) for name, array in rooted(tracks).items()}
    np.savez(buffer, count=len(tracks), **arrays)
    return len(tracks), buffer.getvalue()


def video_tracks(decoder: Decoder, video: Path, settings: IDTSettings) -> Tracks:
    """The tracks of a video file; their points are in pixels of the frames at `settings.short_side`.

    Raises UnreadableVideo.
    """
    info = decoder.info(video)
    size = (info.height, info.width)
    if settings.short_side is not None:
        size = short_side(*size, settings.short_side)
    if min(size) < SMALLEST:
        raise UnreadableVideo(video, f"frames of {size[0]}x{size[1]} pixels; flow needs {SMALLEST}")
    return extract(_gray_frames(decoder, video, info.frames, size), settings)


def _gray_frames(decoder: Decoder, video: Path, count: int, size: tuple[int, int]) -> Iterator[np.ndarray]:
    for start in range(0, count, _CHUNK):
        for frame in decoder.frames(video, range(start, min(start + _CHUNK, count)), size=size):
            if stopping():
                raise RunError("computing trajectories was stopped")
            yield cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
