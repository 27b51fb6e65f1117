"""Videos looked through: which of them can be read, and what they hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from videoattn.data.datasets.videos import Source, VideoList
from videoattn.data.decode.decoder import Decoder, UnreadableVideo, VideoInfo
from videoattn.data.seen import Seen
from videoattn.errors import RunError
from videoattn.parallel import each, stopping
from videoattn.progress import track

DIED = "the process that read it died"
REMEMBERED = 1000  # videos at a time
PIECE = 32  # frames that are decoded at a time, where they are small
PIECE_BYTES = 1 << 26


@dataclass(frozen=True)
class Survey:
    """What was found. readable, unreadable: by what is read, a video or a part of one, in the order of the lists."""

    readable: dict[Source, VideoInfo]
    unreadable: dict[Source, str]


def survey(
    lists: Sequence[VideoList],
    *,
    workers: int,
    time_limit: float = 10.0,
    show: bool = False,
    seen: Seen | None = None,
    whole: bool = False,
) -> Survey:
    """Decode the first and the last frame of every video, or part of one, that is present, or (`whole`) all frames.

    Args:
        workers: processes that decode. time_limit: seconds for a video, after which it cannot be read.
        show: print the progress.
        seen: where readable videos are remembered, a piece at a time; those that it knows are not decoded.
    """
    sources = list(dict.fromkeys(sample.source for videos in lists for sample in videos.samples))
    known = {source: seen.info(source) for source in sources} if seen else {}
    found: dict[Source, VideoInfo | str] = {source: info for source, info in known.items() if info is not None}
    left = [source for source in sources if source not in found]
    look_at = partial(_look, whole=whole)
    looks = each(look_at, left, workers=workers, died=DIED, initializer=_start, initargs=(time_limit,)) if left else ()
    fresh: dict[Source, VideoInfo] = {}
    try:
        for source, info in track(looks, total=len(left), what="videos", show=show):
            found[source] = info
            if seen and isinstance(info, VideoInfo):
                fresh[source] = info
                if len(fresh) == REMEMBERED:
                    seen.add(fresh)
                    fresh = {}
    finally:
        if fresh:
            seen.add(fresh)
    readable = {source: found[source] for source in sources if isinstance(found[source], VideoInfo)}
    return Survey(readable, {source: found[source] for source in sources if source not in readable})


def look(decoder: Decoder, source: Path | Source, *, whole: bool) -> VideoInfo:
    """What a video or a part of one holds, once all of its frames have been decoded, or (not `whole`) its ends.

    Raises UnreadableVideo, and RunError once this process is asked to stop.
    """
    info = decoder.info(source)
    if not whole:
        decoder.frames(source, [0, info.frames - 1])
        return info
    step = max(1, min(PIECE, PIECE_BYTES // (3 * info.height * info.width)))
    for start in range(0, info.frames, step):
        if stopping():
            raise RunError(f"reading {source} was stopped")
        decoder.frames(source, range(start, min(start + step, info.frames)))
    return info


_decoder: Decoder | None = None  # of a worker process


def _start(time_limit: float) -> None:
    global _decoder
    _decoder = Decoder(time_limit=time_limit)


def _look(source: Source, *, whole: bool) -> VideoInfo | str:
    """In a worker: what the video holds, or why it cannot be read."""
    try:
        return look(_decoder, source, whole=whole)
    except UnreadableVideo as error:
        return error.reason
