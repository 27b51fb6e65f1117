"""Tasks side by side, each in a process of its own, in an order that respects which needs which."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TypeVar

import torch

from videoattn.errors import RunError
from videoattn.parallel import pool
from videoattn.progress import share_terminal

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    parallel: int,
    ready: Callable[[Item], bool],
    prepare: Callable[[Item], object] = lambda item: item,
) -> Iterator[tuple[Item, Result]]:
    """Yield (item, work(item)) in the order of completion, `parallel` at a time, one thread each.

    Args:
        work: a function of a module; items and results are pickled. What it raises ends the others.
        ready: asked before each start: whether what the item needs is there.
        prepare: from an item to what `work` gets of it, asked at its start.

    Raises:
        RunError: a process died; what was yielded stands.
    """
    waiting = list(items)
    running: dict[Future, Item] = {}
    context = get_context("spawn")
    places = context.SimpleQueue()
    for place in range(parallel):
        places.put(place)
    try:
        with pool(parallel, _start, (context.RLock(), places)) as executor:
            while waiting or running:
                for item in [i for i in waiting if ready(i)][: parallel - len(running)]:
                    waiting.remove(item)
                    running[executor.submit(work, prepare(item))] = item
                if not running:
                    raise RunError(f"nothing can start: {waiting[0]} needs what no training gives")
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    item = running.pop(future)
                    yield item, future.result()
    except BrokenProcessPool as error:
        raise RunError(
            "a training process died (killed, or out of memory); what is finished is kept, and the same command goes on"
        ) from error


def _start(lock, places) -> None:
    torch.set_num_threads(1)
    share_terminal(lock, places.get())
