"""Data sets by name, videos sorted into folders, and the fingerprint of what is present."""

import shutil

import pytest
from layouts import listing, put

from videoattn.data.datasets import NAMES, load
from videoattn.errors import InputError


@pytest.fixture
def sorted_videos(tmp_path):
    put(tmp_path, "train/walk/b.mp4", "train/walk/a [1] #2;.AVI", "train/run/c.webm", "test/walk/d.mp4")
    return tmp_path


def test_folder(sorted_videos):
    train = load("folder", sorted_videos, "train")
    assert train.classes == ("run", "walk")
    assert listing(train) == [("train/run/c.webm", 0), ("train/walk/a [1] #2;.AVI", 1), ("train/walk/b.mp4", 1)]
    assert all(sample.path.read_bytes() == sample.name.encode() for sample in train.samples)
    assert (train.data_set, train.subset, train.missing) == ("folder", "train", 0)
    test = load("folder", str(sorted_videos), "test")  # lacks a class of train: nothing is wrong with that
    assert test.classes == ("run", "walk")
    assert listing(test) == [("test/walk/d.mp4", 1)]


def test_folder_leaves_out_what_is_no_video(sorted_videos):
    expected = listing(load("folder", sorted_videos, "train"))
    put(sorted_videos, "train/walk/.b.mp4", "train/.cache/x.mp4", "train/walk/notes.txt", "train/walk/raw/e.mp4")
    put(sorted_videos, "train/README", "labels.csv")
    (sorted_videos / "train/run/frames.mp4").mkdir()
    assert listing(load("folder", sorted_videos, "train")) == expected


def test_folder_with_brackets_in_its_path(tmp_path):
    root = tmp_path / "set [a-z]*"
    put(root, "train/[x]/a.mp4", "train/*/b.mp4", "test/[x]/c.mp4")
    assert listing(load("folder", root, "train")) == [("train/*/b.mp4", 0), ("train/[x]/a.mp4", 1)]


@pytest.mark.parametrize("name", ["val", "validation"])
def test_folder_takes_validation_for_test(tmp_path, name):
    put(tmp_path, "train/a/1.mp4", "train/b/2.mp4", f"{name}/b/3.mp4")
    assert listing(load("folder", tmp_path, "test")) == [(f"{name}/b/3.mp4", 1)]
    put(tmp_path, "test/a/4.mp4")
    assert listing(load("folder", tmp_path, "test")) == [("test/a/4.mp4", 0)]


@pytest.mark.parametrize(
    ("names", "subset", "says"),
    [
        (["train/a/1.mp4", "train/b/2.mp4", "test/c/3.mp4"], "test", "test holds c, not among the classes of .*: a, b"),
        (["train/a/1.mp4", "test/a/2.mp4"], "train", "one class folder, 'a'"),
        (["train/1.mp4", "train/2.mp4"], "train", r"train holds videos outside of class folders \(1.mp4, 2.mp4\)"),
        (["train/a/1.mp4", "train/b/2.mp4", "train/3.mp4"], "train", "outside of class folders"),
        (["train/a/1.mp4", "train/b/2.txt"], "train", "train/b holds no videos: expected files ending in .*mp4"),
        (["train/note.txt"], "train", "train holds no class folders: expected <root>/train/<class>/<video>"),
        (["test/a/1.mp4"], "train", "no folder train"),
        (["train/a/1.mp4", "train/b/2.mp4"], "test", "no folder test or val or validation"),
    ],
)
def test_folder_refuses(tmp_path, names, subset, says):
    put(tmp_path, *names)
    with pytest.raises(InputError, match=says) as error:
        load("folder", tmp_path, subset)
    assert str(tmp_path) in str(error.value)


def test_folder_refuses_an_empty_class(sorted_videos):
    (sorted_videos / "train" / "jump").mkdir()
    with pytest.raises(InputError, match="jump holds no videos"):
        load("folder", sorted_videos, "train")


def test_fingerprint_is_of_what_is_present(sorted_videos, tmp_path_factory):
    first = load("folder", sorted_videos, "train").fingerprint()
    copy = tmp_path_factory.mktemp("elsewhere") / "copy"
    shutil.copytree(sorted_videos, copy)
    assert load("folder", copy, "train").fingerprint() == first
    seen = {first}
    put(copy, "train/walk/extra.mp4")
    seen.add(load("folder", copy, "train").fingerprint())
    (copy / "train/walk/extra.mp4").write_bytes(b"longer than it was before")
    seen.add(load("folder", copy, "train").fingerprint())
    (copy / "train/walk/extra.mp4").rename(copy / "train/run/extra.mp4")
    seen.add(load("folder", copy, "train").fingerprint())
    (copy / "train/run").rename(copy / "train/sprint")
    seen.add(load("folder", copy, "train").fingerprint())
    assert len(seen) == 5
    assert all(len(digest) == 16 and int(digest, 16) >= 0 for digest in seen)


def test_load_refuses_names(tmp_path):
    assert NAMES[:2] == ("folder", "ucf101")
    for wrong, near in (("UCF101", "ucf101"), ("ucf11", "ucf101"), ("Kinetics", "kinetics400"), ("epic", "epic55")):
        says = rf"'{wrong}' \(did you mean {near}\?\); choose from folder, ucf101, .*, cifar100$"
        with pytest.raises(InputError, match=says):
            load(wrong, tmp_path, "train")
    with pytest.raises(InputError, match=r"unknown data set 'x1'; choose from folder, ucf101, .*, cifar100$"):
        load("x1", tmp_path, "train")
    with pytest.raises(InputError, match="unknown subset 'validation'; choose from train, test"):
        load("folder", tmp_path, "validation")
    with pytest.raises(InputError, match=r"there is no folder .*nowhere"):
        load("folder", tmp_path / "nowhere", "train")
    with pytest.raises(InputError, match="split 2: data set folder has a single split, 1"):
        load("folder", tmp_path, "train", split=2)
