"""What is computed from a video once: a zip file for each content of a video, in a folder of what decides it."""

import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from videoattn.data.datasets.videos import Source, source_of
from videoattn.data.decode.decoder import Decoder, UnreadableVideo
from videoattn.data.decode.gray import start_decoder, worker_decoder
from videoattn.data.index import FileIndex
from videoattn.errors import InputError, RunError
from videoattn.io import locked
from videoattn.parallel import each
from videoattn.progress import track

Compute = Callable[[Decoder, Path | Source, Path], None]


@dataclass(frozen=True)
class CacheReport:
    """What a build did: numbers of videos, and those of which nothing can be computed, each with its reason.

    A copy of another video counts as cached. computed + cached + len(unreadable) is the number of different videos
    and parts.
    """

    computed: int
    cached: int
    unreadable: tuple[UnreadableVideo, ...]


class ContentCache:
    """Files in `folder`: `<2 digits>/<hash of the video, or of its part><suffix>`, each a whole zip file.

    A path stands for the whole file or folder of images. A video that was moved, copied or renamed keeps its file; one
    that was changed has none until the next build. May be copied to other processes, for reading.

    what: is computed, one word. compute: pickled to the workers; called with a decoder, a video and the path of the
    zip file that it has to write atomically. Raises UnreadableVideo where that cannot be.
    """

    def __init__(self, folder: Path, suffix: str, what: str, compute: Compute) -> None:
        self.folder, self.suffix, self.what, self.compute = folder, suffix, what, compute
        self._index = FileIndex()

    def build(
        self, videos: Sequence[Path | Source], *, workers: int, decode_limit: float = 10.0, progress: bool = True
    ) -> CacheReport:
        """Compute what is missing, in `workers` processes; what is there, and whole, is not computed again.

        Each file is there when its video is done, so that after an interrupt or a kill the next call goes on. A worker
        process that dies costs its own video. Another build of the same folder waits for this one.

        Args:
            decode_limit: seconds that a video may take to open, and each 32 frames of it to decode.
            progress: show it as `track` does.

        Raises:
            InputError: a value is out of range.
            RunError: the disk refuses, or no worker starts.
        """
        for name, value in (("workers", workers), ("decode_limit", decode_limit)):
            if not value > 0:
                raise InputError(f"{name} is {value}; it must be positive")
        busy = f"waiting for another process that computes {self.what} in {self.folder}" if progress else ""
        with locked(self.folder / ".lock", busy=busy, wait=True) as held:
            if held:
                self._remove_leftovers()
            try:
                return self._build(videos, workers, decode_limit, progress)
            finally:
                if held:
                    self._remove_leftovers()

    def digest(self, video: Path | Source) -> str:
        """The name of what a video holds. Raises RunError where it cannot be read."""
        try:
            return self._index.digest(source_of(video))
        except OSError as error:
            raise RunError(f"cannot read {video}: {error.strerror or error}") from error

    def path(self, video: Path | Source) -> Path:
        """Where the file of a video is, or would be. Raises RunError where the video cannot be read."""
        return self._file(self.digest(video))

    def has(self, video: Path | Source) -> bool:
        """Whether the file of a video is there and whole; False for a video that cannot be read."""
        try:
            return is_complete(self._file(self._index.digest(source_of(video))))
        except OSError:
            return False

    def size(self, video: Path | Source) -> int:
        """The bytes of a video's file. Raises RunError where it has none."""
        try:
            return self.path(video).stat().st_size
        except OSError as error:
            raise RunError(f"no {self.what} of {video} in {self.folder}: build the cache first") from error

    def _build(self, videos: Sequence[Path | Source], workers: int, decode_limit: float, show: bool) -> CacheReport:
        videos = list(dict.fromkeys(v if isinstance(v, Source) else Path(v) for v in videos))
        contents = self._index.digests(videos, threads=workers, show=show)
        reasons = {v: found.strerror or str(found) for v, found in contents.items() if isinstance(found, OSError)}
        first: dict[str, Path | Source] = {}
        for video in videos:
            if video not in reasons:
                first.setdefault(contents[video], video)
        jobs = [(video, self._file(digest)) for digest, video in first.items()]
        jobs = [job for job in jobs if not is_complete(job[1])]
        outcomes = each(
            partial(_work, self.compute),
            jobs,
            workers=workers,
            died=f"the process that computed its {self.what} died (killed, out of memory, or a crash in OpenCV)",
            initializer=start_decoder,
            initargs=(decode_limit,),
        )
        failed = {}
        for (video, _), reason in track(outcomes, total=len(jobs), what=self.what, show=show):
            if reason is not None:
                failed[contents[video]] = reason
        reasons |= {video: failed[contents[video]] for video in videos if contents[video] in failed}
        unreadable = tuple(UnreadableVideo(video, reasons[video]) for video in videos if video in reasons)
        computed = len(jobs) - len(failed)
        return CacheReport(computed, len(videos) - computed - len(unreadable), unreadable)

    def _file(self, digest: str) -> Path:
        return self.folder / digest[:2] / f"{digest}{self.suffix}"

    def _remove_leftovers(self) -> None:
        """Half-written files of killed processes; called under the lock."""
        for leftover in self.folder.glob("*/.*.part"):
            leftover.unlink(missing_ok=True)


def is_complete(path: Path) -> bool:
    """Whether a zip file is there and ends as one, which a truncated file does not."""
    return zipfile.is_zipfile(path)


def _work(compute: Compute, job: tuple[Path | Source, Path]) -> str | None:
    """In a worker: compute the file of one video; the reason where it has none."""
    video, target = job
    if is_complete(target):  # computed before another worker died
        return None
    try:
        compute(worker_decoder(), video, target)
    except UnreadableVideo as error:
        return error.reason
    return None
