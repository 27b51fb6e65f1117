"""Optical flow of a whole data set, computed ahead of the trainings that read it."""

import argparse
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from time import monotonic

from tqdm import tqdm

from videoattn.data.clips.video_data import flow_cache
from videoattn.data.content_cache import CacheReport
from videoattn.data.datasets import dataset_info
from videoattn.data.datasets.info import IMAGES
from videoattn.data.datasets.splits import Lists, Unreadable, load_splits, readable
from videoattn.data.datasets.videos import Source
from videoattn.data.flow.cache import FlowCache, FlowSettings
from videoattn.errors import InputError
from videoattn.parallel import cores

LEFT_OUT = {"algorithm": "tvl1", "short_side": 256}  # what is taken where the user names none
SHOWN = 5  # unreadable videos that are printed
FEW = 4  # videos at least from which time and size are estimated


def main_flow(options: argparse.Namespace, settings: Sequence[FlowSettings] | None) -> None:
    """Compute the flow of data set `options.data_set` under `options.root`, split `options.split`.

    settings: what flow, None for what the options say.

    Raises:
        RunError: more videos than may be cannot be read, or the disk refuses.
        InputError: an option is wrong, or the data set is not as it should be.
    """
    if dataset_info(options.data_set).kind == IMAGES:
        raise InputError(f"data set {options.data_set} holds images: flow is between the frames of videos")
    settings = asked(options) if settings is None else settings
    lists = load_splits(options.data_set, options.root, split=options.split, allow_missing=True)
    missing = sum(videos.missing for videos in lists)
    print(f"{sum(len(videos.samples) for videos in lists):,} videos, {missing:,} more are missing")
    workers = cores() if options.workers is None else options.workers
    try:
        for own in settings:
            compute(lists, own, workers=workers)
    except KeyboardInterrupt:
        print("stopped; what is done is kept, and the same command goes on from there", file=sys.stderr)
        raise


def asked(options: argparse.Namespace) -> tuple[FlowSettings, ...]:
    """The flow that the options say; what they leave out is printed."""
    given = {name: getattr(options, name) for name in ("algorithm", "short_side", "bound", "encoding")}
    given = {name: value for name, value in given.items() if value is not None}
    try:
        settings = FlowSettings(**LEFT_OUT | given)
    except InputError as error:
        text = str(error)
        for name in given:
            text = re.sub(rf"\b{name}\b", f"--{name.replace('_', '-')}", text, count=1)
        raise InputError(text) from error
    taken = [f"{name.replace('_', ' ')} {value}" for name, value in LEFT_OUT.items() if name not in given]
    if taken:
        print(f"{' and '.join(taken)}, since no other is named; --paper takes what a paper's study reads")
    return (settings, replace(settings, warped=True)) if options.warped else (settings,)


def compute(lists: Lists, settings: FlowSettings, *, workers: int) -> CacheReport:
    """Compute what is missing in the cache that trainings read, after an estimate from a few videos.

    Raises RunError where more videos than may be cannot be read, of the training or of the test videos.
    """
    cache = flow_cache(settings)
    videos = _taken(lists)
    print(f"flow: {_said(settings)}, into {cache.folder}", flush=True)
    ahead = _estimate(cache, videos, workers)
    report = cache.build(videos, workers=workers)
    report = replace(report, computed=report.computed + ahead, cached=report.cached - ahead)
    print(f"computed: {report.computed:,}, there before: {report.cached:,}, unreadable: {len(report.unreadable):,}")
    for failure in report.unreadable[:SHOWN]:
        print(f"  {failure}")
    if len(report.unreadable) > SHOWN:
        print(f"  and {len(report.unreadable) - SHOWN:,} more")
    for part in lists:
        readable(part, report.unreadable, Unreadable().share)
    return report


def _estimate(cache: FlowCache, videos: Sequence[Source], workers: int) -> int:
    """Compute a few videos from all over the list and print what the others take, as long as there are others, and
    unless the flow of all of the few is there. Returns how many were computed."""
    few = max(FEW, 2 * workers)
    if len(videos) <= few:
        return 0
    sample = videos[:: len(videos) // few][:few]
    if all(cache.has(video) for video in sample):
        return 0
    print(f"time and space are estimated from {len(sample)} of the videos", flush=True)
    begun = monotonic()
    report = cache.build(sample, workers=workers, progress=False)
    seconds = monotonic() - begun
    failed = {failure.source for failure in report.unreadable}
    if not report.computed:
        return 0
    others = len(videos) - len(sample)
    sizes = [cache.size(video) for video in sample if video not in failed]
    space = sum(sizes) / len(sizes) * others * report.computed / len(sample)
    free = shutil.disk_usage(cache.folder).free
    time = tqdm.format_interval(round(seconds / len(sample) * others))
    print(f"the other {others:,} take about {time} and {_size(space)}; {_size(free)} are free", flush=True)
    if space > free:
        print("that may not suffice: what is done will be kept, and VIDEOATTN_CACHE names another place", flush=True)
    return report.computed


def _taken(lists: Lists) -> list[Source]:
    """What the flow cache takes of the samples, each once."""
    return list(dict.fromkeys(sample.source for videos in lists for sample in videos.samples))


def _said(settings: FlowSettings) -> str:
    warped = ", without the motion of the camera" if settings.warped else ""
    size = f"shorter side {settings.short_side}, bound {settings.bound:g}"
    return f"{settings.algorithm}, {size}, {settings.encoding}{warped}"


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
