"""One training of a study as data, and what it does wherever it runs: train, test, keep the scores."""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from videoattn.engine.experiment import Job, Profile, module_of
from videoattn.engine.loop import fit
from videoattn.engine.pace import Pace, Pending
from videoattn.engine.parameters import PROBE, Parameters
from videoattn.engine.predict import predict
from videoattn.engine.protocol import FILE, Start
from videoattn.engine.record import environment
from videoattn.engine.run_folder import RunFolder, initial_file
from videoattn.engine.runtime import Runtime
from videoattn.engine.study_data import StudyData
from videoattn.progress import Progress
from videoattn.weights.files import read_initial
from videoattn.weights.initial import describe, load_initial

State = dict[str, Tensor]
NOTHING: Mapping[str, State] = MappingProxyType({})
KEPT_STUDIES = 4
_data: dict[tuple[Parameters, str, Profile], StudyData] = {}


@dataclass(frozen=True, kw_only=True)
class Task:
    """One job with one seed.

    Args:
        parameters: name the paper and the data set. study: of the paper, "" for the first. profile, start: as
            `videoattn.engine.experiment.sized` gives them.
        identity: digest of the study's plan. folder: of its run. runtime: how it runs.
        pending: what is to be trained when this task begins.
    """

    parameters: Parameters
    study: str
    profile: Profile
    start: Start
    job: Job
    seed: int
    identity: str
    folder: Path
    runtime: Runtime
    pending: Pending = field(default_factory=Pending)

    @property
    def name(self) -> str:
        """Of the task, as it is shown."""
        return f"{self.job.name} seed {self.seed}"

    @property
    def training_seed(self) -> int:
        """A seed of its own for each job, so that two rows do not share their random numbers."""
        return int(hashlib.sha256(f"{self.job.name} {self.seed}".encode()).hexdigest()[:6], 16)

    @property
    def run(self) -> RunFolder:
        """Where results go."""
        return RunFolder(self.folder)


def run_task(task: Task) -> dict:
    """Train and test; checkpoint and scores are then in the folder of the run, the rest of the result is returned."""
    begun = time.perf_counter()
    if task.job.recipe:
        accelerator = Accelerator(
            mixed_precision=task.job.recipe.precision,
            gradient_accumulation_steps=task.runtime.accumulation or task.job.recipe.accumulation,
        )
        network, initial = fresh_network(task)
        log = _train(task, network, accelerator)
        scores, metrics = _test(task, network, accelerator)
        device = accelerator.device
        accelerator.free_memory()
    else:
        log, metrics, device, initial = [], {}, "cpu", ""
        steps = task.parameters.steps or None  # of a dry run
        scores = {key: values[:steps] for key, values in _experiments(task).scores(task, data_of(task)).items()}
    task.run.keep_scores(task.job.name, task.seed, scores)
    result = {
        "metrics": metrics,
        "job": task.job.name,
        "seed": task.seed,
        "wall_s": time.perf_counter() - begun,
        "log": log,
        "environment": environment(device),
    }
    if log:
        result["training"] = learning(log)
    return result | ({"initial": initial} if initial else {})


