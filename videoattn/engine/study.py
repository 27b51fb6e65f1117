"""A study: the trainings that a notebook compares, run in order, each kept as soon as it is done."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor, nn

from videoattn.data.clips.targets import check_ten_crops
from videoattn.data.clips.video_data import VideoData
from videoattn.engine.experiment import Job, Profile, Row, module_of, sized, with_needed
from videoattn.engine.pace import Pending
from videoattn.engine.parameters import PROBE, Parameters
from videoattn.engine.protocol import Start
from videoattn.engine.recipe import digest, values
from videoattn.engine.record import Record, read
from videoattn.engine.rows import row_metrics
from videoattn.engine.run_folder import RunFolder
from videoattn.engine.runtime import Runtime, runtime_of
from videoattn.engine.schedule import in_order
from videoattn.engine.study_data import StudyData
from videoattn.engine.task import Task, data_of, fresh_network, run_task, steps_of, study_data
from videoattn.errors import InputError
from videoattn.io import locked
from videoattn.locations import runs_root
from videoattn.progress import Progress, say
from videoattn.weights.files import read_initial

# Fields of a profile that are no part of a run's digest: the first does not change results, the second is in the plan.
WITHOUT_EFFECT = ("max_unreadable", "central")


def make_study(parameters: Parameters, name: str = "") -> "Study | None":
    """The study of a paper that the parameters ask for; nothing is generated, read or trained yet.

    Args:
        name: of the paper's study; "" is the first. None where the parameters leave another one out, as
            `videoattn.engine.experiment.sized` says.

    Raises:
        InputError: the data set is not as it should be, or a parameter is not for this paper.
    """
    parameters = parameters.resolved()
    found = sized(parameters, name)
    if found is None:
        return None
    profile, start = found
    experiments = module_of(parameters.paper, name)
    study_data(parameters, name, profile, fresh=True)
    jobs = tuple(experiments.job(job, profile, start) for job in profile.jobs)
    first, count = parameters.first_seed, parameters.seeds or profile.seeds
    whole = parameters.dataset == PROBE and not parameters.seeds
    named = [name for name in profile.central if whole and name in profile.jobs]
    study = Study(
        parameters=parameters,
        name=name,
        profile=profile,
        start=start,
        jobs=jobs,
        rows=tuple(row for row in experiments.rows(profile) if {part[0] for part in row.parts} <= set(profile.jobs)),
        seeds=tuple(range(first, first + count)),
        central=with_needed(named, profile, start, experiments),
        runtime=runtime_of(parameters),
    )
    study.check()
    return study


@dataclass(frozen=True, kw_only=True)
class Study:
    """What one run of a notebook trains and compares.

    Args:
        parameters: that asked for it. name: of a paper's study besides its first, "" for that.
        profile: how much is run. start: what the networks of jobs start from that start from no other job.
        jobs: the trainings, each behind those that it starts from. rows: of the results. seeds: of each job.
        central: jobs that are run with as many seeds more.
        runtime: how it runs on this machine, without effect on the results.
    """

    parameters: Parameters
    name: str
    profile: Profile
    start: Start
    jobs: tuple[Job, ...]
    rows: tuple[Row, ...]
    seeds: tuple[int, ...]
    central: tuple[str, ...] = ()
    runtime: Runtime

    @property
    def paper(self) -> str:
        """Of which paper."""
        return self.parameters.paper

    @property
    def data(self) -> StudyData:
        """The clips; generated, listed and given flow when the first job asks for them."""
        return study_data(self.parameters, self.name, self.profile)

    @property
    def main(self) -> VideoData:
        """The data set itself, as its first job takes it."""
        return self.data.of(self.jobs[0])

    @property
    def plan(self) -> dict:
        """All that determines the results, as plain values."""
        experiments = module_of(self.paper, self.name)
        unused = (*WITHOUT_EFFECT, *(("probe",) if self.data.lists else ()))
        return {name: value for name, value in values(self.profile).items() if name not in unused} | {
            "seeds": self.seeds,
            **({"central": self.central} if self.central else {}),
            **self.start.plan(),
            "variants": {job.name: values(experiments.VARIANTS[job.name]) for job in self.jobs},
            "data": [videos.fingerprint() for videos in self.data.lists] if self.data.lists else PROBE,
        }

    @property
    def digest(self) -> str:
        """Ten hexadecimal digits of the plan."""
        return digest(self.plan)

    @property
    def folder(self) -> Path:
        """`<runs>/<paper>/[<study>-]<profile>-<data set>-<digest>`."""
        root = self.parameters.runs or runs_root()
        names = (self.name, self.parameters.profile, self.parameters.dataset, self.digest)
        return root / self.paper / "-".join(filter(None, names))

    @property
    def run_folder(self) -> RunFolder:
        """Checkpoints and scores in the folder."""
        return RunFolder(self.folder)

    def job(self, name: str) -> Job:
        """The job of that name."""
        return next(job for job in self.jobs if job.name == name)

    def task(self, name: str, seed: int) -> Task:
        """The training of a job with a seed."""
        return Task(
            parameters=self.parameters,
            study=self.name,
            profile=self.profile,
            start=self.start,
            job=self.job(name),
            seed=seed,
            identity=self.digest,
            folder=self.folder,
            runtime=self.runtime,
        )

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
            study=self.name,
        )

    def network(self, name: str, seed: int) -> nn.Module:
        """The trained network of a job, in evaluation mode on the CPU."""
        network, _ = fresh_network(self.task(name, seed))
        network.load_state_dict(self.run_folder.weights(name, seed))
        return network.eval()

    def scores(self, name: str, seed: int) -> dict[str, Tensor]:
        """{stream: (videos, classes)} of a finished job on the test set, {"labels": (videos,)} of each test, and
        {"levels": (videos,)} where its clips have levels."""
        return self.run_folder.scores(name, seed)

    def check(self) -> None:
        """Raise `InputError` where the jobs cannot be run on these videos or with this runtime."""
        lists = self.data.lists
        for job in self.jobs:
            if lists and job.probe != self.profile.probe and not self.start.path:
                raise InputError(f"{job.name} fine-tunes networks of another data set: give INIT=<folder of their run>")
            if lists and 10 in (job.test.test_crops, *(own.settings.test_crops for own in job.extra_tests)):
                check_ten_crops(lists[1])
            accumulation = self.runtime.accumulation
            if accumulation and job.recipe and job.recipe.batch_size % accumulation:
                raise InputError(
                    f"ACCUMULATION is {accumulation}, but a step of {job.name} has {job.recipe.batch_size} videos: "
                    "choose a divisor of that"
                )

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
        everything = [(job, seed) for seed in self.seeds for job in self.jobs]
        everything += [(self.job(name), seed + len(self.seeds)) for seed in self.seeds for name in self.central]
        pending = [self.task(job.name, seed) for job, seed in everything if not self._done(record, job, seed)]
        for task in pending:
            record.results = [r for r in record.results if (r["job"], r["seed"]) != (task.job.name, task.seed)]
            self.run_folder.scores_path(task.job.name, task.seed).unlink(missing_ok=True)  # it tells a finished job
        self._check_start(pending)
        progress = Progress("trainings", len(pending), what="training")
        for done, (task, result) in enumerate(self._results(pending), 1):
            self.run_folder.add_to_log(task.job.name, task.seed, result.pop("log"))
            record.environment = result.pop("environment")
            record.results.append(result)
            record.results.sort(key=lambda r: (r["seed"], self._order(r["job"])))
            self._measure(record, task.job, task.seed)
            record.wall_s = sum(r["wall_s"] for r in record.results)
            record.data = self.main.description()
            record.complete = all(self._done(record, job, seed) for job, seed in everything)
            record.save(self.folder)
            progress.advance(done, task.name)
        progress.close()
        return record

    def _check_start(self, pending: list[Task]) -> None:
        """Say what starts from which weights of INIT; fail now if it must fail, before any video is read.

        Each job's network is built as its training will build it; those of earlier jobs serve untrained. What is
        refused is the first that does not fit, with the names of those that do.
        """
        if not (self.start.path or self.start.pretrained):
            return
        for path in (self.start.path, self.start.second):
            if path and path.is_file():
                read_initial(path)  # one that cannot be read fits no job
        tasks = {task.job.name: task for task in reversed(pending) if task.job.recipe}
        needed = {name for task in tasks.values() for name in task.job.after}
        built, fit, lines, refused = {}, [], [], {}
        for name, task in reversed(tasks.items()):
            if refused.keys() & set(task.job.after):
                continue
            try:
                network, told = fresh_network(task, built)
            except InputError as error:
                refused[name] = error
                continue
            fit.append(name)
            if name in needed:
                built[name] = network.state_dict()
            if self.start.path and (told or not task.job.after):
                lines.append((name, told or "starts from no weights of INIT by its own name"))
        if refused:
            name, error = next(iter(refused.items()))
            others = f"; JOBS={','.join(fit)} runs the trainings that can start so" if fit else ""
            raise InputError(f"{name}: {error}{others}") from error
        for name, told in lines:
            say(f"{name}: {told}")

    def _results(self, pending: list[Task]) -> Iterator[tuple[Task, dict]]:
        left = _Left(pending, self.runtime.parallel)
        if self.runtime.parallel == 1:
            found = ((task, run_task(left.told(task))) for task in pending)
        else:
            for job in {task.job.probe: task.job for task in pending}.values():
                self.data.of(job)  # a probe is generated once, before processes look for it
            found = in_order(run_task, pending, parallel=self.runtime.parallel, ready=self._ready, prepare=left.told)
        for task, result in found:
            left.ended(task, result["wall_s"])
            yield task, result

    def _ready(self, task: Task) -> bool:
        return all(self.run_folder.scores_path(earlier, task.seed).exists() for earlier in task.job.after)

    def _done(self, record: Record, job: Job, seed: int) -> bool:
        paths = [self.run_folder.scores_path(job.name, seed)]
        paths += [self.run_folder.weights_path(job.name, seed)] if job.recipe else []
        return record.has(job.name, seed) and all(path.exists() for path in paths)

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
            measured = row_metrics(row, {name: self.scores(name, seed) for name in names}, self.data.objective)
            metrics |= measured
            result = next(r for r in record.results if (r["job"], r["seed"]) == (job.name, seed))
            own = tuple(part[:2] for part in row.parts) == ((job.name, job.stream),)
            if own and "training" in result and "top1" in measured.get(row.name, {}):
                result["training"]["test"] = measured[row.name]["top1"]


class _Left:
    """How long what is pending will take, from the trainings that have ended."""

    def __init__(self, tasks: list[Task], parallel: int):
        self.waiting = list(tasks)
        self.parallel = min(parallel, max(1, len(tasks)))
        self.known: dict[str, float] = {}  # seconds of a job

    def told(self, task: Task) -> Task:
        """The task with what is pending at its start."""
        known = sum(self.known.get(other.job.name, 0.0) for other in self.waiting)
        videos = data_of(task).training_videos
        steps = sum(steps_of(other, videos) for other in self.waiting if other.job.name not in self.known)
        return replace(task, pending=Pending(known / self.parallel, steps, self.parallel))

    def ended(self, task: Task, seconds: float) -> None:
        """A task is done."""
        self.waiting.remove(task)
        self.known[task.job.name] = seconds
