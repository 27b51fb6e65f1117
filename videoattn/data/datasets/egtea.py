"""EGTEA Gaze+ in its official layout: Y. Li, M. Liu, J. M. Rehg, In the Eye of Beholder, ECCV 2018.

`cropped_clips/<session>/<session>-<start>-<end>-F<start>-F<end>.mp4` (milliseconds, then frames), three splits in
`train_split1.txt`, `test_split1.txt`, ..., with lines `<clip> <action> <verb> <noun> [<noun> [<noun>]]`, and names in
`action_idx.txt`, `verb_idx.txt`, `noun_idx.txt` with lines `<name with spaces> <number>`; numbers begin at 1. The label
is the action. The same layout with fewer actions is read too.
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
    safe_name,
    whole_number,
    without_missing,
)
from videoattn.data.datasets.info import DatasetInfo
from videoattn.data.datasets.videos import Sample, VideoList
from videoattn.errors import InputError

NAME, ACTIONS = "egtea", "action_idx.txt"
VIDEOS = ("cropped_clips", "video_clips/cropped_clips")  # the second, where the archive got a folder of its own
INFO = DatasetInfo(
    title="EGTEA Gaze+",
    kind="video files",
    page="https://cbs.ic.gatech.edu/fpv/",
    access="download Trimmed Action Clips (video_clips.tar) and Action Annotations (action_annotation.zip) from the "
    "page and unpack both",
    layout=(
        f"{VIDEOS[0]}/<session>/<clip>.mp4",
        f"{ACTIONS}, train_split1.txt, test_split1.txt, ... (or in action_annotation/)",
    ),
    counts={1: (8299, 2022), 2: (8299, 2022), 3: (8300, 2021)},
    splits=(1, 2, 3),
)


def load(root: Path, subset: str, *, split: int, allow_missing: bool, allow_counts: bool = False) -> VideoList:
    """The clips of `subset` ("train" or "test") of split 1, 2 or 3, labelled with their actions.

    Raises `InputError` for lists that are missing or malformed, that share a clip or do not hold the official number
    of them (106 actions), and for listed clips that are missing; `allow_missing` leaves these out. Verbs and nouns are
    checked against verb_idx.txt and noun_idx.txt where these are there.
    """
    lists = find(root, ACTIONS, f"action_annotation/{ACTIONS}", layout=INFO.layout).parent
    videos = find(root, *VIDEOS, layout=INFO.layout).relative_to(root).as_posix()
    classes = at_least_two(lists / ACTIONS, _names(lists / ACTIONS), "actions")
    known = {kind: lists / f"{kind}_idx.txt" for kind in ("verb", "noun")}
    highest = {"action": len(classes)} | {kind: len(_names(file)) for kind, file in known.items() if file.is_file()}
    files = {name: lists / f"{name}_split{split}.txt" for name in ("train", "test")}
    official = INFO.counts[split] if len(classes) == 106 and not allow_counts else None
    listed = read_lists(files, partial(_clips, highest=highest), split=split, official=official)
    names = {clip: f"{videos}/{_session(clip)}/{clip}.mp4" for clip in listed[subset]}
    samples = tuple(
        Sample(names[clip], root / names[clip], label, recording=_session(clip))
        for clip, label in listed[subset].items()
    )
    return without_missing(VideoList(NAME, subset, classes, samples), root=root, allow_missing=allow_missing)


def _names(file: Path) -> tuple[str, ...]:
    """The names that a file numbers from 1, in the order of their numbers."""
    names: dict[int, str] = {}
    lines = read_lines(file)
    for where, line in lines:
        words = line.rsplit(maxsplit=1)
        if len(words) != 2:
            raise InputError(f"{where}: {brief(line)}: expected '<name> <number>'")
        key = whole_number(where, words[1], 1, len(lines), what="number")
        if key in names:
            raise InputError(f"{where}: number {key} stands there twice")
        names[key] = words[0].strip()
    return tuple(names[key] for key in sorted(names))


def _clips(file: Path, highest: dict[str, int]) -> Iterator[tuple[str, str, int]]:
    """(where, clip, label from 0) of each listed clip. highest: kind of number -> the highest there is."""
    for where, line in read_lines(file):
        clip, *numbers = line.split()
        if not 3 <= len(numbers) <= 5:
            raise InputError(
                f"{where}: {brief(line)}: expected '<clip> <action> <verb> <noun>' and up to two more nouns"
            )
        if not _session(safe_name(where, clip)):
            raise InputError(f"{where}: clip {brief(clip)}: expected '<session>-<start>-<end>-F<start>-F<end>'")
        for kind, text in zip(("action", "verb", "noun", "noun", "noun"), numbers, strict=False):
            if kind in highest:
                whole_number(where, text, 1, highest[kind], what=kind)
        yield where, clip, int(numbers[0]) - 1


def _session(clip: str) -> str:
    """The recording that a clip was cut from, which is its folder; empty where the name is not that of a clip."""
    found = re.fullmatch(r"(.+)-\d+-\d+-F\d+-F\d+", clip)
    return found[1] if found else ""
