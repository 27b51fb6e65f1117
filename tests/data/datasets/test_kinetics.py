"""Kinetics-400 and Mini-Kinetics in their official layouts, and lists that are not as they should be."""

import os
import shutil

import pytest
from layouts import listing, put
from official import KINETICS, edit, kinetics, mini_kinetics

from videoattn.data.datasets import dataset_info, load
from videoattn.errors import InputError

STEM = "{id}_{start:06d}_{end:06d}"
LABELS = tuple(KINETICS)


def expected(i, file, first=0):
    """Name and label of the videos of `KINETICS` in a layout."""
    part = ("train", "val")[i]
    return [
        (file.format(part=part, label=label, id=name, start=start, end=end), number - first)
        for number, (label, parts) in enumerate(KINETICS.items())
        if number >= first
        for name, start, end in parts[i]
    ]


@pytest.mark.parametrize(
    "file",
    [
        f"{{part}}/{STEM}.mp4",
        f"{{part}}/{STEM}.mkv",
        "{part}/{id}.webm",
        f"{{part}}/{{label}}/{STEM}.MP4",
        "videos_{part}/{label}/{id}.mp4",
        f"videos/{{part}}/{{label}}/{STEM}.mp4",
    ],
)
def test_kinetics(tmp_path, file):
    root = kinetics(tmp_path / "k400", file=file)
    train, test = (load("kinetics400", root, subset) for subset in ("train", "test"))
    assert train.classes == test.classes == LABELS
    assert listing(train) == expected(0, file)
    assert listing(test) == expected(1, file)
    assert [sample.recording for sample in test.samples] == [
        "0wR5jVB-WPk",
        "--dVV4_CSvw",
        "669C6dRoCc8",
        "-10xhPhBo0k",
    ]
    assert all(sample.path.read_text() == sample.path.name for sample in train.samples + test.samples)
    assert (train.missing, test.missing) == (0, 0)
    assert train.samples[1].name.endswith(("/-3B32lodo2M" + file[file.index("{id}") + 4 :]).format(start=59, end=69))


def test_class_folders_with_underscores(tmp_path):
    root = kinetics(tmp_path / "k400", file=f"videos_{{part}}/{{label}}/{STEM}.mp4")
    for folder in [*(root / "videos_train").iterdir(), *(root / "videos_val").iterdir()]:
        folder.rename(folder.with_name(folder.name.replace(" ", "_")))
    names = [sample.name for sample in load("kinetics400", root, "test").samples]
    assert names[1:3] == [
        "videos_val/air_drumming/--dVV4_CSvw_000033_000043.mp4",
        "videos_val/passing_American_football_(not_in_game)/669C6dRoCc8_000000_000010.mp4",
    ]


@pytest.mark.parametrize(
    ("train", "val"),
    [
        ("annotations/train.csv", "annotations/validate.csv"),
        ("kinetics_train.csv", "kinetics_val.csv"),
        ("annotations/kinetics400_train.csv", "kinetics400_validate.csv"),
        ("kinetics-400_train.csv", "annotations/kinetics_400_val.csv"),
    ],
)
def test_names_of_lists(tmp_path, train, val):
    root = kinetics(tmp_path / "k400")
    (root / "annotations").mkdir()
    (root / "train.csv").rename(root / train)
    (root / "val.csv").rename(root / val)
    assert listing(load("kinetics400", root, "test")) == expected(1, f"{{part}}/{STEM}.mp4")


def test_labels_come_from_lists_alone(tmp_path):
    root = kinetics(tmp_path / "k400", file="{part}/zumba/{id}.mp4")
    assert [sample.label for sample in load("kinetics400", root, "test").samples] == [0, 1, 2, 2]
    edit(root / "train.csv", "abseiling", "Zumba")
    edit(root / "val.csv", "abseiling", "Zumba")
    videos = load("kinetics400", root, "test")
    assert videos.classes == ("Zumba", *LABELS[1:])


def test_the_first_of_several_files(tmp_path):
    root = kinetics(tmp_path / "k400", file="val/{id}.mp4")
    better = [f"{folder}/--dVV4_CSvw_000033_000043.mp4" for folder in ("videos/val", "val/zumba", "val/bowling", "val")]
    better.append("replacement/replacement_for_corrupted_k400/--dVV4_CSvw_000030_000040.mp4")
    better.append("replacement/replacement_for_corrupted_k400/669C6dRoCc8.mp4")
    names = []
    for name in better:
        put(root, name)
        names.append([sample.name for sample in load("kinetics400", root, "test").samples])
    assert [first for _, first, _, _ in names] == [*better[:5], better[4]]
    assert [second for _, _, second, _ in names] == [*["val/669C6dRoCc8.mp4"] * 5, better[5]]


