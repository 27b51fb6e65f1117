"""Any videos, sorted into folders: `<root>/<subset>/<class>/<video>`."""

from pathlib import Path

from videoattn.data.datasets.annotations import check_name
from videoattn.data.datasets.info import DatasetInfo
from videoattn.data.datasets.videos import Sample, VideoList
from videoattn.errors import InputError

SUFFIXES = frozenset(
    {".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ogv", ".ts", ".webm", ".wmv", ".3gp"}
)
FOLDERS = {"train": ("train",), "test": ("test", "val", "validation")}  # the first that exists holds the subset
INFO = DatasetInfo(
    title="your own videos",
    kind="video files",
    page="",
    access="sort your videos into folders, one for each class",
    layout=("train/<class>/<video>", "test/<class>/<video> (or val/ or validation/)"),
    counts={},
)
EXPECTED = "expected <root>/train/<class>/<video> and <root>/test/<class>/<video>"


def load(
    root: Path, subset: str, *, split: int = 1, allow_missing: bool = False, allow_counts: bool = False
) -> VideoList:
    """The videos of `subset` ("train" or "test"; `val` and `validation` pass for a test folder); none can be missing.

    Classes are the folders under `train`, sorted by name. Hidden files, files that are no videos by their suffix, and
    folders inside class folders are left out. Raises `InputError` where this is not the layout, where there are fewer
    than two classes, a class without videos, or a class in test that train lacks.
    """
    split = _split_folder(root, subset)
    classes = _class_names(_split_folder(root, "train"))
    if len(classes) < 2:
        raise InputError(f"{root / 'train'} holds one class folder, {classes[0]!r}: there must be two classes at least")
    present = classes if subset == "train" else _class_names(split)
    unknown = [name for name in present if name not in classes]
    if unknown:
        raise InputError(f"{split} holds {_some(unknown)}, not among the classes of {root / 'train'}: {_some(classes)}")
    samples = tuple(
        Sample(name=video.relative_to(root).as_posix(), path=video, label=classes.index(name))
        for name in present
        for video in _videos(split / name)
    )
    return VideoList(data_set="folder", subset=subset, classes=tuple(classes), samples=samples)


def _split_folder(root: Path, subset: str) -> Path:
    names = FOLDERS[subset]
    for name in names:
        if (root / name).is_dir():
            return root / name
    raise InputError(f"{root} holds no folder {' or '.join(names)}: {EXPECTED}")


def _class_names(split: Path) -> list[str]:
    entries = [entry for entry in split.iterdir() if not entry.name.startswith(".")]
    classes = sorted(entry.name for entry in entries if entry.is_dir())
    stray = sorted(entry.name for entry in entries if _is_video(entry))
    for name in (*classes, *stray):
        check_name(split / name)
    if stray:
        raise InputError(f"{split} holds videos outside of class folders ({_some(stray)}): {EXPECTED}")
    if not classes:
        raise InputError(f"{split} holds no class folders: {EXPECTED}")
    return classes


def _videos(folder: Path) -> list[Path]:
    videos = sorted(entry for entry in folder.iterdir() if not entry.name.startswith(".") and _is_video(entry))
    for video in videos:
        check_name(video)
    if not videos:
        raise InputError(f"{folder} holds no videos: expected files ending in {', '.join(sorted(SUFFIXES))}")
    return videos


def _is_video(entry: Path) -> bool:
    return entry.suffix.lower() in SUFFIXES and entry.is_file()


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
