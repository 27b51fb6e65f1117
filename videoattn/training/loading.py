"""Some items of a data set, loaded in a copy of this process, and how long that takes."""

import multiprocessing
import pickle
import signal
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection

import torch
from torch import Tensor
from torch.utils.data import Dataset, default_collate

Item = tuple[dict[str, Tensor], Tensor]  # a clip and its label, as a batch of one
_FORK = multiprocessing.get_context("fork")


class LoaderDied(Exception):
    """The process that loads was killed."""


def load(data: Dataset, wanted: Sequence[object]) -> tuple[list[Item], float]:
    """Items of a data set, and the seconds that one takes which has never been read.

    A forked copy of this process loads them, in one thread, so that caches and decoders here stay as they are. The
    first of several items is not timed: it starts the decoder.

    Raises:
        LoaderDied: the copy was killed. Else what the data set raises.
    """
    receiving, sending = _FORK.Pipe(duplex=False)
    child = _FORK.Process(target=_send, args=(sending, data, wanted))
    child.start()
    sending.close()
    try:
        answer = pickle.loads(receiving.recv_bytes())
    except EOFError:
        raise LoaderDied("the process that loads its videos died (killed, or out of memory)") from None
    except BaseException:  # an interrupt
        child.kill()
        raise
    finally:
        receiving.close()
        child.join()
    if isinstance(answer, Exception):
        raise answer
    return answer


def _send(sending: Connection, data: Dataset, wanted: Sequence[object]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt ends
    torch.set_num_threads(1)  # OpenMP's threads do not outlive a fork
    try:
        items, times = [], []
        for item in wanted:
            begun = time.perf_counter()
            found = data[item]
            times.append(time.perf_counter() - begun)
            items.append(default_collate([found]))
        timed = times[1:] or times
        answer = items, sum(timed) / len(timed)
    except Exception as error:
        answer = error
    sending.send_bytes(pickle.dumps(answer))


def batch(items: Sequence[Item], videos: int) -> Item:
    """So many items stacked, the given ones over and over."""
    chosen = [items[i % len(items)] for i in range(videos)]
    return {name: torch.cat([clip[name] for clip, _ in chosen]) for name in chosen[0][0]}, torch.cat(
        [label for _, label in chosen]
    )
