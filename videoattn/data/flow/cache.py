"""Optical flow of videos, computed once and kept on disk.

The frames are decoded at a chosen shorter side, turned grey, and the flow between them is clipped and quantised to 8
bits (`optical_flow`). A video of n frames has n - 1 fields.
"""

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from videoattn.data.content import ContentIndex
from videoattn.data.datasets.videos import Source, source_of
from videoattn.data.decode.decoder import UnreadableVideo, short_side
from videoattn.data.decode.gray import gray_frames, start_decoder, worker_decoder
from videoattn.data.flow.algorithms import ALGORITHMS, SMALLEST, dequantise, flow_fields, quantise, successive
from videoattn.data.flow.archive import ENCODINGS, count_fields, is_complete, read_fields, write_archive
from videoattn.errors import InputError, RunError, unknown
from videoattn.parallel import each
from videoattn.progress import track

__all__ = ["FlowCache", "FlowReport", "FlowSettings", "dequantise", "flow_fields", "quantise"]

LARGEST = 2048  # pixels of the shorter side: beyond lies a slip of the hand
_VERSION = 1  # of what an archive means; part of its folder's name
_DIED = "the process that computed its flow died (killed, out of memory, or a crash in OpenCV)"


@dataclass(frozen=True, kw_only=True)
class FlowSettings:
    """What flow is computed and how it is kept. A wrong value raises InputError.

    algorithm: "tvl1" or "dis", near a hundred times faster. short_side: the frames' shorter side in pixels, even, 16 to
    2048. bound: pixels at which a component is clipped. encoding: "png" (lossless) or "jpeg" (quality 95 as in TSN,
    about half as large). warped: without the motion of the camera (warped flow). aspect: width by height to which
    all frames are stretched, at least 1; None keeps that of each video.
    """

    algorithm: str
    short_side: int
    bound: float = 20.0
    encoding: str = "png"
    warped: bool = False
    aspect: float | None = None

    def __post_init__(self) -> None:
        for name, value, choices in (
            ("algorithm", self.algorithm, ALGORITHMS),
            ("encoding", self.encoding, ENCODINGS),
        ):
            if value not in choices:
                raise unknown(name, value, choices)
        if not SMALLEST <= self.short_side <= LARGEST or self.short_side % 2:
            raise InputError(
                f"short_side is {self.short_side}; it must be an even number of pixels from {SMALLEST} to {LARGEST}"
            )
        if self.aspect is not None and not 1 <= self.aspect <= 4:
            raise InputError(f"aspect is {self.aspect}; it must be a number from 1 (square) to 4, or None")
        if not 0 < self.bound < float("inf"):
            raise InputError(f"bound is {self.bound}; it must be a positive number of pixels")

    @property
    def folder(self) -> str:
        """The name of the cache folder of these settings."""
        algorithm = f"{self.algorithm}-warped" if self.warped else self.algorithm
        side = f"{self.short_side}x{self.aspect:g}" if self.aspect else f"{self.short_side}"
        return f"{algorithm}-{side}-{float(self.bound)}-{self.encoding}-v{_VERSION}"


@dataclass(frozen=True)
class FlowReport:
    """What a build did: numbers of videos, and those without flow, each with its reason.

    A copy of another video counts as cached. computed + cached + len(unreadable) is the number of different videos
    and parts.
    """

    computed: int
    cached: int
    unreadable: tuple[UnreadableVideo, ...]


