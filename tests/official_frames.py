"""Data sets of a few videos in the layouts and the formats in which they are given out.

Each function writes the annotation files of one data set under `root`, and its videos or images through `video(path)`
and `images(folder, pattern, count)`; `pattern % 1` names the first image. By default these hold only their names.
"""

import csv
import json
from collections.abc import Callable, Iterable
from pathlib import Path

from layouts import put

Video = Callable[[Path], object]
Images = Callable[[Path, str, int], object]

FRAMES = 12  # images of a whole video
LABELS = {  # of Something-Something: label -> template
    "Pushing something from left to right": "Pushing [something] from left to right",
    "Pushing something from right to left": "Pushing [something] from right to left",
    "Putting something, something and something on the table": (
        "Putting [something], [something] and [something] on the table"
    ),
}
V1 = {
    "train": ((74225, 2), (1157, 0), (9, 1), (116154, 0), (198186, 1), (3, 2)),
    "validation": ((50, 0), (7, 1), (8, 2)),
}
V2 = {
    "train": ((78687, 2), (42326, 0), (3, 1), (145274, 0), (131791, 1), (9, 2)),
    "validation": ((7, 0), (8, 1), (5, 2)),
}
UNLABELLED = (1420, 166429)
DIVES = (
    ["Back", "15som", "05Twis", "FREE"],
    ["Forward", "Dive", "NoTwis", "STR"],
    ["Inward", "Dive", "NoTwis", "PIKE"],
)
DIVING48 = {
    "train": (
        ("-mmq0PT-u8k_00155", 0),
        ("_8Vy3dlHg2w_00000", 0),
        ("2x00lRzlTVQ_00001", 1),
        ("_8Vy3dlHg2w_00007", 1),
        ("-mmq0PT-u8k_00156", 2),
        ("Q--70-ELqLw_00242", 2),
    ),
    "test": (("Z_uFnDg-a4I_00071", 0), ("Z_uFnDg-a4I_00072", 1), ("-9jk2_Lk_-4_00003", 2)),
}
KITCHEN = {"verb": ("take", "put", "open"), "noun": ("Nothing", "pan", "pan:dust", "tap")}
EPIC_FRAMES = 48  # of each video
EPIC_VIDEOS = ("P01_01", "P25_01", "P26_01", "P31_13")
ACTIONS = ("Holding some clothes", "Putting clothes somewhere", "Taking some clothes, or a towel")
CHARADES = {  # id -> actions; one has none
    "train": {
        "46GP8": "c002 11.90 21.20;c000 0.00 12.60",
        "N11GT": "c001 8.60 14.20;c000 0.00 11.70;c001 15.00 18.33",
        "0IH69": "",
        "KRF68": "c002 22.60 27.80",
        "MJO7C": "c001 0.00 32.00",
    },
    "test": {"YSKX3": "c000 12.10 18.00;c001 11.80 17.30", "T5ECU": "", "AAH6R": "c002 3.50 8.00"},
}
TYPED = 'A person says "hi, you", then\u2028leaves.\nSlowly;\x0c'  # what people wrote in the web form of Charades


def video_name(path: Path) -> None:
    put(path.parent, path.name)


def image_names(folder: Path, pattern: str, count: int) -> None:
    put(folder, *(pattern % number for number in range(1, count + 1)))


def edit(file: Path, old: str, new: str) -> None:
    """Put `new` in place of the first `old`."""
    text = file.read_bytes().decode()
    assert old in text, (old, text)
    file.write_bytes(text.replace(old, new, 1).encode())


def something_v1(root: Path, *, images: Images = image_names) -> Path:
    """Labels one a line, unsorted, one of them with a comma; lists of `id;label`, of the test videos ids alone."""
    labels = sorted(LABELS)
    files = {"labels": [labels[i] for i in (2, 1, 0)], "test": [str(name) for name in UNLABELLED]}
    for part, videos in V1.items():
        files[part] = [f"{name};{labels[label]}" for name, label in videos]
        for name, _ in videos:
            _filled(images, root / "20bn-something-something-v1" / str(name), "%05d.jpg", FRAMES)
    for part, lines in files.items():
        (root / f"something-something-v1-{part}.csv").write_text("".join(f"{line}\n" for line in lines))
    return root


