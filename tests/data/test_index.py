import hashlib
import os
import shutil
import sqlite3
from hashlib import blake2b
from pathlib import Path

import pytest

from videoattn.data.index import FileIndex
from videoattn.errors import RunError

OLD = 1_600_000_000_000_000_000  # ns


def written(path, content, changed=OLD):
    path.write_bytes(content)
    os.utime(path, ns=(changed, changed))
    return path


@pytest.fixture
def reads(monkeypatch):
    """The names of the files that were hashed."""
    opened, original = [], hashlib.file_digest

    def counting(file, algorithm):
        opened.append(Path(file.name).name)
        return original(file, algorithm)

    monkeypatch.setattr(hashlib, "file_digest", counting)
    return opened


def test_the_hash_is_of_the_bytes(tmp_path):
    video = written(tmp_path / "a.mp4", b"frames")
    assert FileIndex(tmp_path / "index").digest(video) == blake2b(b"frames", digest_size=20).hexdigest()


def test_a_file_is_hashed_once(tmp_path, reads):
    video = written(tmp_path / "a.mp4", b"frames")
    first = FileIndex(tmp_path / "index").digest(video)
    assert FileIndex(tmp_path / "index").digest(video) == first
    assert reads == ["a.mp4"]


@pytest.mark.parametrize(("content", "changed"), [(b"FRAMES", OLD + 1), (b"frames and more", OLD)])
def test_a_changed_file_is_hashed_again(tmp_path, content, changed):
    video, index = written(tmp_path / "a.mp4", b"frames"), FileIndex(tmp_path / "index")
    index.digest(video)
    written(video, content, changed)
    assert index.digest(video) == blake2b(content, digest_size=20).hexdigest()


def test_a_file_changed_a_moment_ago_is_not_remembered(tmp_path):
    index = FileIndex(tmp_path / "index")
    (tmp_path / "a.mp4").write_bytes(b"frames")
    stamp = (tmp_path / "a.mp4").stat().st_mtime_ns
    index.digest(tmp_path / "a.mp4")
    written(tmp_path / "a.mp4", b"FRAMES", stamp)
    assert index.digest(tmp_path / "a.mp4") == blake2b(b"FRAMES", digest_size=20).hexdigest()


def test_copies_have_one_hash(tmp_path):
    video = written(tmp_path / "a.mp4", b"frames")
    copy = Path(shutil.copy(video, tmp_path / "b.avi"))
    found = FileIndex(tmp_path / "index").digests([video, copy, video], threads=2)
    assert list(found) == [video, copy]
    assert found[video] == found[copy]


def test_more_files_than_one_commit(tmp_path, reads):
    videos = [written(tmp_path / f"{number}.mp4", str(number).encode()) for number in range(600)]
    found = FileIndex(tmp_path / "index").digests(videos, threads=2)
    assert found[videos[599]] == blake2b(b"599", digest_size=20).hexdigest()
    assert FileIndex(tmp_path / "index").digests(videos) == found
    assert len(reads) == 600


def test_an_unreadable_file_is_an_error_of_its_own(tmp_path):
    video, index = written(tmp_path / "a.mp4", b"frames"), FileIndex(tmp_path / "index")
    found = index.digests([tmp_path / "none.mp4", video, tmp_path])
    assert isinstance(found[tmp_path / "none.mp4"], FileNotFoundError)
    assert isinstance(found[tmp_path], IsADirectoryError)
    assert found[video] == blake2b(b"frames", digest_size=20).hexdigest()
    with pytest.raises(FileNotFoundError):
        index.digest(tmp_path / "none.mp4")


def test_a_damaged_database_only_costs_hashing_again(tmp_path, reads):
    video = written(tmp_path / "a.mp4", b"frames")
    first = FileIndex(tmp_path / "index").digest(video)
    (tmp_path / "index").write_bytes(b"no database at all, but long enough to be looked at" * 100)
    assert FileIndex(tmp_path / "index").digest(video) == first
    assert FileIndex(tmp_path / "index").digest(video) == first
    assert reads == ["a.mp4", "a.mp4"]


def test_a_database_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(sqlite3, "connect", full)
    with pytest.raises(RunError, match=r"cannot write .*index: database or disk is full"):
        FileIndex(tmp_path / "index").digest(written(tmp_path / "a.mp4", b"frames"))
