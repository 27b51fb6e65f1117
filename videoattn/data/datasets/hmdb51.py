"""HMDB51 in its official layout: H. Kuehne, H. Jhuang, E. Garrote, T. Poggio, T. Serre, ICCV 2011.

`<class>/<name>.avi`, and for each class and split `testTrainMulti_7030_splits/<class>_test_split1.txt` with lines
`<name>.avi 1 `: 1 is for training, 2 for testing, 0 for neither. Classes are the names of the lists, sorted. The same
layout with fewer classes is read too.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from videoattn.data.datasets.annotations import (
    brief,
    check_name,
    collected,
    read_lines,
    safe_name,
    whole_number,
    without_missing,
)
from videoattn.data.datasets.info import DatasetInfo
from videoattn.data.datasets.videos import Sample, VideoList
from videoattn.errors import InputError

NAME, LISTS = "hmdb51", "testTrainMulti_7030_splits"
VIDEOS = ("hmdb51_org", "videos", "")  # where class folders may lie under the root: the first that holds one
MARKS = {"train": 1, "test": 2}
INFO = DatasetInfo(
    title="HMDB51",
    kind="video files",
    page="https://serre-lab.clps.brown.edu/resource/hmdb-a-large-human-motion-database/",
    access="download hmdb51_org.rar and test_train_splits.rar from the page; unpack both, and the archives inside",
    layout=(
        "<class>/<name>.avi (or videos/<class>/..., hmdb51_org/<class>/...)",
        f"{LISTS}/<class>_test_split1.txt, ..._split2.txt, ..._split3.txt",
    ),
    counts={1: (3570, 1530), 2: (3570, 1530), 3: (3570, 1530)},
    splits=(1, 2, 3),
)


def load(root: Path, subset: str, *, split: int, allow_missing: bool, allow_counts: bool = False) -> VideoList:
    """The videos of `subset` ("train" or "test") of split 1, 2 or 3.

    Raises `InputError` for lists that are missing or malformed, that name a video twice or do not hold the official
    number of them (51 classes), and for listed videos that are missing; `allow_missing` leaves these out.
    """
    if not (root / LISTS).is_dir():
        raise InputError(f"{root} holds no folder {LISTS}: expected <class>/<name>.avi and {LISTS}/*_test_split1.txt")
    classes = _classes(root / LISTS)
    files = [root / LISTS / f"{name}_test_split{split}.txt" for name in classes]
    marks = [collected(file, _marks(file)) for file in files]
    if len(classes) == 51 and not allow_counts:
        for part, official in zip(MARKS, INFO.counts[split], strict=True):
            found = sum(mark == MARKS[part] for listed in marks for mark in listed.values())
            if found != official:
                raise InputError(f"{root / LISTS}: split {split} lists {found} {part} videos, the official {official}")
    videos = _videos(root, classes)
    samples = tuple(
        Sample(f"{videos}{name}/{file}", root / videos / name / file, label, recording=_source(name, file))
        for label, (name, listed) in enumerate(zip(classes, marks, strict=True))
        for file, mark in listed.items()
        if mark == MARKS[subset]
    )
    return without_missing(VideoList(NAME, subset, classes, samples), root=root, allow_missing=allow_missing)


def _classes(lists: Path) -> tuple[str, ...]:
    """Class names, sorted. Taken whole from the names of the lists: some are the beginning of others."""
    found = (re.fullmatch(r"([^.].*)_test_split[123]\.txt", file.name) for file in lists.iterdir())
    matches = [match for match in found if match]
    for match in matches:
        check_name(lists / match[0])
    classes = tuple(sorted({match[1] for match in matches}))
    if len(classes) < 2:
        raise InputError(
            f"{lists} holds lists <class>_test_split1.txt of {len(classes)} classes: expected two at least"
        )
    return classes


def _marks(file: Path) -> Iterator[tuple[str, str, int]]:
    """(where, file name, mark 0, 1 or 2) of each video of a class."""
    for where, line in read_lines(file):
        words = line.rsplit(maxsplit=1)
        if len(words) != 2:
            raise InputError(f"{where}: {brief(line)}: expected '<name>.avi' and 0, 1 or 2")
        yield where, safe_name(where, words[0].strip()), whole_number(where, words[1], 0, 2, what="mark")


def _videos(root: Path, classes: tuple[str, ...]) -> str:
    """The folder under the root that holds the class folders, with `/`; empty for the root itself."""
    for folder in VIDEOS:
        if any((root / folder / name).is_dir() for name in classes):
            return f"{folder}/" if folder else ""
    raise InputError(
        f"{root} holds no folder of a class, such as {classes[0]}: expected <class>/<name>.avi in it, or in "
        f"{' or '.join(filter(None, VIDEOS))} there"
    )


def _source(name: str, file: str) -> str:
    """The <source> of <source>_<class>_<body>_<camera>_<people>_<view>_<quality>_<number>.avi: clips of one video.

    Which body parts are seen, whether the camera moves and so on may differ from clip to clip of a video. Parts of a
    film that are numbered in <source> count as different videos. A file that is named otherwise stands for itself.
    """
    found = re.fullmatch(r"(.+)_[fhlu]_(cm|nm)_np\d+_(ba|fr|le|ri)_(bad|goo|med)_\d+\.\w+", file)
    return found[1].removesuffix(f"_{name}") if found else file
