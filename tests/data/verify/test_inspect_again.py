"""Videos that were inspected are remembered, and decoded again where they have changed or more is asked."""

import json
import os
import sqlite3

import pytest
from clips import encode, gray

from videoattn.data.datasets import load
from videoattn.data.datasets.videos import Sample, VideoList
from videoattn.data.index import FileIndex
from videoattn.data.verify import inspect as module
from videoattn.data.verify.inspect import Finding, inspect_videos
from videoattn.errors import RunError

LONG_AGO = 1_700_000_000  # s


@pytest.fixture
def videos(tmp_path):
    """Two videos that decode and one that does not, and an empty index beside them."""
    root = tmp_path / "set"
    for name, frames in (("train/a/1.mp4", 25), ("test/a/2.avi", 12)):
        (root / name).parent.mkdir(parents=True)
        encode(root / name, gray(frames, 48, 64))
    (root / "train/b").mkdir()
    (root / "train/b/text.mp4").write_text("no video\n" * 50)
    settle(root)
    return root


def settle(root):
    for path in root.rglob("*.*"):
        os.utime(path, (LONG_AGO, LONG_AGO))


@pytest.fixture
def asked(monkeypatch):
    """The names of the videos that each inspection decodes."""
    found = []
    each = module.each

    def counted(work, sources, **options):
        found.append(sorted(source.path.name for source in sources))
        return each(work, sources, **options)

    monkeypatch.setattr(module, "each", counted)
    return found


def inspected(root, **more):
    lists = [load("folder", root, subset) for subset in ("train", "test")]
    return inspect_videos(lists, workers=1, index=FileIndex(root.parent / "index"), **more)


def frames(found):
    return [one.info.frames for one in found.values() if one.info]


def test_what_could_be_read_is_not_decoded_again(videos, asked, capsys):
    first = inspected(videos, show=True)
    second = inspected(videos, show=True)
    assert asked == [["1.mp4", "2.avi", "text.mp4"], ["text.mp4"]]
    assert capsys.readouterr().out.count("3 videos, 2 of them inspected before\n") == 1
    assert {source: one.info for source, one in first.items()} == {source: one.info for source, one in second.items()}
    assert [(source.path.name, one.info and one.info.frames) for source, one in first.items()] == [
        ("1.mp4", 25),
        ("text.mp4", None),
        ("2.avi", 12),
    ]


def test_what_could_not_be_read_is_left_where_no_retry_is_asked(videos, asked):
    first = inspected(videos)
    assert inspected(videos, retry=False) == first
    assert inspected(videos, retry=False, time_limit=9.0) == first
    assert asked[1:] == []
    inspected(videos, retry=False, time_limit=11.0)
    assert asked[1:] == [["text.mp4"]]


def test_all_frames_answer_for_the_ends_and_not_the_other_way(videos, asked):
    inspected(videos, retry=False)
    found = inspected(videos, retry=False, whole=True)
    assert inspected(videos, retry=False) == found
    assert [one.whole for one in found.values()] == [True] * 3
    assert asked == [["1.mp4", "2.avi", "text.mp4"]] * 2


def test_what_has_changed_is_decoded_again(videos, asked):
    inspected(videos)
    encode(videos / "train/a/1.mp4", gray(7, 48, 64))  # just now: it may change again within the same tick
    for _ in range(2):
        assert frames(inspected(videos)) == [7, 12]
    os.utime(videos / "train/a/1.mp4", (LONG_AGO + 1, LONG_AGO + 1))
    for _ in range(2):
        assert frames(inspected(videos)) == [7, 12]
    assert [[name for name in own if name != "text.mp4"] for own in asked[1:]] == [["1.mp4"], ["1.mp4"], ["1.mp4"], []]


def test_another_version_of_a_decoder_decodes_again(videos, asked, monkeypatch):
    inspected(videos)
    monkeypatch.setattr(module, "version", lambda name: "0")
    inspected(videos)
    assert asked[1] == asked[0]


def test_what_another_version_of_this_program_found_is_decoded_again(videos, asked):
    inspected(videos)
    with sqlite3.connect(videos.parent / "index") as database:
        old = json.dumps({"whole": True, "limit": 10.0, "info": {"frames": 25, "colour": "red"}})
        database.execute("UPDATE facts SET value = ?", (old,))
    assert frames(inspected(videos)) == [25, 12]
    assert asked[1] == asked[0]


def test_parts_are_remembered_as_parts(videos, tmp_path, asked):
    parts = [{}, {"frames": (3, 9)}, {"seconds": (0.2, 0.6)}]
    path = videos / "train/a/1.mp4"
    lists = [VideoList("set", "train", ("a",), tuple(Sample(str(part), path, 0, **part) for part in parts))]
    found = [inspect_videos(lists, workers=1, index=FileIndex(tmp_path / "index")) for _ in range(2)]
    assert found[0] == found[1]
    assert asked == [["1.mp4"] * 3]
    assert [(one.info.first, one.info.frames) for one in found[0].values()] == [(0, 25), (3, 6), (5, 10)]
    assert [one.declared for one in found[0].values()] == [25, 0, 0]


def test_folders_are_remembered_where_all_was_decoded(videos, tmp_path, asked):
    folder = videos / "images"
    folder.mkdir()
    for number in (1, 2, 3):
        encode(folder / "one.mp4", gray(1, 48, 64))
        (folder / "one.mp4").rename(folder / f"{number}.jpg")  # no image: it is remembered that it cannot be read
    settle(videos)
    os.utime(folder, (LONG_AGO, LONG_AGO))
    lists = [VideoList("set", "train", ("a",), (Sample("images", folder, 0),))]
    for whole in (False, False, True, True):
        inspect_videos(lists, workers=1, whole=whole, retry=False, index=FileIndex(tmp_path / "index"))
    assert asked == [["images"]] * 3


def test_an_interrupt_keeps_what_was_found(videos, monkeypatch, asked):
    def interrupted(outcomes, **options):
        yield next(iter(outcomes))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "track", interrupted)
        with pytest.raises(KeyboardInterrupt):
            inspected(videos)
    inspected(videos)
    assert asked[1] == ["2.avi", "text.mp4"]


def test_every_second_what_was_found_is_written(videos, monkeypatch, asked):
    writes = []
    monkeypatch.setattr(FileIndex, "add", lambda self, values: writes.append(len(values)))
    monkeypatch.setattr(module, "_PAUSE", -1.0)
    inspected(videos)
    assert writes == [1, 1, 1, 0]


def test_a_disk_that_refuses_is_told(videos):
    lists = [load("folder", videos, "test")]
    with pytest.raises(RunError, match=r"cannot write .*/1\.mp4/index: "):
        inspect_videos(lists, workers=1, index=FileIndex(videos / "train/a/1.mp4/index"))


def test_when_a_finding_still_holds():
    good, bad = Finding(whole=True, limit=10.0), Finding(whole=False, limit=10.0, reason="an empty file")
    assert good.answers(whole=True, limit=10.0)
    assert good.answers(whole=False, limit=99.0)  # what was read is readable with more time, too
    assert bad.answers(whole=False, limit=5.0)
    assert not bad.answers(whole=True, limit=5.0)
    assert not bad.answers(whole=False, limit=10.5)
