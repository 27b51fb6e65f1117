"""Something-Something V1 and V2 in their official layouts, and lists that are not as they should be."""

import json
import os
from itertools import pairwise

import pytest
from layouts import listing
from official_frames import LABELS, V1, V2, edit, something_v1, something_v2

from videoattn.data.clips.augment import check_ten_crops, mirrored
from videoattn.data.datasets import annotations, dataset_info, load
from videoattn.data.datasets import something_v1 as reader_v1
from videoattn.data.datasets import something_v2 as reader_v2
from videoattn.errors import InputError

SORTED = (
    "Pushing something from left to right",
    "Pushing something from right to left",
    "Putting something, something and something on the table",
)
BUILD = {"something_v1": something_v1, "something_v2": something_v2}
# Official labels at places where another order than that of their signs would differ: commas, brackets, apostrophes.
OFFICIAL = (
    "Lifting up one end of something without letting it drop down",
    "Lifting up one end of something, then letting it drop down",
    "Plugging something into something but pulling it right out as you remove your hand",
    "Poking something so it slightly moves",
    "Poking something so lightly that it doesn't or almost doesn't move",
    "Pulling something from left to right",
    "Pulling something from right to left",
    "Putting something upright on the table",
    "Putting something, something and something on the table",
    "Turning the camera downwards while filming something",
    "Turning the camera left while filming something",
    "Turning the camera right while filming something",
    "Twisting (wringing) something wet until water comes out",
    "Twisting something",
)


@pytest.fixture
def v1(tmp_path):
    return something_v1(tmp_path)


@pytest.fixture
def v2(tmp_path):
    return something_v2(tmp_path)


def test_v1(v1):
    train, test = (load("something_v1", v1, subset) for subset in ("train", "test"))
    assert train.classes == test.classes == SORTED  # the file has them in another order
    assert listing(train) == [(f"20bn-something-something-v1/{name}", label) for name, label in V1["train"]]
    assert listing(test) == [(f"20bn-something-something-v1/{name}", label) for name, label in V1["validation"]]
    assert all((sample.path / "00001.jpg").is_file() for sample in train.samples + test.samples)
    assert (train.data_set, train.subset, train.missing, train.multilabel, train.heads) == (
        *("something_v1", "train", 0),
        *(False, ()),
    )
    sample = train.samples[0]
    assert (sample.labels, sample.frames, sample.seconds, sample.recording) == ((), None, None, "")


@pytest.mark.parametrize(
    "file",
    ["{}.json", "labels/{}.json", "something-something-v2-{}.json", "labels/something-something-v2-{}.json"],
)
def test_v2(tmp_path, file):
    something_v2(tmp_path, file=file)
    train, test = (load("something_v2", tmp_path, subset) for subset in ("train", "test"))
    assert train.classes == test.classes == SORTED
    assert listing(train) == [(f"20bn-something-something-v2/{name}.webm", label) for name, label in V2["train"]]
    assert listing(test) == [(f"20bn-something-something-v2/{name}.webm", label) for name, label in V2["validation"]]
    assert all(sample.path.is_file() for sample in train.samples + test.samples)
    assert (train.data_set, test.subset) == ("something_v2", "test")


def test_both_number_classes_alike(tmp_path):
    one, two = something_v1(tmp_path / "1"), something_v2(tmp_path / "2")
    assert load("something_v1", one, "train").classes == load("something_v2", two, "train").classes
    # V1's file holds the labels in no order, V2's numbers them in the order of their signs.
    shuffled = [*OFFICIAL[::2], *OFFICIAL[1::2], *(label for label in SORTED if label not in OFFICIAL)]
    official = sorted({*OFFICIAL, *SORTED})
    assert all(before < after for before, after in pairwise(OFFICIAL))
    (one / "something-something-v1-labels.csv").write_text("\r\n".join(shuffled))
    (two / "labels" / "labels.json").write_text(json.dumps({n: str(official.index(n)) for n in shuffled}))
    edit(two / "labels" / "train.json", LABELS[SORTED[0]], "[Something] but pulling it")
    edit(
        two / "labels" / "train.json",
        "[Something] but pulling it",
        "Twisting ([wringing]) [something] wet until water comes out",
    )
    first, second = load("something_v1", one, "train"), load("something_v2", two, "train")
    assert first.classes == second.classes == tuple(official)
    assert len(official) > 10  # "10" stands before "2" as text
    assert [official[sample.label] for sample in second.samples[:2]] == [SORTED[2], OFFICIAL[-2]]


def test_a_mirror_image_shows_the_other_direction(v1, v2):
    for name in BUILD:
        train = load(name, v1, "train")
        assert mirrored(train.classes) == (1, 0, 2)
        with pytest.raises(InputError, match="becomes another"):
            check_ten_crops(train.classes)
    assert mirrored(OFFICIAL) == (0, 1, 2, 3, 4, 6, 5, 7, 8, 9, 11, 10, 12, 13)
    assert mirrored(("Moving it left out of the frame", "Moving it right outside")) == (None, None)


def test_presence_takes_one_look_at_the_folder(v1, monkeypatch):
    looked = []
    real = os.scandir
    monkeypatch.setattr(annotations.os, "scandir", lambda folder: looked.append(folder) or real(folder))
    load("something_v1", v1, "train")
    assert looked == [v1 / "20bn-something-something-v1"]