def learning(log: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """How a training ended: "accuracy" on the training videos in its last epoch, and "slope", the rise of it an epoch.

    The slope is that of a line through the last quarter of the epochs, three at least.

    Args:
        log: as `fit` gives it.
    """
    last = [row["accuracy"] for row in log[-max(3, len(log) // 4) :]]
    slope = float(np.polyfit(range(len(last)), last, 1)[0]) if len(last) > 1 else 0.0
    return {"accuracy": last[-1], "slope": slope}


def fresh_network(task: Task, built: Mapping[str, State] = NOTHING) -> tuple[nn.Module, str]:
    """The network of a task as its training starts, and what of the weights of INIT went into it.

    built: states that stand in for those of earlier jobs, by name.
    """
    torch.manual_seed(task.training_seed)
    experiments = _experiments(task)
    network = experiments.build(
        experiments.VARIANTS[task.job.name],
        task.profile,
        classes=data_of(task).outputs,
        start=task.start,
        weights=_weights(task, built),
    )
    if task.start.path is None or not task.job.initial:
        return network, ""
    path = initial_file(task.start.path, task.job.initial, task.seed)
    # The last layer of another data set is for other classes.
    head = task.start.name in (FILE, task.parameters.dataset)
    part = network.get_submodule(task.job.part)
    second = task.start.second
    report = load_initial(part, path, head=head, source=task.start.source, second=second)
    return network, f"{path.name}{f' and {second.name}' if second else ''}: {describe(report)}"


def data_of(task: Task) -> StudyData:
    """The clips of the task's study; one process has them once."""
    return study_data(task.parameters, task.study, task.profile)


def study_data(parameters: Parameters, study: str, profile: Profile, *, fresh: bool = False) -> StudyData:
    """The clips of a study, of which a process has those of the last few studies; nothing is read yet.

    fresh: look for the videos anew, as for a study that is made again.
    """
    key = parameters, study, profile
    if fresh or key not in _data:
        _data.pop(key, None)
        _data[key] = StudyData(parameters, profile, inputs=getattr(module_of(parameters.paper, study), "inputs", None))
        while len(_data) > KEPT_STUDIES:
            _data.pop(next(iter(_data)))
    return _data[key]


def _experiments(task: Task):
    return module_of(task.parameters.paper, task.study)


def _weights(task: Task, built: Mapping[str, State]) -> Callable[[str], State]:
    """The weights of earlier jobs: of this run those that the job comes after, of the run INIT any other."""

    def weights(name: str) -> State:
        if name in built and name in task.job.after:
            return built[name]
        if task.start.path and name not in task.job.after:
            return read_initial(initial_file(task.start.path, name, task.seed))
        return task.run.weights(name, task.seed)

    return weights


def _train(task: Task, network: nn.Module, accelerator: Accelerator) -> list[dict[str, float]]:
    recipe, clips = task.job.recipe, data_of(task).train(task.job, task.seed)
    progress = Progress(task.name, recipe.epochs, lines=task.parameters.profile != "check")
    pace = Pace(task.name, steps_of(task, len(clips)), task.pending, accelerator.device)
    try:
        return fit(
            network,
            clips,
            recipe,
            stream=task.job.stream,
            seed=task.training_seed,
            path=task.run.weights_path(task.job.name, task.seed),
            identity=f"{task.identity} {task.job.name} {task.seed}",
            accelerator=accelerator,
            progress=progress,
            accumulation=task.runtime.accumulation,
            workers=task.runtime.workers,
            objective=data_of(task).objective,
            pace=pace,
        )
    finally:
        progress.close()


def _test(task: Task, network: nn.Module, accelerator: Accelerator) -> tuple[dict[str, Tensor], dict]:
    """The scores of a trained network, the labels and levels of each test, and further rows of metrics by name."""
    scores, labels = {}, {}
    data = data_of(task)
    for name, clips in data.tests(task.job).items():
        progress = Progress(f"{task.name}, testing", len(clips), what="video", lines=False)
        found, labels[f"labels {name}".rstrip()] = predict(
            network,
            clips,
            accelerator=accelerator,
            batch_size=task.runtime.test_batch,
            progress=progress,
            workers=task.runtime.workers,
        )
        progress.close()
        levels = data.levels(clips)
        if levels is not None:
            labels[f"levels {name}".rstrip()] = levels
        scores |= {f"{stream} {name}".rstrip(): score for stream, score in found.items()}
    inspect = getattr(_experiments(task), "inspect", None)
    on_probe = task.parameters.dataset == PROBE
    metrics = inspect(data, task.job, network.cpu(), scores, labels["labels"]) if inspect and on_probe else {}
    return scores | labels, metrics


def steps_of(task: Task, videos: int) -> int:
    """How many optimisation steps a training makes of so many videos; 0 where no network is trained."""
    recipe = task.job.recipe
    if recipe is None:
        return 0
    steps = max(1, videos // recipe.batch_size)
    return recipe.epochs * min(steps, recipe.max_steps or steps)
