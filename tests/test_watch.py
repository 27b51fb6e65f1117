"""Progress, as lines where nobody watches, and as `Watch` shows it on a terminal and elsewhere."""

import io
import json
import os
import subprocess
import sys

import pytest

from videoattn.progress import CHANNEL, Progress, Watch, say


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def _nobody_watches(monkeypatch):
    monkeypatch.delenv(CHANNEL, raising=False)


def advance(progress, *done):
    for number in done:
        progress.advance(number, "loss 0.5")


def test_a_line_for_each_epoch(capsys):
    advance(Progress("cma seed 0", 30), 1, 2, 30)
    lines = [f"cma seed 0: epoch {done} of 30  loss 0.5\n" for done in (1, 2, 30)]
    assert capsys.readouterr() == ("".join(lines), "")


def test_other_steps_make_twenty_lines(capsys):
    advance(Progress("flow", 100, what="video"), *range(1, 101))
    assert [line.split()[2] for line in capsys.readouterr().out.splitlines()] == [str(n) for n in range(5, 101, 5)]


def test_quiet(capsys):
    advance(Progress("cma", 2, quiet=True), 1, 2)
    assert capsys.readouterr() == ("", "")


def test_a_watcher_shows_lines_of_other_processes(capsys):
    shown = io.StringIO()
    code = (
        "from videoattn.progress import Progress\np = Progress('cma', 3, quiet=True)\np.advance(2, 'ü')\nprint('text')"
    )
    with Watch(shown):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        advance(Progress("mine", 2, done=1), 2)
    assert shown.getvalue() == "cma: epoch 2 of 3  ü\nmine: epoch 1 of 2\nmine: epoch 2 of 2  loss 0.5\n"
    assert (done.stdout, done.stderr) == ("text\n", "")
    assert capsys.readouterr() == ("", "")
    assert CHANNEL not in os.environ


@pytest.mark.parametrize("kind", [io.StringIO, Terminal])
def test_what_is_said_reaches_the_watcher_and_stdout(capsys, kind):
    shown = kind()
    with Watch(shown):
        say("12 hours\nwarning: little memory")
    assert shown.getvalue().splitlines() == ["12 hours", "warning: little memory"]
    assert capsys.readouterr() == ("12 hours\nwarning: little memory\n", "")
    say("alone")
    assert capsys.readouterr().out == "alone\n"


def test_a_terminal_gets_bars():
    master, slave = os.openpty()
    with os.fdopen(slave, "w") as terminal, Watch(terminal):
        progress = Progress("cma", 4, done=1)
        advance(progress, 2, 4)
    shown = os.read(master, 100_000).decode()
    os.close(master)
    assert "1/4" in shown
    assert "2/4" in shown
    assert "epoch/s" in shown or "s/epoch" in shown
    assert shown.rstrip().endswith("cma: epoch 4 of 4  loss 0.5")


def test_a_watcher_that_is_gone_is_no_failure(capsys, monkeypatch, tmp_path):
    os.mkfifo(tmp_path / "nobody-reads")
    for channel in ("nobody-reads", "not-there"):
        monkeypatch.setenv(CHANNEL, str(tmp_path / channel))
        advance(Progress("cma", 2), 1)
    assert capsys.readouterr().out == "cma: epoch 1 of 2  loss 0.5\n" * 2


def test_a_full_pipe_does_not_hold_up_the_work(monkeypatch, tmp_path):
    os.mkfifo(tmp_path / "full")
    reader = os.open(tmp_path / "full", os.O_RDONLY | os.O_NONBLOCK)
    monkeypatch.setenv(CHANNEL, str(tmp_path / "full"))
    progress = Progress("cma", 100_000)
    advance(progress, *range(1, 3000))
    read = os.read(reader, 1 << 20)
    os.close(reader)
    events = [json.loads(line) for line in read.splitlines()]
    assert [event["done"] for event in events] == list(range(len(events)))
    assert 100 < len(events) < 3000