def something_v2(root: Path, *, video: Video = video_name, file: str = "labels/{}.json") -> Path:
    """`file` places and names the annotation files, as in "something-something-v2-{}.json"."""
    labels = sorted(LABELS)
    files = {
        "labels": {label: str(number) for number, label in enumerate(labels)},
        "test": [{"id": str(name)} for name in UNLABELLED],
    }
    for part, videos in V2.items():
        files[part] = [
            {"id": str(name), "label": "with a cup", "template": LABELS[labels[label]], "placeholders": ["a cup"]}
            for name, label in videos
        ]
        for name, _ in videos:
            _made(video, root / "20bn-something-something-v2" / f"{name}.webm")
    for part, content in files.items():
        path = root / file.format(part)
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content))
    return root


def diving48(root: Path, *, video: Video = video_name) -> Path:
    """Version 2. Names that begin with a dash or an underscore."""
    for part, videos in DIVING48.items():
        items = [{"vid_name": n, "label": label, "start_frame": 0, "end_frame": FRAMES} for n, label in videos]
        for name, _ in videos:
            _made(video, root / "rgb" / f"{name}.mp4")
        (root / f"Diving48_V2_{part}.json").write_text(json.dumps(items))
    (root / "Diving48_vocab.json").write_text(json.dumps(DIVES))
    return root


def epic55(root: Path, *, images: Images = image_names, folder: str = "{cook}/{video}") -> Path:
    """Four videos of four cooks, the last and the first ones of training and of testing; in each all verbs.

    The three actions of a video are of frames 1 to 16, 11 to 30 and 31 to 48: they begin with the video, overlap, and
    end with it.
    """
    header = (
        "uid,participant_id,video_id,narration,start_timestamp,stop_timestamp,start_frame,stop_frame,verb,verb_class,"
        "noun,noun_class,all_nouns,all_noun_classes"
    )
    rows, number = [], 0
    for name in EPIC_VIDEOS:
        _filled(images, root / folder.format(cook=name[:3], video=name), "frame_%010d.jpg", EPIC_FRAMES)
        for verb, (start, stop) in enumerate(((1, 16), (11, 30), (31, 48))):
            nouns = [verb + 1] if verb else [1, 3]
            names = [KITCHEN["noun"][noun] for noun in nouns]
            times = [f"00:00:{frame / 60:05.2f}" for frame in (start, stop)]
            what = (KITCHEN["verb"][verb], verb, names[0], nouns[0], names, nouns)
            rows.append((number, name[:3], name, "it, whatever", *times, start, stop, *what))
            number += 7  # some numbers are not given to any
    _write(root / "EPIC_train_action_labels.csv", header, rows)
    for head, names in KITCHEN.items():
        rows = [(number, name, [name, f"{name}-up"]) for number, name in enumerate(names)]
        _write(root / f"EPIC_{head}_classes.csv", f"{head}_id,class_key,{head}s", rows)
    return root


def charades(root: Path, *, video: Video = video_name, images: Images | None = None, folder: str = "Charades/") -> Path:
    """Videos, or folders of images where `images` is given; `folder` holds the annotation files."""
    header = "id,subject,scene,quality,relevance,verified,script,objects,descriptions,actions,length"
    (root / folder).mkdir(parents=True, exist_ok=True)
    for part, videos in CHARADES.items():
        rows = [
            (name, "HR43", "Kitchen", 6, "", "Yes", TYPED, "food;stove", "A person cooks, and eats.", actions, 24.83)
            for name, actions in videos.items()
        ]
        _write(root / folder / f"Charades_v1_{part}.csv", header, rows)
        for name in videos:
            if images is None:
                _made(video, root / "Charades_v1" / f"{name}.mp4")
            else:
                _filled(images, root / "Charades_v1_rgb" / name, f"{name}-%06d.jpg", FRAMES)
    lines = [f"c{number:03d} {name}\n" for number, name in enumerate(ACTIONS)]
    (root / folder / "Charades_v1_classes.txt").write_text("".join(lines))
    return root


def _made(video: Video, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    video(path)


def _filled(images: Images, folder: Path, pattern: str, count: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    images(folder, pattern, count)


def _write(path: Path, header: str, rows: Iterable[tuple]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        file.write(f"{header}\n")
        csv.writer(file, lineterminator="\n").writerows(rows)