@pytest.mark.parametrize("file", [f"{{part}}/{STEM}.mp4", f"{{part}}/{{label}}/{STEM}.mp4"])
def test_folders_are_listed_once_and_no_file_is_asked_for(tmp_path, monkeypatch, file):
    root = kinetics(tmp_path / "k400", file=file)
    asked, listed, stat, scandir = [], [], os.stat, os.scandir
    monkeypatch.setattr(os, "stat", lambda path, **options: asked.append(str(path)) or stat(path, **options))
    monkeypatch.setattr(os, "scandir", lambda path: listed.append(str(path)) or scandir(path))
    videos = load("kinetics400", root, "train")
    monkeypatch.undo()
    assert len(videos.samples) == 7
    assert asked
    assert not [path for path in asked if path.endswith(".mp4")]
    assert len(listed) == len(set(listed)) == (1 if file.count("/") == 1 else 4)


def test_missing_videos(tmp_path):
    root = kinetics(tmp_path / "k400")
    gone = [root / "train" / f"{stem}.mp4" for stem in ("-3B32lodo2M_000059_000069", "__NrybzYzUg_000415_000425")]
    gone[0].unlink()
    gone[1].rename(gone[1].with_suffix(".mp4.part"))
    link = root / "train" / "a5XYYxIhZmY_000081_000091.mp4"
    link.unlink()
    link.symlink_to("nowhere.mp4")
    (root / "train" / "_dbcJuKJQNs.mp4").mkdir()  # a folder is no video
    (root / "train" / "_dbcJuKJQNs_001101_001111.mp4").unlink()
    says = r"4 of 7 listed train videos are missing under .*: train/-3B32lodo2M_000059_000069.mp4, train/_dbc.*, \.\.\."
    with pytest.raises(InputError, match=says):
        load("kinetics400", root, "train")
    videos = load("kinetics400", root, "train", allow_missing=True)
    assert [sample.recording for sample in videos.samples] == ["0347ZoDXyP0", "-Qz25rXdMjE", "--nQbRBEz2s"]
    assert (videos.missing, videos.classes) == (4, LABELS)
    assert videos.fingerprint() != load("kinetics400", kinetics(tmp_path / "whole"), "train").fingerprint()


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("train.csv", "-3B32lodo2M,59", "-3B32lodo2M,early", r"train.csv:3: time_start 'early': expected a whole numb"),
        ("train.csv", "-3B32lodo2M,59,69", "-3B32lodo2M,59,1000000", r"train.csv:3: time_end '1000000'"),
        ("train.csv", "-3B32lodo2M", "0347ZoDXyP0", r"train.csv:3: '0347ZoDXyP0' is listed twice"),
        ("train.csv", "-3B32lodo2M", "../3B32lodo2", r"train.csv:3: label 'abseiling', youtube_id '../3B32lodo2'"),
        ("train.csv", "abseiling,-3B32lodo2M", ",-3B32lodo2M", r"train.csv:3: label '', youtube_id '-3B32lodo2M'"),
        ("train.csv", "59,69,train,0", "59,69,train", r"train.csv:3: 5 fields; expected 6, as in the header"),
        ("train.csv", "label,youtube_id", "youtube_id", r"train.csv:1: the header .* lacks label"),
        ("val.csv", "abseiling", "Abseiling", r"val.csv:2: label 'Abseiling' is not among the 3 classes"),
        ("val.csv", "0wR5jVB-WPk", "0347ZoDXyP0", r"1 videos for training and for testing: 0347ZoDXyP0"),
    ],
)
@pytest.mark.parametrize("subset", ["train", "test"])
def test_kinetics_refuses_lists(tmp_path, file, old, new, says, subset):
    root = kinetics(tmp_path / "k400")
    edit(root / file, old, new)
    with pytest.raises(InputError, match=says):
        load("kinetics400", root, subset)