@pytest.mark.parametrize("name", BUILD)
def test_missing_videos(tmp_path, name):
    whole = load(name, BUILD[name](tmp_path), "train")
    (tmp_path / "away").mkdir()
    for sample in whole.samples[2:]:
        sample.path.rename(tmp_path / "away" / sample.path.name)
    whole.samples[2].path.symlink_to(tmp_path / "nowhere")
    whole.samples[3].path.symlink_to(tmp_path / "away" / whole.samples[3].path.name)
    with pytest.raises(InputError, match=f"3 of 6 listed train videos are missing under .*: {whole.samples[2].name}"):
        load(name, tmp_path, "train")
    present = load(name, tmp_path, "train", allow_missing=True)
    assert present.samples == (*whole.samples[:2], whole.samples[3])
    assert (present.missing, present.classes) == (3, whole.classes)


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        (
            "train",
            "1157;Pushing",
            "1157;Shoving",
            r"train.csv:2: label 'Shoving something .*one of the 3 of .*labels.csv",
        ),
        ("train", "1157;", "1157,", r"train.csv:2: '1157,Pushing .*: expected '<id>;<label>'"),
        ("train", "1157;", "74225;", r"train.csv:2: '74225' is listed twice"),
        ("train", "1157;", "../1157;", r"train.csv:2: '../1157': expected the name of a file"),
        ("train", "1157;", ";", r"train.csv:2: '': expected the name of a file"),
        ("train", "1157;", "50;", "split 1 lists 1 videos for training and for testing: 50"),
        ("labels", "right to left", "left to right", r"labels.csv:3: label .* stands there twice"),
    ],
)
def test_v1_refuses_lists(v1, file, old, new, says):
    edit(v1 / f"something-something-v1-{file}.csv", old, new)
    with pytest.raises(InputError, match=says):
        load("something_v1", v1, "test")


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        (
            "train",
            '"Pushing [',
            '"Shoving [',
            r"train.json: item 2: template 'Shoving \[something\] .*none of 3 labels",
        ),
        ("train", '"42326"', '"78687"', "train.json: item 2: '78687.webm' is listed twice"),
        ("train", '"42326"', '"../1"', "train.json: item 2: '../1.webm': expected the name of a file"),
        ("train", '"42326"', '"7"', "split 1 lists 1 videos for training and for testing: 7.webm"),
        ("train", '"template"', '"label"', "train.json: item 1: it lacks template"),
        ("train", "[{", "[7, {", "train.json: item 1: it lacks id, template"),
        ("train", "[{", "{", r"train.json:1: "),
        ("labels", '"1"', '"3"', "labels.json: 'Pushing something from right to left': number '3': .* from 0 to 2"),
        ("labels", '"1"', "true", "labels.json: 'Pushing something from right to left': number 'True'"),
        ("labels", '"1"', '"0"', "labels.json: .* both have number 0"),
    ],
)
def test_v2_refuses_lists(v2, file, old, new, says):
    edit(v2 / "labels" / f"{file}.json", old, new)
    with pytest.raises(InputError, match=says):
        load("something_v2", v2, "test")


@pytest.mark.parametrize(
    ("name", "file", "content", "says"),
    [
        ("something_v1", "something-something-v1-train.csv", "\n", "train.csv lists no videos"),
        ("something_v1", "something-something-v1-validation.csv", "", "validation.csv lists no videos"),
        ("something_v1", "something-something-v1-labels.csv", "One\n", "labels.csv names 1 labels"),
        ("something_v2", "labels/train.json", "[]", "train.json lists no videos"),
        ("something_v2", "labels/train.json", "{}", "train.json: expected a list of objects with id, template"),
        ("something_v2", "labels/labels.json", "[]", "labels.json: expected an object of two labels at least"),
        ("something_v1", "something-something-v1-train.csv", None, r"holds no .*-train.csv: .*v1/<id>/00001.jpg"),
        (
            "something_v2",
            "labels/validation.json",
            None,
            r"holds no .*v2-validation.json or validation.json or \.\.\.: expected .*labels/",
        ),
    ],
)
def test_empty_and_missing_lists(tmp_path, name, file, content, says):
    BUILD[name](tmp_path)
    (tmp_path / file).unlink() if content is None else (tmp_path / file).write_text(content)
    with pytest.raises(InputError, match=says):
        load(name, tmp_path, "train")


@pytest.mark.parametrize("name", BUILD)
def test_another_root(tmp_path, name):
    BUILD[name](tmp_path / "data")
    with pytest.raises(InputError, match=rf"holds no 20bn-something-something-v{name[-1]}: expected 20bn.*/<id>"):
        load(name, tmp_path, "train")


@pytest.mark.parametrize("name", BUILD)
def test_official_counts(tmp_path, monkeypatch, name):
    BUILD[name](tmp_path)
    reader = {"something_v1": reader_v1, "something_v2": reader_v2}[name]
    assert sum(dataset_info(name).counts[1]) == {"something_v1": 86017 + 11522, "something_v2": 168913 + 24777}[name]
    more = [f"Doing {number}" for number in range(171)]
    if name == "something_v1":
        with (tmp_path / "something-something-v1-labels.csv").open("a") as file:
            file.write("".join(f"{label}\n" for label in more))
    else:
        text = json.dumps({label: str(number) for number, label in enumerate([*more, *SORTED])})
        (tmp_path / "labels" / "labels.json").write_text(text)
    with pytest.raises(
        InputError, match=rf"train.* lists 6 videos, the official list {dataset_info(name).counts[1][0]}"
    ):
        load(name, tmp_path, "test")
    assert load(name, tmp_path, "test", allow_counts=True).samples
    monkeypatch.setitem(reader.INFO.counts, 1, (6, 4))
    with pytest.raises(InputError, match=r"validation.* lists 3 videos, the official list 4"):
        load(name, tmp_path, "train")
    monkeypatch.setitem(reader.INFO.counts, 1, (6, 3))
    assert len(load(name, tmp_path, "test").samples) == 3
