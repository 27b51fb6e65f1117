"""UCF101 in its official layout: K. Soomro, A. R. Zamir, M. Shah, CRCV-TR-12-01, 2012.

`UCF-101/<Class>/v_<Class>_gGG_cCC.avi`, and in `ucfTrainTestlist/` the classes (`classInd.txt`) and three splits
(`trainlist01.txt`, `testlist01.txt`, ...). A video's class is the name of its folder: file names write the class of
HandstandPushups differently, and test lists carry no labels. The same layout with fewer classes is read too.
"""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from videoattn.data.datasets.annotations import (
    at_least_two,
    brief,
    read_lines,
    read_lists,
    safe_name,
    whole_number,
    without_missing,
)
from videoattn.data.datasets.info import DatasetInfo
from videoattn.data.datasets.videos import Sample, VideoList
from videoattn.errors import InputError

VIDEOS, LISTS = "UCF-101", "ucfTrainTestlist"
INFO = DatasetInfo(
    title="UCF101",
    kind="video files",
    page="https://www.crcv.ucf.edu/data/UCF101.php",
    access="download UCF101.rar and UCF101TrainTestSplits-RecognitionTask.zip from the page and unpack both",
    layout=(f"{VIDEOS}/<Class>/v_<Class>_g01_c01.avi", f"{LISTS}/classInd.txt, trainlist01.txt, testlist01.txt, ..."),
    counts={1: (9537, 3783), 2: (9586, 3734), 3: (9624, 3696)},
    splits=(1, 2, 3),
)


def load(root: Path, subset: str, *, split: int, allow_missing: bool, allow_counts: bool = False) -> VideoList:
    """The videos of `subset` ("train" or "test") of split 1, 2 or 3.

    Raises `InputError` for lists that are missing or malformed, that share a video or do not hold the official number
    of them (101 classes), and for listed videos that are missing; `allow_missing` leaves these out.
    """
    for folder in (VIDEOS, LISTS):
        if not (root / folder).is_dir():
            raise InputError(f"{root} holds no folder {folder}: expected {VIDEOS}/<Class>/*.avi and {LISTS}/*.txt")
    classes = _classes(root / LISTS / "classInd.txt")
    files = {name: root / LISTS / f"{name}list{split:02d}.txt" for name in ("train", "test")}
    official = INFO.counts[split] if len(classes) == 101 and not allow_counts else None
    listed = read_lists(files, partial(_videos, classes=classes), split=split, official=official)
    samples = tuple(
        Sample(f"{VIDEOS}/{name}", root / VIDEOS / name, label, recording=_group(name))
        for name, label in listed[subset].items()
    )
    return without_missing(VideoList("ucf101", subset, classes, samples), root=root, allow_missing=allow_missing)


def _classes(file: Path) -> tuple[str, ...]:
    names: list[str] = []
    for where, line in read_lines(file):
        words = line.split()
        if len(words) != 2 or words[0] != str(len(names) + 1):
            raise InputError(f"{where}: {brief(line)}: expected '{len(names) + 1} <Class>'")
        if words[1] in names:
            raise InputError(f"{where}: class {brief(words[1])} stands there twice")
        names.append(words[1])
    return at_least_two(file, names)


def _videos(file: Path, classes: tuple[str, ...]) -> Iterator[tuple[str, str, int]]:
    """(where, name `<Class>/<file>`, label from 0) of each listed video."""
    labels = {name: label for label, name in enumerate(classes)}
    for where, line in read_lines(file):
        name, *label = line.split()
        folder = safe_name(where, name, depth=2, form="<Class>/<file>.avi").partition("/")[0]
        if folder not in labels or len(label) > 1:
            raise InputError(
                f"{where}: {brief(line)}: expected '<Class>/<file>.avi', its folder among the {len(classes)} classes "
                "of classInd.txt, and perhaps a label"
            )
        if label and whole_number(where, label[0], 1, len(classes)) != labels[folder] + 1:
            raise InputError(f"{where}: label {brief(label[0])}: expected {labels[folder] + 1}, as in classInd.txt")
        yield where, name, labels[folder]


def _group(name: str) -> str:
    """The gGG of v_<Class>_gGG_cCC.avi: clips of one recording; the whole name of a video that is named otherwise."""
    found = re.search(r"_(g\d+)_c\d+\.[^.]+$", name)
    return found[1] if found else name
