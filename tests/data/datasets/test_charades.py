"""Charades in its official layout, several actions a video, and lists that are not as they should be."""

import csv
import shutil

import pytest
from official_frames import ACTIONS, TYPED, charades, edit, image_names

from videoattn.data.datasets import charades as reader
from videoattn.data.datasets import dataset_info, load
from videoattn.errors import InputError

TRAIN = {"46GP8": (0, 2), "N11GT": (0, 1), "0IH69": (), "KRF68": (2,), "MJO7C": (1,)}
TEST = {"YSKX3": (0, 1), "T5ECU": (), "AAH6R": (2,)}


@pytest.fixture
def homes(tmp_path):
    return charades(tmp_path)


def test_charades(homes):
    train, test = (load("charades", homes, subset) for subset in ("train", "test"))
    assert train.classes == test.classes == ACTIONS
    for videos, expected in ((train, TRAIN), (test, TEST)):
        assert {s.name: s.labels for s in videos.samples} == {f"Charades_v1/{n}.mp4": c for n, c in expected.items()}
        assert {(s.label, s.frames, s.seconds, s.recording) for s in videos.samples} == {(None, None, None, "")}
        assert all(sample.path.is_file() for sample in videos.samples)
    assert (train.data_set, train.subset, train.missing) == ("charades", "train", 0)
    assert train.multilabel
    assert train.heads == ()
    assert len(train.fingerprint()) == 16


def test_what_people_typed_is_in_the_file(homes):
    with (homes / "Charades" / "Charades_v1_train.csv").open(newline="", encoding="utf-8") as file:
        assert [row["script"] for row in csv.DictReader(file)] == [TYPED] * 5
    assert {'"', ",", "\n", "\u2028", "\x0c", ";"} < set(TYPED)
    edit(homes / "Charades" / "Charades_v1_train.csv", ",food;stove,", ",food\x85\u2028stove,")  # without quotes
    assert len(load("charades", homes, "train").samples) == 5


@pytest.mark.parametrize("folder", ["", "Charades/"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_places_and_ends_of_lines(tmp_path, folder, ends):
    charades(tmp_path, folder=folder)
    for file in (tmp_path / folder).glob("Charades_v1_*.*"):
        if file.is_file():
            file.write_bytes(file.read_bytes().replace(b"\n", ends.encode()))
    train = load("charades", tmp_path, "train")
    assert train.classes == ACTIONS
    assert [sample.labels for sample in train.samples] == list(TRAIN.values())


def test_videos_before_images(tmp_path):
    charades(tmp_path, images=image_names)
    of_images = load("charades", tmp_path, "train")
    assert of_images.samples[0].name == "Charades_v1_rgb/46GP8"
    assert (of_images.samples[0].path / "46GP8-000001.jpg").is_file()
    charades(tmp_path)
    (tmp_path / "Charades_v1").rename(tmp_path / "Charades_v1_480")
    smaller = load("charades", tmp_path, "train")
    assert [s.name for s in smaller.samples] == [f"Charades_v1_480/{name}.mp4" for name in TRAIN]
    charades(tmp_path)
    whole = load("charades", tmp_path, "train")
    assert [s.name for s in whole.samples] == [f"Charades_v1/{name}.mp4" for name in TRAIN]
    assert [s.labels for s in whole.samples] == [s.labels for s in of_images.samples]


def test_missing_videos(homes):
    charades(homes, images=image_names)  # a video that is missing is not replaced by its images
    whole = load("charades", homes, "train")
    whole.samples[0].path.unlink()
    with pytest.raises(InputError, match=r"1 of 5 listed train videos are missing under .*: Charades_v1/46GP8.mp4"):
        load("charades", homes, "train")
    present = load("charades", homes, "train", allow_missing=True)
    assert present.samples == whole.samples[1:]
    assert present.missing == 1


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        (
            "train.csv",
            "c002 11.90",
            "c003 11.90",
            r"train.csv:3: action 'c003 11.90 21.20': expected .* from c000 to c002",
        ),
        ("train.csv", "c002 11.90", "c2 11.90", r"train.csv:3: action 'c2 11.90 21.20'"),
        ("train.csv", "c002 11.90", "2 11.90", r"train.csv:3: action '2 11.90 21.20'"),
        ("train.csv", "c002 11.90", "c002", r"train.csv:3: action 'c002 21.20'"),
        ("train.csv", "c002 11.90", "c002 x", r"train.csv:3: action 'c002 x 21.20'"),
        ("train.csv", "21.20;c000", "21.20 c000", r"train.csv:3: action 'c002 11.90 21.20 c000 0.00 12.60'"),
        ("train.csv", "N11GT", "46GP8", "train.csv:5: '46GP8' is listed twice"),
        ("train.csv", "N11GT", "../1", "train.csv:5: '../1': expected the name of a file"),
        ("train.csv", "N11GT", "YSKX3", "split 1 lists 1 videos for training and for testing: YSKX3"),
        ("train.csv", ",24.83", "", "train.csv:3: 10 fields; expected 11, as in the header"),
        ("train.csv", ",actions,", ",labels,", r"train.csv:1: the header .* lacks actions"),
        ("train.csv", '""hi', '"hi', r"train.csv:2: "),
        ("classes.txt", "c001", "c002", r"classes.txt:2: 'c002 Putting .*: expected 'c001 <class>'"),
        ("classes.txt", "c001 Putting clothes somewhere", "c001", "classes.txt:2: 'c001': expected 'c001 <class>'"),
    ],
)
def test_charades_refuses_lists(homes, file, old, new, says):
    edit(homes / "Charades" / f"Charades_v1_{file}", old, new)
    with pytest.raises(InputError, match=says):
        load("charades", homes, "test")


