"""The lock of a run: one process at a time, freed however that ends; where there are no locks, none."""

import errno
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tiny import Clips, Net

import videoattn
from videoattn.engine import run_lock
from videoattn.engine.experiment import Job, Row
from videoattn.engine.parameters import check
from videoattn.engine.run_lock import LOCK, locked
from videoattn.engine.study import Study
from videoattn.errors import RunError

HOLD = """
import sys
from pathlib import Path
from videoattn.engine.run_lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of tmp_path / "run" until its input ends."""
    path = {"PYTHONPATH": str(Path(videoattn.__file__).parents[1])}
    command = [sys.executable, "-c", HOLD, str(tmp_path / "run")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=os.environ | path, **pipes) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


class Data:
    """Notes whether a training asked for it."""

    asked = False

    def train(self, job: Job, seed: int) -> Clips:
        self.asked = True
        return Clips()

    def description(self) -> dict:
        self.asked = True
        return {}


def test_a_run_that_another_process_has_is_not_begun(tmp_path, holder, monkeypatch):
    parameters = replace(check("cma", {}, ()), runs=tmp_path)
    jobs, rows = (Job("a", None, "rgb"),), (Row("a", (("a", "rgb", 1),)),)
    own = Study("cma", parameters, {}, jobs, rows, (0,), build=lambda job, weights: Net(), data=Data())
    monkeypatch.setattr(Study, "folder", tmp_path / "run")
    with pytest.raises(RunError) as error:
        own.run()
    told = f"another process works on this run, {tmp_path / 'run'}: wait for it, then the same command goes on"
    assert str(error.value) == told
    assert not own.data.asked
    assert os.listdir(tmp_path / "run") == [LOCK]


def test_a_killed_process_holds_nothing(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    assert holder.wait() == -signal.SIGKILL
    with locked(tmp_path / "run"):
        assert os.listdir(tmp_path / "run") == [LOCK]


def test_the_lock_is_held_to_the_end_and_then_free(tmp_path):
    def fail() -> None:
        with locked(tmp_path):
            with pytest.raises(RunError, match="another process works on this run"):
                locked(tmp_path).__enter__()
            raise ValueError("inside")

    for _ in range(2):
        with pytest.raises(ValueError, match="inside"):
            fail()


def test_it_is_free_though_a_forked_process_lives_on(tmp_path):
    with locked(tmp_path):
        begin, end = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(end)
            os.read(begin, 1)
            os._exit(0)
    with locked(tmp_path):
        os.close(begin)
        os.close(end)
    assert os.waitpid(child, 0) == (child, 0)


def test_without_locks_it_goes_on_and_what_fails_inside_is_told(tmp_path, monkeypatch):
    def none(file, operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(run_lock.fcntl, "flock", none)
    with locked(tmp_path), locked(tmp_path):
        assert os.listdir(tmp_path) == [LOCK]
    with pytest.raises(OSError, match="inside"), locked(tmp_path):
        raise OSError("inside")


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(RunError, match=r"file/run could not be written: Not a directory"),
        locked(tmp_path / "file/run"),
    ):
        pytest.fail("no folder")
