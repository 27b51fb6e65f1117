"""HMDB51 in its official layout, and lists that are not as they should be."""

import shutil

import pytest
from layouts import listing, put
from official import HMDB51, edit, hmdb51

from videoattn.data.clips.held_out import held_out
from videoattn.data.datasets import dataset_info, load
from videoattn.errors import InputError

LISTS = "testTrainMulti_7030_splits"
CLASSES = ("climb", "climb_stairs", "draw_sword")


@pytest.mark.parametrize("split", [1, 2, 3])
def test_hmdb51(tmp_path, split):
    root = hmdb51(tmp_path / "[h]mdb*")  # brackets in the path are no pattern either
    train, test = (load("hmdb51", root, subset, split=split) for subset in ("train", "test"))
    assert train.classes == test.classes == CLASSES
    assert listing(test) == [(f"{name}/{HMDB51[name][split - 1]}", label) for label, name in enumerate(CLASSES)]
    assert listing(train) == [
        (f"{name}/{file}", label)
        for label, name in enumerate(CLASSES)
        for i, file in enumerate(HMDB51[name][:3])
        if i != split - 1
    ]
    assert all(sample.path.read_text() == sample.path.name for sample in train.samples + test.samples)


@pytest.mark.parametrize("folder", ["videos/", "hmdb51_org/"])
def test_hmdb51_folders(tmp_path, folder):
    videos = load("hmdb51", hmdb51(tmp_path / "hmdb", folder=folder), "test")
    assert videos.samples[1].name == f"{folder}climb_stairs/#437_How_To_Walk_climb_stairs_f_nm_np1_ba_med_0.avi"
    assert all(sample.path == tmp_path / "hmdb" / sample.name for sample in videos.samples)


def test_hmdb51_recordings(tmp_path):
    root = hmdb51(tmp_path / "hmdb")
    lists = root / LISTS
    for name in CLASSES:
        edit(lists / f"{name}_test_split1.txt", " 0 \n", " 1 \n")
    train, test = (load("hmdb51", root, subset) for subset in ("train", "test"))
    recordings = {sample.path.name: sample.recording for sample in train.samples + test.samples}
    assert recordings == dict(
        zip(
            (file for files in HMDB51.values() for file in files),
            [
                "(HQ)_Rock_Climbing_-_Free_Solo_[part_1]",
                "50_FIRST_DATES_climb_stairs",
                "Cliff!_&_Hanger;",
                "Cliff!_&_Hanger;",
                "#437_How_To_Walk",
                "50_FIRST_DATES",
                "Philadelphia_1",
                "Philadelphia_2",
                "hero",
                "blade",
                "sword, drawn.avi",
                "hero",
            ],
            strict=True,
        )
    )
    kept, held = held_out(train, share=0.5)
    for label in range(3):
        parts = [{s.recording for s in part.samples if s.label == label} for part in (kept, held)]
        assert all(parts)
        assert not parts[0] & parts[1]


def test_hmdb51_missing_videos(tmp_path):
    root = hmdb51(tmp_path / "hmdb")
    shutil.rmtree(root / "climb")
    with pytest.raises(InputError, match=r"2 of 6 listed train videos are missing under .*climb/50_FIRST_DATES"):
        load("hmdb51", root, "train")
    videos = load("hmdb51", root, "train", allow_missing=True)
    assert (videos.missing, videos.classes, videos.samples[0].label) == (2, CLASSES, 1)


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("climb_test_split1", "_10.avi 1", "_10.avi 3", r"climb_test_split1.txt:2: mark '3': .* from 0 to 2"),
        ("climb_test_split1", "_10.avi 1", "_10.avi one", r"climb_test_split1.txt:2: mark 'one'"),
        ("climb_test_split1", "_10.avi 1", "_10.avi", r"climb_test_split1.txt:2: '50_.*': expected '<name>.avi' and"),
        ("climb_test_split1", "50_FIRST", "../50_FIRST", r"climb_test_split1.txt:2: '../50_.*: expected the name"),
        ("climb_test_split1", "l_cm_np1_le_bad_0", "f_nm_np1_ri_bad_1", r"climb_test_split1.txt:4: .* is listed twice"),
        ("climb_stairs_test_split1", "avi 2", "avi 0", None),
    ],
)
def test_hmdb51_refuses_lists(tmp_path, file, old, new, says):
    root = hmdb51(tmp_path / "hmdb")
    edit(root / LISTS / f"{file}.txt", old, new)
    if says is None:  # a class without test videos is no error, an unused video is in neither list
        assert [sample.label for sample in load("hmdb51", root, "test").samples] == [0, 2]
        return
    with pytest.raises(InputError, match=says):
        load("hmdb51", root, "test")


