"""One job of a study measured before it is trained: seconds and memory of its training and its tests."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from videoattn.data.parallel import cores
from videoattn.training.jobs import Job
from videoattn.training.loading import LoaderDied, load
from videoattn.training.loop import Shuffle
from videoattn.training.measure import EXHAUSTED, Cost, Unmeasured, measure_testing, measure_training, out_of_memory
from videoattn.training.memory import memory_of
from videoattn.training.run_job import tested_videos

if TYPE_CHECKING:
    from videoattn.training.study import Study

TRAINING_ITEMS, TEST_ITEMS = 4, 2  # loaded of each set; the first is not timed


@dataclass(frozen=True)
class JobEstimate:
    """What one job of a study takes, with each of its seeds.

    Args:
        trainings: seeds with which it is to be trained. training, testing: seconds of one of them.
        training_memory, testing_memory: bytes at the peak. checkpoint: bytes of its file.
        unknown: why all these are None; "" where they are not.
    """

    name: str
    trainings: int
    training: float | None = None
    testing: float | None = None
    training_memory: int | None = None
    testing_memory: int | None = None
    checkpoint: int | None = None
    unknown: str = ""

    @property
    def seconds(self) -> float:
        """Of one training and its testing; 0 where that is unknown."""
        return (self.training or 0.0) + (self.testing or 0.0)

    @property
    def memory(self) -> int:
        """Bytes at the peak of training and testing; 0 where they are unknown."""
        return max(self.training_memory or 0, self.testing_memory or 0)


class Untrained:
    """States of networks that other networks start from, as they are before any training."""

    def __init__(self, study: "Study"):
        self.study = study
        self.states: dict[str, dict[str, Tensor]] = {}

    def __call__(self, name: str) -> dict[str, Tensor]:
        if name not in self.states:
            jobs = {job.name: job for job in self.study.jobs}
            job = jobs.get(name, Job(name, None, ""))  # only another run trains it: its name is all that is known
            self.states[name] = self.study.build(job, self).state_dict()
        return self.states[name]

    def keep(self, names: Iterable[str]) -> None:
        """Forget all others."""
        self.states = {name: state for name, state in self.states.items() if name in names}


def measure_job(
    study: "Study", job: Job, seed: int, trainings: int, device: torch.device, untrained: Untrained
) -> JobEstimate:
    """A few steps of a job's network, and what all of them take; why not, where it cannot be measured.

    Args:
        trainings: how many seeds it is to be trained with; it is measured with `seed`. untrained: kept between jobs.

    Raises:
        RunError: a video cannot be read.
    """
    if job.recipe is None:
        return JobEstimate(job.name, trainings, unknown="no network is trained")
    try:
        return _measured_network(study, job, seed, trainings, device, untrained)
    except (Unmeasured, LoaderDied) as error:
        return JobEstimate(job.name, trainings, unknown=str(error))


def _measured_network(
    study: "Study", job: Job, seed: int, trainings: int, device: torch.device, untrained: Untrained
) -> JobEstimate:
    recipe = job.recipe
    data = study.data.train(job, seed)
    used = len(Shuffle(len(data), seed, recipe.batch_size, recipe.rehearsal))  # videos of an epoch
    size = min(used, recipe.batch_size // recipe.accumulation)
    tests = {"": study.data.test(job)} | (study.further(job) if study.further else {})
    loaded = [load(test, _spread(len(test), TEST_ITEMS)) for test in tests.values()]
    items, loading = load(data, [(0, i) for i in _spread(len(data), TRAINING_ITEMS)])
    for earlier in job.after:
        untrained(earlier)  # now, so that they are not measured with the network
    memory = memory_of(device)
    network = study.build(job, untrained)
    with out_of_memory(f"{EXHAUSTED} with its weights alone"):
        network.to(device)
    cost, checkpoint = measure_training(
        network, items, job, videos=size, loss=study.objective.loss, device=device, memory=memory
    )
    epoch = _pass(study, device, videos=used, at_once=size, loading=loading, cost=cost)
    testing, peaks = 0.0, []
    for test, (views, seconds) in zip(tests.values(), loaded, strict=True):
        count = tested_videos(study, len(test))
        at_once = min(count, study.test_batch)
        tested = measure_testing(network, views, job, videos=at_once, device=device, memory=memory)
        testing += _pass(study, device, videos=count, at_once=at_once, loading=seconds, cost=tested)
        peaks.append(tested.memory(at_once))
    return JobEstimate(
        name=job.name,
        trainings=trainings,
        training=recipe.epochs * epoch,
        testing=testing,
        training_memory=cost.memory(size),
        testing_memory=max(peaks),
        checkpoint=checkpoint,
    )


def _pass(study: "Study", device: torch.device, *, videos: int, at_once: int, loading: float, cost: Cost) -> float:
    """Seconds for `videos` videos, `at_once` at a time. loading: seconds for one by one process."""
    full, rest = divmod(videos, at_once)
    computing = full * cost.seconds(at_once) + (cost.seconds(rest) if rest else 0.0)
    loading *= videos / max(1, min(study.workers, cores() // study.lanes))
    overlap = study.workers > 0 and device.type != "cpu"  # on a CPU both need the same cores
    return max(loading, computing) if overlap else loading + computing


def _spread(length: int, count: int) -> list[int]:
    """Up to `count` indices, all over the list: neighbours are often of one class."""
    return sorted({i * length // count for i in range(count)})
