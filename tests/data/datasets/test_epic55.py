"""EPIC-KITCHENS-55 in its official layout, its parts of videos, and lists that are not as they should be."""

import csv
from pathlib import Path

import pytest
from official_frames import KITCHEN, edit, epic55

from videoattn.data.clips.held_out import held_out
from videoattn.data.datasets import dataset_info, load
from videoattn.data.datasets import epic55 as reader
from videoattn.data.datasets import videos as lists
from videoattn.errors import InputError

ACTIONS = "EPIC_train_action_labels.csv"


@pytest.fixture
def kitchen(tmp_path):
    return epic55(tmp_path)


def test_epic55(kitchen):
    train, test = (load("epic55", kitchen, subset) for subset in ("train", "test"))
    assert train.data_set == test.data_set == "epic55-p01-25"  # no other split may be taken for this one
    assert (train.subset, train.missing, train.multilabel) == ("train", 0, False)
    assert train.classes == KITCHEN["verb"]
    assert train.heads == test.heads == (("verb", KITCHEN["verb"]), ("noun", KITCHEN["noun"]))
    assert [(s.name, s.label, s.labels) for s in train.samples] == [
        ("P01/P01_01/0", 0, (0, 1)),
        ("P01/P01_01/7", 1, (1, 2)),
        ("P01/P01_01/14", 2, (2, 3)),
        ("P25/P25_01/21", 0, (0, 1)),
        ("P25/P25_01/28", 1, (1, 2)),
        ("P25/P25_01/35", 2, (2, 3)),
    ]
    assert [s.name for s in test.samples[::3]] == ["P26/P26_01/42", "P31/P31_13/63"]
    assert {s.path for s in train.samples} == {kitchen / "P01/P01_01", kitchen / "P25/P25_01"}
    assert [s.recording for s in train.samples] == ["P01_01"] * 3 + ["P25_01"] * 3
    fitted, kept_back = held_out(train, share=0.5)  # of each verb, the actions of one of its two videos
    assert sorted(s.label for s in fitted.samples) == sorted(s.label for s in kept_back.samples) == [0, 1, 2]


def test_numbers_of_frames(kitchen):
    """Official numbers count from 1, the last one included; those of a part from 0, the last one not."""
    parts = [sample.source.frames for sample in load("epic55", kitchen, "train").samples[:3]]
    assert parts == [(0, 16), (10, 30), (30, 48)]  # images 1 to 16, 11 to 30, 31 to 48
    images = sorted(path.name for path in (kitchen / "P01" / "P01_01").iterdir())
    cut = [images[start:end] for start, end in parts]
    assert [(names[0], names[-1]) for names in cut] == [
        ("frame_0000000001.jpg", "frame_0000000016.jpg"),
        ("frame_0000000011.jpg", "frame_0000000030.jpg"),
        ("frame_0000000031.jpg", "frame_0000000048.jpg"),
    ]


@pytest.mark.parametrize(("written", "part"), [("0,16", (0, 16)), ("16,16", (15, 16)), ("0,1", (0, 1))])
def test_short_actions_and_such_that_begin_with_the_video(kitchen, written, part):
    edit(kitchen / ACTIONS, ",1,16,take", f",{written},take")
    assert load("epic55", kitchen, "train").samples[0].frames == part


@pytest.mark.parametrize(
    "folder", ["{cook}/{video}", "{cook}/rgb_frames/{video}", "frames_rgb_flow/rgb/train/{cook}/{video}"]
)
@pytest.mark.parametrize("lists", ["", "epic-kitchens-55-annotations"])
def test_places(tmp_path, folder, lists):
    epic55(tmp_path, folder=folder)
    (tmp_path / lists).mkdir(exist_ok=True)
    for file in tmp_path.glob("*.csv"):
        file.rename(tmp_path / lists / file.name)
    test = load("epic55", tmp_path, "test")
    assert test.samples[0].path == tmp_path / folder.format(cook="P26", video="P26_01")
    assert test.samples[0].name == "P26/P26_01/42"  # wherever it lies
    assert (test.samples[0].path / "frame_0000000001.jpg").is_file()


def test_fingerprint_counts_each_folder_once(kitchen, monkeypatch):
    train = load("epic55", kitchen, "train")
    counted = []
    real = lists._size
    monkeypatch.setattr(lists, "_size", lambda path: counted.append(path) or real(path))
    first = train.fingerprint()
    assert sorted(counted) == [kitchen / "P01/P01_01", kitchen / "P25/P25_01"]
    edit(kitchen / ACTIONS, ",1,16,take", ",2,16,take")
    assert load("epic55", kitchen, "train").fingerprint() != first


