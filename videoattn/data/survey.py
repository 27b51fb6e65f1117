"""A data set looked through: how many videos it has, and which of them are missing or cannot be read."""

import argparse
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from videoattn.data.datasets import load
from videoattn.data.decode import Decoder, UnreadableVideo, VideoInfo
from videoattn.data.parallel import each
from videoattn.data.videos import Source, VideoList
from videoattn.errors import RunError
from videoattn.progress import track


@dataclass(frozen=True)
class Survey:
    """What was found. lists: training and test videos; readable, unreadable: by what is read, a
    video or a part of one, in the order of the lists."""

    lists: tuple[VideoList, ...]
    readable: dict[Source, VideoInfo]
    unreadable: dict[Source, str]

    @property
    def missing(self) -> int:
        """Videos that the data set lists and that are not there."""
        return sum(videos.missing for videos in self.lists)


def main_data(options: argparse.Namespace) -> None:
    """Look through the data set `options.data_set` at `options.root`, split `options.split`, and print what is found.

    Raises:
        RunError: videos are missing or cannot be read.
        InputError: it is not laid out as such a data set is.
    """
    lists = [
        load(options.data_set, options.root, s, split=options.split, allow_missing=True) for s in ("train", "test")
    ]
    found = survey(lists, workers=len(os.sched_getaffinity(0)), show=True)
    print(as_text(found))
    if found.missing or found.unreadable:
        raise RunError(f"{found.missing} videos are missing, {len(found.unreadable)} cannot be read")


def survey(lists: Sequence[VideoList], *, workers: int, time_limit: float = 10.0, show: bool = False) -> Survey:
    """Decode the first and the last frame of every video, or part of one, that is present.

    Args:
        workers: processes that decode. time_limit: seconds for a video, after which it cannot be read.
        show: print the progress.
    """
    sources = list(dict.fromkeys(sample.source for videos in lists for sample in videos.samples))
    died = "the process that read it died"
    looks = each(_look, sources, workers=workers, died=died, initializer=_start, initargs=(time_limit,))
    found = dict(track(looks, total=len(sources), what="videos", show=show))
    readable = {source: found[source] for source in sources if isinstance(found[source], VideoInfo)}
    return Survey(tuple(lists), readable, {source: found[source] for source in sources if source not in readable})


def as_text(found: Survey) -> str:
    """Counts, duration and what cannot be read, line by line."""
    decoders = Counter(info.decoder for info in found.readable.values())
    timed = [info.frames / info.fps for info in found.readable.values() if info.fps]
    untimed = len(found.readable) - len(timed)
    lines = [
        f"{videos.subset}: {len(videos.samples)} videos of {len(videos.classes)} classes, {videos.missing} missing"
        for videos in found.lists
    ]
    lines.append(f"readable: {len(found.readable)} ({', '.join(f'{n} by {d}' for d, n in sorted(decoders.items()))})")
    lines.append(f"duration: {sum(timed) / 60:.1f} minutes" + (f", {untimed} without a frame rate" if untimed else ""))
    lines.append(f"unreadable: {len(found.unreadable)}")
    lines += [f"  {source}: {reason}" for source, reason in found.unreadable.items()]
    return "\n".join(lines)


_decoder: Decoder | None = None  # of a worker process


def _start(time_limit: float) -> None:
    global _decoder
    _decoder = Decoder(time_limit=time_limit)


def _look(source: Source) -> VideoInfo | str:
    """In a worker: what the video holds, or why it cannot be read."""
    try:
        info = _decoder.info(source)
        _decoder.frames(source, [0, info.frames - 1])
    except UnreadableVideo as error:
        return error.reason
    return info
