"""What a worker process does: from a video file to the content of its file of tracks.

It imports neither torch nor scikit-learn, so that workers start fast and stay small.
"""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from videoattn.data.datasets.videos import Source
from videoattn.data.decode.decoder import Decoder, UnreadableVideo, short_side
from videoattn.data.decode.gray import gray_frames, worker_decoder
from videoattn.data.flow.algorithms import SMALLEST
from videoattn.data.tracks.settings import IDTSettings
from videoattn.data.tracks.tracks import Tracks, extract, rooted


@dataclass(frozen=True)
class Job:
    """A video whose tracks are wanted."""

    video: Path | Source
    settings: IDTSettings


def compute(job: Job) -> tuple[int, bytes] | str:
    """In a worker: the number of tracks of one video and the content of their file, or the reason why there is none."""
    try:
        tracks = video_tracks(worker_decoder(), job.video, job.settings)
    except UnreadableVideo as error:
        return error.reason
    buffer = io.BytesIO()
    arrays = {name: array.astype(np.float16) for name, array in rooted(tracks).items()}
    np.savez(buffer, count=len(tracks), **arrays)
    return len(tracks), buffer.getvalue()


def video_tracks(decoder: Decoder, video: Path | Source, settings: IDTSettings) -> Tracks:
    """The tracks of a video or a part of it; their points are in pixels of the frames at `settings.short_side`.

    Raises UnreadableVideo.
    """
    info = decoder.info(video)
    size = (info.height, info.width)
    if settings.short_side is not None:
        size = short_side(*size, settings.short_side)
    if min(size) < SMALLEST:
        raise UnreadableVideo(video, f"frames of {size[0]}x{size[1]} pixels; flow needs {SMALLEST}")
    return extract(gray_frames(decoder, video, info.frames, size), settings)
