"""Mini-Kinetics-200, a part of Kinetics-400: S. Xie, C. Sun, J. Huang, Z. Tu, K. Murphy, ECCV 2018.

`train_ytid_list.txt` and `val_ytid_list.txt` hold one YouTube id a line, without labels: these stand in the lists of
Kinetics-400, which must lie under the same root, as must its videos. Classes are the 200 labels, sorted.
"""

from collections.abc import Iterator
from pathlib import Path

from videoattn.data.datasets import kinetics400
from videoattn.data.datasets.annotations import brief, check_counts, collected, find, read_lines
from videoattn.data.datasets.info import DatasetInfo
from videoattn.data.datasets.kinetics400 import Clip
from videoattn.data.datasets.videos import VideoList
from videoattn.errors import InputError

NAME = "mini_kinetics"
LISTS = {"train": "train_ytid_list.txt", "test": "val_ytid_list.txt"}
INFO = DatasetInfo(
    title="Mini-Kinetics-200",
    kind="video files",
    page="https://github.com/s9xie/Mini-Kinetics-200",
    access="download the two lists from the page, and Kinetics-400 as `kinetics400` says",
    layout=(f"{LISTS['train']}, {LISTS['test']} (or in annotations/)", *kinetics400.INFO.layout),
    counts={1: (80000, 5000)},
)


def load(root: Path, subset: str, *, split: int, allow_missing: bool, allow_counts: bool = False) -> VideoList:
    """The videos of `subset` ("train", or "test": the validation set).

    Raises `InputError` for lists that are missing or malformed, share a video or do not hold the official number of
    them (200 classes), for an id that the list of Kinetics-400 lacks, and for listed videos that are missing;
    `allow_missing` leaves these out.
    """
    files = {name: find(root, file, f"annotations/{file}", layout=INFO.layout) for name, file in LISTS.items()}
    lists = {name: collected(file, _joined(file, kinetics400.list_of(root, name))) for name, file in files.items()}
    if not allow_counts and len({clip.label for clip in lists["train"].values()}) == 200:
        for (name, file), official in zip(files.items(), INFO.counts[1], strict=True):
            check_counts(file, len(lists[name]), official)
    return kinetics400.video_list(NAME, root, subset, lists, allow_missing=allow_missing)


def _joined(file: Path, kinetics: Path) -> Iterator[tuple[str, str, Clip]]:
    """(where, YouTube id, row of Kinetics-400) of each listed id."""
    rows = kinetics400.clips_of(kinetics)
    for where, line in read_lines(file):
        video = line.strip()
        if video not in rows:
            raise InputError(f"{where}: {brief(video)} has no row in {kinetics}")
        yield where, video, rows[video]
