"""Diving48 V2 in its official layout; version 1, and lists that are not as they should be."""

import json

import pytest
from layouts import listing
from official_frames import DIVES, DIVING48, diving48, edit

from videoattn.data.clips.augment import check_ten_crops
from videoattn.data.clips.held_out import held_out
from videoattn.data.datasets import dataset_info, load
from videoattn.data.datasets import diving48 as reader
from videoattn.errors import InputError

CLASSES = ("Back 15som 05Twis FREE", "Forward Dive NoTwis STR", "Inward Dive NoTwis PIKE")


@pytest.fixture
def dives(tmp_path):
    return diving48(tmp_path)


def items(count, *, start=0):
    return json.dumps([{"vid_name": f"v_{n:05d}", "label": n % 3} for n in range(start, start + count)])


def test_diving48(dives):
    train, test = (load("diving48", dives, subset) for subset in ("train", "test"))
    assert train.classes == test.classes == CLASSES
    assert listing(train) == [(f"rgb/{name}.mp4", label) for name, label in DIVING48["train"]]
    assert listing(test) == [(f"rgb/{name}.mp4", label) for name, label in DIVING48["test"]]
    assert all(sample.path.is_file() for sample in train.samples + test.samples)
    assert (train.data_set, train.subset, train.missing) == ("diving48", "train", 0)
    check_ten_crops(train.classes)


def test_the_file_is_the_dive(dives):
    items = json.loads((dives / "Diving48_V2_train.json").read_text())
    assert {(item["start_frame"], item["end_frame"]) for item in items} == {(0, 12)}
    assert {(s.frames, s.seconds) for s in load("diving48", dives, "train").samples} == {(None, None)}
    edit(dives / "Diving48_V2_train.json", '"end_frame": 12', '"end_frame": 11')
    assert load("diving48", dives, "train").samples[0].source.frames is None


def test_recordings_are_the_videos_they_were_cut_from(dives):
    train, test = (load("diving48", dives, subset) for subset in ("train", "test"))
    assert [sample.recording for sample in train.samples] == [
        *("-mmq0PT-u8k", "_8Vy3dlHg2w", "2x00lRzlTVQ", "_8Vy3dlHg2w", "-mmq0PT-u8k", "Q--70-ELqLw"),
    ]
    assert [sample.recording for sample in test.samples] == ["Z_uFnDg-a4I", "Z_uFnDg-a4I", "-9jk2_Lk_-4"]
    fitted, kept_back = held_out(train, share=0.5)  # of each class, the dives of one of its two recordings
    assert sorted(s.label for s in fitted.samples) == sorted(s.label for s in kept_back.samples) == [0, 1, 2]
    for old, name in (("-mmq0PT-u8k_00155", "_00155"), ("2x00lRzlTVQ_00001", "2x00lRzlTVQ")):
        edit(dives / "Diving48_V2_train.json", old, name)
        (dives / "rgb" / f"{name}.mp4").write_bytes(b"")
        assert name in [sample.recording for sample in load("diving48", dives, "train").samples]


def test_missing_videos(dives):
    whole = load("diving48", dives, "train")
    whole.samples[1].path.unlink()
    with pytest.raises(InputError, match=r"1 of 6 listed train videos are missing under .*: rgb/_8Vy3dlHg2w_00000.mp4"):
        load("diving48", dives, "train")
    present = load("diving48", dives, "train", allow_missing=True)
    assert present.samples == (whole.samples[0], *whole.samples[2:])
    assert present.missing == 1


def test_version_1_is_refused(dives):
    (dives / "Diving48_train.json").write_text(items(4))  # beside version 2 it is not read
    assert len(load("diving48", dives, "train").samples) == 6
    (dives / "Diving48_V2_train.json").unlink()
    with pytest.raises(InputError, match=r"Diving48_train.json is of version 1.*expected Diving48_V2_train.json"):
        load("diving48", dives, "test")
    (dives / "Diving48_train.json").rename(dives / "Diving48_V2_train.json")
    (dives / "Diving48_V2_test.json").rename(dives / "Diving48_test.json")
    with pytest.raises(InputError, match=r"Diving48_test.json is of version 1.*expected Diving48_V2_test.json"):
        load("diving48", dives, "train")


