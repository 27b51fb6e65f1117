"""Something-Something V1: short videos of hands that do something with something, given as folders of images.

R. Goyal et al., The "something something" video database for learning and evaluating visual common sense, ICCV 2017.

The labels of the test videos were never public: subset "test" is the validation set, as in the papers.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from videoattn.data.datasets.annotations import (
    at_least_two,
    brief,
    find,
    read_lines,
    read_lists,
    safe_name,
    without_missing,
)
from videoattn.data.datasets.info import DatasetInfo
from videoattn.data.datasets.videos import Sample, VideoList
from videoattn.errors import InputError

VIDEOS = "20bn-something-something-v1"
FILE = "something-something-v1-{}.csv"
PARTS = {"train": "train", "test": "validation"}
INFO = DatasetInfo(
    title="Something-Something V1",
    kind="folders of images",
    page="https://20bn.com/datasets/something-something/v1",
    access="the page was closed in 2021 and V1 moved to no other: ask the authors of the paper, or take V2",
    layout=(f"{VIDEOS}/<id>/00001.jpg, ...", f"{FILE.format('labels')}, ...-train.csv, ...-validation.csv"),
    counts={1: (86017, 11522)},
)


def load(root: Path, subset: str, *, split: int, allow_missing: bool, allow_counts: bool = False) -> VideoList:
    """The videos of `subset`: "train", or "test" for the validation set. Each is a folder of images.

    Classes are the labels, sorted: the order that V2 numbers. Raises `InputError` for lists that are missing or
    malformed, that share a video or do not hold the official number of them (174 classes), and for listed videos that
    are missing; `allow_missing` leaves these out.
    """
    find(root, VIDEOS, layout=INFO.layout)
    classes = _classes(find(root, FILE.format("labels"), layout=INFO.layout))
    files = {name: find(root, FILE.format(part), layout=INFO.layout) for name, part in PARTS.items()}
    official = INFO.counts[split] if len(classes) == 174 and not allow_counts else None
    listed = read_lists(files, partial(_videos, classes=classes), split=split, official=official)
    samples = tuple(Sample(f"{VIDEOS}/{name}", root / VIDEOS / name, label) for name, label in listed[subset].items())
    return without_missing(VideoList("something_v1", subset, classes, samples), root=root, allow_missing=allow_missing)


def _classes(file: Path) -> tuple[str, ...]:
    names: set[str] = set()
    for where, line in read_lines(file):  # the whole line: labels hold commas, and are not quoted
        if line.strip() in names:
            raise InputError(f"{where}: label {brief(line.strip())} stands there twice")
        names.add(line.strip())
    return at_least_two(file, sorted(names), "labels")


def _videos(file: Path, classes: tuple[str, ...]) -> Iterator[tuple[str, str, int]]:
    """(where, id, label) of each listed video."""
    labels = {name: label for label, name in enumerate(classes)}
    for where, line in read_lines(file):
        name, separator, text = line.partition(";")
        if not separator:
            raise InputError(f"{where}: {brief(line)}: expected '<id>;<label>'")
        if text.strip() not in labels:
            raise InputError(
                f"{where}: label {brief(text.strip())}: expected one of the {len(classes)} of {FILE.format('labels')}"
            )
        yield where, safe_name(where, name), labels[text.strip()]
