"""A data set looked through: what is counted, what is decoded, and what makes the command fail."""

import argparse
import re

import pytest
from clips import encode, gray

from videoattn import cli
from videoattn.data.datasets import load
from videoattn.data.survey import as_text, main_data, survey
from videoattn.errors import RunError


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Two classes in folders: four videos that decode, two that do not."""
    root = tmp_path_factory.mktemp("set")
    clips = {"train/a/1.mp4": {}, "train/b/2.avi": {"codec": "mpeg4", "b_frames": 2}, "test/a/3.mp4": {}}
    for name, how in clips.items():
        (root / name).parent.mkdir(parents=True)
        encode(root / name, gray(25, 48, 64), **how)
    encode(root / "train/a/again.mp4", gray(50, 48, 64))
    (root / "train/b/text.mp4").write_text("no video\n" * 50)
    (root / "test/a/empty.mp4").touch()
    return root


@pytest.fixture(scope="module")
def found(root):
    return survey([load("folder", root, subset) for subset in ("train", "test")], workers=2)


def test_every_video_is_decoded(root, found):
    assert [source.path.relative_to(root).as_posix() for source in found.readable] == [
        "train/a/1.mp4",
        "train/a/again.mp4",
        "train/b/2.avi",
        "test/a/3.mp4",
    ]
    assert [info.decoder for info in found.readable.values()] == ["decord", "decord", "pyav", "decord"]
    assert [info.frames for info in found.readable.values()] == [25, 50, 25, 25]
    reasons = {source.path.name: reason for source, reason in found.unreadable.items()}
    assert reasons.keys() == {"text.mp4", "empty.mp4"}
    assert reasons["empty.mp4"] == "an empty file"
    assert "Invalid data" in reasons["text.mp4"]
    assert found.missing == 0


def test_the_text(root, found):
    lines = as_text(found).splitlines()
    assert lines[:5] == [
        "train: 4 videos of 2 classes, 0 missing",
        "test: 2 videos of 2 classes, 0 missing",
        "readable: 4 (3 by decord, 1 by pyav)",
        "duration: 0.1 minutes",  # 125 frames at 25 a second
        "unreadable: 2",
    ]
    assert re.fullmatch(rf"  {re.escape(str(root))}/train/b/text\.mp4: .*Invalid data.*", lines[5])
    assert lines[6] == f"  {root}/test/a/empty.mp4: an empty file"


def options(data_set, root, split=1):
    return argparse.Namespace(data_set=data_set, root=root, split=split)


def test_unreadable_videos_fail_the_command(root, capsys):
    assert cli.main(["data", "folder", str(root)]) == 1
    told = capsys.readouterr()
    assert "videos: 6 of 6" in told.out
    assert "empty.mp4: an empty file" in told.out
    assert told.err == "videoattn: 0 videos are missing, 2 cannot be read\n"


def test_missing_videos_fail_the_command_too(tmp_path, capsys):
    lists = tmp_path / "ucfTrainTestlist"
    lists.mkdir()
    (lists / "classInd.txt").write_text("1 A\n2 B\n")
    (lists / "trainlist02.txt").write_text("A/1.avi 1\nB/2.avi 2\n")
    (lists / "testlist02.txt").write_text("A/3.avi\nB/4.avi\n")
    for name in ("A/1.avi", "B/4.avi"):
        (tmp_path / "UCF-101" / name).parent.mkdir(parents=True)
        encode(tmp_path / "UCF-101" / name, gray(3, 32, 32), codec="mpeg4")
    with pytest.raises(RunError, match="2 videos are missing, 0 cannot be read"):
        main_data(options("ucf101", tmp_path, split=2))
    assert "train: 1 videos of 2 classes, 1 missing" in capsys.readouterr().out
    for name in ("A/3.avi", "B/2.avi"):
        encode(tmp_path / "UCF-101" / name, gray(3, 32, 32), codec="mpeg4")
    main_data(options("ucf101", tmp_path, split=2))
    assert "unreadable: 0" in capsys.readouterr().out


def test_another_layout_is_a_wrong_argument(tmp_path, capsys):
    assert cli.main(["data", "ucf101", str(tmp_path)]) == 2
    assert "holds no folder UCF-101" in capsys.readouterr().err
