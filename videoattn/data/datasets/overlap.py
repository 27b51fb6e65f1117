"""What training and test lists have in common, by name and by what their files hold."""

import os
from pathlib import Path

from videoattn.data.datasets.videos import VideoList
from videoattn.data.index import FileIndex


def overlap(train: VideoList, test: VideoList) -> list[str]:
    """The test samples that are training samples too: of the same name, or of the same frames under another."""
    names = {sample.name for sample in train.samples}
    sources = {sample.source: sample.name for sample in train.samples}
    return [
        sample.name if sample.name in names else f"{sample.name} = {sources[sample.source]}"
        for sample in test.samples
        if sample.name in names or sample.source in sources
    ]


def copies(train: VideoList, test: VideoList, index: FileIndex, *, threads: int = 1) -> list[str]:
    """The test samples whose bytes (and names of images) are those of a training sample in another file or folder.

    Only what is equally large is read.
    """
    sizes = {path: _size(path) for path in {sample.path for sample in (*train.samples, *test.samples)}}
    trained, tested = ({}, {})
    for videos, groups in ((train, trained), (test, tested)):
        for sample in videos.samples:
            size = sizes[sample.path]
            if size:
                groups.setdefault((size, sample.frames, sample.seconds), []).append(sample)
    alike = [sample for size in trained.keys() & tested.keys() for sample in (*trained[size], *tested[size])]
    hashes = index.digests({sample.path for sample in alike}, threads=threads)
    digests = {path: digest for path, digest in hashes.items() if isinstance(digest, str)}
    first = {}
    for sample in train.samples:
        if sample.path in digests:
            first.setdefault((digests[sample.path], sample.frames, sample.seconds), sample)
    found = [(s, first.get((digests.get(s.path), s.frames, s.seconds))) for s in test.samples]
    return [f"{sample.name} = {other.name}" for sample, other in found if other and other.path != sample.path]


def _size(path: Path) -> int:
    """Bytes of a file, or of all that a folder holds; 0 of what is not there."""
    try:
        if not path.is_dir():
            return path.stat().st_size
        with os.scandir(path) as entries:
            return sum(entry.stat().st_size for entry in entries)
    except OSError:
        return 0
