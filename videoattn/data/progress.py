"""Progress of long work: a bar on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def track(items: Iterable[Item], *, total: int, what: str, show: bool) -> Iterator[Item]:
    """Yield `items`, showing how far of `total` the work is.

    Where stderr is a terminal: a bar there, with the remaining time. Elsewhere, as in a notebook or a log: a line to
    stdout at each tenth, nothing to stderr. Nothing at all where `show` is False.
    """
    if not show:
        yield from items
    elif sys.stderr.isatty():
        yield from tqdm(items, total=total, desc=what, dynamic_ncols=True)
    else:
        begun = time.monotonic()
        for done, item in enumerate(items, 1):
            yield item
            if done * 10 // total > (done - 1) * 10 // total:
                left = (time.monotonic() - begun) / done * (total - done)
                print(f"{what}: {done} of {total}, {tqdm.format_interval(left)} left", flush=True)