def test_hmdb51_refuses_empty_lists(tmp_path):
    root = hmdb51(tmp_path / "hmdb")
    for name in CLASSES:
        edit(root / LISTS / f"{name}_test_split2.txt", " 2 ", " 0 ")
    with pytest.raises(InputError, match="lists no test videos"):
        load("hmdb51", root, "test", split=2)
    (root / LISTS / "climb_test_split2.txt").write_text("\n")
    with pytest.raises(InputError, match=r"climb_test_split2.txt lists no videos"):
        load("hmdb51", root, "train", split=2)
    (root / LISTS / "climb_test_split2.txt").unlink()
    with pytest.raises(InputError, match=r"climb_test_split2.txt cannot be read"):
        load("hmdb51", root, "train", split=2)


def test_hmdb51_refuses_another_layout(tmp_path):
    root = hmdb51(tmp_path / "hmdb", folder="avi/")
    with pytest.raises(InputError, match=r"holds no folder of a class, such as climb: .* hmdb51_org or videos there"):
        load("hmdb51", root, "train")
    (root / LISTS / ".climb_test_split1.txt").write_text("left by an archive")
    for file in (root / LISTS).glob("climb*"):
        file.unlink()
    with pytest.raises(InputError, match="of 1 classes: expected two at least"):
        load("hmdb51", root, "train")
    shutil.rmtree(root / LISTS)
    with pytest.raises(InputError, match=f"holds no folder {LISTS}: expected <class>/<name>.avi"):
        load("hmdb51", root, "train")


def test_hmdb51_counts(tmp_path):
    names = [f"class{number:02d}" for number in range(51)]
    videos = [f"{i}.avi" for i in range(133)]
    lines = [f"{video} {1 if i < 70 else 2 if i < 100 else 0} \n" for i, video in enumerate(videos)]
    put(tmp_path, *(f"{LISTS}/{name}_test_split2.txt" for name in names), "class50/0.avi", "class50/1.avi")
    for name in names:
        (tmp_path / LISTS / f"{name}_test_split2.txt").write_text("".join(lines))
    train = load("hmdb51", tmp_path, "train", split=2, allow_missing=True)
    assert [sample.label for sample in train.samples] == [50, 50]
    assert train.missing == 3568
    assert dataset_info("hmdb51").counts == dict.fromkeys((1, 2, 3), (3570, 1530))
    last = tmp_path / LISTS / "class50_test_split2.txt"
    edit(last, "0.avi 1 \n1.avi 1 ", "0.avi 1 \n1.avi 0 ")
    with pytest.raises(InputError, match=f"{LISTS}: split 2 lists 3569 train videos, the official 3570"):
        load("hmdb51", tmp_path, "test", split=2)
    assert load("hmdb51", tmp_path, "train", split=2, allow_missing=True, allow_counts=True).missing == 3568
    edit(last, "0.avi 1 \n1.avi 0 ", "0.avi 1 \n1.avi 1 ")
    edit(last, "99.avi 2", "99.avi 0")
    with pytest.raises(InputError, match="split 2 lists 1529 test videos, the official 1530"):
        load("hmdb51", tmp_path, "train", split=2)