def test_kinetics_refuses_another_layout(tmp_path):
    root = kinetics(tmp_path / "k400", file=f"data/{{part}}/{STEM}.mp4")
    with pytest.raises(InputError, match="holds no test videos: expected a folder val or videos_val or videos/val"):
        load("kinetics400", root, "test")
    (root / "val.csv").write_text("label,youtube_id,time_start,time_end,split\n")
    with pytest.raises(InputError, match=r"val.csv lists no videos"):
        load("kinetics400", root, "train")
    (root / "val.csv").unlink()
    says = r"holds no val\.csv or validate\.csv or \.\.\.: expected train\.csv, val\.csv \(or"
    with pytest.raises(InputError, match=says):
        load("kinetics400", root, "train")
    for subset in ("train", "val"):
        (root / f"{subset}.csv").write_text(f"label,youtube_id,time_start,time_end\nzumba,{subset},0,10\n")
    with pytest.raises(InputError, match="one class, 'zumba': expected two at least"):
        load("kinetics400", root, "train")


def test_mini_kinetics(tmp_path):
    root = mini_kinetics(tmp_path / "mini")
    train, test = (load("mini_kinetics", root, subset) for subset in ("train", "test"))
    assert train.classes == test.classes == LABELS[1:]
    assert sorted(listing(train)) == sorted(expected(0, f"{{part}}/{STEM}.mp4", first=1))
    assert sorted(listing(test)) == sorted(expected(1, f"{{part}}/{STEM}.mp4", first=1))
    assert (train.data_set, train.missing) == ("mini_kinetics", 0)
    (root / "annotations").mkdir()
    for file in ("train_ytid_list.txt", "val_ytid_list.txt", "train.csv", "val.csv"):
        (root / file).rename(root / "annotations" / file)
    assert load("mini_kinetics", root, "train") == train
    shutil.rmtree(root / "train")
    (root / "train").mkdir()
    put(root, "train/air_drumming/-Qz25rXdMjE.webm")
    part = load("mini_kinetics", root, "train", allow_missing=True)
    assert (listing(part), part.missing) == ([("train/air_drumming/-Qz25rXdMjE.webm", 0)], 4)


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        (
            "train_ytid_list.txt",
            "-Qz25rXdMjE",
            "Qz25rXdMjE0",
            r"train_ytid_list.txt:2: 'Qz25rXdMjE0' has no row in .*/t",
        ),
        ("train_ytid_list.txt", "-Qz25rXdMjE", "669C6dRoCc8", r"train_ytid_list.txt:2: '669C6dRoCc8' has no row"),
        ("val_ytid_list.txt", "669C6dRoCc8", "--dVV4_CSvw", r"val_ytid_list.txt:3: '--dVV4_CSvw' is listed twice"),
        ("val_ytid_list.txt", "669C6dRoCc8", "0wR5jVB-WPk", r"val.csv:2: label 'abseiling' is not among the 2 classes"),
        ("train.csv", "a5XYYxIhZmY", "669C6dRoCc8", r"train_ytid_list.txt:5: 'a5XYYxIhZmY' has no row"),
    ],
)
def test_mini_kinetics_refuses_lists(tmp_path, file, old, new, says):
    root = mini_kinetics(tmp_path / "mini")
    edit(root / file, old, new)
    with pytest.raises(InputError, match=says):
        load("mini_kinetics", root, "train")


def test_mini_kinetics_refuses_another_layout(tmp_path):
    root = mini_kinetics(tmp_path / "mini")
    (root / "val_ytid_list.txt").write_text("\n")
    with pytest.raises(InputError, match=r"val_ytid_list.txt lists no videos"):
        load("mini_kinetics", root, "train")
    (root / "val_ytid_list.txt").unlink()
    with pytest.raises(InputError, match=r"holds no val_ytid_list.txt or annotations/val"):
        load("mini_kinetics", root, "train")


def test_counts(tmp_path):
    for subset in ("train", "val"):
        ids = [f"{subset}{number:03d}" for number in range(200)]
        rows = [f"class {i:03d},{name},0,10,{subset}\n" for i, name in enumerate(ids)]
        put(tmp_path, f"{subset}/{ids[0]}.mp4")
        (tmp_path / f"{subset}.csv").write_text("label,youtube_id,time_start,time_end,split\n" + "".join(rows))
        (tmp_path / f"{subset}_ytid_list.txt").write_text("\n".join(ids))
    assert load("kinetics400", tmp_path, "train", allow_missing=True).missing == 199
    with pytest.raises(InputError, match=r"train_ytid_list.txt lists 200 videos, the official list 80000"):
        load("mini_kinetics", tmp_path, "train", allow_missing=True)
    assert load("mini_kinetics", tmp_path, "train", allow_missing=True, allow_counts=True).samples
    assert dataset_info("mini_kinetics").counts == {1: (80000, 5000)}
    assert dataset_info("kinetics400").counts == {}
