"""Videos inspected: which of them can be read, and what they hold."""

import json
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

from av.error import FFmpegError

from videoattn.data.datasets.videos import Source, VideoList
from videoattn.data.decode.decoder import Decoder, UnreadableVideo, VideoInfo, chosen_backend
from videoattn.data.decode.pyav import Pictures, Refused
from videoattn.data.index import FileIndex, Key, part_name, stamp_of
from videoattn.errors import RunError
from videoattn.parallel import each, stopping
from videoattn.progress import track

DIED = "the process that read it died"
DECODERS = ("decord", "av")  # packages: another version may find something else
PIECE = 32  # frames that are decoded at a time, where they are small
PIECE_BYTES = 1 << 26
_PAUSE = 1.0  # seconds between two commits to the index


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a video or a part of one holds, or the reason why it cannot be read.

    whole: all frames were to be decoded, not the first and the last alone. limit: seconds that the decoder had, see
    `Decoder`. seconds: how long it took. info: None where it cannot be read. declared: how many frames the header of a
    whole file says that it has, 0 where it does not. reason: "" where all is well.
    """

    whole: bool
    limit: float
    seconds: float = 0.0
    info: VideoInfo | None = None
    declared: int = 0
    reason: str = ""

    def answers(self, *, whole: bool, limit: float) -> bool:
        """Whether decoding the same now would find nothing else: as many frames were decoded, and what could not be
        read had no less time."""
        return (self.whole or not whole) and (not self.reason or self.limit >= limit)


def inspect_videos(
    lists: Sequence[VideoList],
    *,
    workers: int,
    whole: bool = False,
    time_limit: float = 10.0,
    retry: bool = True,
    show: bool = False,
    index: FileIndex | None = None,
) -> dict[Source, Finding]:
    """What each video of the lists, or part of one, holds, in their order; what the index knows is not decoded again.

    Args:
        workers: processes that decode.
        whole: decode all frames, not the first and the last alone.
        time_limit: seconds that a video may take to open, and each 32 frames of it to decode.
        retry: decode again what could not be read; else only where it has more time now.
        show: print the progress.
        index: where findings are remembered, of files and, where all was decoded, of folders; None is that of the
            cache. After a kill, what was found until a second before stands there.

    Raises:
        RunError: the index cannot be read or written, or no worker starts.
    """
    index = index or FileIndex()
    sources = list(dict.fromkeys(sample.source for videos in lists for sample in videos.samples))
    keys = _keys(sources, whole)
    known = {key: _finding(text) for key, text in index.find(keys.values()).items()}
    found = {}
    for source, key in keys.items():
        finding = known.get(key)
        if finding and finding.answers(whole=whole, limit=time_limit) and not (retry and finding.reason):
            found[source] = finding
    left = [source for source in sources if source not in found]
    if show and found:
        print(f"{len(sources):,} videos, {len(found):,} of them inspected before", flush=True)
    begin, work = partial(_start, time_limit), partial(_inspect, whole=whole)
    died = Finding(whole=whole, limit=time_limit, reason=DIED)
    fresh, stored = {}, time.monotonic()
    outcomes = each(work, left, workers=workers, died=died, initializer=begin, initargs=()) if left else ()
    try:
        for source, finding in track(outcomes, total=len(left), what="videos", show=show):
            found[source] = finding
            if source in keys:
                fresh[keys[source]] = json.dumps(asdict(finding))
            if time.monotonic() > stored + _PAUSE:
                index.add(fresh)
                fresh, stored = {}, time.monotonic()
    finally:
        index.add(fresh)
    return {source: found[source] for source in sources}


def inspect(decoder: Decoder, source: Path | Source, *, whole: bool) -> VideoInfo:
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


def _keys(sources: Sequence[Source], whole: bool) -> dict[Source, Key]:
    """Under which findings are remembered; without folders, where not all of their images are read anyway."""
    versions = ", ".join(f"{name} {version(name)}" for name in DECODERS)
    names = f"{chosen_backend()} first, {versions}"
    stamps = {}
    for path in dict.fromkeys(source.path for source in sources):
        with suppress(OSError):
            if whole or not path.is_dir():
                stamps[path] = stamp_of(path)
    return {source: (names + part_name(source), stamps[source.path]) for source in sources if source.path in stamps}


def _finding(text: str) -> Finding | None:
    """None where another version of this program has found it, which knew other things."""
    values = json.loads(text)
    try:
        return Finding(**values | {"info": values["info"] and VideoInfo(**values["info"])})
    except TypeError:
        return None


_decoder: Decoder | None = None  # of a worker process


def _start(time_limit: float) -> None:
    global _decoder
    _decoder = Decoder(time_limit=time_limit)


def _inspect(source: Source, *, whole: bool) -> Finding:
    """In a worker."""
    begun = time.monotonic()
    info, declared, reason = None, 0, ""
    try:
        info = inspect(_decoder, source, whole=whole)
        declared = _declared(source)
    except UnreadableVideo as error:
        reason = error.reason
    seconds = round(time.monotonic() - begun, 3)
    return Finding(whole=whole, limit=_decoder.time_limit, seconds=seconds, info=info, declared=declared, reason=reason)


def _declared(source: Source) -> int:
    """How many frames the header of a video file says that it has; 0 where it does not, or a part was read."""
    if source != source.whole or source.path.is_dir():
        return 0
    try:
        return round(Pictures(str(source.path)).declared())
    except (Refused, FFmpegError):
        return 0
