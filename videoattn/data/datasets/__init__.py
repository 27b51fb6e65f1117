"""Data sets of videos, and one of images, on disk, by name."""

from pathlib import Path

from videoattn.data.datasets import cifar100, folder, ucf101
from videoattn.data.videos import Sample, VideoList
from videoattn.errors import InputError

__all__ = ["NAMES", "Sample", "VideoList", "load"]

NAMES = ("folder", "ucf101", cifar100.NAME)


def load(name: str, root: Path | str, subset: str, *, split: int = 1, allow_missing: bool = False) -> VideoList:
    """The videos of `subset` ("train" or "test") of data set `name` that lies under `root`.

    split: which of the data set's official splits; a data set with a single one takes 1. allow_missing: leave out
    listed videos that are not there. Raises `InputError` for a name, subset or split that does not exist, and for files
    that are not as the data set has them.
    """
    if name not in NAMES:
        raise InputError(f"data set {name!r}: expected one of {', '.join(NAMES)}")
    if subset not in ("train", "test"):
        raise InputError(f'subset {subset!r}: expected "train" or "test"')
    root = Path(root).expanduser()
    if not root.is_dir():
        raise InputError(f"data set {name}: there is no folder {root}")
    if name == "ucf101":
        return ucf101.load(root, subset, split=split, allow_missing=allow_missing)
    if split != 1:
        raise InputError(f"split {split!r}: data set {name} has a single split, 1")
    return (cifar100 if name == cifar100.NAME else folder).load(root, subset)
