"""Videos looked through: which of them can be read, and what they hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from videoattn.data.decode import Decoder, UnreadableVideo, VideoInfo
from videoattn.data.parallel import each, stopping
from videoattn.data.videos import VideoList
from videoattn.errors import RunError
from videoattn.progress import track

DIED = "the process that read it died"
PIECE = 32  # frames that are decoded at a time, where they are small
PIECE_BYTES = 1 << 26


@dataclass(frozen=True)
class Survey:
    """What was found. readable, unreadable: by path, in the order of the lists."""

    readable: dict[Path, VideoInfo]
    unreadable: dict[Path, str]


def survey(lists: Sequence[VideoList], *, workers: int, time_limit: float = 10.0, show: bool = False) -> Survey:
    """Decode the first and the last frame of every video that is present.

    Args:
        workers: processes that decode. time_limit: seconds for a video, after which it cannot be read.
        show: print the progress.
    """
    paths = list(dict.fromkeys(sample.path for videos in lists for sample in videos.samples))
    looks = each(_look, paths, workers=workers, died=DIED, initializer=_start, initargs=(time_limit,))
    found = dict(track(looks, total=len(paths), what="videos", show=show))
    readable = {path: found[path] for path in paths if isinstance(found[path], VideoInfo)}
    return Survey(readable, {path: found[path] for path in paths if path not in readable})


def look(decoder: Decoder, path: Path, *, whole: bool) -> VideoInfo:
    """What a video holds, once all of its frames have been decoded, or its first and its last where not `whole`.

    Raises UnreadableVideo, and RunError once this process is asked to stop.
    """
    info = decoder.info(path)
    if not whole:
        decoder.frames(path, [0, info.frames - 1])
        return info
    step = max(1, min(PIECE, PIECE_BYTES // (3 * info.height * info.width)))
    for start in range(0, info.frames, step):
        if stopping():
            raise RunError(f"reading {path} was stopped")
        decoder.frames(path, range(start, min(start + step, info.frames)))
    return info


_decoder: Decoder | None = None  # of a worker process


def _start(time_limit: float) -> None:
    global _decoder
    _decoder = Decoder(time_limit=time_limit)


def _look(path: Path) -> VideoInfo | str:
    """In a worker: what the video holds, or why it cannot be read."""
    try:
        return look(_decoder, path, whole=False)
    except UnreadableVideo as error:
        return error.reason
