"""UCF101 in its official layout, and lists that are not as they should be."""

import shutil
from pathlib import Path

import pytest
from layouts import listing, put

from videoattn.data.datasets import load, ucf101
from videoattn.errors import InputError

REAL = Path(__file__).resolve().parents[4] / "shared" / "real" / "ucf101_30"


@pytest.fixture
def ucf(tmp_path):
    """Four classes in the official layout, with its line ends and its odd spelling of one class in file names."""
    root = tmp_path / "ucf"
    lists = root / "ucfTrainTestlist"
    lists.mkdir(parents=True)
    classes = ("Archery", "HandstandPushups", "Punch", "YoYo")
    (lists / "classInd.txt").write_bytes(b"".join(b"%d %s\r\n" % (n, c.encode()) for n, c in enumerate(classes, 1)))
    for split in (1, 2, 3):
        train, test = [], []
        for label, name in enumerate(classes, 1):
            stem = name.replace("Handstand", "HandStand")
            videos = [f"{name}/v_{stem}_g{group:02d}_c01.avi" for group in (1, 8, 15)]
            test.append(videos.pop(split - 1))
            train += [f"{video} {label}" for video in videos]
        for file, lines in (("trainlist", train), ("testlist", test)):
            (lists / f"{file}{split:02d}.txt").write_bytes("".join(f"{line}\r\n" for line in lines).encode())
        put(root / "UCF-101", *test)
    return root


def edit(file, old, new):
    text = file.read_bytes().decode()
    assert old in text
    file.write_bytes(text.replace(old, new).encode())


@pytest.mark.parametrize("split", [1, 2, 3])
def test_ucf101(ucf, split):
    train, test = (load("ucf101", ucf, subset, split=split) for subset in ("train", "test"))
    assert train.classes == test.classes == ("Archery", "HandstandPushups", "Punch", "YoYo")
    assert [sample.label for sample in train.samples] == [0, 0, 1, 1, 2, 2, 3, 3]
    group = {1: "01", 2: "08", 3: "15"}[split]
    assert listing(test)[1] == (f"UCF-101/HandstandPushups/v_HandStandPushups_g{group}_c01.avi", 1)
    assert not {sample.name for sample in train.samples} & {sample.name for sample in test.samples}
    assert all(sample.path.is_file() for sample in train.samples + test.samples)


def test_ucf101_missing_videos(ucf):
    whole = load("ucf101", ucf, "train")
    for sample in whole.samples[2:]:
        sample.path.unlink()
    with pytest.raises(
        InputError, match=r"6 of 8 listed train videos are missing under .*HandStandPushups_g08_c01.avi"
    ):
        load("ucf101", ucf, "train")
    present = load("ucf101", ucf, "train", allow_missing=True)
    assert present.samples == whole.samples[:2]
    assert (present.missing, present.classes) == (6, whole.classes)
    for sample in whole.samples[:2]:
        sample.path.unlink()
    with pytest.raises(InputError, match="8 of 8 listed train videos are missing"):
        load("ucf101", ucf, "train", allow_missing=True)


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        (
            "trainlist01.txt",
            "g08_c01.avi 3",
            "g08_c01.avi three",
            r"trainlist01.txt:5: label 'three': .* from 1 to 4",
        ),
        (
            "trainlist01.txt",
            "g08_c01.avi 3",
            "g08_c01.avi 5",
            r"trainlist01.txt:5: label '5': .* from 1 to 4",
        ),
        ("trainlist01.txt", "g08_c01.avi 3", "g08_c01.avi 2", r"trainlist01.txt:5: label '2': expected 3, as in class"),
        ("trainlist01.txt", "g08_c01.avi 3", "g08_c01.avi 3 3", r"trainlist01.txt:5: .*expected '<Class>/<file>.avi'"),
        (
            "trainlist01.txt",
            "Punch/v_Punch_g08",
            "v_Punch_g08",
            r"trainlist01.txt:5: 'v_Punch_g08_c01.avi': expected <Class>/<file>.avi$",
        ),
        (
            "trainlist01.txt",
            "Punch/v_Punch_g08",
            "Kick/v_Punch_g08",
            r"trainlist01.txt:5: .* 4 classes of classInd.txt",
        ),
        (
            "trainlist01.txt",
            "v_Punch_g15",
            "v_Punch_g08",
            r"trainlist01.txt:6: 'Punch/v_Punch_g08_c01.avi' is listed twice",
        ),
        ("testlist01.txt", "Punch/v_Punch_g01", "Punch/v_Punch_g08", "1 videos for training and for testing: Punch"),
        ("testlist01.txt", "Punch/v_Punch_g01", "../../secret", r"testlist01.txt:3: '../../secret_c01.avi'"),
        ("testlist01.txt", "Punch/v_Punch_g01", "../secret", r"testlist01.txt:3: '../secret_c01.avi'"),
        ("testlist01.txt", "Punch/v_Punch_g01", "/secret", r"testlist01.txt:3: '/secret_c01.avi'"),
        ("testlist01.txt", "Punch/v_Punch_g01", "Punch/../v", r"testlist01.txt:3: 'Punch/../v_c01.avi'"),
        ("testlist01.txt", "Punch/v_Punch_g01", "Punch\\v", r"testlist01.txt:3: 'Punch\\\\v_c01.avi'"),
        ("classInd.txt", "3 Punch", "5 Punch", r"classInd.txt:3: '5 Punch': expected '3 <Class>'"),
        ("classInd.txt", "3 Punch", "3" * 5000, r"classInd.txt:3: '3{76}\.\.\.: expected '3 <Class>'$"),
        ("trainlist01.txt", "Punch/v_Punch_g08", "é" * 5000, r"list01.txt:5: 'é{76}\.\.\.: expected <Class>/<file>"),
        (
            "trainlist01.txt",
            "g08_c01.avi 3",
            "g08_c01.avi " + "4" * 5000,
            r"list01.txt:5: label '4{76}\.\.\.: expected a wh",
        ),
        ("classInd.txt", "3 Punch", "Punch", r"classInd.txt:3: 'Punch'"),
        ("classInd.txt", "3 Punch", "3 Archery", r"classInd.txt:3: class 'Archery' stands there twice"),
        ("classInd.txt", "4 YoYo", "", r"trainlist01.txt:7: 'YoYo/.*among the 3 classes of"),
    ],
)
def test_ucf101_refuses_lists(ucf, file, old, new, says):
    edit(ucf / "ucfTrainTestlist" / file, old, new)
    with pytest.raises(InputError, match=says):
        load("ucf101", ucf, "test")