@pytest.mark.parametrize(("part", "count"), [("train", 15943), ("test", 2096)])
def test_version_1_is_refused_under_the_name_of_version_2(dives, part, count):
    (dives / f"Diving48_V2_{part}.json").write_text(items(count))
    with pytest.raises(
        InputError, match=rf"Diving48_V2_{part}.json lists {count} videos, as Diving48_{part}.json of v"
    ):
        load("diving48", dives, "test" if part == "train" else "train")
    (dives / f"Diving48_V2_{part}.json").write_text(items(count + 1))
    with pytest.raises(InputError, match=f"{count + 1:,} of {count + 1:,} listed"):
        load("diving48", dives, part)


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("V2_train", '"label": 1', '"label": 3', "V2_train.json: item 3: label '3': expected .* from 0 to 2"),
        ("V2_train", '"label": 1', '"label": -1', "V2_train.json: item 3: label '-1'"),
        ("V2_train", '"label": 1', '"label": true', "V2_train.json: item 3: label 'True'"),
        ("V2_train", '"label": 1', '"label": 1.0', "V2_train.json: item 3: label '1.0'"),
        ("V2_train", '"label": 1', '"class": 1', "V2_train.json: item 3: it lacks label"),
        ("V2_train", "_8Vy3dlHg2w_00000", "-mmq0PT-u8k_00155", "item 2: '-mmq0PT-u8k_00155' is listed twice"),
        ("V2_train", "_8Vy3dlHg2w_00000", "../secret", "item 2: '../secret': expected the name of a file"),
        ("V2_train", "_8Vy3dlHg2w_00000", "Z_uFnDg-a4I_00071", "1 videos for training and for testing: Z_uFnDg-a4I"),
        ("V2_train", "}]", "}", "V2_train.json:1: "),
        ("vocab", '"NoTwis", ', "", "vocab.json: item 2: .*expected a list of four strings"),
        ("vocab", '"NoTwis"', "0", "vocab.json: item 2: .*expected a list of four strings"),
        ("vocab", '"Inward", "Dive", "NoTwis", "PIKE"', '"Forward", "Dive", "NoTwis", "STR"', "item 3: class .* twice"),
    ],
)
def test_diving48_refuses_lists(dives, file, old, new, says):
    edit(dives / f"Diving48_{file}.json", old, new)
    with pytest.raises(InputError, match=says):
        load("diving48", dives, "test")


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("V2_test", "[]", "V2_test.json lists no videos"),
        ("V2_test", "{}", "V2_test.json: expected a list of objects with vid_name, label"),
        ("vocab", json.dumps(DIVES[:1]), "vocab.json names 1 classes"),
        ("vocab", '{"0": "Back"}', "vocab.json: item 1: .*expected a list of four strings"),
        ("vocab", None, r"holds no Diving48_vocab.json: expected rgb/<name>.mp4; Diving48_V2_train.json"),
        ("V2_test", None, r"holds no Diving48_V2_test.json: expected rgb/<name>.mp4"),
    ],
)
def test_empty_and_missing_lists(dives, file, content, says):
    path = dives / f"Diving48_{file}.json"
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(InputError, match=says):
        load("diving48", dives, "train")


def test_another_root(dives):
    with pytest.raises(InputError, match=r"holds no rgb: expected rgb/<name>.mp4; Diving48_V2_train.json"):
        load("diving48", dives / "rgb", "train")


def test_official_counts(dives, monkeypatch):
    assert dataset_info("diving48").counts == {1: (15027, 1970)}
    more = [["Reverse", f"{number}som", "NoTwis", "TUCK"] for number in range(45)]
    (dives / "Diving48_vocab.json").write_text(json.dumps([*DIVES, *more]))
    with pytest.raises(InputError, match=r"V2_train.json lists 6 videos, the official list 15027"):
        load("diving48", dives, "test")
    assert load("diving48", dives, "test", allow_counts=True).samples
    monkeypatch.setitem(reader.INFO.counts, 1, (6, 4))
    with pytest.raises(InputError, match=r"V2_test.json lists 3 videos, the official list 4"):
        load("diving48", dives, "train")
    monkeypatch.setitem(reader.INFO.counts, 1, (6, 3))
    assert len(load("diving48", dives, "train").classes) == 48