@pytest.mark.parametrize(
    ("file", "lines", "says"),
    [
        ("test.csv", 1, "test.csv lists no videos"),
        ("test.csv", 0, r"test.csv:1: the header '' lacks id, actions"),
        ("classes.txt", 1, "classes.txt names 1 classes"),
        (
            "classes.txt",
            None,
            r"holds no Charades_v1_classes.txt or Charades/Charades_v1_classes.txt: expected Charades_v1/<id>",
        ),
    ],
)
def test_empty_and_missing_lists(homes, file, lines, says):
    path = homes / "Charades" / f"Charades_v1_{file}"
    text = path.read_text().split("\n")
    path.unlink() if lines is None else path.write_text("\n".join(text[:lines]))
    with pytest.raises(InputError, match=says):
        load("charades", homes, "train")


def test_another_root(homes):
    shutil.rmtree(homes / "Charades_v1")
    with pytest.raises(InputError, match=r"holds no Charades_v1 or Charades_v1_480 or \.\.\.: expected Char"):
        load("charades", homes, "train")


def test_official_counts(homes, monkeypatch):
    assert dataset_info("charades").counts == {1: (7985, 1863)}
    with (homes / "Charades" / "Charades_v1_classes.txt").open("a") as file:
        file.write("".join(f"c{number:03d} Doing {number}\n" for number in range(3, 157)))
    with pytest.raises(InputError, match=r"train.csv lists 5 videos, the official list 7985"):
        load("charades", homes, "test")
    assert load("charades", homes, "test", allow_counts=True).samples
    monkeypatch.setitem(reader.INFO.counts, 1, (5, 2))
    with pytest.raises(InputError, match=r"test.csv lists 3 videos, the official list 2"):
        load("charades", homes, "train")
    monkeypatch.setitem(reader.INFO.counts, 1, (5, 3))
    edit(homes / "Charades" / "Charades_v1_train.csv", "c002 11.90", "c156 11.90")
    assert load("charades", homes, "train").samples[0].labels == (0, 156)