def test_missing_videos(kitchen):
    (kitchen / "P25" / "P25_01").rename(kitchen / "P25" / "P25_01.part")
    with pytest.raises(InputError, match=r"3 of 6 listed train videos are missing under .*: P25/P25_01/21, P25"):
        load("epic55", kitchen, "train")
    present = load("epic55", kitchen, "train", allow_missing=True)
    assert {sample.recording for sample in present.samples} == {"P01_01"}
    assert present.missing == 3


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        (ACTIONS, "\n7,P01", "\n0,P01", "labels.csv:3: uid 0 is listed twice"),
        (ACTIONS, "\n7,P01", "\n7a,P01", "labels.csv:3: uid '7a'"),
        (ACTIONS, "\n7,P01", "\n7,P32", "labels.csv:3: participant_id 'P32': expected P01 to P31"),
        (ACTIONS, "\n7,P01", "\n7,P00", "labels.csv:3: participant_id 'P00'"),
        (ACTIONS, "\n7,P01", "\n7,P1", "labels.csv:3: participant_id 'P1'"),
        (ACTIONS, "\n7,P01,P01_01", "\n7,P01,P02_01", "labels.csv:3: video_id 'P02_01': expected a video of P01"),
        (ACTIONS, "\n7,P01,P01_01", "\n7,P01,../P01_01", "labels.csv:3: '../P01_01': expected the name of a file"),
        (ACTIONS, "put,1", "put,3", "labels.csv:3: verb '3': expected a whole number from 0 to 2"),
        (ACTIONS, "pan:dust,2", "pan:dust,4", "labels.csv:3: noun '4': expected a whole number from 0 to 3"),
        (ACTIONS, ",11,30,", ",11,x,", "labels.csv:3: stop_frame 'x'"),
        (ACTIONS, ",11,30,", ",-1,30,", "labels.csv:3: start_frame '-1'"),
        (ACTIONS, ",11,30,", ",31,30,", "labels.csv:3: stop_frame 30: expected 31 or later"),
        (ACTIONS, ",1,16,", ",0,0,", "labels.csv:2: stop_frame 0: expected 1 or later"),
        (ACTIONS, "['pan:dust'],[2]", "['pan:dust']", "labels.csv:3: 13 fields; expected 14, as in the header"),
        (ACTIONS, "['pan:dust']", "pan:dust", "labels.csv:3: all_nouns 'pan:dust': expected a list of str"),
        (ACTIONS, "['pan:dust']", "[print('x')]", r"labels.csv:3: all_nouns \"\[print\('x'\)\]\": expected a list"),
        (ACTIONS, "['pan:dust']", "('pan:dust')", "labels.csv:3: all_nouns .*: expected a list of str"),
        (ACTIONS, "['pan:dust']", "[2]", "labels.csv:3: all_nouns .*: expected a list of str"),
        (ACTIONS, ",[2]", ",[True]", "labels.csv:3: all_noun_classes .*: expected a list of int"),
        (ACTIONS, ",[2]", ",", "labels.csv:3: all_noun_classes '': expected a list of int"),
        (ACTIONS, "verb_class", "verb_number", r"labels.csv:1: the header .* lacks verb_class"),
        ("EPIC_verb_classes.csv", "\n1,put", "\n2,put", "verb_classes.csv:3: verb_id '2': .* from 1 to 1"),
        ("EPIC_noun_classes.csv", "class_key", "name", "noun_classes.csv:1: the header .* lacks class_key"),
    ],
)
def test_epic55_refuses_lists(kitchen, file, old, new, says):
    edit(kitchen / file, old, new)
    with pytest.raises(InputError, match=says):
        load("epic55", kitchen, "test")


def test_the_lists_are_quoted_where_they_hold_several(kitchen):
    with (kitchen / ACTIONS).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert "\"['pan', 'tap']\",\"[1, 3]\"" in (kitchen / ACTIONS).read_text()
    assert (rows[0]["all_nouns"], rows[0]["all_noun_classes"]) == ("['pan', 'tap']", "[1, 3]")
    assert rows[0]["narration"] == "it, whatever"


@pytest.mark.parametrize(
    ("file", "lines", "says"),
    [
        (ACTIONS, 0, r"labels.csv:1: the header '' lacks uid"),
        (ACTIONS, 1, "data set epic55-p01-25 lists no test videos"),
        (ACTIONS, 7, "data set epic55-p01-25 lists no test videos"),  # those of P01 and P25 alone
        ("EPIC_verb_classes.csv", 2, "EPIC_verb_classes.csv names 1 classes"),
        (
            ACTIONS,
            None,
            r"holds no EPIC_train_action_labels.csv or epic-kitchens-55-annotations/.*: expected P01/P01_01 or",
        ),
        (
            "EPIC_noun_classes.csv",
            None,
            "EPIC_noun_classes.csv is missing: .* must lie beside EPIC_train_action_labels.csv",
        ),
    ],
)
def test_empty_and_missing_lists(kitchen, file, lines, says):
    text = (kitchen / file).read_text().splitlines(keepends=True)
    (kitchen / file).unlink() if lines is None else (kitchen / file).write_text("".join(text[:lines]))
    with pytest.raises(InputError, match=says):
        load("epic55", kitchen, "test")


def complete(root: Path) -> None:
    """As many classes as there are officially."""
    for head, count in (("verb", 125), ("noun", 352)):
        with (root / f"EPIC_{head}_classes.csv").open("a") as file:
            file.write("".join(f"{n},{head}{n},['{head}{n}']\n" for n in range(len(KITCHEN[head]), count)))


def test_official_counts(kitchen, monkeypatch):
    assert dataset_info("epic55").counts == {1: (23191, 5281)}
    monkeypatch.setitem(reader.INFO.counts, 1, (7, 5))  # all 12 actions, split otherwise
    with pytest.raises(InputError, match=r"labels.csv \(P01-25\) lists 6 videos, the official list 7"):
        load("epic55", kitchen, "test")
    assert load("epic55", kitchen, "test", allow_counts=True).samples
    monkeypatch.setitem(reader.INFO.counts, 1, (6, 5))
    load("epic55", kitchen, "test")  # neither all actions nor all classes
    complete(kitchen)
    with pytest.raises(InputError, match=r"labels.csv \(P26-31\) lists 6 videos, the official list 5"):
        load("epic55", kitchen, "train")
    monkeypatch.setitem(reader.INFO.counts, 1, (6, 6))
    assert [len(names) for _, names in load("epic55", kitchen, "train").heads] == [125, 352]
