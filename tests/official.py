"""Small data sets in the official layouts, each with what is odd in the real one: for the tests of their readers, and
for trainings. Each class has two training videos at least, of two recordings, and a test video, in every split.

video: writes the file of a path whose folder exists.
"""

from collections.abc import Callable
from pathlib import Path

Write = Callable[[Path], object]

HMDB51 = {  # class -> its videos; the first three take turns as the test video, the last is never used
    "climb": (
        "(HQ)_Rock_Climbing_-_Free_Solo_[part_1]_climb_f_cm_np1_ba_med_2.avi",
        "50_FIRST_DATES_climb_stairs_climb_u_nm_np2_fr_goo_10.avi",
        "Cliff!_&_Hanger;_climb_l_cm_np1_le_bad_0.avi",
        "Cliff!_&_Hanger;_climb_f_nm_np1_ri_bad_1.avi",
    ),
    "climb_stairs": (
        "#437_How_To_Walk_climb_stairs_f_nm_np1_ba_med_0.avi",
        "50_FIRST_DATES_climb_stairs_u_nm_np2_fr_goo_11.avi",
        "Philadelphia_1_climb_stairs_h_cm_np0_fr_goo_0.avi",
        "Philadelphia_2_climb_stairs_h_cm_np10_le_goo_1.avi",
    ),
    "draw_sword": (
        "hero_draw_sword_u_nm_np1_ri_goo_7.avi",
        "blade_draw_sword_u_nm_np1_ri_goo_0.avi",
        "sword, drawn.avi",
        "hero_draw_sword_f_cm_np1_ba_bad_8.avi",
    ),
}
EGTEA = {  # action -> verb, nouns, clips; each clip in turn is the test clip
    "Open fridge": (
        "1 1",
        (
            "OP01-R01-PastaSalad-66680-68130-F001597-F001639",
            "P06-R05-Cheeseburger-1002316-1004005-F024051-F024101",
            "OP02-R03-BaconAndEggs-87815-90765-F002100-F002186",
        ),
    ),
    "Cut bell_pepper,knife": (
        "2 2 3",
        (
            "OP01-R01-PastaSalad-102320-105110-F002449-F002529",
            "P06-R05-Cheeseburger-105440-106460-F002528-F002558",
            "OP02-R03-BaconAndEggs-1022590-1024050-F024539-F024581",
        ),
    ),
    "Pour condiment (from) condiment_container,salad": (
        "3 4 5 6",
        (
            "OP01-R01-PastaSalad-1004110-1021110-F024057-F024548",
            "P06-R05-Cheeseburger-0-650-F000000-F000015",
            "OP02-R03-BaconAndEggs-1115060-1121560-F026746-F026933",
        ),
    ),
}
EGTEA_NAMES = {
    "action": tuple(EGTEA),
    "verb": ("Open", "Cut", "Pour"),
    "noun": ("fridge", "bell_pepper", "knife", "condiment", "condiment_container", "salad"),
}
KINETICS = {  # label -> (id, start, end) of training videos, and of those for validation
    "abseiling": (
        (("0347ZoDXyP0", 95, 105), ("-3B32lodo2M", 59, 69)),
        (("0wR5jVB-WPk", 417, 427),),
    ),
    "air drumming": (
        (("-Qz25rXdMjE", 0, 10), ("_dbcJuKJQNs", 1101, 1111), ("--nQbRBEz2s", 104, 114)),
        (("--dVV4_CSvw", 33, 43),),
    ),
    "passing American football (not in game)": (
        (("__NrybzYzUg", 415, 425), ("a5XYYxIhZmY", 81, 91)),
        (("669C6dRoCc8", 0, 10), ("-10xhPhBo0k", 498, 508)),
    ),
}


def name_in(path: Path) -> None:
    """A file that holds its own name, for tests that decode nothing."""
    path.write_text(path.name)


def hmdb51(root: Path, video: Write = name_in, *, folder: str = "") -> Path:
    """HMDB51 of three classes. folder: where class folders lie, such as "videos/"; returns the root."""
    lists = root / "testTrainMulti_7030_splits"
    lists.mkdir(parents=True)
    for name, files in HMDB51.items():
        for split in (1, 2, 3):
            marks = [0 if i == 3 else 2 if i == split - 1 else 1 for i in range(4)]
            lines = [f"{file} {mark} \n" for file, mark in zip(files, marks, strict=True)]
            (lists / f"{name}_test_split{split}.txt").write_text("".join(lines))
        for file in files:
            _write(root / f"{folder}{name}" / file, video)
    return root


def egtea(root: Path, video: Write = name_in, *, folder: str = "", clips: str = "cropped_clips") -> Path:
    """EGTEA Gaze+ of three actions. folder: where lists lie, such as "action_annotation"; returns the root."""
    lists = root / folder
    lists.mkdir(parents=True)
    for kind, names in EGTEA_NAMES.items():
        (lists / f"{kind}_idx.txt").write_text("".join(f"{name} {i}\n" for i, name in enumerate(names, 1)))
    for split in (1, 2, 3):
        train, test = [], []
        for label, (numbers, names) in enumerate(EGTEA.values(), 1):
            lines = [f"{name} {label} {numbers} \n" for name in names]
            test.append(lines.pop(split - 1))
            train += lines
        (lists / f"train_split{split}.txt").write_text("".join(train))
        (lists / f"test_split{split}.txt").write_text("".join(test))
    for _, names in EGTEA.values():
        for name in names:
            _write(root / clips / name.rsplit("-", 4)[0] / f"{name}.mp4", video)
    return root


def kinetics(root: Path, video: Write = name_in, *, file: str = "{part}/{id}_{start:06d}_{end:06d}.mp4") -> Path:
    """Kinetics-400 of three classes. file: where videos lie, of part ("train", "val"), label, id, start, end; returns
    the root. The training list has a sixth column and quotes labels as the official one does; the other has neither.
    """
    root.mkdir(parents=True)
    for i, part in enumerate(("train", "val")):
        cc = ",is_cc" if part == "train" else ""
        lines = [f"label,youtube_id,time_start,time_end,split{cc}\n"]
        for label, parts in KINETICS.items():
            quoted = f'"{label}"' if part == "train" and " " in label else label
            for name, start, end in parts[i]:
                lines.append(f"{quoted},{name},{start},{end},{part}{',0' if cc else ''}\n")
                _write(root / file.format(part=part, label=label, id=name, start=start, end=end), video)
        (root / f"{part}.csv").write_text("".join(lines))
    return root


def mini_kinetics(root: Path, video: Write = name_in) -> Path:
    """Mini-Kinetics of the last two classes of `kinetics`, beside it; returns the root."""
    kinetics(root, video)
    for i, part in enumerate(("train", "val")):
        ids = [name for parts in list(KINETICS.values())[1:] for name, _, _ in parts[i]]
        (root / f"{part}_ytid_list.txt").write_text("".join(f"{name}\n" for name in sorted(ids)))
    return root


def edit(file: Path, old: str, new: str) -> None:
    """Replace a text that must stand in a file."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def _write(path: Path, video: Write) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    video(path)
