"""EGTEA Gaze+ in its official layout, and lists that are not as they should be."""

import shutil

import pytest
from layouts import listing, put
from official import EGTEA, edit, egtea

from videoattn.data.datasets import dataset_info, load
from videoattn.errors import InputError

SESSIONS = ("OP01-R01-PastaSalad", "P06-R05-Cheeseburger", "OP02-R03-BaconAndEggs")
CLIPS = [clips for _, clips in EGTEA.values()]


@pytest.mark.parametrize("split", [1, 2, 3])
def test_egtea(tmp_path, split):
    root = egtea(tmp_path / "egtea")
    train, test = (load("egtea", root, subset, split=split) for subset in ("train", "test"))
    assert train.classes == test.classes == tuple(EGTEA)
    assert listing(test) == [
        (f"cropped_clips/{SESSIONS[split - 1]}/{clips[split - 1]}.mp4", label) for label, clips in enumerate(CLIPS)
    ]
    assert [(sample.path.stem, sample.label) for sample in train.samples] == [
        (clip, label) for label, clips in enumerate(CLIPS) for clip in clips if clip != clips[split - 1]
    ]
    assert [sample.recording for sample in test.samples] == [SESSIONS[split - 1]] * 3
    assert {sample.recording for sample in train.samples} == set(SESSIONS) - {SESSIONS[split - 1]}
    assert all(sample.path.read_text() == sample.path.name for sample in train.samples + test.samples)


def test_egtea_folders(tmp_path):
    root = egtea(tmp_path / "egtea", folder="action_annotation", clips="video_clips/cropped_clips")
    assert load("egtea", root, "test").samples[0].name == (
        f"video_clips/cropped_clips/OP01-R01-PastaSalad/{CLIPS[0][0]}.mp4"
    )


def test_egtea_actions_follow_their_numbers(tmp_path):
    root = egtea(tmp_path / "egtea")
    lines = (root / "action_idx.txt").read_text().splitlines()
    (root / "action_idx.txt").write_bytes("".join(f"{line} \r\n" for line in reversed(lines)).encode())
    assert load("egtea", root, "test").classes == tuple(EGTEA)


def test_egtea_missing_clips(tmp_path):
    root = egtea(tmp_path / "egtea")
    shutil.rmtree(root / "cropped_clips" / "P06-R05-Cheeseburger")
    with pytest.raises(InputError, match=r"3 of 6 listed train videos are missing under .*Cheeseburger-1002316"):
        load("egtea", root, "train")
    videos = load("egtea", root, "train", allow_missing=True)
    assert (videos.missing, len(videos.samples), videos.classes) == (3, 3, tuple(EGTEA))


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("train_split1", "F002558 2 2", "F002558 4 2", r"train_split1.txt:3: action '4': .* from 1 to 3"),
        ("train_split1", "F002558 2 2", "F002558 0 2", r"train_split1.txt:3: action '0'"),
        ("train_split1", "F002558 2 2", "F002558 2 4", r"train_split1.txt:3: verb '4': .* from 1 to 3"),
        ("train_split1", "F002558 2 2 2", "F002558 2 2 7", r"train_split1.txt:3: noun '7': .* from 1 to 6"),
        ("train_split1", "F000015 3 3 4 5 6", "F000015 3 3 4 5 x", r"train_split1.txt:5: noun 'x'"),
        ("train_split1", "F002558 2 2 2 3", "F002558 2 2", r"train_split1.txt:3: .*expected '<clip> <action> <verb>"),
        ("train_split1", "F000015 3", "F000015 3 3", r"train_split1.txt:5: .* up to two more nouns"),
        ("train_split1", "-F002528-", "-002528-", r"train_split1.txt:3: clip .*: expected '<session>-<start>-<end>-F"),
        ("train_split1", "P06-R05-Cheeseburger-0", "../P06-0", r"train_split1.txt:5: '../P06.*: expected the name of"),
        ("train_split1", CLIPS[2][1], CLIPS[1][1], r"train_split1.txt:5: 'P06.*F002558' is listed twice"),
        ("test_split1", CLIPS[2][0], CLIPS[1][1], r"split 1 lists 1 videos for training and for testing: P06.*F002558"),
        ("action_idx", "Open fridge 1", "Open fridge 2", r"action_idx.txt:2: number 2 stands there twice"),
        ("action_idx", "Open fridge 1", "Open fridge 4", r"action_idx.txt:1: number '4': .* from 1 to 3"),
        ("action_idx", "Open fridge 1", "Open fridge", r"action_idx.txt:1: number 'fridge'"),
        ("action_idx", "Open fridge 1", "1", r"action_idx.txt:1: '1': expected '<name> <number>'"),
        ("verb_idx", "Pour 3\n", "", r"train_split1.txt:5: verb '3': .* from 1 to 2"),
    ],
)
def test_egtea_refuses_lists(tmp_path, file, old, new, says):
    root = egtea(tmp_path / "egtea")
    edit(root / f"{file}.txt", old, new)
    with pytest.raises(InputError, match=says):
        load("egtea", root, "test")


