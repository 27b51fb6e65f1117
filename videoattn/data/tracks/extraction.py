"""What a worker process does: from a video file to its file of tracks.

It imports neither torch nor scikit-learn, so that workers start fast and stay small.
"""

from pathlib import Path

import numpy as np

from videoattn.data.datasets.videos import Source
from videoattn.data.decode.decoder import Decoder, UnreadableVideo, short_side
from videoattn.data.decode.gray import gray_frames
from videoattn.data.flow.algorithms import SMALLEST
from videoattn.data.tracks.settings import IDTSettings
from videoattn.data.tracks.tracks import Tracks, extract, rooted
from videoattn.io import atomic


def compute(settings: IDTSettings, decoder: Decoder, video: Path | Source, target: Path) -> None:
    """Write the tracks of one video to the file `target`. Raises UnreadableVideo."""
    tracks = video_tracks(decoder, video, settings)
    arrays = {name: array.astype(np.float16) for name, array in rooted(tracks).items()}
    with atomic(target) as file:
        np.savez(file, count=len(tracks), **arrays)


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
