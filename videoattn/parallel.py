"""Work spread over processes that may die."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import wait as wait_for
from multiprocessing.synchronize import Event
from typing import TypeVar

from videoattn.errors import RunError

Job = TypeVar("Job")
Result = TypeVar("Result")

_CONTEXT = multiprocessing.get_context("spawn")  # a forked child may inherit held locks and a CUDA context
_stop: Event | None = None  # in a worker: set when the rest of the work is given up


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0))


def stopping() -> bool:
    """In a worker: whether its result is no longer wanted, so that long work should end now."""
    return _stop is not None and _stop.is_set()


def each(
    work: Callable[[Job], Result],
    jobs: Iterable[Job],
    *,
    workers: int,
    died: Result,
    initializer: Callable[..., None],
    initargs: tuple,
) -> Iterator[tuple[Job, Result]]:
    """Yield (job, work(job)) in the order of completion, computed by `workers` fresh processes.

    A process that dies (killed, out of memory, a crash in native code) costs only its own job, which yields `died`: the
    jobs that were under way are tried again one by one in a process of their own. `work`, jobs and results are pickled;
    what `work` raises is raised here and ends the rest. Raises RunError where no process can be started.
    """
    waiting = deque(jobs)
    start = (_CONTEXT.Event(), initializer, *initargs)
    while waiting:
        running: dict[Future[Result], Job] = {}
        size = min(workers, len(waiting))
        try:
            with _pool(size, start) as executor:
                while waiting or running:
                    while waiting and len(running) < size:  # no queue: what is under way is known when a process dies
                        running[executor.submit(work, waiting[0])] = waiting[0]
                        waiting.popleft()
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        result = future.result()
                        yield running.pop(future), result
        except BrokenProcessPool:
            suspects = list(running.values())
        else:
            suspects = []
        for job in suspects:
            with _pool(1, start) as executor:
                yield job, _alone(executor, work, job, died)


@contextmanager
def pool(size: int, initializer: Callable[..., None], initargs: tuple) -> Iterator[ProcessPoolExecutor]:
    """Fresh processes that end with this one, however it ends, and leave Ctrl-C to it."""
    with _pool(size, (_CONTEXT.Event(), initializer, *initargs)) as executor:
        yield executor


@contextmanager
def _pool(size: int, start: tuple) -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(size, _CONTEXT, initializer=_start, initargs=start) as executor:
        try:
            yield executor
        except BrokenProcessPool:
            raise
        except BaseException:  # an error, an interrupt, or the caller stopped asking
            start[0].set()
            raise


def _alone(executor: ProcessPoolExecutor, work: Callable[[Job], Result], job: Job, died: Result) -> Result:
    try:
        executor.submit(int).result()
    except BrokenProcessPool as error:
        hint = "a script that calls this needs `if __name__ == '__main__':` around it"
        raise RunError(f"worker processes do not start; {hint}") from error
    try:
        return executor.submit(work, job).result()
    except BrokenProcessPool:
        return died


def _start(stop: Event, initializer: Callable[..., None], *initargs: object) -> None:
    global _stop
    _stop = stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt ends
    threading.Thread(target=_end_with_parent, daemon=True).start()
    initializer(*initargs)


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for work for ever."""
    wait_for([multiprocessing.parent_process().sentinel])
    os._exit(1)
