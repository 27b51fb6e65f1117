"""Videos inspected: what is decoded, and what cannot be."""

import pytest
from clips import encode, gray

from videoattn.data.datasets import load
from videoattn.data.decode.decoder import Decoder
from videoattn.data.verify import inspect as module
from videoattn.data.verify.inspect import inspect, inspect_videos
from videoattn.errors import RunError


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Two classes in folders: four videos that decode, two that do not."""
    root = tmp_path_factory.mktemp("set")
    clips = {"train/a/1.mp4": {}, "train/b/2.avi": {"codec": "mpeg4", "b_frames": 2}, "test/a/3.mp4": {}}
    for name, how in clips.items():
        (root / name).parent.mkdir(parents=True)
        encode(root / name, gray(25, 48, 64), **how)
    encode(root / "train/a/again.mp4", gray(50, 48, 64))
    (root / "train/b/text.mp4").write_text("no video\n" * 50)
    (root / "test/a/empty.mp4").touch()
    return root


def test_every_video_is_decoded(root, capsys):
    found = inspect_videos([load("folder", root, subset) for subset in ("train", "test")], workers=2, show=True)
    readable = {source.path.relative_to(root).as_posix(): one.info for source, one in found.items() if one.info}
    assert list(readable) == [
        "train/a/1.mp4",
        "train/a/again.mp4",
        "train/b/2.avi",
        "test/a/3.mp4",
    ]
    assert [info.decoder for info in readable.values()] == ["pyav"] * 4
    assert [info.frames for info in readable.values()] == [25, 50, 25, 25]
    assert [one.declared for one in found.values() if one.info] == [25, 50, 25, 25]
    reasons = {source.path.name: one.reason for source, one in found.items() if one.reason}
    assert reasons.keys() == {"text.mp4", "empty.mp4"}
    assert reasons["empty.mp4"] == "an empty file"
    assert "Invalid data" in reasons["text.mp4"]
    assert "videos: 6 of 6" in capsys.readouterr().out


class Spy(Decoder):
    """Notes which frames are read."""

    def frames(self, path, indices):
        pictures = super().frames(path, indices)
        self.read = [*getattr(self, "read", []), list(indices)]
        assert len(pictures) == len(indices)
        return pictures


def test_the_ends_or_all_frames_are_read_in_pieces(root, monkeypatch):
    with Spy() as decoder:
        assert inspect(decoder, root / "train/a/again.mp4", whole=False).frames == 50
        assert decoder.read == [[0, 49]]
        decoder.read = []
        assert inspect(decoder, root / "train/a/again.mp4", whole=True).frames == 50
        assert decoder.read == [list(range(32)), list(range(32, 50))]
        decoder.read = []
        monkeypatch.setattr(module, "PIECE_BYTES", 20 * 48 * 64 * 3)  # of large frames fewer at a time
        inspect(decoder, root / "train/a/again.mp4", whole=True)
        assert [len(piece) for piece in decoder.read] == [20, 20, 10]


def test_a_long_video_is_left_when_the_work_is_given_up(root, monkeypatch):
    monkeypatch.setattr(module, "stopping", lambda: True)
    with Spy() as decoder:
        with pytest.raises(RunError, match=r"1\.mp4 was stopped"):
            inspect(decoder, root / "train/a/1.mp4", whole=True)
        assert not hasattr(decoder, "read")
