"""A study: the trainings that a notebook compares, run in order, each kept as soon as it is done."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from videoattn.engine import by_parameters
from videoattn.engine.jobs import Data, Job, Row
from videoattn.engine.lanes import in_lanes
from videoattn.engine.log import add_to_log
from videoattn.engine.objective import ONE_CLASS, Objective
from videoattn.engine.parameters import Parameters
from videoattn.engine.protocol import FILE, FROM_SCRATCH, Start
from videoattn.engine.recipe import digest
from videoattn.engine.rows import row_metrics
from videoattn.engine.run_files import RunFiles, initial_file
from videoattn.engine.run_job import run_job
from videoattn.io import locked
from videoattn.locations import runs_root
from videoattn.progress import Progress, say
from videoattn.reporting.record import Record, read
from videoattn.weights.files import read_initial
from videoattn.weights.initial import describe, load_initial


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
        start: what the networks of jobs start from that start from no other job. objective: what the labels are.
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
    start: Start = FROM_SCRATCH
    objective: Objective = ONE_CLASS

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

    @property
    def files(self) -> RunFiles:
        """Checkpoints and scores in the folder."""
        return RunFiles(self.folder)

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
        network, _ = self.fresh(job, seed)
        network.load_state_dict(self.files.weights(name, seed))
        return network.eval()

    def scores(self, name: str, seed: int) -> dict[str, Tensor]:
        """{stream: (videos, classes)} of a finished job on the test set, and {"labels": (videos,)} of each set."""
        return self.files.scores(name, seed)

    def run(self) -> Record:
        """Train and test what is missing; every finished job is in the record at once.

        Running again goes on where a killed run stood, and trains nothing twice. Raises RunError where another process
        runs the same.
        """
        busy = f"another process works on this run, {self.folder}: wait for it, then the same command goes on"
        with locked(self.folder / ".lock", busy=busy):
            return self._run()

    def _run(self) -> Record:
        record = self.record()
        pending = [(job, seed) for seed in self.seeds for job in self.jobs if not self._done(record, job, seed)]
        for job, seed in pending:
            record.results = [r for r in record.results if (r["job"], r["seed"]) != (job.name, seed)]
            self.files.scores_path(job.name, seed).unlink(missing_ok=True)  # it says that a job is finished
        self._check_start(pending)
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

    def _check_start(self, pending: list[tuple[Job, int]]) -> None:
        """Say what starts from which weights of INIT; fail now if it must fail, before any video is read."""
        first = {job.name: (job, seed) for job, seed in reversed(pending)}
        for job, seed in reversed(first.values()) if self.start.path else ():
            say(f"{job.name}: {self.fresh(job, seed)[1] or 'starts from no weights of INIT by its own name'}")

    def _results(self, pending: list[tuple[Job, int]]) -> Iterator[tuple[Job, int, dict]]:
        if self.lanes == 1:
            for job, seed in pending:
                yield job, seed, self.train(job, seed)
            return
        tasks = [(self.parameters, self.part, job.name, seed) for job, seed in pending]
        for (*_, name, seed), result in in_lanes(by_parameters.train, tasks, lanes=self.lanes, ready=self._ready):
            yield self.job(name), seed, result

    def _ready(self, task: tuple[Parameters, str, str, int]) -> bool:
        *_, name, seed = task
        return all(self.files.scores_path(earlier, seed).exists() for earlier in self.job(name).after)

    def _done(self, record: Record, job: Job, seed: int) -> bool:
        files = [self.files.scores_path(job.name, seed)]
        files += [self.files.weights_path(job.name, seed)] if job.recipe else []
        return record.has(job.name, seed) and all(path.exists() for path in files)

    def train(self, job: Job, seed: int) -> dict:
        """Train and test one job; its checkpoint and scores are in the folder, the rest of its result is returned."""
        return run_job(self, job, seed)

    def fresh(self, job: Job, seed: int) -> tuple[nn.Module, str]:
        """A job's network as its training starts, and what of the weights of INIT went into it."""
        torch.manual_seed(self.seed_of(job, seed))
        network = self.build(job, lambda earlier: self._weights(earlier, seed))
        if self.start.path is None or not job.initial:
            return network, ""
        path = initial_file(self.start.path, job.initial, seed)
        head = self.start.name in (
            FILE,
            self.parameters.dataset,
        )  # the last layer of another data set is for other classes
        return network, f"{path.name}: {describe(load_initial(network, path, head=head))}"

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
            metrics |= row_metrics(row, {name: self.scores(name, seed) for name in names}, self.objective)

    def _weights(self, name: str, seed: int) -> dict[str, Tensor]:
        """Of an earlier job, or of one that only the run INIT has trained."""
        if self.start.path and name not in [job.name for job in self.jobs]:
            return read_initial(initial_file(self.start.path, name, seed))
        return self.files.weights(name, seed)

    def seed_of(self, job: Job, seed: int) -> int:
        """A seed of its own for each job, so that two rows do not share their random numbers."""
        return int(hashlib.sha256(f"{job.name} {seed}".encode()).hexdigest()[:6], 16)
