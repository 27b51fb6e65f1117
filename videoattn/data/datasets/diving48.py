"""Diving48, version 2: competitive dives, told apart by take-off, somersaults, twists and position in the air.

Y. Li et al., RESOUND: Towards action recognition without representation bias, ECCV 2018.

Version 2, of October 2020, replaced the labels of version 1, many of which were wrong. The two share names of videos
and of classes, so nothing but the files and their lengths tells them apart; version 1 is refused.

A file is one dive, cut out already: `start_frame` and `end_frame` are 0 and the length of that file, not a part of it,
and are not used. All of it is decoded, also where a decoder counts a frame more or less.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from videoattn.data.datasets.annotations import (
    at_least_two,
    brief,
    find,
    read_items,
    read_json,
    read_lists,
    safe_name,
    whole_number,
    without_missing,
)
from videoattn.data.datasets.info import DatasetInfo
from videoattn.data.datasets.videos import Sample, VideoList
from videoattn.errors import InputError

VIDEOS, VOCABULARY = "rgb", "Diving48_vocab.json"
FILE, FILE_V1 = "Diving48_V2_{}.json", "Diving48_{}.json"
COUNTS_V1 = {"train": 15943, "test": 2096}
INFO = DatasetInfo(
    title="Diving48 V2",
    kind="video files",
    page="http://www.svcl.ucsd.edu/projects/resound/dataset.html",
    access="download Diving48_rgb.tar.gz, the two lists of version 2 and the vocabulary from the page",
    layout=(f"{VIDEOS}/<name>.mp4", f"{FILE.format('train')}, {FILE.format('test')}, {VOCABULARY}"),
    counts={1: (15027, 1970)},
)


def load(root: Path, subset: str, *, split: int, allow_missing: bool, allow_counts: bool = False) -> VideoList:
    """The videos of `subset` ("train" or "test"), whole; their recordings are the videos that they were cut from.

    Raises `InputError` for files that are missing or malformed or of version 1, that share a video or do not hold the
    official number of them (48 classes), and for listed videos that are missing; `allow_missing` leaves these out.
    """
    find(root, VIDEOS, layout=INFO.layout)
    classes = _classes(find(root, VOCABULARY, layout=INFO.layout))
    files = {name: _file(root, name) for name in COUNTS_V1}
    official = INFO.counts[split] if len(classes) == 48 and not allow_counts else None
    listed = read_lists(files, partial(_videos, classes=len(classes)), split=split, official=official)
    samples = tuple(
        Sample(f"{VIDEOS}/{name}.mp4", root / VIDEOS / f"{name}.mp4", label, recording=_recording(name))
        for name, label in listed[subset].items()
    )
    return without_missing(VideoList("diving48", subset, classes, samples), root=root, allow_missing=allow_missing)


def _file(root: Path, name: str) -> Path:
    old = root / FILE_V1.format(name)
    if old.exists() and not (root / FILE.format(name)).exists():
        raise InputError(f"{old} is of version 1, whose labels are others: expected {FILE.format(name)} of version 2")
    return find(root, FILE.format(name), layout=INFO.layout)


def _classes(file: Path) -> tuple[str, ...]:
    """Take-off, somersaults, twists and position, with spaces between them."""
    names: list[str] = []
    vocabulary = read_json(file)
    for index, words in enumerate(vocabulary if isinstance(vocabulary, list) else [vocabulary], 1):
        if not isinstance(words, list) or len(words) != 4 or not all(isinstance(word, str) for word in words):
            raise InputError(f"{file}: item {index}: {brief(words)}: expected a list of four strings")
        if " ".join(words) in names:
            raise InputError(f"{file}: item {index}: class {brief(' '.join(words))} stands there twice")
        names.append(" ".join(words))
    return at_least_two(file, names)


def _videos(file: Path, classes: int) -> Iterator[tuple[str, str, int]]:
    """(where, name without suffix, label) of each listed video; at the end `InputError` if it was version 1's list."""
    count = 0
    for where, item in read_items(file, keys=("vid_name", "label")):
        yield where, safe_name(where, str(item["vid_name"])), whole_number(where, str(item["label"]), 0, classes - 1)
        count += 1
    for subset, wrong in COUNTS_V1.items():
        if (file.name, count) == (FILE.format(subset), wrong):
            raise InputError(
                f"{file} lists {count} videos, as {FILE_V1.format(subset)} of version 1 does, whose labels are others: "
                f"expected version 2 from {INFO.page}"
            )


def _recording(name: str) -> str:
    """What <recording>_<number> was cut from; both may hold more underscores, or begin with one or with a dash."""
    recording, _, index = name.rpartition("_")
    return recording if recording and index.isdigit() else name