class FlowCache:
    """Flow of videos on disk under `root`: one file for each content of a video, or part of it, and `FlowSettings`.

    A path stands for the whole file or folder of images. A video that was moved, copied or renamed keeps its flow; one
    that was changed has none until the next build. May be copied to other processes, for reading.
    """

    def __init__(self, root: Path, settings: FlowSettings) -> None:
        self.settings = settings
        self.folder = Path(root) / settings.folder
        self._contents = ContentIndex(Path(root) / "contents.sqlite")

    def build(
        self, videos: Sequence[Path | Source], *, workers: int, decode_limit: float = 10.0, progress: bool = True
    ) -> FlowReport:
        """Compute what is missing, in `workers` processes, and keep it; what is there is not computed again.

        decode_limit: seconds that a video may take to open, and each 32 frames of it to decode. progress: show it as
        `track` does. A worker process that dies costs its own video. Another build of the same cache waits for this
        one; after an interrupt or a kill the next goes on with the videos that have no complete file. Raises InputError
        for a value out of range, RunError where the disk refuses or no worker starts.
        """
        for name, value in (("workers", workers), ("decode_limit", decode_limit)):
            if not value > 0:
                raise InputError(f"{name} is {value}; it must be positive")
        with self._locked(progress):
            try:
                return self._build(
                    list(dict.fromkeys(v if isinstance(v, Source) else Path(v) for v in videos)),
                    workers,
                    decode_limit,
                    progress,
                )
            finally:
                self._remove_leftovers()

    def has(self, video: Path | Source) -> bool:
        """Whether the flow of a video is there; False for one that cannot be read."""
        try:
            return is_complete(self._file(self._contents.digest(source_of(video))))
        except OSError:
            return False

    def count(self, video: Path | Source) -> int:
        """The number of fields of a video. Raises RunError where it has none, or its file is damaged."""
        return count_fields(self._archive(video), self.settings.encoding)

    def fields(self, video: Path | Source, indices: Sequence[int]) -> np.ndarray:
        """Fields by index, repeats allowed: float32 (n, 2, H, W) in [-1, 1]; no other fields are decoded.

        Raises RunError where the video has no flow or its file is damaged, InputError for an index out of range.
        """
        return dequantise(read_fields(self._archive(video), indices, self.settings.encoding))

    def size(self, video: Path | Source) -> int:
        """The bytes that the flow of a video takes on disk. Raises RunError where it has none."""
        archive = self._archive(video)
        try:
            return archive.stat().st_size
        except OSError as error:
            raise RunError(f"no flow of {video} at {archive}: build the flow cache first") from error

    def _build(self, videos: list[Path | Source], workers: int, decode_limit: float, show: bool) -> FlowReport:
        self._remove_leftovers()
        contents = self._contents.digests(videos, threads=workers, show=show)
        reasons = {
            video: found.strerror or str(found) for video, found in contents.items() if isinstance(found, OSError)
        }
        first: dict[str, Path | Source] = {}
        for video in videos:
            if video not in reasons:
                first.setdefault(contents[video], video)
        jobs = [_Job(video, self._file(digest), self.settings) for digest, video in first.items()]
        jobs = [job for job in jobs if not is_complete(job.target)]
        outcomes = each(
            _compute, jobs, workers=workers, died=_DIED, initializer=start_decoder, initargs=(decode_limit,)
        )
        failed = {}
        for job, reason in track(outcomes, total=len(jobs), what="flow", show=show):
            if reason is not None:
                failed[contents[job.video]] = reason
        reasons |= {video: failed[contents[video]] for video in videos if contents[video] in failed}
        computed = len(jobs) - len(failed)
        unreadable = tuple(UnreadableVideo(video, reasons[video]) for video in videos if video in reasons)
        return FlowReport(computed, len(videos) - computed - len(unreadable), unreadable)

    def _archive(self, video: Path | Source) -> Path:
        try:
            return self._file(self._contents.digest(source_of(video)))
        except OSError as error:
            raise RunError(f"cannot read {video}: {error.strerror or error}") from error

    def _file(self, digest: str) -> Path:
        return self.folder / digest[:2] / f"{digest}.zip"

    def _remove_leftovers(self) -> None:
        """Half-written files of killed processes; called under the lock."""
        for leftover in self.folder.glob("*/*.tmp"):
            leftover.unlink(missing_ok=True)

    @contextmanager
    def _locked(self, show: bool) -> Iterator[None]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            file = (self.folder / "lock").open("w")
        except OSError as error:
            raise RunError(f"cannot write the flow cache {self.folder}: {error.strerror or error}") from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if show:
                    print(f"waiting for another process that computes flow in {self.folder}", flush=True)
                fcntl.flock(file, fcntl.LOCK_EX)
            yield


@dataclass(frozen=True)
class _Job:
    video: Path | Source
    target: Path
    settings: FlowSettings


def _compute(job: _Job) -> str | None:
    """In a worker: write the flow of one video; the reason where it has none."""
    if is_complete(job.target):  # computed before another worker died
        return None
    try:
        decoder = worker_decoder()
        info = decoder.info(job.video)
        if info.frames < 2:
            return f"{info.frames} frame, no flow"
        size = short_side(info.height, info.width, job.settings.short_side, job.settings.aspect)
        gray = gray_frames(decoder, job.video, info.frames, size)
        own = job.settings
        fields = successive(gray, own.algorithm, warped=own.warped)
        write_archive(job.target, (quantise(field, own.bound) for field in fields), own.encoding)
    except UnreadableVideo as error:
        return error.reason
    return None
