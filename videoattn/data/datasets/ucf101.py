"""UCF101 in its official layout: K. Soomro, A. R. Zamir, M. Shah, CRCV-TR-12-01, 2012.

`UCF-101/<Class>/v_<Class>_gGG_cCC.avi`, and in `ucfTrainTestlist/` the classes (`classInd.txt`) and three splits
(`trainlist01.txt`, `testlist01.txt`, ...). A video's class is the name of its folder: file names write the class of
HandstandPushups differently, and test lists carry no labels. The same layout with fewer classes is read too.
"""

from pathlib import Path, PureWindowsPath

from videoattn.data.videos import Sample, VideoList
from videoattn.errors import InputError

VIDEOS, LISTS = "UCF-101", "ucfTrainTestlist"
COUNTS = {  # split -> listed videos, for the complete data set of 101 classes
    1: {"train": 9537, "test": 3783},
    2: {"train": 9586, "test": 3734},
    3: {"train": 9624, "test": 3696},
}


def load(root: Path, subset: str, *, split: int, allow_missing: bool) -> VideoList:
    """The videos of `subset` ("train" or "test") of split 1, 2 or 3.

    Raises `InputError` for another split, for lists that are missing or malformed, that share a video or do not hold
    the official number of them (101 classes), and for listed videos that are missing; `allow_missing` leaves these out.
    """
    if isinstance(split, bool) or split not in COUNTS:
        raise InputError(f"split {split!r}: UCF101 has {', '.join(map(str, COUNTS))}")
    for folder in (VIDEOS, LISTS):
        if not (root / folder).is_dir():
            raise InputError(f"{root} holds no folder {folder}: expected {VIDEOS}/<Class>/*.avi and {LISTS}/*.txt")
    classes = _classes(root / LISTS / "classInd.txt")
    listed = {name: _videos(root / LISTS / f"{name}list{split:02d}.txt", classes) for name in ("train", "test")}
    both = sorted(listed["train"].keys() & listed["test"].keys())
    if both:
        raise InputError(f"split {split} lists {len(both)} videos for training and for testing: {', '.join(both[:3])}")
    if len(classes) == 101:
        for name, expected in COUNTS[split].items():
            if len(listed[name]) != expected:
                file = root / LISTS / f"{name}list{split:02d}.txt"
                raise InputError(f"{file} lists {len(listed[name])} videos, the official list {expected}")
    samples = [
        Sample(name=f"{VIDEOS}/{name}", path=root / VIDEOS / name, label=label)
        for name, label in listed[subset].items()
    ]
    present = tuple(sample for sample in samples if sample.path.is_file())
    missing = [sample.name for sample in samples if not sample.path.is_file()]
    if missing and not (allow_missing and present):
        raise InputError(
            f"{len(missing)} of {len(samples)} listed {subset} videos are missing under {root}: "
            f"{', '.join(missing[:3])}{', ...' if len(missing) > 3 else ''}"
        )
    return VideoList("ucf101", subset, classes, present, missing=len(missing))


def _lines(file: Path) -> list[tuple[str, list[str]]]:
    """(where, words) of each line that is not blank; `where` is file and line number, for messages."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file} cannot be read: {error}") from error
    return [(f"{file}:{number}", line.split()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]


def _classes(file: Path) -> tuple[str, ...]:
    names: list[str] = []
    for where, words in _lines(file):
        if len(words) != 2 or words[0] != str(len(names) + 1):
            raise InputError(f"{where}: {' '.join(words)!r}: expected '{len(names) + 1} <Class>'")
        if words[1] in names:
            raise InputError(f"{where}: class {words[1]!r} stands there twice")
        names.append(words[1])
    if len(names) < 2:
        raise InputError(f"{file} names {len(names)} classes: expected two at least")
    return tuple(names)


def _videos(file: Path, classes: tuple[str, ...]) -> dict[str, int]:
    """Name `<Class>/<file>` -> label, from 0, of each listed video."""
    labels = {name: label for label, name in enumerate(classes)}
    videos: dict[str, int] = {}
    for where, words in _lines(file):
        name = words[0]
        # Also on a system where "\" is a letter: nothing that a list says leads out of the folder of videos.
        parts = PureWindowsPath(name).parts
        if len(words) > 2 or len(parts) != 2 or name != "/".join(parts) or ".." in parts:
            raise InputError(f"{where}: {' '.join(words)!r}: expected '<Class>/<file>.avi' and perhaps a label")
        if parts[0] not in labels:
            raise InputError(f"{where}: {name!r}: its folder is not among the {len(classes)} classes of classInd.txt")
        label = labels[parts[0]]
        if len(words) == 2 and words[1] != str(label + 1):
            raise InputError(f"{where}: label {words[1]!r} of {name!r}: expected {label + 1}, as in classInd.txt")
        if name in videos:
            raise InputError(f"{where}: {name!r} is listed twice")
        videos[name] = label
    if not videos:
        raise InputError(f"{file} lists no videos")
    return videos
