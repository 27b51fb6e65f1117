"""Where and how a study runs: processes, batches, trainings at a time. None of it is part of a run's digest."""

from dataclasses import dataclass, fields, replace

import torch

from videoattn.engine.parameters import PROBE, Parameters
from videoattn.parallel import cores


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """How a study runs on one machine.

    workers: processes that load clips for one training; 0 loads them in the training's own. test_batch: videos at a
    time in testing. parallel: trainings at a time. accumulation: equal batches that make up one step; 0 as the recipe
    says.
    """

    workers: int
    test_batch: int
    parallel: int
    accumulation: int = 0


# By device and data. Networks of the probes are small: a core each, or several on one GPU. Those of real videos fill
# the machine alone.
TABLE = {
    ("cpu", "probe"): Runtime(workers=0, test_batch=64, parallel=cores()),
    ("cuda", "probe"): Runtime(workers=0, test_batch=64, parallel=8),
    ("cpu", "videos"): Runtime(workers=min(2, cores()), test_batch=8, parallel=1),
    ("cuda", "videos"): Runtime(workers=min(8, cores()), test_batch=4, parallel=1),
}


def runtime_of(parameters: Parameters, device: str | None = None) -> Runtime:
    """The entry of the table for this machine, changed as WORKERS, TEST_BATCH, PARALLEL and ACCUMULATION say.

    device: "cpu" or "cuda"; None for what is there.
    """
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    own = TABLE[device, "probe" if parameters.dataset == PROBE else "videos"]
    if parameters.profile == "check":
        own = replace(own, parallel=1)  # to start processes would take longer than the work
    asked = {field.name: getattr(parameters, field.name) for field in fields(Runtime)}
    return replace(own, **{name: value for name, value in asked.items() if value >= 0})
