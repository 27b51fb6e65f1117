"""Progress: bars with the remaining time on a terminal, lines elsewhere."""

import io
import multiprocessing
import sys

import pytest
from tqdm import tqdm

from videoattn import progress
from videoattn.progress import Progress, duration, on_terminal, say, share_terminal, track


class Terminal(io.StringIO):
    def isatty(self):
        return True


def terminal_for(monkeypatch) -> Terminal:
    """A terminal in place of stderr; asked for inside a test, since pytest sets stderr when that begins."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    return terminal


@pytest.mark.parametrize("show", [False, True])
def test_items_pass_through(show):
    assert list(track(iter("abc"), total=3, what="work", show=show)) == ["a", "b", "c"]


def test_nothing_is_printed_when_not_asked_for(capfd):
    list(track(range(20), total=20, what="work", show=False))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("total", "lines"), [(1, 1), (4, 4), (10, 10), (95, 10), (1000, 10)])
def test_without_a_terminal_a_line_at_each_tenth_on_stdout(capfd, total, lines):
    list(track(range(total), total=total, what="flow", show=True))
    out, err = capfd.readouterr()
    assert err == ""
    assert len(out.splitlines()) == lines
    assert out.splitlines()[-1] == f"flow: {total} of {total}, 00:00 left"


def test_a_terminal_gets_a_bar_with_the_remaining_time(capfd, monkeypatch):
    terminal = terminal_for(monkeypatch)
    list(track(range(3), total=3, what="flow", show=True))
    assert capfd.readouterr().out == ""
    assert "flow: 100%" in terminal.getvalue()
    assert "3/3 [" in terminal.getvalue()


def test_each_epoch_is_a_line_where_there_is_no_terminal(capfd):
    own = Progress("a seed 0", 3)
    for epoch in (0, 1, 2, 3):
        own.advance(epoch, f"loss {epoch}")
    own.close()
    lines = [f"a seed 0: epoch {epoch} of 3  loss {epoch}" for epoch in (1, 2, 3)]
    assert capfd.readouterr() == ("".join(f"{line}\n" for line in lines), "")


@pytest.mark.parametrize(("total", "lines"), [(1, [1]), (7, [1, 2, 3, 4, 5, 6, 7]), (45, [*range(2, 45, 2), 45])])
def test_of_other_steps_each_twentieth_is_a_line(capfd, total, lines):
    own = Progress("n", total, what="video")
    for done in range(total + 1):
        own.advance(done)
    assert capfd.readouterr().out.splitlines() == [f"n: video {done} of {total}" for done in lines]


def test_without_lines_nothing_is_said_elsewhere(capfd):
    own = Progress("n", 2, lines=False)
    own.advance(1)
    own.advance(2)
    own.close()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("lines", [False, True])
def test_on_a_terminal_there_is_a_bar_until_it_is_closed(capfd, monkeypatch, lines):
    terminal = terminal_for(monkeypatch)
    own = Progress("n", 4, done=1, lines=lines)
    own.advance(3, "loss 0.5")
    assert capfd.readouterr().out == ""
    shown = terminal.getvalue().split("\r")[-1]
    assert shown.startswith("n:  75%")
    assert "3/4 [" in shown
    assert "epoch/s" in shown or "s/epoch" in shown
    assert "loss 0.5]" in shown
    own.close()
    assert terminal.getvalue().split("\r")[-2:] == [" " * len(shown), ""]


def test_what_is_said_stands_above_the_bars(capfd, monkeypatch):
    terminal = terminal_for(monkeypatch)
    own = Progress("n", 4)
    own.advance(1)
    before = len(terminal.getvalue())
    say("a line")
    assert capfd.readouterr().out == "a line\n"
    assert "n:  25%" in terminal.getvalue()[before:]  # drawn again
    own.close()


def test_what_is_said_elsewhere_is_a_line(capfd):
    assert not on_terminal()
    say("a line")
    assert capfd.readouterr() == ("a line\n", "")


def test_each_of_several_processes_has_a_line_of_the_terminal(monkeypatch):
    terminal = terminal_for(monkeypatch)
    before, lock = tqdm.get_lock(), multiprocessing.get_context("spawn").RLock()
    monkeypatch.setattr(progress, "_place", None)
    try:
        share_terminal(lock, 2)
        assert tqdm.get_lock() is lock
        own = Progress("n", 4)
        own.advance(1)
        assert "\n\n\r" in terminal.getvalue()  # two lines below
        own.close()
    finally:
        tqdm.set_lock(before)


def test_durations():
    assert [duration(seconds) for seconds in (0.4, 59.6, 250, 3723)] == ["00:00", "01:00", "04:10", "1:02:03"]
