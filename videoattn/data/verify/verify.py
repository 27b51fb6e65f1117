"""A data set on disk, verified: are its lists the official ones, is each video there, and does each one decode?"""

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from videoattn.data.datasets import dataset_info, load
from videoattn.data.datasets.info import IMAGES
from videoattn.data.datasets.overlap import copies, overlap
from videoattn.data.index import FileIndex
from videoattn.data.verify.inspect import Finding, inspect_videos
from videoattn.data.verify.summary import Subset, Verification
from videoattn.errors import InputError, RunError
from videoattn.io import locked, write_atomically
from videoattn.locations import cache_root
from videoattn.parallel import cores

SHOWN = 5  # problems of each kind that are printed
_BEGIN = b'{"name": '  # of each line of a report


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
        print("stopped; what is done is remembered, and the same command goes on from there", file=sys.stderr)
        raise
    full = report.with_name(f"{report.name}.txt")
    write_atomically(full, (found.as_text() + "\n").encode())
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
    """Check the lists of a data set, and decode each video that is present, unless the index knows what that gives.

    Args:
        report: the file to write, at the end: a line of JSON for each video.
        whole: decode all frames, not the first and the last alone.
        time_limit: seconds that a video may take to open, and each 32 frames of it to decode.
        workers: processes that decode. show: print the progress.

    Raises:
        InputError: an argument is wrong, none of the lists can be read, or the report is a file of another kind.
        RunError: the report or the index cannot be written, or another process writes the report.
    """
    for argument, value in (("workers", workers), ("time_limit", time_limit)):
        if not value > 0:
            raise InputError(f"{argument} is {value}; it must be positive")
    subsets = _subsets(name, root, splits)
    _check_report(report)
    index = FileIndex()
    lists = [] if dataset_info(name).kind == IMAGES else [subset.videos for subset in subsets if subset.videos]
    busy = f"another process writes the report {report}: wait for it, or name another one"
    with locked(report.with_name(f".{report.name}.lock"), busy=busy):
        found = inspect_videos(
            lists, workers=workers, whole=whole, time_limit=time_limit, retry=False, show=show, index=index
        )
        findings = {sample.name: found[sample.source] for videos in lists for sample in videos.samples}
        _write_report(report, findings)
    overlaps, copied = [], []
    for train, test in zip(subsets[::2], subsets[1::2], strict=True):
        if train.videos and test.videos:
            alike = copies(train.videos, test.videos, index, threads=workers)
            copied += [f"split {train.split}: {line}" for line in alike]
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


def default_report(name: str, root: Path | str) -> Path:
    """Where the report of data set `name` under `root` lies if the user names no other place."""
    digest = hashlib.sha256(os.fsencode(Path(root).expanduser().resolve())).hexdigest()[:16]
    return cache_root() / "verify" / f"{name}-{digest}.jsonl"


def _check_report(path: Path) -> None:
    """Refuse to write over a file of another kind. Raises InputError."""
    try:
        with path.open("rb") as file:
            begin = file.read(len(_BEGIN))
    except FileNotFoundError:
        return
    except OSError as error:
        raise InputError(f"the report {path} cannot be read: {error.strerror}; name another file") from None
    if begin not in (b"", _BEGIN):
        raise InputError(f"{path} is no report of videos; name another file")


def _write_report(path: Path, findings: Mapping[str, Finding]) -> None:
    """A line of JSON for each sample: its name and its finding."""
    lines = [json.dumps({"name": name, **asdict(finding)}) + "\n" for name, finding in findings.items()]
    write_atomically(path, "".join(lines).encode())
