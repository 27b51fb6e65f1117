"""Videos that were looked at are remembered, and looked at again where they have changed."""

import os

import pytest
from clips import encode, gray

from videoattn.data.datasets import load
from videoattn.data.datasets.videos import Source
from videoattn.data.decode.decoder import Decoder, VideoInfo
from videoattn.data.seen import Seen
from videoattn.data.verify import inspect as module
from videoattn.data.verify.inspect import survey
from videoattn.errors import RunError

LONG_AGO = 1_700_000_000  # s


@pytest.fixture
def videos(tmp_path):
    """Two videos that decode, one that does not, and a folder for what is remembered."""
    root = tmp_path / "set"
    for name, frames in (("train/a/1.mp4", 25), ("test/a/2.avi", 12)):
        (root / name).parent.mkdir(parents=True)
        encode(root / name, gray(frames, 48, 64))
    (root / "train/b").mkdir()
    (root / "train/b/text.mp4").write_text("no video\n" * 50)
    for path in root.rglob("*.*"):
        os.utime(path, (LONG_AGO, LONG_AGO))
    return root


@pytest.fixture
def asked(monkeypatch):
    """The names of the videos that each survey decodes."""
    found = []
    each = module.each

    def counted(look, sources, **options):
        found.append(sorted(source.path.name for source in sources))
        return each(look, sources, **options)

    monkeypatch.setattr(module, "each", counted)
    return found


def look(root, path):
    return survey([load("folder", root, subset) for subset in ("train", "test")], workers=1, seen=Seen(path))


def test_a_second_survey_decodes_what_could_not_be_read_alone(videos, tmp_path, asked):
    first = look(videos, tmp_path / "seen" / "videos.jsonl")
    assert look(videos, tmp_path / "seen" / "videos.jsonl") == first
    assert asked == [["1.mp4", "2.avi", "text.mp4"], ["text.mp4"]]
    assert [(source.path.name, info.frames) for source, info in first.readable.items()] == [
        ("1.mp4", 25),
        ("2.avi", 12),
    ]
    assert [source.path.name for source in first.unreadable] == ["text.mp4"]


def test_what_has_changed_is_decoded_again(videos, tmp_path, asked):
    look(videos, tmp_path / "seen.jsonl")
    encode(videos / "train/a/1.mp4", gray(7, 48, 64))  # just now: it may change again within the same tick
    assert [info.frames for info in look(videos, tmp_path / "seen.jsonl").readable.values()] == [7, 12]
    assert Seen(tmp_path / "seen.jsonl").info(Source(videos / "train/a/1.mp4")) is None
    os.utime(videos / "train/a/1.mp4", (LONG_AGO + 1, LONG_AGO + 1))
    for _ in range(2):
        assert [info.frames for info in look(videos, tmp_path / "seen.jsonl").readable.values()] == [7, 12]
    assert [[name for name in own if name != "text.mp4"] for own in asked[1:]] == [["1.mp4"], ["1.mp4"], []]


def test_parts_are_remembered_as_parts_and_torn_lines_are_left_out(videos, tmp_path):
    path, parts = tmp_path / "seen.jsonl", [{}, {"frames": (3, 9)}, {"seconds": (0.2, 0.6)}]
    sources = [Source(videos / "train/a/1.mp4", **part) for part in parts]
    with Decoder() as decoder:
        found = {source: decoder.info(source) for source in sources}
    assert len({(info.first, info.frames) for info in found.values()}) == 3
    Seen(path).add(found)
    assert {source: Seen(path).info(source) for source in sources} == found
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 5)
    assert [Seen(path).info(source) for source in sources] == [*list(found.values())[:2], None]
    assert Seen(path).info(Source(videos / "train/a/1.mp4", frames=(3, 10))) is None


def test_folders_are_not_remembered_and_disks_that_refuse_are_told(videos, tmp_path):
    path = tmp_path / "seen.jsonl"
    os.utime(videos / "train", (LONG_AGO, LONG_AGO))
    Seen(path).add({Source(videos / "train"): VideoInfo(3, 8, 8, 0.0, "images")})
    assert not path.exists()
    with pytest.raises(RunError, match=r"cannot write .*/1\.mp4/seen: "):
        Seen(videos / "train/a/1.mp4/seen").add({Source(videos / "test/a/2.avi"): VideoInfo(3, 8, 8, 0.0, "pyav")})
