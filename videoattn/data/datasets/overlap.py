"""What training and test lists have in common, by name and by what their files hold."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path

from videoattn.data.content import ContentIndex
from videoattn.data.datasets.videos import VideoList
from videoattn.data.verify.report import State


def state(path: Path) -> State:
    """Bytes and last change of a file, or of all that a folder holds; (0, 0) of what is not there."""
    try:
        status = path.stat()
        if not path.is_dir():
            return status.st_size, status.st_mtime_ns
        with os.scandir(path) as entries:
            held = [entry.stat() for entry in entries]
    except OSError:
        return 0, 0
    return sum(s.st_size for s in held), max([status.st_mtime_ns, *(s.st_mtime_ns for s in held)])


def overlap(train: VideoList, test: VideoList) -> list[str]:
    """The test samples that are training samples too: of the same name, or of the same frames under another."""
    names = {sample.name for sample in train.samples}
    sources = {sample.source: sample.name for sample in train.samples}
    return [
        sample.name if sample.name in names else f"{sample.name} = {sources[sample.source]}"
        for sample in test.samples
        if sample.name in names or sample.source in sources
    ]


def copies(
    train: VideoList, test: VideoList, states: Mapping[Path, State], contents: ContentIndex, *, threads: int = 1
) -> list[str]:
    """The test samples whose bytes are those of a training sample in another file or folder.

    Only what is equally large is read.
    """
    trained, tested = ({}, {})
    for videos, groups in ((train, trained), (test, tested)):
        for sample in videos.samples:
            size = states[sample.path][0]
            if size:
                groups.setdefault((size, sample.frames, sample.seconds), []).append(sample)
    alike = [sample for size in trained.keys() & tested.keys() for sample in (*trained[size], *tested[size])]
    digests = _digests({sample.path for sample in alike}, contents, threads)
    first = {}
    for sample in train.samples:
        if sample.path in digests:
            first.setdefault((digests[sample.path], sample.frames, sample.seconds), sample)
    found = [(s, first.get((digests.get(s.path), s.frames, s.seconds))) for s in test.samples]
    return [f"{sample.name} = {other.name}" for sample, other in found if other and other.path != sample.path]


def _digests(paths: Iterable[Path], contents: ContentIndex, threads: int) -> dict[Path, str]:
    """The hash of each file, and of each folder the hash of its files' hashes, without those that cannot be read."""
    files = {path: sorted(path.iterdir()) if path.is_dir() else [path] for path in paths}
    found = contents.digests(chain.from_iterable(files.values()), threads=threads)
    told = {path: [found[file] for file in held] for path, held in files.items()}
    return {
        path: hashlib.blake2b("".join(hashes).encode()).hexdigest()
        for path, hashes in told.items()
        if all(isinstance(digest, str) for digest in hashes)
    }
