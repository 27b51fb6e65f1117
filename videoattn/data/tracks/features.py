"""Tracks of videos, computed once and kept on disk.

A file holds the rooted descriptors of a clip as float16, 0.85 kB a track, without the tracks' places.
"""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from videoattn.data.content import ContentIndex
from videoattn.data.datasets.videos import Source, source_of
from videoattn.data.decode.decoder import UnreadableVideo
from videoattn.data.decode.gray import start_decoder
from videoattn.data.tracks.extraction import Job, compute
from videoattn.data.tracks.settings import IDTSettings
from videoattn.data.tracks.tracks import DESCRIPTORS
from videoattn.errors import InputError, RunError
from videoattn.io import write_atomically
from videoattn.parallel import each
from videoattn.progress import track

_DIED = "the process that computed its tracks died (killed, out of memory, or a crash in OpenCV)"
_DAMAGE = (zipfile.BadZipFile, OSError, ValueError, KeyError, EOFError)  # what numpy raises on half a file


@dataclass(frozen=True)
class IDTReport:
    """What a build did: numbers of videos, those without tracks, and those that cannot be read, with the reason.

    A copy of another video counts as cached. computed + cached + len(unreadable) is the number of different videos
    and parts. trackless: as they were given.
    """

    computed: int
    cached: int
    tracks: int
    trackless: tuple[Path | Source, ...]
    unreadable: tuple[UnreadableVideo, ...]


class TrackCache:
    """The descriptors of videos under `root`: a file for each content of a video, or part of it, and all that decides
    its tracks.

    A path stands for the whole file or folder of images. A video that was moved, copied or renamed keeps its file; one
    that was changed has none until the next build.
    """

    def __init__(self, root: Path, settings: IDTSettings) -> None:
        self.root, self.settings = Path(root), settings
        self.folder = self.root / f"tracks-{settings.tracks_key()}"
        self._contents = ContentIndex(self.root / "contents.sqlite")

    def build(
        self, videos: Sequence[Path | Source], *, workers: int, decode_limit: float = 10.0, progress: bool = True
    ) -> IDTReport:
        """Compute what is missing, in `workers` processes; what is there, and whole, is not computed again.

        Each video is stored when it is done, so that after an interrupt or a kill the next build goes on. A worker
        process that dies costs its own video. decode_limit: seconds that a video may take to open, and each 32 frames
        of it to decode. Raises InputError for a value out of range, RunError where the disk refuses or no worker
        starts.
        """
        if workers < 1 or not decode_limit > 0:
            raise InputError(f"workers is {workers} and decode_limit {decode_limit}; they must be positive")
        videos = list(dict.fromkeys(v if isinstance(v, Source) else Path(v) for v in videos))
        contents = self._contents.digests(videos, threads=workers, show=progress)
        reasons = {v: found.strerror or str(found) for v, found in contents.items() if isinstance(found, OSError)}
        first: dict[str, Path | Source] = {}
        for video in videos:
            if video not in reasons:
                first.setdefault(contents[video], video)
        counts = {digest: _count(self._file(digest)) for digest in first}
        jobs = [Job(first[digest], self.settings) for digest, count in counts.items() if count is None]
        outcomes = each(compute, jobs, workers=workers, died=_DIED, initializer=start_decoder, initargs=(decode_limit,))
        failed: dict[str, str] = {}
        for job, outcome in track(outcomes, total=len(jobs), what="trajectories", show=progress):
            if isinstance(outcome, str):
                failed[contents[job.video]] = outcome
            else:
                counts[contents[job.video]], content = outcome
                write_atomically(self._file(contents[job.video]), content)
        reasons |= {video: failed[contents[video]] for video in videos if contents[video] in failed}
        computed = len(jobs) - len(failed)
        done = [video for video in videos if video not in reasons]
        return IDTReport(
            computed,
            len(done) - computed,
            sum(counts[contents[video]] for video in done),
            tuple(video for video in done if not counts[contents[video]]),
            tuple(UnreadableVideo(video, reasons[video]) for video in videos if video in reasons),
        )

    def digest(self, video: Path | Source) -> str:
        """The name of what a video holds. Raises RunError where it cannot be read."""
        try:
            return self._contents.digest(source_of(video))
        except OSError as error:
            raise RunError(f"cannot read {video}: {error.strerror or error}") from error

    def count(self, video: Path | Source) -> int:
        """The number of tracks of a video. Raises RunError where it is not built."""
        found = _count(self._file(self.digest(video)))
        if found is None:
            raise RunError(f"no tracks of {video} in {self.folder}: build them first")
        return found

    def descriptor(self, video: Path | Source, name: str) -> np.ndarray:
        """One of the rooted descriptors of a video, float32 (n, d). Raises RunError where it is not built."""
        try:
            with np.load(self._file(self.digest(video)), allow_pickle=False) as arrays:
                return arrays[name].astype(np.float32)
        except _DAMAGE as error:
            raise RunError(f"no tracks of {video} in {self.folder}: build them first") from error

    def _file(self, digest: str) -> Path:
        return self.folder / digest[:2] / f"{digest}.npz"


def _count(path: Path) -> int | None:
    """The number of tracks in a file; None where it is missing or not whole."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return int(arrays["count"]) if {*DESCRIPTORS} <= {*arrays.files} else None
    except _DAMAGE:
        return None
