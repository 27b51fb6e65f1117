"""A few steps of one network before it is trained: what a step of training and one of testing take."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from torch import Tensor, nn

from videoattn.training.jobs import Job
from videoattn.training.loading import Item, batch
from videoattn.training.loop import MEMORY_ERRORS, make_optimizer
from videoattn.training.memory import Memory

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
EXHAUSTED = "out of memory"
TRAINING, TESTING = f"{EXHAUSTED} with batches of", f"{EXHAUSTED} in testing"
ONE_VALUE = "more than 1 value per channel"  # what batch norm says of one video that ends in one place


class Unmeasured(Exception):
    """A network that cannot be measured; the message says why."""


@dataclass(frozen=True)
class Cost:
    """What steps with some numbers of videos took.

    sizes: how many videos each had, of one number or of two; times, peaks: seconds and bytes of each. held: bytes that
    were taken before any.
    """

    sizes: tuple[int, ...]
    times: tuple[float, ...]
    peaks: tuple[int, ...]
    held: int

    def seconds(self, videos: int) -> float:
        """Of a step with so many videos: on the line through two sizes, or in proportion to the only one.

        On the line a video takes at least half of its share in the larger step, whatever a busy machine adds to the
        smaller one.
        """
        if len(set(self.sizes)) == 1:
            return sum(self.times) / len(self.times) * videos / self.sizes[0]
        (few, more), (first, second) = self.sizes, self.times
        each = max((second - first) / (more - few), second / more / 2)
        return max(first + each * (videos - few), 0.0)

    def memory(self, videos: int) -> int:
        """Bytes at the peak of a step with so many videos, likewise; of one size, what was held is not scaled."""
        if len(set(self.sizes)) == 1:
            return round(self.held + (max(self.peaks) - self.held) * videos / self.sizes[0])
        (few, more), (first, second) = self.sizes, self.peaks
        return round(first + max(second - first, 0) / (more - few) * (videos - few))


@contextmanager
def undisturbed(device: torch.device, *, threads: int | None = None) -> Iterator[None]:
    """Put the random numbers of Python, NumPy and PyTorch back at the end; meanwhile compute in so many threads."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    before = torch.get_num_threads()
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            if threads is not None:
                torch.set_num_threads(threads)
            yield
    finally:
        if threads is not None:
            torch.set_num_threads(before)
        np.random.set_state(numpy)  # noqa: NPY002
        random.setstate(python)


def measure_training(
    network: nn.Module,
    items: Sequence[Item],
    job: Job,
    *,
    videos: int,
    loss: Callable[[Tensor, Tensor], Tensor],
    device: torch.device,
    memory: Memory,
) -> tuple[Cost, int]:
    """Steps of training as the loop makes them, on a GPU with `videos` videos, elsewhere with one and with two.

    After a step that is not counted. A batch norm that refuses one video gets one more in each.

    Args:
        network: on the device; it is trained by these steps. memory: made before the network was.

    Returns:
        What a step takes, and the bytes of the checkpoint: weights and what the optimiser keeps of each.

    Raises:
        Unmeasured: out of memory.
    """
    optimizer, _ = make_optimizer(network, job.recipe)
    network.train()

    def step(clip: dict[str, Tensor], labels: Tensor) -> None:
        with _autocast(job, device):
            outputs = network(clip)
        scores = outputs[job.stream].float()
        total = loss(scores, labels) + outputs.get("loss", 0)
        memory.look()
        total.backward()
        memory.look()
        if job.recipe.clip_norm is not None:
            nn.utils.clip_grad_norm_(network.parameters(), job.recipe.clip_norm)
        optimizer.step()
        optimizer.zero_grad()

    with out_of_memory(f"{TRAINING} {videos} videos"):
        try:
            cost = _measure(step, items, sizes(videos, device), device, memory)
        except ValueError as error:
            if ONE_VALUE not in str(error) or videos == 1:
                raise
            cost = _measure(step, items, (2, min(videos, 3)), device, memory)
    return cost, _bytes(network.state_dict().values()) + _bytes(
        value for state in optimizer.state.values() for value in state.values()
    )


def sizes(videos: int, device: torch.device) -> tuple[int, int]:
    """How many videos each of the two counted steps of training has where a batch has so many."""
    return (videos, videos) if device.type == "cuda" else (1, min(videos, 2))


@torch.inference_mode()
def measure_testing(
    network: nn.Module,
    items: Sequence[Item],
    job: Job,
    *,
    videos: int,
    device: torch.device,
    memory: Memory,
) -> Cost:
    """The scores of all views of `videos` videos at a time on a GPU, of one video elsewhere.

    Raises:
        Unmeasured: out of memory.
    """
    network.eval()

    def step(clip: dict[str, Tensor], labels: Tensor) -> None:
        with _autocast(job, device):
            outputs = network({name: rearrange(part, "b v ... -> (b v) ...") for name, part in clip.items()})
        for scores in outputs.values():
            scores.float().cpu()
        memory.look()

    with out_of_memory(f"{TESTING} {videos} videos at a time"):
        return _measure(step, items, (videos if device.type == "cuda" else 1,), device, memory)


def _measure(
    step: Callable[[dict[str, Tensor], Tensor], None],
    items: Sequence[Item],
    counted: tuple[int, ...],
    device: torch.device,
    memory: Memory,
) -> Cost:
    """One step for each of the counted sizes, and before each that is new another, which is not counted."""
    times, peaks = [], []
    memory.settle()
    held = memory.held()
    for i, size in enumerate(counted):
        for counts in (False, True) if size not in counted[:i] else (True,):
            memory.reset()
            clip, labels = batch(items, size)
            begun = _now(device)
            step({name: part.to(device) for name, part in clip.items()}, labels.to(device))
            if counts:
                times.append(_now(device) - begun)
                peaks.append(memory.peak())
    return Cost(counted, tuple(times), tuple(peaks), held)


@contextmanager
def out_of_memory(told: str) -> Iterator[None]:
    """Raise `Unmeasured` with these words in place of what says that memory is exhausted."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not isinstance(error, MemoryError) and not any(text in str(error).lower() for text in MEMORY_ERRORS):
            raise
        raise Unmeasured(told) from None


def _autocast(job: Job, device: torch.device) -> torch.autocast:
    mixed = job.recipe.precision in DTYPES
    return torch.autocast(device.type, dtype=DTYPES.get(job.recipe.precision), enabled=mixed)


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def _bytes(values: Iterator[object]) -> int:
    return sum(value.nbytes for value in values if isinstance(value, Tensor))
