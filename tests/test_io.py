"""Files whole or absent; one process at a time, freed however that ends; and what tells a file from what it was."""

import errno
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import videoattn
from videoattn.errors import RunError
from videoattn.io import atomic, file_stamp, locked, write_atomically

HOLD = """
import sys
from pathlib import Path
from videoattn.io import locked
with locked(Path(sys.argv[1]), busy=""):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock tmp_path / "run/.lock" until its input ends."""
    path = {"PYTHONPATH": str(Path(videoattn.__file__).parents[1])}
    command = [sys.executable, "-c", HOLD, str(tmp_path / "run/.lock")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=os.environ | path, **pipes) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_file_stands_there_once_it_is_whole(tmp_path):
    path = tmp_path / "new" / "x"
    for content in (b"old", b"new"):
        with atomic(path) as file:
            file.write(content)
            assert not path.exists() or path.read_bytes() == b"old"
        assert path.read_bytes() == content
    assert os.listdir(path.parent) == ["x"]


def test_all_of_it_is_on_the_disk_before_it_stands_there(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda number: synced.append((os.fstat(number).st_size, os.listdir(tmp_path))))
    write_atomically(tmp_path / "x", b"abc")
    assert synced == [(3, [f".x.{os.getpid()}.part"])]


def test_what_fails_inside_passes_and_leaves_the_old_file_alone(tmp_path):
    write_atomically(tmp_path / "x", b"old")

    def fail() -> None:
        with atomic(tmp_path / "x") as file:
            file.write(b"new")
            raise KeyError("inside")

    with pytest.raises(KeyError, match="inside"):
        fail()
    assert (tmp_path / "x").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["x"]


def test_a_folder_that_cannot_be_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"file/x\.json could not be written: .*; nothing was there before"):
        write_atomically(tmp_path / "file" / "x.json", b"1")


def test_a_failed_write_leaves_the_old_file_alone(tmp_path, monkeypatch):
    path = tmp_path / "x.json"
    write_atomically(path, b"old")

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(RunError, match=r"x\.json could not be written: No space left on device; the file from before"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_a_lock_that_another_process_has_is_refused_in_the_words_given(tmp_path, holder):
    with pytest.raises(RunError, match=r"^somebody else$"), locked(tmp_path / "run/.lock", busy="somebody else"):
        pytest.fail("two hold it")


@pytest.mark.parametrize("busy", ["waiting", ""])
def test_who_waits_says_so_and_goes_on_when_the_lock_is_free(tmp_path, holder, capsys, busy):
    command = [sys.executable, "-c", HOLD.replace('busy=""', f"busy={busy!r}, wait=True"), str(tmp_path / "run/.lock")]
    path = {"PYTHONPATH": str(Path(videoattn.__file__).parents[1])}
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=os.environ | path, **pipes) as second:
        if busy:
            assert b"".join(iter(lambda: os.read(second.stdout.fileno(), 1), b"\n")) == b"waiting"
        assert select.select([second.stdout], [], [], 0.3)[0] == []
        holder.stdin.close()
        assert second.stdout.read() == b"held\n"
        assert second.wait() == 0
    with locked(tmp_path / "run/.lock", busy="not said", wait=True):
        assert capsys.readouterr().out == ""


def test_a_killed_process_holds_nothing(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    assert holder.wait() == -signal.SIGKILL
    with locked(tmp_path / "run/.lock", busy="") as held:
        assert held
        assert os.listdir(tmp_path / "run") == [".lock"]


def test_the_lock_is_held_to_the_end_and_then_free(tmp_path):
    def fail() -> None:
        with locked(tmp_path / ".lock", busy=""):
            with pytest.raises(RunError, match=r"^busy$"):
                locked(tmp_path / ".lock", busy="busy").__enter__()
            raise ValueError("inside")

    for _ in range(2):
        with pytest.raises(ValueError, match="inside"):
            fail()


def test_it_is_free_though_a_forked_process_lives_on(tmp_path):
    with locked(tmp_path / ".lock", busy=""):
        begin, end = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(end)
            os.read(begin, 1)
            os._exit(0)
    with locked(tmp_path / ".lock", busy=""):
        os.close(begin)
        os.close(end)
    assert os.waitpid(child, 0) == (child, 0)


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_without_locks_it_goes_on_and_what_fails_inside_is_told(tmp_path, monkeypatch, code):
    def none(file, operation):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("fcntl.flock", none)
    with locked(tmp_path / ".lock", busy="") as first, locked(tmp_path / ".lock", busy="") as second:
        assert not first
        assert not second
    with pytest.raises(OSError, match="inside"), locked(tmp_path / ".lock", busy=""):
        raise OSError("inside")


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(RunError, match=r"file/run could not be written: Not a directory"),
        locked(tmp_path / "file/run/.lock", busy=""),
    ):
        pytest.fail("no folder")
    with (
        pytest.raises(RunError, match="could not be written: File name too long"),
        locked(tmp_path / ("x" * 300), busy=""),
    ):
        pytest.fail("no file")


def test_a_stamp_changes_with_size_and_time_and_follows_links(tmp_path):
    path, second = tmp_path / "x", 1_000_000_000
    path.write_bytes(b"one")
    os.utime(path, ns=(0, second))
    (tmp_path / "link").symlink_to(path)
    stamp = file_stamp(path)
    assert (stamp.path, stamp.size, stamp.state, stamp.settled) == (str(path), 3, second, True)
    assert file_stamp(tmp_path / "link") == stamp
    os.utime(path, ns=(0, second + 1))
    assert file_stamp(path) != stamp
    path.write_bytes(b"longer")
    assert not file_stamp(path).settled
    os.utime(path, ns=(0, second))
    assert file_stamp(path) != stamp
