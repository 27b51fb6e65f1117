"""Hashes of folders of images and of parts: what they depend on, and when images are read again."""

import os
import pickle
import shutil
from hashlib import blake2b
from pathlib import Path

import pytest

from videoattn.data import index as module
from videoattn.data.datasets.videos import Source
from videoattn.data.index import FileIndex

OLD = 1_600_000_000_000_000_000  # ns


def put(folder: Path, number: int, data: bytes, changed: int = OLD) -> Path:
    """An image, by its name, as far as a hash is concerned; the folder looks old too."""
    folder.mkdir(exist_ok=True)
    (folder / f"{number:03d}.jpg").write_bytes(data)
    os.utime(folder / f"{number:03d}.jpg", ns=(changed, changed))
    settle(folder, changed)
    return folder


def settle(folder: Path, changed: int = OLD) -> None:
    os.utime(folder, ns=(changed, changed))


@pytest.fixture
def folder(tmp_path) -> Path:
    for number in (1, 2, 3):
        put(tmp_path / "images", number, b"image %d" % number)
    return tmp_path / "images"


@pytest.fixture
def reads(monkeypatch) -> list[str]:
    """The names of the folders whose images were hashed."""
    read, original = [], module._hash_of_images
    monkeypatch.setattr(module, "_hash_of_images", lambda folder: read.append(folder.name) or original(folder))
    return read


def test_the_hash_is_of_names_and_bytes(folder, tmp_path):
    expected = blake2b(digest_size=20, person=b"images")
    for number in (1, 2, 3):
        expected.update(b"%03d.jpg/7/image %d" % (number, number))
    assert FileIndex(tmp_path / "index").digest(folder) == expected.hexdigest()
    (folder / ".hidden.jpg").touch()
    (folder / "notes.txt").touch()
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    assert FileIndex(tmp_path / "index").digests([folder, copy]) == dict.fromkeys((folder, copy), expected.hexdigest())


def test_what_is_another_video_has_another_hash(folder, tmp_path):
    found = [FileIndex(tmp_path / "index").digest(folder)]
    for name, change in {
        "changed": lambda copy: put(copy, 2, b"IMAGE 2"),
        "longer": lambda copy: put(copy, 4, b"image 4"),
        "shorter": lambda copy: (copy / "003.jpg").unlink(),
        "moved": lambda copy: (put(copy, 2, b"image "), put(copy, 3, b"2image 3")),
        "renamed": lambda copy: [file.rename(copy / f"a{file.name}") for file in sorted(copy.iterdir())],
    }.items():
        copy = Path(shutil.copytree(folder, tmp_path / name))
        change(copy)
        found.append(FileIndex(tmp_path / "index").digest(copy))
    assert len(set(found)) == 6


def test_a_folder_is_read_once(folder, tmp_path, reads):
    first = FileIndex(tmp_path / "index").digest(folder)
    for _ in range(2):
        index = FileIndex(tmp_path / "index")
        assert index.digest(folder) == first
        assert index.digest(Source(folder, frames=(0, 2))) == f"{first}-frames-0-2"
        assert index.digests([folder]) == {folder: first}
    assert reads == ["images"]


@pytest.mark.parametrize("kept", [True, False])
def test_a_changed_image_is_seen_by_the_next_look(folder, tmp_path, reads, kept):
    index = FileIndex(tmp_path / "index")
    before = index.digest(folder)
    put(folder, 2, b"IMAGE 2", changed=OLD + 1)
    settle(folder)  # its list is what it was
    index = index if kept else FileIndex(tmp_path / "index")
    after = index.digests([folder])[folder]
    assert after != before
    assert index.digest(folder) == after
    assert len(reads) == 2


def test_an_image_more_is_seen_at_once(folder, tmp_path):
    index = FileIndex(tmp_path / "index")
    before = index.digest(folder)
    put(folder, 4, b"image 4", changed=OLD + 1)
    after = index.digest(folder)
    assert after != before
    assert FileIndex(tmp_path / "none").digest(folder) == after


def test_images_changed_a_moment_ago_are_not_remembered(folder, tmp_path):
    index = FileIndex(tmp_path / "index")
    (folder / "002.jpg").write_bytes(b"image 2")
    stamp = (folder / "002.jpg").stat().st_mtime_ns
    settle(folder)
    before = index.digest(folder)
    put(folder, 2, b"IMAGE 2", changed=stamp)
    settle(folder)
    assert index.digest(folder) != before


def test_what_an_index_knows_of_folders_goes_with_it(folder, tmp_path, monkeypatch):
    index = FileIndex(tmp_path / "index")
    before = index.digest(folder)
    monkeypatch.setattr(module, "numbered_images", None)  # would fail
    assert pickle.loads(pickle.dumps(index)).digest(folder) == before


def test_parts_have_names_of_their_own(tmp_path):
    video = tmp_path / "a.mp4"
    video.write_bytes(b"frames")
    parts = [Source(video), Source(video, frames=(0, 16)), Source(video, seconds=(1, 2.5))]
    whole = blake2b(b"frames", digest_size=20).hexdigest()
    expected = [whole, whole, f"{whole}-frames-0-16", f"{whole}-seconds-1.0-2.5"]
    assert list(FileIndex(tmp_path / "index").digests([video, *parts]).values()) == expected
    assert [FileIndex(tmp_path / "index").digest(item) for item in (video, *parts)] == expected


def test_a_folder_without_a_row_of_images_is_an_error_of_its_own(folder, tmp_path):
    (tmp_path / "gap").mkdir()
    for number in (1, 3):
        put(tmp_path / "gap", number, b"image")
    index = FileIndex(tmp_path / "index")
    found = index.digests([tmp_path / "gap", Source(tmp_path / "gap", frames=(0, 1)), folder])
    reasons = [getattr(value, "strerror", None) for value in found.values()]
    assert reasons == ["the image 002.jpg is missing"] * 2 + [None]
    with pytest.raises(OSError, match=r"002\.jpg is missing"):
        index.digest(tmp_path / "gap")
