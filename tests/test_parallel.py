import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from videoattn.errors import RunError
from videoattn.parallel import each, stopping

_base = None


def start(base):
    global _base
    _base = base


def no_start(base):
    raise OSError("a worker that cannot start")


def add(job):
    if job == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if job == "fail":
        raise KeyError("fail")
    return _base + job


def until_stopped(path):
    """Ends only when the caller gives up; leaves a note that it did."""
    path.with_suffix(".begun").touch()
    while not stopping():
        pass
    path.touch()


def first_begins_then_fails(path):
    """The job without a suffix waits for the other to begin, and fails."""
    if path.suffix:
        return until_stopped(path)
    while not path.with_name("other.begun").exists():
        pass
    raise KeyError("fail")


def test_each_job_gives_its_result():
    done = dict(each(add, range(7), workers=2, died=-1, initializer=start, initargs=(10,)))
    assert done == {job: job + 10 for job in range(7)}


def test_no_jobs_start_no_process():
    assert list(each(add, [], workers=2, died=-1, initializer=no_start, initargs=(10,))) == []


def test_a_process_that_dies_costs_only_its_own_job():
    jobs = ["a", "die", "b", "c"]
    done = dict(each(add, jobs, workers=2, died="dead", initializer=start, initargs=("x",)))
    assert done == {"a": "xa", "die": "dead", "b": "xb", "c": "xc"}


def test_what_the_work_raises_is_raised():
    with pytest.raises(KeyError, match="fail"):
        list(each(add, ["fail"], workers=1, died="dead", initializer=start, initargs=("x",)))


def test_an_error_stops_the_others(tmp_path):
    jobs = [tmp_path / "first", tmp_path / "other.note"]
    with pytest.raises(KeyError, match="fail"):
        list(each(first_begins_then_fails, jobs, workers=2, died=None, initializer=start, initargs=(0,)))
    assert (tmp_path / "other.note").exists()


def test_workers_that_cannot_start_are_an_error_not_a_dead_job():
    with pytest.raises(RunError, match="do not start"):
        list(each(add, [1, 2], workers=2, died=-1, initializer=no_start, initargs=(0,)))


def test_workers_end_with_a_killed_parent(tmp_path):
    """The worker holds the pipe's other end: reading it returns once the worker is gone too."""
    script = """
import sys
from pathlib import Path
import test_parallel
from videoattn.parallel import each

if __name__ == "__main__":
    jobs = [Path(sys.argv[1])]
    list(each(test_parallel.until_stopped, jobs, workers=1, died=None, initializer=test_parallel.start, initargs=(0,)))
"""
    (tmp_path / "script.py").write_text(script)
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    parent = subprocess.Popen(
        [sys.executable, tmp_path / "script.py", tmp_path / "job"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path},
    )
    while not (tmp_path / "job.begun").exists():
        assert parent.poll() is None
    parent.kill()
    assert parent.stdout.read() == b""
    parent.wait()
