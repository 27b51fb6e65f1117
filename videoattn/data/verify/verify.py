"""A data set on disk, verified: are its lists the official ones, is each video there, and does each one decode?"""

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from av.error import FFmpegError

from videoattn.data.content import ContentIndex
from videoattn.data.datasets import dataset_info, load
from videoattn.data.datasets.info import IMAGES
from videoattn.data.datasets.overlap import copies, overlap, state
from videoattn.data.datasets.videos import Sample, Source
from videoattn.data.decode.decoder import Decoder, UnreadableVideo, VideoInfo
from videoattn.data.decode.pyav import Pictures, Refused
from videoattn.data.verify.inspect import DIED, look
from videoattn.data.verify.report import Finding, Report, State, default_report, open_report
from videoattn.data.verify.summary import Subset, Verification
from videoattn.errors import InputError, RunError
from videoattn.locations import cache_root
from videoattn.parallel import cores, each
from videoattn.progress import track

SHOWN = 5  # problems of each kind that are printed


def main_verify(options: argparse.Namespace) -> None:
    """Verify data set `options.data_set` under `options.root` and print what is found.

    Raises:
        RunError: something does not hold.
        InputError: it is not laid out as such a data set is, or another option is wrong.
    """
    report = Path(options.report) if options.report else default_report(options.data_set, options.root)
    try:
        found = verify(
            options.data_set,
            Path(options.root).expanduser(),
            report=report,
            splits=dataset_info(options.data_set).splits if options.split is None else (options.split,),
            whole=not options.quick,
            time_limit=options.time_limit,
            workers=cores() if options.workers is None else options.workers,
            show=True,
        )
    except KeyboardInterrupt:
        print(f"stopped; what is done stands in {report}, and the same command goes on from there", file=sys.stderr)
        raise
    full = report.with_name(f"{report.name}.txt")
    _write(full, found.as_text() + "\n")
    print(f"\n{found.as_text(SHOWN)}\nin full: {full}\nvideo by video: {report}")
    problems = found.problems()
    if problems:
        told = ", ".join(f"{kind} ({len(lines):,})" for kind, lines in problems.items())
        raise RunError(f"data set {found.name} does not hold what it should: {told}")


def verify(
    name: str,
    root: Path,
    *,
    report: Path,
    splits: Sequence[int],
    whole: bool = True,
    time_limit: float = 10.0,
    workers: int,
    show: bool = False,
) -> Verification:
    """Check the lists of a data set, and decode each video that is present and does not yet stand in the report.

    Args:
        report: the file that keeps what was found of each video; it is made where there is none.
        whole: decode all frames, not the first and the last alone.
        time_limit: seconds that a video may take to open, and each 32 frames of it to decode.
        workers: processes that decode. show: print the progress.

    Raises:
        InputError: an argument is wrong, or none of the lists can be read.
        RunError: the report cannot be written.
    """
    for argument, value in (("workers", workers), ("time_limit", time_limit)):
        if not value > 0:
            raise InputError(f"{argument} is {value}; it must be positive")
    subsets = _subsets(name, root, splits)
    samples = {sample.name: sample for subset in subsets if subset.videos for sample in subset.videos.samples}
    states = {path: state(path) for path in {sample.path for sample in samples.values()}}
    decoded = [] if dataset_info(name).kind == IMAGES else list(samples.values())
    with open_report(report) as kept:
        _decode(decoded, states, kept, whole=whole, time_limit=time_limit, workers=workers, show=show)
        findings = {sample.name: kept.findings[sample.name] for sample in decoded}
    contents = ContentIndex(cache_root() / "verify" / "contents.sqlite")
    overlaps, copied = [], []
    for train, test in zip(subsets[::2], subsets[1::2], strict=True):
        if train.videos and test.videos:
            found = copies(train.videos, test.videos, states, contents, threads=workers)
            copied += [f"split {train.split}: {line}" for line in found]
            overlaps += [f"split {train.split}: {line}" for line in overlap(train.videos, test.videos)]
    return Verification(name, root, subsets, findings, tuple(overlaps), tuple(copied), report)


def _subsets(name: str, root: Path, splits: Sequence[int]) -> tuple[Subset, ...]:
    """Both subsets of each split; raises InputError where there is none of which the list can be read."""
    found, errors = [], []
    for split in splits:
        for place, subset in enumerate(("train", "test")):
            official = dataset_info(name).counts.get(split)
            videos, error = None, ""
            try:
                videos = load(name, root, subset, split=split, allow_missing=True, allow_counts=True)
            except InputError as wrong:
                errors.append(wrong)
                error = str(wrong)
            found.append(Subset(split, subset, official and official[place], videos, error))
    if len(errors) == len(found):
        raise errors[0]
    return tuple(found)


def _decode(
    samples: Sequence[Sample],
    states: Mapping[Path, State],
    report: Report,
    *,
    whole: bool,
    time_limit: float,
    workers: int,
    show: bool,
) -> None:
    """Decode what does not stand in the report, and put it there."""
    known = report.findings
    left = [
        sample
        for sample in samples
        if sample.name not in known
        or not known[sample.name].answers(states[sample.path], whole=whole, limit=time_limit)
    ]
    if show:
        print(
            f"{len(samples):,} videos, {len(samples) - len(left):,} of them decoded before; report: {report.path}",
            flush=True,
        )
    jobs = [_Job(sample.name, sample.source, whole) for sample in left]
    looks = each(_look, jobs, workers=workers, died=_Seen(reason=DIED), initializer=_start, initargs=(time_limit,))
    for job, seen in track(looks, total=len(jobs), what="videos", show=show):
        size, mtime = states[job.source.path]
        found = Finding(name=job.name, size=size, mtime=mtime, whole=whole, limit=time_limit, seconds=seen.seconds)
        if seen.info:
            report.add(replace(found, declared=seen.declared, **_held(seen.info)))
        else:
            report.add(replace(found, reason=seen.reason))


@dataclass(frozen=True)
class _Job:
    name: str
    source: Source
    whole: bool


@dataclass(frozen=True)
class _Seen:
    """What a worker saw of a sample; without `info` there is a reason."""

    seconds: float = 0.0
    info: VideoInfo | None = None
    declared: int = 0
    reason: str = ""


_decoder: Decoder | None = None  # of a worker process


def _start(time_limit: float) -> None:
    global _decoder
    _decoder = Decoder(time_limit=time_limit)


def _look(job: _Job) -> _Seen:
    """In a worker: decode a sample."""
    begun = time.monotonic()
    try:
        info = look(_decoder, job.source, whole=job.whole)
    except UnreadableVideo as error:
        return _Seen(round(time.monotonic() - begun, 3), reason=error.reason)
    return _Seen(round(time.monotonic() - begun, 3), info, _declared(job.source))


def _declared(source: Source) -> int:
    """How many frames the header of a video file says that it has; 0 where it does not, or a part was read."""
    if source.frames or source.seconds or source.path.is_dir():
        return 0
    try:
        return round(Pictures(str(source.path)).declared())
    except (Refused, FFmpegError):
        return 0


def _held(info: VideoInfo) -> dict[str, int | float | str]:
    """What a report keeps of a video."""
    return {name: getattr(info, name) for name in ("frames", "height", "width", "fps", "decoder")}


def _write(path: Path, text: str) -> None:
    """Put a text at `path` in one step."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.write_text(text)
        temporary.replace(path)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)
