"""A study: the trainings that a notebook compares, run in order, each kept as soon as it is done."""

import functools
import hashlib
import importlib
import io
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.utils.data import Dataset

from videoattn.errors import RunError
from videoattn.evaluation.views import predict
from videoattn.locations import runs_root
from videoattn.progress import Progress
from videoattn.reporting.record import Record, environment, read
from videoattn.training import checkpoint
from videoattn.training.jobs import Data, Job, Row
from videoattn.training.lanes import in_lanes
from videoattn.training.log import add_to_log
from videoattn.training.loop import fit
from videoattn.training.parameters import Parameters
from videoattn.training.recipe import digest
from videoattn.training.rows import row_metrics


@dataclass
class Study:
    """What one run of a notebook trains and compares.

    Args:
        plan: all that determines the results, as plain values; its digest names the run's folder.
        build: (job, weights) -> network; weights(name) gives the state of an earlier job.
        data: the clips; generated, listed and given flow when the first job asks for them.
        workers: processes that load clips; test_batch: videos at a time in testing.
        lanes: trainings side by side; 1 trains in this process.
        further: job -> test videos taken in other ways, or other ones, by name; the scores of one named "3x2" are kept
            as a stream of their own, "rgb 3x2", and a row takes streams of one name.
        inspect: (job, trained network, its scores by stream, labels) -> further rows of metrics, by name.
        scored: (job without a recipe, seed) -> what `scores` gives of it, without a network.
        part: names a study of a paper besides its first; it is in `videoattn.papers.<paper>.<part>.study`.
    """

    paper: str
    parameters: Parameters
    plan: dict
    jobs: tuple[Job, ...]
    rows: tuple[Row, ...]
    seeds: tuple[int, ...]
    build: Callable[[Job, Callable[[str], dict[str, Tensor]]], nn.Module]
    data: Data
    workers: int = 0
    test_batch: int = 64
    lanes: int = 1
    further: Callable[[Job], Mapping[str, Dataset]] | None = None
    inspect: Callable[[Job, nn.Module, dict[str, Tensor], Tensor], dict] | None = None
    scored: Callable[[Job, int], dict[str, Tensor]] | None = None
    part: str = ""

    @property
    def digest(self) -> str:
        """Ten hexadecimal digits of the plan."""
        return digest(self.plan)

    @property
    def folder(self) -> Path:
        """`<runs>/<paper>/[<part>-]<profile>-<data set>-<digest>`."""
        root = self.parameters.runs or runs_root()
        names = (self.part, self.parameters.profile, self.parameters.dataset, self.digest)
        return root / self.paper / "-".join(filter(None, names))

    def job(self, name: str) -> Job:
        """The job of that name."""
        return next(job for job in self.jobs if job.name == name)

    def record(self) -> Record:
        """What has been measured so far; a new record where nothing has."""
        if (self.folder / "record.json").exists():
            return read(self.folder)
        return Record(
            paper=self.paper,
            profile=self.parameters.profile,
            digest=self.digest,
            parameters=self.parameters.changed(),
            recipe=self.plan,
            data={},
            part=self.part,
        )

    def network(self, name: str, seed: int) -> nn.Module:
        """The trained network of a job, in evaluation mode on the CPU."""
        job = self.job(name)
        torch.manual_seed(self._seed(job, seed))
        network = self.build(job, lambda earlier: self._weights(earlier, seed))
        network.load_state_dict(self._weights(name, seed))
        return network.eval()

    def scores(self, name: str, seed: int) -> dict[str, Tensor]:
        """{stream: (videos, classes)} of a finished job on the test set, and {"labels": (videos,)} of each set."""
        with np.load(self._path("scores", name, seed, "npz"), allow_pickle=False) as saved:
            return {key: torch.from_numpy(saved[key]) for key in saved.files}

    def run(self) -> Record:
        """Train and test what is missing; every finished job is in the record at once.

        Running again goes on where a killed run stood, and trains nothing twice.
        """
        record = self.record()
        pending = [(job, seed) for seed in self.seeds for job in self.jobs if not self._done(record, job, seed)]
        for job, seed in pending:
            record.results = [r for r in record.results if (r["job"], r["seed"]) != (job.name, seed)]
            self._path("scores", job.name, seed, "npz").unlink(missing_ok=True)  # it says that a job is finished
        self.data.description()  # generated, listed and given flow once, before anything is trained
        progress = Progress("trainings", len(pending), what="training")
        for done, (job, seed, result) in enumerate(self._results(pending), 1):
            add_to_log(self.folder / "log.csv", result.pop("log"), job=job.name, seed=seed)
            record.environment = result.pop("environment")
            record.results.append(result)
            record.results.sort(key=lambda r: (r["seed"], self._order(r["job"])))
            self._measure(record, job, seed)
            record.wall_s = sum(r["wall_s"] for r in record.results)
            record.data = self.data.description()
            record.complete = all(self._done(record, j, s) for s in self.seeds for j in self.jobs)
            record.save(self.folder)
            progress.advance(done, f"{job.name} seed {seed}")
        return record

    def _results(self, pending: list[tuple[Job, int]]) -> Iterator[tuple[Job, int, dict]]:
        if self.lanes == 1:
            for job, seed in pending:
                yield job, seed, self.train(job, seed)
            return
        tasks = [(self.parameters, self.part, job.name, seed) for job, seed in pending]
        for (*_, name, seed), result in in_lanes(_train, tasks, lanes=self.lanes, ready=self._ready):
            yield self.job(name), seed, result

    def _ready(self, task: tuple[Parameters, str, str, int]) -> bool:
        *_, name, seed = task
        return all(self._path("scores", earlier, seed, "npz").exists() for earlier in self.job(name).after)

    def _done(self, record: Record, job: Job, seed: int) -> bool:
        kinds = {"scores": "npz"} | ({"checkpoints": "pt"} if job.recipe else {})
        files = [self._path(kind, job.name, seed, suffix) for kind, suffix in kinds.items()]
        return record.has(job.name, seed) and all(path.exists() for path in files)

    def train(self, job: Job, seed: int) -> dict:
        """Train and test one job; its checkpoint and scores are in the folder, the rest of its result is returned."""
        begun = time.perf_counter()
        if job.recipe:
            accelerator = Accelerator(
                mixed_precision=job.recipe.precision, gradient_accumulation_steps=job.recipe.accumulation
            )
            log, scores, further = self._trained(job, seed, accelerator)
            device = accelerator.device
            accelerator.free_memory()
        else:
            log, scores, further, device = [], self.scored(job, seed), {}, "cpu"
        buffer = io.BytesIO()
        np.savez(buffer, **{key: values.numpy() for key, values in scores.items()})
        checkpoint.write_atomically(self._path("scores", job.name, seed, "npz"), buffer.getvalue())
        return {
            "metrics": further,
            "job": job.name,
            "seed": seed,
            "wall_s": time.perf_counter() - begun,
            "log": log,
            "environment": environment(device),
        }

    def _trained(self, job: Job, seed: int, accelerator: Accelerator) -> tuple[list[dict], dict[str, Tensor], dict]:
        """The log of a training, the scores of the network and their labels, and what `inspect` says of it."""
        torch.manual_seed(self._seed(job, seed))
        network = self.build(job, lambda earlier: self._weights(earlier, seed))
        rows = fit(
            network,
            self.data.train(job, seed),
            job.recipe,
            stream=job.stream,
            seed=self._seed(job, seed),
            path=self._path("checkpoints", job.name, seed, "pt"),
            identity=f"{self.digest} {job.name} {seed}",
            accelerator=accelerator,
            progress=Progress(f"{job.name} seed {seed}", job.recipe.epochs, quiet=True),
            workers=self.workers,
        )
        scores, labels = {}, {}
        for protocol, test in self._tests(job).items():
            found, labels[f"labels {protocol}".rstrip()] = predict(
                network,
                test,
                accelerator=accelerator,
                batch_size=self.test_batch,
                progress=Progress(f"{job.name} seed {seed}, testing", len(test), what="video", quiet=True),
                workers=self.workers,
            )
            scores |= {f"{stream} {protocol}".rstrip(): score for stream, score in found.items()}
        further = self.inspect(job, network.cpu(), scores, labels["labels"]) if self.inspect else {}
        return rows, scores | labels, further

    def _tests(self, job: Job) -> dict[str, Dataset]:
        """The test videos as the job takes them, and in other ways, by name."""
        return {"": self.data.test(job)} | (self.further(job) if self.further else {})

    def _order(self, name: str) -> int:
        return [job.name for job in self.jobs].index(name)

    def _measure(self, record: Record, job: Job, seed: int) -> None:
        """Put every row that this job completes into the record, once: with the last of the row's jobs."""
        for row in self.rows:
            names = {name for name, _, _ in row.parts}
            if job.name not in names or not all(record.has(name, seed) for name in names):
                continue
            last = max(names, key=self._order)
            metrics = next(r["metrics"] for r in record.results if (r["job"], r["seed"]) == (last, seed))
            metrics[row.name] = row_metrics(row, {name: self.scores(name, seed) for name in names})

    def _path(self, kind: str, name: str, seed: int, suffix: str) -> Path:
        return self.folder / kind / f"{name}-seed{seed}.{suffix}"

    def _weights(self, name: str, seed: int) -> dict[str, Tensor]:
        path = self._path("checkpoints", name, seed, "pt")
        if not path.exists():
            raise RunError(f"{path} is missing: run the study first, which trains {name} with seed {seed}")
        return checkpoint.load(path)["model"]

    def _seed(self, job: Job, seed: int) -> int:
        """A seed of its own for each job, so that two rows do not share their random numbers."""
        return int(hashlib.sha256(f"{job.name} {seed}".encode()).hexdigest()[:6], 16)


def study_of(parameters: Parameters, part: str = "") -> Study | None:
    """The study of a paper, or another part of it, that the parameters ask for; None where they ask for none."""
    module = ".".join(filter(None, ("videoattn.papers", parameters.paper, part, "study")))
    return importlib.import_module(module).study(parameters)


_kept = functools.cache(study_of)


def _train(task: tuple[Parameters, str, str, int]) -> dict:
    """In a process of its own: one job of the study that the parameters ask for."""
    parameters, part, name, seed = task
    study = _kept(parameters, part)
    return study.train(study.job(name), seed)
