"""What a study will take, estimated before it starts from a few steps of each of its networks."""

import gc
import heapq
import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from accelerate import PartialState

from videoattn.progress import Progress
from videoattn.training.jobs import Job
from videoattn.training.measure import EXHAUSTED, TESTING, TRAINING, undisturbed
from videoattn.training.measure_job import JobEstimate, Untrained, measure_job
from videoattn.training.memory import available

if TYPE_CHECKING:
    from videoattn.training.study import Study

STEPS = 2  # that `measure_training` counts
SHOWN = 6  # networks that the text names, those that take longest


@dataclass(frozen=True)
class Estimate:
    """What all that is pending takes.

    Args:
        jobs: each once. seconds: until the last has ended. lanes: trainings side by side.
        available: bytes of memory that are free, on a GPU where `gpu`.
        disk: bytes of the checkpoints. free: bytes that are free in `folder`, or above it where it does not exist yet.
    """

    jobs: tuple[JobEstimate, ...]
    seconds: float
    lanes: int
    available: int
    gpu: bool
    disk: int
    free: int
    folder: Path

    @property
    def memory(self) -> int:
        """Bytes that trainings side by side take at most."""
        return self._at_most("memory")

    def text(self) -> str:
        """A few lines: the sum, the networks that take longest, what is unknown, and warnings."""
        known = [job for job in self.jobs if not job.unknown]
        kind = "GPU memory" if self.gpu else "memory"
        lines = []
        if known:
            count = "1 network" if len(known) == 1 else f"each of {len(known)} networks"
            beside = f" with {self.lanes} trainings side by side" if self.lanes > 1 else ""
            there = f"{_size(self.memory)} of {_size(self.available)} of {kind}"
            lines.append(f"estimated from {STEPS} steps of {count}: {duration(self.seconds)} and {there}{beside}")
        if len(known) > 1:
            longest = sorted(known, key=lambda job: -job.trainings * job.seconds)[:SHOWN]
            lines.append(("" if len(longest) == len(known) else "the longest: ") + ", ".join(map(_named, longest)))
        unknown = [f"{job.name} ({job.unknown})" for job in self.jobs if job.unknown]
        return "\n".join([*lines, *([f"not estimated: {', '.join(unknown)}"] if unknown else []), *self.warnings()])

    def warnings(self) -> list[str]:
        """A line for each thing of which there is too little."""
        found, unknown = [], " ".join(job.unknown for job in self.jobs)
        training = TRAINING in unknown or self._at_most("training_memory") > self.available
        testing = TESTING in unknown or self._at_most("testing_memory") > self.available
        if training or testing or EXHAUSTED in unknown or self.memory > self.available:
            advice = ["raise `accumulation` (smaller batches, the same step)"] if training else []
            advice += ["lower `test_batch`"] if testing else []
            advice += [f"train fewer than {self.lanes} side by side"] if self.lanes > 1 else []
            found.append(": ".join(filter(None, ("warning: the memory is not enough", ", ".join(advice)))))
        if self.disk > self.free:
            found.append(
                f"warning: the checkpoints need {_size(self.disk)}, but {self.folder} has room for {_size(self.free)}"
            )
        return found

    def _at_most(self, kind: str) -> int:
        """The sum over the trainings side by side that take most of it."""
        each = [getattr(job, kind) or 0 for job in self.jobs for _ in range(job.trainings)]
        return sum(heapq.nlargest(self.lanes, each))


def estimate(
    study: "Study", pending: Sequence[tuple[Job, int]], *, device: torch.device | str | None = None
) -> Estimate:
    """Measure a few steps of each network that is to be trained, and say what all of them will take.

    Nothing is written, and the study's results are the same as without it: networks are built anew, those that start
    from another from an untrained one; videos are loaded in a copy of this process; random numbers are put back.

    The time is that of an idle machine like this moment's. It is too long for data sets that fit into the memory kept
    for decoded frames, since each video counts as if it had never been read, and for a training that goes on from a
    checkpoint; too short where trainings side by side slow each other down. Where the network is computed on a GPU,
    loading and computing go on at the same time if there are workers; else one after the other. On a CPU, steps with
    one and two videos are scaled to the batch.

    Memory is what a process takes besides libraries, the GPU's driver, decoded frames that are kept (up to
    `KEPT_BYTES` in each process that loads), and workers.

    Args:
        pending: (job, seed) that is to be trained, in order; of a job without a recipe nothing is known.
        device: where; None for the one that the training takes.

    Raises:
        RunError: a video cannot be read.
    """
    device = torch.device(device) if device is not None else PartialState().device
    free_memory = available(device)
    jobs = {job.name: (job, seed) for job, seed in pending}
    trained = [job.name for job, _ in pending]
    untrained = Untrained(study)
    found: dict[str, JobEstimate] = {}
    progress = Progress("measured before training", len(jobs), what="network", quiet=True)
    with undisturbed(device, threads=1 if study.lanes > 1 else None):
        for name, (job, seed) in jobs.items():
            found[name] = measure_job(study, job, seed, trained.count(name), device, untrained)
            later = [job for job, _ in jobs.values() if job.name not in found]
            untrained.keep({earlier for job in later for earlier in job.after})
            progress.advance(len(found), name)
    gc.collect()  # the last network; a GPU's memory is the study's again
    if device.type == "cuda":
        torch.cuda.empty_cache()
    lanes = min(study.lanes, len(pending))
    checkpoints = [found[name].checkpoint or 0 for name in trained]
    return Estimate(
        jobs=tuple(found.values()),
        seconds=_until_the_end(pending, {name: about.seconds for name, about in found.items()}, study.lanes),
        lanes=lanes,
        available=free_memory,
        gpu=device.type == "cuda",
        disk=sum(checkpoints) + sum(heapq.nlargest(lanes, checkpoints)),  # a new one is written beside the old
        free=_free(study.folder),
        folder=study.folder,
    )


def _until_the_end(pending: Sequence[tuple[Job, int]], seconds: dict[str, float], lanes: int) -> float:
    """Seconds until the last training has ended where `lanes` run at a time, each started as `in_lanes` does."""
    waiting, unfinished = list(pending), {(job.name, seed) for job, seed in pending}
    running: list[tuple[float, str, int]] = []
    now = 0.0
    while waiting or running:
        ready = [(job, seed) for job, seed in waiting if not unfinished & {(name, seed) for name in job.after}]
        for job, seed in ready[: lanes - len(running)]:
            waiting.remove((job, seed))
            heapq.heappush(running, (now + seconds[job.name], job.name, seed))
        if not running:
            break  # what waits needs what nothing gives; the study says so
        now, name, seed = heapq.heappop(running)
        unfinished.remove((name, seed))
    return now


def _free(folder: Path) -> int:
    return shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.exists())).free


def duration(seconds: float) -> str:
    """In the two largest units that say something: "2 d 5 h", "31 h 20 min", "4 min 10 s", "12 s"."""
    left = math.ceil(seconds)
    if left >= 48 * 3600:
        return f"{left // 86400} d {left % 86400 // 3600} h"
    if left >= 3600:
        return f"{left // 3600} h {left % 3600 // 60} min"
    return f"{left // 60} min {left % 60} s" if left >= 60 else f"{left} s"


def _size(count: float) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 0.1 * 2**30 else f"{count / 2**20:.1f} MiB"


def _named(job: JobEstimate) -> str:
    times = f"{job.trainings} x " if job.trainings > 1 else ""
    return f"{job.name} {times}{duration(job.seconds)} ({_size(job.memory)})"
