"""Data sets of videos, and one of images, on disk, by name. Each has a module here, of its own name, with

INFO                                                         a `DatasetInfo`: what it is and where it comes from
load(root, subset, *, split, allow_missing, allow_counts)    a `VideoList`: the videos of a subset
"""

import importlib
from pathlib import Path

from videoattn.data.datasets.annotations import check_name
from videoattn.data.datasets.info import DatasetInfo
from videoattn.data.datasets.videos import Sample, VideoList
from videoattn.errors import InputError, unknown

__all__ = ["NAMES", "VIDEOS", "Sample", "VideoList", "dataset_info", "load"]

VIDEOS = (
    "folder",
    "ucf101",
    "hmdb51",
    "kinetics400",
    "mini_kinetics",
    "something_v1",
    "something_v2",
    "diving48",
    "egtea",
    "epic55",
    "charades",
)
NAMES = (*VIDEOS, "cifar100")


def dataset_info(name: str) -> DatasetInfo:
    """Title, page, layout and official counts of a data set. Raises `InputError` for an unknown name."""
    return _reader(name).INFO


def load(
    name: str,
    root: Path | str,
    subset: str,
    *,
    split: int = 1,
    allow_missing: bool = False,
    allow_counts: bool = False,
) -> VideoList:
    """The videos of `subset` ("train" or "test") of data set `name` that lies under `root`.

    split: which of the data set's official splits; a data set with a single one takes 1. allow_missing: leave out
    listed videos that are not there. allow_counts: take lists of all classes that do not hold the official number of
    videos. Raises `InputError` for a name, subset or split that does not exist, and for files that are not as the data
    set has them.
    """
    reader = _reader(name)
    if subset not in ("train", "test"):
        raise unknown("subset", subset, ("train", "test"))
    if isinstance(split, bool) or split not in reader.INFO.splits:
        there = ", ".join(map(str, reader.INFO.splits))
        raise InputError(
            f"split {split!r}: data set {name} has {'splits' if len(there) > 1 else 'a single split,'} {there}"
        )
    root = Path(root).expanduser()
    if not root.is_dir():
        raise InputError(f"data set {name}: there is no folder {root}")
    check_name(root.resolve())
    return reader.load(root, subset, split=split, allow_missing=allow_missing, allow_counts=allow_counts)


def _reader(name: str):
    if name not in NAMES:
        raise unknown("data set", name, NAMES)
    return importlib.import_module(f"videoattn.data.datasets.{name}")
