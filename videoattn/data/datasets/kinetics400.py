"""Kinetics-400: W. Kay and others, The Kinetics Human Action Video Dataset, arXiv:1705.06950, 2017.

Lists `train.csv` and `val.csv` with columns `label,youtube_id,time_start,time_end,split[,is_cc]`, and videos
`train/<youtube_id>_<start>_<end>.mp4` (seconds, of six digits), or the same in folders inside `train`, one for each
class, however that is spelt: labels come from the lists alone. Copies hold different parts of what is listed, since
videos vanish from YouTube. What is tested is the validation set. Classes are the labels, sorted.

Folders are listed once, and no file is asked for, as there are 246,000 of them, often on a disk behind a network.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from videoattn.data.datasets.annotations import (
    brief,
    check_disjoint,
    check_name,
    collected,
    find,
    read_records,
    whole_number,
    without_missing,
)
from videoattn.data.datasets.info import DatasetInfo
from videoattn.data.datasets.videos import Sample, VideoList
from videoattn.errors import InputError

NAME = "kinetics400"
LISTS = {"train": ("train",), "test": ("val", "validate")}
PREFIXES = ("", "kinetics_", "kinetics400_", "kinetics_400_", "kinetics-400_")  # of the names of lists
FOLDERS = {
    subset: tuple(pattern.format(name) for pattern in ("{}", "videos_{}", "videos/{}"))
    for subset, name in (("train", "train"), ("test", "val"))
}
REPLACED = "replacement/replacement_for_corrupted_k400"  # files in place of broken ones, from the same page
SUFFIXES = (".mp4", ".mkv", ".webm")
INFO = DatasetInfo(
    title="Kinetics-400",
    kind="video files",
    page="https://github.com/cvdfoundation/kinetics-dataset",
    access="run k400_downloader.sh and k400_extractor.sh from the page; the root is the folder k400 that they make",
    layout=(
        "train.csv, val.csv (or validate.csv, kinetics_train.csv, ...; or in annotations/)",
        "train/<id>_<start>_<end>.mp4, val/... (or <id>.mp4; or videos_train/, videos_val/; or in folders of classes)",
    ),
    counts={},
)


class Clip(NamedTuple):
    """A row of a list: where it stands, its label, and the name of its file without suffix, after the official form."""

    where: str
    label: str
    stem: str


def load(root: Path, subset: str, *, split: int, allow_missing: bool, allow_counts: bool = False) -> VideoList:
    """The videos of `subset` ("train", or "test": the validation set).

    Raises `InputError` for lists that are missing or malformed or share a video, and for listed videos that are
    missing; `allow_missing` leaves these out.
    """
    lists = {name: clips_of(list_of(root, name)) for name in LISTS}
    return video_list(NAME, root, subset, lists, allow_missing=allow_missing)


def list_of(root: Path, subset: str) -> Path:
    """The csv file of a subset."""
    names = [f"{prefix}{name}.csv" for prefix in PREFIXES for name in LISTS[subset]]
    places = [f"{folder}{name}" for folder in ("", "annotations/") for name in names]
    return find(root, *places, layout=INFO.layout)


def clips_of(file: Path) -> dict[str, Clip]:
    """YouTube id -> row. Each video is in Kinetics once."""
    return collected(file, _rows(file))


def _rows(file: Path) -> Iterator[tuple[str, str, Clip]]:
    """(where, YouTube id, row) of each listed video."""
    for where, row in read_records(file, columns=("label", "youtube_id", "time_start", "time_end")):
        video, label = row["youtube_id"], row["label"]
        if not re.fullmatch(r"[\w-]+", video, re.ASCII) or not label:
            raise InputError(
                f"{where}: label {brief(label)}, youtube_id {brief(video)}: expected the name of a class and an id"
            )
        start, end = (whole_number(where, row[name], 0, 999999, what=name) for name in ("time_start", "time_end"))
        yield where, video, Clip(where, label, f"{video}_{start:06d}_{end:06d}")


def video_list(
    data_set: str, root: Path, subset: str, lists: Mapping[str, Mapping[str, Clip]], *, allow_missing: bool
) -> VideoList:
    """The videos of a subset. lists: for "train" and "test", YouTube id -> row.

    Raises `InputError` where the lists share a video, where a class is in the test list alone, and as `load` does.
    """
    check_disjoint(1, *lists.values())
    classes = tuple(sorted({clip.label for clip in lists["train"].values()}))
    labels = {name: label for label, name in enumerate(classes)}
    for where, label, _ in lists["test"].values():
        if label not in labels:
            raise InputError(
                f"{where}: label {brief(label)} is not among the {len(classes)} classes of the training list"
            )
    if len(classes) < 2:
        raise InputError(f"data set {data_set}: one class, {brief(classes[0])}: expected two at least")
    folders = [folder for folder in FOLDERS[subset] if (root / folder).is_dir()]
    if not folders:
        raise InputError(f"{root} holds no {subset} videos: expected a folder {' or '.join(FOLDERS[subset])}")
    replaced = {re.sub(r"_\d{6}_\d{6}$", "", stem): name for stem, name in _videos(root, (REPLACED,)).items()}
    found = _videos(root, folders)
    samples, there = [], set()
    for video, clip in lists[subset].items():
        there_as = replaced.get(video) or found.get(clip.stem) or found.get(video)
        name = there_as or f"{folders[0]}/{clip.stem}{SUFFIXES[0]}"
        samples.append(Sample(name, root / name, labels[clip.label], recording=video))
        if there_as:
            check_name(samples[-1].path)
            there.add(samples[-1].path)
    videos = VideoList(data_set, subset, classes, tuple(samples))
    return without_missing(videos, root=root, allow_missing=allow_missing, there=there)


def _videos(root: Path, folders: Iterable[str]) -> dict[str, str]:
    """Name without suffix -> path relative to the root, of all videos in folders; the first of several of one name."""
    found: dict[str, str] = {}
    for folder in folders:
        for name in _listed(root, folder):
            found.setdefault(name.rpartition("/")[2].rpartition(".")[0], name)
    return found


def _listed(root: Path, folder: str, *, depth: int = 2) -> Iterator[str]:
    """Paths, relative to the root, of the videos in a folder and then of those in its folders, by name."""
    if not (root / folder).is_dir():
        return
    with os.scandir(root / folder) as entries:
        listed = sorted(entries, key=lambda entry: entry.name)
    # A listing says what is a file and what a folder; only for symbolic links these two ask the file system.
    videos = [entry for entry in listed if entry.name.lower().endswith(SUFFIXES) and entry.is_file()]
    yield from (f"{folder}/{entry.name}" for entry in videos)
    if depth > 1:
        for entry in listed:
            if not entry.name.lower().endswith(SUFFIXES) and entry.is_dir():
                yield from _listed(root, f"{folder}/{entry.name}", depth=depth - 1)
