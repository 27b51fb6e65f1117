"""Trainings side by side, each in a process of its own, in an order that respects which needs which."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

import torch

from videoattn.errors import RunError
from videoattn.parallel import pool

Task = TypeVar("Task")
Result = TypeVar("Result")


def in_lanes(
    work: Callable[[Task], Result],
    tasks: Sequence[Task],
    *,
    lanes: int,
    ready: Callable[[Task], bool],
) -> Iterator[tuple[Task, Result]]:
    """Yield (task, work(task)) in the order of completion, `lanes` at a time, one thread each.

    Args:
        work: a function of a module; tasks and results are pickled. What it raises ends the others.
        ready: asked before each start: whether what the task needs is there.

    Raises:
        RunError: a process died; what was yielded stands.
    """
    waiting = list(tasks)
    running: dict[Future, Task] = {}
    try:
        with pool(lanes, torch.set_num_threads, (1,)) as executor:
            while waiting or running:
                for task in [t for t in waiting if ready(t)][: lanes - len(running)]:
                    waiting.remove(task)
                    running[executor.submit(work, task)] = task
                if not running:
                    raise RunError(f"nothing can start: {waiting[0]} needs what no training gives")
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    task = running.pop(future)
                    yield task, future.result()
    except BrokenProcessPool as error:
        raise RunError(
            "a training process died (killed, or out of memory); what is finished is kept, and the same command goes on"
        ) from error
