"""Progress of long work: bars with the remaining time on a terminal, lines of plain text elsewhere."""

import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from multiprocessing.synchronize import RLock
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")
_place: int | None = None  # of this process's bars, from the bottom line; where several processes have bars


class Progress:
    """Progress of one piece of work, such as a training.

    On a terminal it has a bar until it is closed. Elsewhere, as in a notebook or a log, each epoch makes a line on
    stdout; of other steps each twentieth of the work does.

    Args:
        name: of the work. total: how many steps it has. what: one step, in the singular. done: steps of an earlier run.
        lines: whether it makes lines where there is no terminal.
    """

    def __init__(self, name: str, total: int, *, what: str = "epoch", done: int = 0, lines: bool = True):
        self.name, self.total, self.what, self.lines = name, total, what, lines
        self._bar = tqdm(
            total=total,
            initial=done,
            desc=name,
            unit=what,
            disable=not on_terminal(),
            leave=False,
            position=_place,
            ncols=shutil.get_terminal_size().columns,
        )

    def advance(self, done: int, note: str = "") -> None:
        """`done` steps are done; `note` is shown behind, a few words."""
        if not self._bar.disable:
            self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(done - self._bar.n)
            self._bar.refresh()
        elif self.lines and self._is_due(done):
            say(f"{self.name}: {self.what} {done} of {self.total}{'  ' if note else ''}{note}")

    def close(self) -> None:
        """Take the bar away."""
        self._bar.close()

    def _is_due(self, done: int) -> bool:
        step = 1 if self.what == "epoch" else max(1, self.total // 20)
        return done > 0 and (done % step == 0 or done == self.total)


def say(text: str) -> None:
    """Print lines to stdout, above the bars where there are any."""
    if on_terminal():
        tqdm.write(text)
    else:
        print(text, flush=True)


def track(items: Iterable[Item], *, total: int, what: str, show: bool) -> Iterator[Item]:
    """Yield `items`, showing how far of `total` the work is, if `show`.

    A bar on a terminal; elsewhere a line to stdout at each tenth, nothing to stderr.
    """
    if show and on_terminal():
        yield from tqdm(items, total=total, desc=what, dynamic_ncols=True, position=_place)
        return
    begun = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        if show and done * 10 // total > (done - 1) * 10 // total:
            left = (time.monotonic() - begun) / done * (total - done)
            print(f"{what}: {done} of {total}, {tqdm.format_interval(left)} left", flush=True)


def on_terminal() -> bool:
    """Whether bars are shown: stderr is a terminal."""
    return sys.stderr.isatty()


def share_terminal(lock: RLock, place: int) -> None:
    """In a process beside others: keep its bars on a line of their own, and do not write while another one does."""
    global _place
    tqdm.set_lock(lock)
    _place = place


def duration(seconds: float) -> str:
    """Hours, minutes and seconds: "1:02:03", "04:10"."""
    return tqdm.format_interval(round(seconds))
