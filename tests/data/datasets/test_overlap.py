"""What training and test lists share: names, frames, bytes."""

from pathlib import Path

import pytest

from videoattn.data.datasets.overlap import copies, overlap
from videoattn.data.datasets.videos import Sample, VideoList
from videoattn.data.index import FileIndex


def listed(subset, *samples):
    return VideoList("set", subset, ("a", "b"), samples)


def test_overlap_is_by_name_or_by_the_same_frames():
    long = Path("long.mp4")
    train = listed(
        "train",
        Sample("a/1.mp4", Path("a/1.mp4"), 0),
        Sample("long 1", long, 0, frames=(0, 9)),
        Sample("long 2", long, 0, seconds=(0.0, 9.0)),
    )
    test = listed(
        "test",
        Sample("a/2.mp4", Path("a/2.mp4"), 0),
        Sample("a/1.mp4", Path("elsewhere"), 0),
        Sample("other 1", long, 1, frames=(0, 9)),
        Sample("other 2", long, 1, frames=(9, 18)),
        Sample("other 3", long, 1, seconds=(0.0, 9.5)),
    )
    assert overlap(train, test) == ["a/1.mp4", "other 1 = long 1"]
    assert overlap(test, train) == ["a/1.mp4", "long 1 = other 1"]


@pytest.fixture
def files(tmp_path):
    """Two videos of equal bytes, one as large, and an empty one; the same of folders of images."""
    for name, content in {"one": b"same", "two": b"same", "like": b"else", "none": b""}.items():
        (tmp_path / f"{name}.mp4").write_bytes(content)
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.jpg").write_bytes(content)
        (tmp_path / name / "2.jpg").write_bytes(content[:2])
    (tmp_path / "none" / "2.jpg").unlink()
    return tmp_path


def found(root, *names):
    samples = [[Sample(own, root / own, 0) if isinstance(own, str) else own for own in subset] for subset in names]
    lists = [listed(subset, *own) for subset, own in zip(("train", "test"), samples, strict=True)]
    return copies(*lists, FileIndex(root / "index"))


def test_copies_have_the_same_bytes(files):
    assert found(files, ["one.mp4", "none.mp4"], ["like.mp4", "two.mp4", "gone.mp4"]) == ["two.mp4 = one.mp4"]
    assert found(files, ["one", "like"], ["none", "two"]) == ["two = one"]
    assert found(files, ["one.mp4"], ["one.mp4"]) == []  # that is overlap
    assert found(files, ["one.mp4", "two.mp4"], ["none.mp4"]) == []


def test_a_copy_is_of_the_same_part(files):
    one, two = (Sample(name, files / f"{name}.mp4", 0, frames=(0, 5)) for name in ("one", "two"))
    later = Sample("later", files / "two.mp4", 0, frames=(5, 9))
    assert found(files, [one], [two, later]) == ["two = one"]


def test_only_what_is_equally_large_is_read(files, monkeypatch):
    read = []

    def digests(self, paths, *, threads):
        read.extend(sorted(path.name for path in paths))
        return {}

    monkeypatch.setattr(FileIndex, "digests", digests)
    (files / "more.mp4").write_bytes(b"longer")
    assert found(files, ["more.mp4", "none.mp4"], ["one.mp4", "none.mp4"]) == []
    early, late = (Sample(name, files / "one.mp4", 0, frames=part) for name, part in (("e", (0, 5)), ("l", (5, 9))))
    assert found(files, [early], [late]) == []
    assert read == []
