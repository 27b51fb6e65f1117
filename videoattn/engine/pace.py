"""What the first steps of a training say: seconds a step, memory, and the time left for all that is to be trained."""

import resource
import time
from dataclasses import dataclass

import torch

from videoattn.progress import duration, say

MEASURED = 4  # steps, behind one that is not measured


@dataclass(frozen=True)
class Pending:
    """What is to be trained when a training begins, itself included.

    seconds: of trainings whose like have been trained before, until the last has ended. steps: of all others, of which
    nothing is known yet. parallel: trainings at a time.
    """

    seconds: float = 0.0
    steps: int = 0
    parallel: int = 1


class Pace:
    """Says, once, after the first steps of a training what they took and what all that is pending will take.

    The time left counts a step of a training that is not known yet as one of this training.

    Args:
        name: of the training. steps: that it makes at most.
    """

    def __init__(self, name: str, steps: int, pending: Pending, device: torch.device):
        self.name, self.pending, self.device = name, pending, device
        self.last = min(MEASURED + 1, steps)
        self.done = 0
        self.begun = time.perf_counter()

    def step(self) -> None:
        """A step has been made."""
        self.done += 1
        if self.done > self.last:
            return
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        if self.done == 1:
            self.first = time.perf_counter()  # when the first step had ended
        if self.done == self.last:
            since, steps = (self.first, self.done - 1) if self.done > 1 else (self.begun, 1)
            self._say((time.perf_counter() - since) / steps)

    def _say(self, seconds: float) -> None:
        left = self.pending.seconds + seconds * self.pending.steps / self.pending.parallel
        say(
            f"{self.name}: {seconds:.2g} s a step, {peak_memory(self.device) / 2**30:.1f} GiB at the peak; "
            f"about {duration(left)} left for all that is pending"
        )


def peak_memory(device: torch.device) -> int:
    """The most bytes that this process has held: of the GPU, or of the machine's memory."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
