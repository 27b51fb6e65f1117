"""EPIC-KITCHENS-55: what cooks do in their kitchens, seen from their heads; each action has a verb and a noun.

D. Damen et al., Scaling egocentric vision: the EPIC-KITCHENS dataset, ECCV 2018.

The labels of the official test sets are not public, nor is the split of the labelled videos that papers evaluate on.
The split here is by cook: P01 to P25 for training, P26 to P31 for testing. The data set is named after it in all
results ("epic55-p01-25"): they are not comparable with results on another split.

Numbers of frames. `start_frame` and `stop_frame` number the images that were extracted at 60 frames a second, the
first of which is frame_0000000001.jpg; both belong to the action. A part counts from 0 and ends behind its last frame:
start_frame - 1 to stop_frame. A start_frame of 0 is taken for 1.
"""

import ast
import re
from pathlib import Path

from videoattn.data.datasets.annotations import (
    at_least_two,
    brief,
    check_counts,
    find,
    read_records,
    safe_name,
    whole_number,
    without_missing,
)
from videoattn.data.datasets.info import DatasetInfo
from videoattn.data.datasets.videos import Sample, VideoList
from videoattn.errors import InputError

NAME = "epic55-p01-25"
ACTIONS, VERBS, NOUNS = "EPIC_train_action_labels.csv", "EPIC_verb_classes.csv", "EPIC_noun_classes.csv"
PLACES = ("", "epic-kitchens-55-annotations/")  # of the three; the latter is what a clone of their repository is called
FRAMES = ("{cook}/{video}", "{cook}/rgb_frames/{video}", "frames_rgb_flow/rgb/train/{cook}/{video}")
LAST_TRAINING, LAST = 25, 31  # cooks
LARGEST = 10**10 - 1  # the names of frames have ten digits
COLUMNS = ("uid", "participant_id", "video_id", "start_frame", "stop_frame", "verb_class", "noun_class")
LISTS = {"all_nouns": str, "all_noun_classes": int}
INFO = DatasetInfo(
    title="EPIC-KITCHENS-55, split P01-25 / P26-31",
    kind="parts of folders of images",
    page="https://epic-kitchens.github.io/2018",
    access="download the RGB frames (CC BY-NC 4.0) by the page's script and unpack the archive of each video into a "
    "folder of its name; the lists are in https://github.com/epic-kitchens/epic-kitchens-55-annotations",
    layout=(
        f"{' or '.join(FRAMES).format(cook='P01', video='P01_01')}, each with frame_0000000001.jpg, ...",
        f"{ACTIONS}, {VERBS}, {NOUNS}, there or in {PLACES[1]}",
    ),
    counts={1: (23191, 5281)},
)


def load(root: Path, subset: str, *, split: int, allow_missing: bool, allow_counts: bool = False) -> VideoList:
    """The actions of `subset` ("train": P01 to P25, "test": P26 to P31), as parts of folders of images.

    Two heads, "verb" and "noun": a sample's `label` is the verb, its `labels` verb and noun, its `recording` the video.
    Raises `InputError` for files that are missing or malformed or do not hold the official number of actions (125 verbs
    and 352 nouns, or 28,472 actions), and for videos that are missing; `allow_missing` leaves their actions out.
    """
    actions = find(root, *(place + ACTIONS for place in PLACES), layout=INFO.layout)
    heads = {head: _classes(actions.with_name(file), head) for head, file in (("verb", VERBS), ("noun", NOUNS))}
    sizes = {head: len(names) for head, names in heads.items()}
    folders: dict[tuple[str, str], str] = {}
    parts: dict[str, list[Sample]] = {"train": [], "test": []}
    uids: set[int] = set()
    for where, row in read_records(actions, columns=(*COLUMNS, *LISTS)):
        uid = whole_number(where, row["uid"], 0, LARGEST, what="uid")
        if uid in uids:
            raise InputError(f"{where}: uid {uid} is listed twice")
        uids.add(uid)
        cook, video, training = _video(where, row)
        if (cook, video) not in folders:
            folders[cook, video] = _folder(root, cook, video)
        labels = tuple(
            whole_number(where, row[f"{head}_class"], 0, size - 1, what=head) for head, size in sizes.items()
        )
        for column, kind in LISTS.items():
            _literal(where, column, row[column], kind)
        parts["train" if training else "test"].append(
            Sample(
                name=f"{cook}/{video}/{uid}",
                path=root / folders[cook, video],
                label=labels[0],
                labels=labels,
                frames=_frames(where, row),
                recording=video,
            )
        )
    complete = sizes == {"verb": 125, "noun": 352} or len(uids) == sum(INFO.counts[split])
    if complete and not allow_counts:
        for (name, samples), official in zip(parts.items(), INFO.counts[split], strict=True):
            check_counts(f"{actions} ({'P01-25' if name == 'train' else 'P26-31'})", len(samples), official)
    videos = VideoList(NAME, subset, heads["verb"], tuple(parts[subset]), heads=tuple(heads.items()))
    return without_missing(videos, root=root, allow_missing=allow_missing)


def _classes(file: Path, head: str) -> tuple[str, ...]:
    if not file.exists():
        raise InputError(f"{file} is missing: {VERBS} and {NOUNS} must lie beside {ACTIONS}")
    names: list[str] = []
    for where, row in read_records(file, columns=(f"{head}_id", "class_key")):
        whole_number(where, row[f"{head}_id"], len(names), len(names), what=f"{head}_id")
        names.append(row["class_key"])
    return at_least_two(file, names)


def _video(where: str, row: dict[str, str]) -> tuple[str, str, bool]:
    """Cook, video, and whether it is for training."""
    cook, video = row["participant_id"], safe_name(where, row["video_id"])
    if not re.fullmatch(r"P\d\d", cook, re.ASCII) or not 1 <= int(cook[1:]) <= LAST:
        raise InputError(f"{where}: participant_id {brief(cook)}: expected P01 to P{LAST}")
    if not video.startswith(f"{cook}_"):
        raise InputError(f"{where}: video_id {brief(video)}: expected a video of {cook}, as in {cook}_01")
    return cook, video, int(cook[1:]) <= LAST_TRAINING


def _folder(root: Path, cook: str, video: str) -> str:
    """Where the images of a video lie; the first of the places where they lie in none."""
    places = [place.format(cook=cook, video=video) for place in FRAMES]
    return next((place for place in places if (root / place).is_dir()), places[0])


def _frames(where: str, row: dict[str, str]) -> tuple[int, int]:
    start, stop = (whole_number(where, row[key], 0, LARGEST, what=key) for key in ("start_frame", "stop_frame"))
    start = max(start, 1)
    if stop < start:
        raise InputError(f"{where}: stop_frame {stop}: expected {start} or later, where the action starts")
    return start - 1, stop


def _literal(where: str, column: str, text: str, kind: type) -> None:
    """Raises `InputError` unless a field holds a list as Python writes it, of `kind` alone."""
    try:
        value = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        value = None
    if not isinstance(value, list) or not all(type(item) is kind for item in value):
        example = "['door']" if kind is str else "[8]"
        raise InputError(f"{where}: {column} {brief(text)}: expected a list of {kind.__name__}, as in {example}")
