"""Names on disk and in annotation files that are no text in UTF-8, or wrong: refused at once, and told."""

import os

import pytest
from layouts import put

from videoattn import cli
from videoattn.data.datasets import load
from videoattn.data.datasets.annotations import read_lines
from videoattn.errors import InputError

LATIN = os.fsdecode(b"caf\xe9")
LISTS = "testTrainMulti_7030_splits"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("VIDEOATTN_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("action", ["verify", "flow"])
@pytest.mark.parametrize(
    ("bad", "subset"),
    [(f"train/{LATIN}/1.mp4", "train"), (f"test/{LATIN}/1.mp4", "test"), (f"test/a/{LATIN}.mp4", "test")],
)
def test_a_class_or_a_video_that_is_not_utf8(tmp_path, capfd, action, bad, subset):
    root = tmp_path / "set"
    put(root, "train/a/1.mp4", "train/b/2.mp4", "test/a/3.mp4")
    (root / bad).parent.mkdir(exist_ok=True)
    (root / bad).touch()
    with pytest.raises(InputError, match=r"the path b'.*caf\\xe9(\.mp4)?' is not UTF-8: rename it"):
        load("folder", root, subset)
    code = cli.main(["data", action, "folder", str(root), "--workers", "1"])
    told = "".join(capfd.readouterr())
    assert code == (1 if (action, subset) == ("verify", "test") else 2)
    assert r"caf\xe9" in told
    assert "is not UTF-8: rename it" in told


def test_a_root_that_is_not_utf8(tmp_path, monkeypatch):
    root = tmp_path / LATIN
    put(root, "train/a/1.mp4", "train/b/2.mp4", "test/a/3.mp4")
    monkeypatch.chdir(root)
    for place in (root, "."):
        with pytest.raises(InputError, match=r"caf\\xe9' is not UTF-8: rename it"):
            load("folder", place, "train")


def test_lists_and_clips_found_by_their_names(tmp_path):
    (tmp_path / "hmdb" / LISTS).mkdir(parents=True)
    (tmp_path / "hmdb" / LISTS / f"{LATIN}_test_split1.txt").touch()
    put(tmp_path / "hmdb", f"{LISTS}/run_test_split1.txt")
    with pytest.raises(InputError, match=r"splits/caf\\xe9_test_split1.txt' is not UTF-8"):
        load("hmdb51", tmp_path / "hmdb", "train")
    root = tmp_path / "k400"
    (root / "train" / LATIN).mkdir(parents=True)
    for subset in ("train", "val"):
        rows = [f"{label},{subset}{label},0,10\n" for label in ("run", "walk")]
        (root / f"{subset}.csv").write_text("".join(["label,youtube_id,time_start,time_end\n", *rows]))
    put(root, "train/run/trainrun.mp4", "train/walk/trainwalk.mp4")
    (root / "train" / LATIN / "other.mp4").touch()  # which no list names
    assert len(load("kinetics400", root, "train").samples) == 2
    (root / "train/walk/trainwalk.mp4").rename(root / "train" / LATIN / "trainwalk.mp4")
    with pytest.raises(InputError, match=r"caf\\xe9/trainwalk.mp4' is not UTF-8"):
        load("kinetics400", root, "train")


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"caf\xe9\n", 1),
        (b"one\r\ntwo\r\ncaf\xe9\r\n", 3),
        (b"\xef\xbb\xbfone\n\n\n\xff", 4),
        ("1 a\n2 b\n".encode("utf-16"), 1),
    ],
)
def test_the_line_of_a_list_that_is_not_utf8(tmp_path, content, line):
    (tmp_path / "list.txt").write_bytes(content)
    with pytest.raises(InputError, match=rf"list\.txt:{line}: this is not UTF-8 \(.*\): save it as UTF-8$"):
        read_lines(tmp_path / "list.txt")
    (tmp_path / "list.txt").write_bytes(b"\xef\xbb\xbfcaf\xc3\xa9\r\n\r\nb\n")
    assert [text for _, text in read_lines(tmp_path / "list.txt")] == ["caf\xe9", "b"]