@pytest.mark.parametrize("content", [b"", b"\r\n\r\n", b"\xff\xfe\x00"])
@pytest.mark.parametrize("file", ["trainlist01.txt", "testlist01.txt", "classInd.txt"])
def test_ucf101_refuses_empty_and_unreadable_lists(ucf, file, content):
    (ucf / "ucfTrainTestlist" / file).write_bytes(content)
    with pytest.raises(InputError, match=file):
        load("ucf101", ucf, "train")


def test_ucf101_refuses_another_layout(ucf):
    (ucf / "ucfTrainTestlist" / "trainlist02.txt").unlink()
    with pytest.raises(InputError, match=r"trainlist02.txt cannot be read"):
        load("ucf101", ucf, "train", split=2)
    shutil.rmtree(ucf / "UCF-101")
    with pytest.raises(InputError, match=r"no folder UCF-101: expected UCF-101/<Class>/\*.avi"):
        load("ucf101", ucf, "train")


@pytest.mark.parametrize("split", [0, 4, "1", True])
def test_ucf101_refuses_a_split(ucf, split):
    with pytest.raises(InputError, match="data set ucf101 has splits 1, 2, 3"):
        load("ucf101", ucf, "train", split=split)


def test_ucf101_counts(tmp_path, monkeypatch):
    lists = tmp_path / "ucfTrainTestlist"
    lists.mkdir()
    names = [f"Class{number:03d}" for number in range(101)]
    (lists / "classInd.txt").write_text("".join(f"{number} {name}\n" for number, name in enumerate(names, 1)))
    (lists / "trainlist01.txt").write_text("".join(f"{name}/a.avi {n}\n" for n, name in enumerate(names, 1)))
    (lists / "testlist01.txt").write_text("".join(f"{name}/b.avi\n" for name in names))
    put(tmp_path / "UCF-101", *(f"{name}/{file}.avi" for name in names for file in "ab"))
    with pytest.raises(InputError, match=r"trainlist01.txt lists 101 videos, the official list 9537"):
        load("ucf101", tmp_path, "test")
    assert load("ucf101", tmp_path, "test", allow_counts=True).samples
    assert ucf101.INFO.counts[1][1] == 3783
    assert [sum(counts) for counts in ucf101.INFO.counts.values()] == [13320] * 3
    monkeypatch.setitem(ucf101.INFO.counts, 1, (101, 101))
    assert len(load("ucf101", tmp_path, "test").samples) == 101


@pytest.mark.parametrize(
    ("name", "recording"),
    [
        ("Punch/v_Punch_g01_c02.avi", "g01"),
        ("A_g07_c01/v_A_g12_c10.avi", "g12"),
        ("Punch/mine.avi", "Punch/mine.avi"),
    ],
)
def test_ucf101_recordings(ucf, name, recording):
    lists = ucf / "ucfTrainTestlist"
    (lists / "classInd.txt").write_text("1 A_g07_c01\n2 Punch\n")
    (lists / "trainlist01.txt").write_text(f"{name}\n")
    (lists / "testlist01.txt").write_text("Punch/v_Punch_g03_c01.avi\n")
    put(ucf / "UCF-101", name)
    assert [sample.recording for sample in load("ucf101", ucf, "train").samples] == [recording]


@pytest.mark.skipif(not REAL.is_dir(), reason=f"the 30 real UCF101 videos are not at {REAL}")
def test_real_ucf101():
    train, test = (load("ucf101", REAL, subset) for subset in ("train", "test"))
    assert train.classes == ("BabyCrawling", "Punch", "PushUps")
    assert (len(train.samples), len(test.samples)) == (15, 15)
