import io
import sys

import pytest

from videoattn.progress import track


class Terminal(io.StringIO):
    def isatty(self):
        return True


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
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    list(track(range(3), total=3, what="flow", show=True))
    assert capfd.readouterr().out == ""
    assert "flow: 100%" in terminal.getvalue()
    assert "3/3 [" in terminal.getvalue()
