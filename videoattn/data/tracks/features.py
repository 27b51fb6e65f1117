"""Tracks of videos, computed once and kept on disk.

A file holds the rooted descriptors of a clip as float16, 0.85 kB a track, without the tracks' places. Worker processes
import this: neither torch nor scikit-learn, so that they start fast and stay small.
"""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from videoattn.data.content_cache import CacheReport, ContentCache
from videoattn.data.datasets.videos import Source, source_of
from videoattn.data.decode.decoder import Decoder, UnreadableVideo, short_side
from videoattn.data.decode.gray import gray_frames
from videoattn.data.flow.algorithms import SMALLEST
from videoattn.data.tracks.settings import IDTSettings
from videoattn.data.tracks.tracks import Tracks, extract, rooted
from videoattn.errors import RunError
from videoattn.io import atomic

_DAMAGE = (zipfile.BadZipFile, OSError, ValueError, KeyError, EOFError)  # what numpy raises on a damaged file


@dataclass(frozen=True)
class IDTReport(CacheReport):
    """What a build did. tracks: of all videos. trackless: videos, as they were given, without any."""

    tracks: int
    trackless: tuple[Path | Source, ...]


class TrackCache(ContentCache):
    """The descriptors of videos under `root`: a file for each content of a video, or part of it, and all that decides
    its tracks."""

    def __init__(self, root: Path, settings: IDTSettings) -> None:
        self.root, self.settings = Path(root), settings
        folder = self.root / f"tracks-{settings.tracks_key()}"
        super().__init__(folder, ".npz", "trajectories", partial(compute, settings))

    def build(
        self, videos: Sequence[Path | Source], *, workers: int, decode_limit: float = 10.0, progress: bool = True
    ) -> IDTReport:
        """As every `ContentCache` does, and count the tracks."""
        report = super().build(videos, workers=workers, decode_limit=decode_limit, progress=progress)
        without = {failure.source for failure in report.unreadable}
        counts = {video: self.count(video) for video in videos if source_of(video) not in without}
        trackless = tuple(video for video, count in counts.items() if not count)
        return IDTReport(report.computed, report.cached, report.unreadable, sum(counts.values()), trackless)

    def count(self, video: Path | Source) -> int:
        """The number of tracks of a video. Raises RunError where it is not built."""
        return int(self._array(video, "count"))

    def descriptor(self, video: Path | Source, name: str) -> np.ndarray:
        """One of the rooted descriptors of a video, float32 (n, d). Raises RunError where it is not built."""
        return self._array(video, name).astype(np.float32)

    def _array(self, video: Path | Source, name: str) -> np.ndarray:
        path = self.path(video)
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return arrays[name]
        except FileNotFoundError as error:
            raise RunError(f"no tracks of {video} in {self.folder}: build them first") from error
        except _DAMAGE as error:
            raise RunError(f"{path} is damaged ({error}); delete it and build the tracks again") from error


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