def test_egtea_without_names_of_verbs_and_nouns(tmp_path):
    root = egtea(tmp_path / "egtea")
    (root / "verb_idx.txt").unlink()
    edit(root / "test_split1.txt", "F001639 1 1 1", "F001639 1 9 1")
    assert len(load("egtea", root, "test").samples) == 3
    (root / "noun_idx.txt").unlink()
    edit(root / "test_split1.txt", "F001639 1 9 1", "F001639 1 9 99")
    assert [sample.label for sample in load("egtea", root, "test").samples] == [0, 1, 2]


def test_egtea_refuses_another_layout(tmp_path):
    root = egtea(tmp_path / "egtea", clips="videos")
    with pytest.raises(
        InputError, match="holds no cropped_clips or video_clips/cropped_clips: expected cropped_clips/<session>"
    ):
        load("egtea", root, "train")
    (root / "videos").rename(root / "cropped_clips")
    (root / "train_split2.txt").write_text("\n")
    with pytest.raises(InputError, match=r"train_split2.txt lists no videos"):
        load("egtea", root, "test", split=2)
    (root / "train_split2.txt").unlink()
    with pytest.raises(InputError, match=r"train_split2.txt cannot be read"):
        load("egtea", root, "test", split=2)
    (root / "action_idx.txt").write_text("Open fridge 1\n")
    with pytest.raises(InputError, match=r"action_idx.txt names 1 actions: expected two at least"):
        load("egtea", root, "test")
    (root / "action_idx.txt").unlink()
    with pytest.raises(InputError, match=r"holds no action_idx.txt or action_annotation/action"):
        load("egtea", root, "test")


def test_egtea_counts(tmp_path):
    (tmp_path / "action_idx.txt").write_text("".join(f"Action {i} {i}\n" for i in range(1, 107)))
    for name, count in (("train", 8300), ("test", 2021)):
        lines = [f"OP01-R01-{name}-{i}-{i + 1}-F1-F2 {i % 106 + 1} 1 1\n" for i in range(count)]
        for split in (1, 3):
            (tmp_path / f"{name}_split{split}.txt").write_text("".join(lines))
    put(tmp_path, "cropped_clips/OP01-R01-test/OP01-R01-test-107-108-F1-F2.mp4")
    test = load("egtea", tmp_path, "test", split=3, allow_missing=True)
    assert ([sample.label for sample in test.samples], test.missing) == ([1], 2020)
    assert dataset_info("egtea").counts == {1: (8299, 2022), 2: (8299, 2022), 3: (8300, 2021)}
    with pytest.raises(InputError, match=r"train_split1.txt lists 8300 videos, the official list 8299"):
        load("egtea", tmp_path, "test", split=1, allow_missing=True)
    assert load("egtea", tmp_path, "test", split=1, allow_missing=True, allow_counts=True).samples
