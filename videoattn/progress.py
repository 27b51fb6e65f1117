"""Progress of long work: bars with remaining time on the terminal that started it, plain lines elsewhere.

The work runs in a notebook's kernel, whose stdout and stderr belong to the notebook. So `Progress` sends one JSON line
an event into the pipe that the environment variable VIDEOATTN_PROGRESS names, and `Watch`, in the process that started
the kernel, shows them. Without such a pipe, `Progress` prints lines to stdout. What must be read is sent by `say`.
"""

import contextlib
import json
import os
import select
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO, TypeVar

from tqdm import tqdm

CHANNEL = "VIDEOATTN_PROGRESS"
Item = TypeVar("Item")


class Progress:
    """Progress of one job, such as one training.

    Args:
        job: its name, as it is shown.
        total: how many steps it has.
        what: what one step is, in the singular. Of epochs each makes a line, of other steps each twentieth of the job.
        done: steps that an earlier run has done.
        quiet: print nothing where nobody watches.
    """

    def __init__(self, job: str, total: int, *, what: str = "epoch", done: int = 0, quiet: bool = False):
        self.job = job
        self.total = total
        self.what = what
        self.quiet = quiet
        _send(self._event(done, ""))

    def advance(self, done: int, note: str = "") -> None:
        """`done` steps of the job are done; `note` is shown beside, a few words."""
        event = self._event(done, note)
        if not _send(event) and not self.quiet and is_due(event):
            print(line(event), flush=True)

    def _event(self, done: int, note: str) -> dict:
        return {"job": self.job, "what": self.what, "done": done, "total": self.total, "note": note}


def say(text: str) -> None:
    """Print lines to stdout, and show them to who watches."""
    print(text, flush=True)
    for own in text.splitlines():
        _send({"text": own})


def track(items: Iterable[Item], *, total: int, what: str, show: bool) -> Iterator[Item]:
    """Yield `items`, showing how far of `total` the work is.

    To who watches, if anybody does. Else where stderr is a terminal: a bar there, with the remaining time. Elsewhere,
    as in a notebook or a log: a line to stdout at each tenth, nothing to stderr. Nothing at all where `show` is False.
    """
    if not show:
        yield from items
    elif os.environ.get(CHANNEL):
        progress = Progress(what, total, what="item", quiet=True)
        for done, item in enumerate(items, 1):
            yield item
            progress.advance(done)
    elif sys.stderr.isatty():
        yield from tqdm(items, total=total, desc=what, dynamic_ncols=True)
    else:
        begun = time.monotonic()
        for done, item in enumerate(items, 1):
            yield item
            if done * 10 // total > (done - 1) * 10 // total:
                left = (time.monotonic() - begun) / done * (total - done)
                print(f"{what}: {done} of {total}, {tqdm.format_interval(left)} left", flush=True)


def line(event: dict) -> str:
    """One line of text for an event."""
    note = f"  {event['note']}" if event["note"] else ""
    return f"{event['job']}: {event['what']} {event['done']} of {event['total']}{note}"


def is_due(event: dict) -> bool:
    """Whether an event gets a line of its own: each epoch does, of other steps each twentieth of the job."""
    step = 1 if event["what"] == "epoch" else max(1, event["total"] // 20)
    return event["done"] > 0 and (event["done"] % step == 0 or event["done"] == event["total"])


def _send(event: dict) -> bool:
    """Send an event to who watches; False where nobody does."""
    channel = os.environ.get(CHANNEL)
    if not channel:
        return False
    try:
        pipe = os.open(channel, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:  # whoever watched is gone
        return False
    try:
        os.write(pipe, json.dumps(event).encode() + b"\n")
    except BlockingIOError:
        return True  # the pipe is full: the watcher is behind, and the next event tells it more
    finally:
        os.close(pipe)
    return True


class Watch:
    """Shows the progress of this process and its children while it is entered.

    On a terminal: a bar a job, below what is printed. Elsewhere: a line for each event that is due.
    """

    def __init__(self, stream: TextIO | None = None):
        self.stream = stream or sys.stderr
        self.bars: dict[str, tqdm] = {}

    def __enter__(self) -> "Watch":
        self._folder = tempfile.TemporaryDirectory(prefix="videoattn-")
        channel = Path(self._folder.name, "progress")
        os.mkfifo(channel)
        self._pipe = os.open(channel, os.O_RDWR | os.O_NONBLOCK)  # held for writing too, so that it never ends
        self._before = os.environ.get(CHANNEL)
        os.environ[CHANNEL] = str(channel)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        with contextlib.suppress(BlockingIOError):  # a full pipe wakes it too
            os.write(self._pipe, b"\n")  # wakes the reader
        self._thread.join()
        for bar in self.bars.values():
            bar.close()
        os.environ.pop(CHANNEL)
        if self._before is not None:
            os.environ[CHANNEL] = self._before
        os.close(self._pipe)
        self._folder.cleanup()

    def _read(self) -> None:
        rest = b""
        while True:
            ready, _, _ = select.select([self._pipe], [], [], 0 if self._stopping.is_set() else 1.0)
            if ready:
                *lines, rest = (rest + os.read(self._pipe, 65536)).split(b"\n")
                for event in filter(None, lines):
                    self._show(json.loads(event))
            elif self._stopping.is_set():
                return
            else:
                for bar in self.bars.values():
                    bar.refresh()  # the time runs on between two events

    def _show(self, event: dict) -> None:
        if "text" in event:
            tqdm.write(event["text"], file=self.stream)
        elif not self.stream.isatty():
            if is_due(event):
                print(line(event), file=self.stream, flush=True)
        else:
            self._advance(event)

    def _advance(self, event: dict) -> None:
        job, done, total = event["job"], event["done"], event["total"]
        if job not in self.bars:
            self.bars[job] = self._bar(event)
        bar = self.bars[job]
        bar.set_postfix_str(event["note"], refresh=False)
        bar.update(done - bar.n)
        bar.refresh()
        if done >= total:
            self.bars.pop(job).close()
            tqdm.write(line(event), file=self.stream)

    def _bar(self, event: dict) -> tqdm:
        known = os.get_terminal_size(self.stream.fileno()).columns > 0
        cells = "{desc}: {n_fmt}/{total_fmt} |{bar}| {elapsed}{postfix}"  # some take seconds, one hours: no rate
        return tqdm(
            total=event["total"],
            initial=event["done"],
            desc=event["job"],
            unit=event["what"],
            file=self.stream,
            leave=False,
            dynamic_ncols=known,
            ncols=None if known else 80,
            nrows=None if known else 24,
            bar_format=cells if event["what"] == "cell" else None,
        )
