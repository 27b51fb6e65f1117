"""Charades: what people do at home, in videos of half a minute with several actions each, or none.

G. A. Sigurdsson et al., Hollywood in homes: crowdsourcing data collection for activity understanding, ECCV 2016.
"""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from videoattn.data.datasets.annotations import (
    at_least_two,
    brief,
    find,
    read_lines,
    read_lists,
    read_records,
    safe_name,
    without_missing,
)
from videoattn.data.datasets.info import DatasetInfo
from videoattn.data.datasets.videos import Sample, VideoList
from videoattn.errors import InputError

# Videos, as filmed or smaller, are preferred to images. One kind serves for all: the images have another frame rate.
VIDEOS = {"Charades_v1": ".mp4", "Charades_v1_480": ".mp4", "Charades_v1_rgb": ""}
CLASSES, FILE = "Charades_v1_classes.txt", "Charades_v1_{}.csv"
PLACES = ("", "Charades/")  # of the annotation files; the latter as their archive unpacks
INFO = DatasetInfo(
    title="Charades",
    kind="video files, or folders of images",
    page="https://prior.allenai.org/projects/charades",
    access="accept the licence for non-commercial use at the page and download the annotations and the videos "
    "(original size or 480p) or the RGB frames",
    layout=(
        "Charades_v1/<id>.mp4 or Charades_v1_480/<id>.mp4 or Charades_v1_rgb/<id>/<id>-000001.jpg, ...",
        f"{FILE.format('train')}, {FILE.format('test')}, {CLASSES}, there or in {PLACES[1]}",
    ),
    counts={1: (7985, 1863)},
)


def load(root: Path, subset: str, *, split: int, allow_missing: bool, allow_counts: bool = False) -> VideoList:
    """The videos of `subset` ("train" or "test"), whole, with all of their actions: `label` is None.

    They are the files of `Charades_v1` or `Charades_v1_480` or the folders of `Charades_v1_rgb`, of the first of these
    that exists. Raises `InputError` for lists that are missing or malformed, that share a video or do not hold the
    official number of them (157 classes), and for listed videos that are missing; `allow_missing` leaves these out.
    """
    folder = find(root, *VIDEOS, layout=INFO.layout)
    classes = _classes(_file(root, CLASSES))
    files = {name: _file(root, FILE.format(name)) for name in ("train", "test")}
    official = INFO.counts[split] if len(classes) == 157 and not allow_counts else None
    listed = read_lists(files, partial(_videos, classes=len(classes)), split=split, official=official)
    suffix = VIDEOS[folder.name]
    samples = tuple(
        Sample(f"{folder.name}/{name}{suffix}", folder / f"{name}{suffix}", None, labels)
        for name, labels in listed[subset].items()
    )
    videos = VideoList("charades", subset, classes, samples, multilabel=True)
    return without_missing(videos, root=root, allow_missing=allow_missing)


def _file(root: Path, name: str) -> Path:
    return find(root, *(place + name for place in PLACES), layout=INFO.layout)


def _classes(file: Path) -> tuple[str, ...]:
    names: list[str] = []
    for where, line in read_lines(file):
        code, _, name = line.strip().partition(" ")
        if code != f"c{len(names):03d}" or not name.strip():
            raise InputError(f"{where}: {brief(line)}: expected 'c{len(names):03d} <class>'")
        names.append(name.strip())
    return at_least_two(file, names)


def _videos(file: Path, classes: int) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """(where, id, labels ascending) of each listed video."""
    for where, row in read_records(file, columns=("id", "actions")):
        actions = [action for action in row["actions"].split(";") if action.strip()]
        yield where, safe_name(where, row["id"]), tuple(sorted({_label(where, action, classes) for action in actions}))


def _label(where: str, action: str, classes: int) -> int:
    """The class of `c092 11.90 21.20`: its code, and the seconds when it begins and ends."""
    parts = re.fullmatch(r"\s*c(\d{3})(?:\s+-?\d+(?:\.\d+)?){2}\s*", action, re.ASCII)
    if not parts or int(parts[1]) >= classes:
        raise InputError(
            f"{where}: action {brief(action)}: expected 'c000 <begin> <end>', from c000 to c{classes - 1:03d}"
        )
    return int(parts[1])
