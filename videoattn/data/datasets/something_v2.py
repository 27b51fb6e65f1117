"""Something-Something V2: 220,847 short videos of hands that do something with something.

R. Goyal et al., The "something something" video database for learning and evaluating visual common sense, ICCV 2017;
F. Mahdisoltani et al., On the effectiveness of task granularity for transfer learning, 2018.

Training and evaluation are done on the training and the validation set: subset "test" is the latter, as in the papers.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from videoattn.data.datasets.annotations import (
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

VIDEOS = "20bn-something-something-v2"
PLACES = tuple(
    f"{folder}{name}" for folder in ("", "labels/") for name in ("something-something-v2-{}.json", "{}.json")
)
PARTS = {"train": "train", "test": "validation"}
INFO = DatasetInfo(
    title="Something-Something V2",
    kind="video files",
    page="https://www.qualcomm.com/developer/software/something-something-v-2-dataset",
    access="sign in at the page, accept its licence for research, download and join all parts, and download the labels",
    layout=(
        f"{VIDEOS}/<id>.webm",
        "labels.json, train.json, validation.json (or something-something-v2-labels.json, ...), there or in labels/",
    ),
    counts={1: (168913, 24777)},
)


def load(root: Path, subset: str, *, split: int, allow_missing: bool, allow_counts: bool = False) -> VideoList:
    """The videos of `subset`: "train", or "test" for the validation set.

    Classes are in the order of their official numbers. Raises `InputError` for files that are missing or malformed,
    that share a video or do not hold the official number of them (174 classes), and for listed videos that are
    missing; `allow_missing` leaves these out.
    """
    find(root, VIDEOS, layout=INFO.layout)
    classes = _classes(_file(root, "labels"))
    files = {name: _file(root, part) for name, part in PARTS.items()}
    official = INFO.counts[split] if len(classes) == 174 and not allow_counts else None
    listed = read_lists(files, partial(_videos, classes=classes), split=split, official=official)
    samples = tuple(Sample(f"{VIDEOS}/{name}", root / VIDEOS / name, label) for name, label in listed[subset].items())
    return without_missing(VideoList("something_v2", subset, classes, samples), root=root, allow_missing=allow_missing)


def _file(root: Path, part: str) -> Path:
    return find(root, *(place.format(part) for place in PLACES), layout=INFO.layout)


def _classes(file: Path) -> tuple[str, ...]:
    numbers = read_json(file)
    if not isinstance(numbers, dict) or len(numbers) < 2:
        raise InputError(f'{file}: expected an object of two labels at least, as in {{"<label>": "<number>", ...}}')
    names: dict[int, str] = {}
    for name, text in numbers.items():
        label = whole_number(f"{file}: {brief(name)}", str(text), 0, len(numbers) - 1, what="number")
        if label in names:
            raise InputError(f"{file}: {brief(name)} and {brief(names[label])} both have number {label}")
        names[label] = name
    return tuple(names[label] for label in sorted(names))


def _videos(file: Path, classes: tuple[str, ...]) -> Iterator[tuple[str, str, int]]:
    """(where, name of the file, label) of each listed video."""
    labels = {name: label for label, name in enumerate(classes)}
    for where, item in read_items(file, keys=("id", "template")):
        text = str(item["template"]).replace("[", "").replace("]", "")  # the brackets mark what placeholders fill
        if text not in labels:
            raise InputError(
                f"{where}: template {brief(item['template'])}: without brackets none of {len(classes)} labels"
            )
        yield where, safe_name(where, f"{item['id']}.webm"), labels[text]
