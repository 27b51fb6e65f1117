"""What studies of RGB networks share: from the notebook's parameters to clips, plan and study."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from videoattn.data.clips.clip_data import ClipData
from videoattn.data.clips.clips import Clips
from videoattn.data.clips.images import ImageData
from videoattn.data.clips.settings import ClipSettings
from videoattn.data.datasets import cifar100
from videoattn.data.datasets.splits import Lists, load_splits
from videoattn.data.probes.settings import ProbeSettings
from videoattn.data.probes.store import read_truth
from videoattn.engine.jobs import Job, Row
from videoattn.engine.objective import ONE_CLASS, Objective
from videoattn.engine.parameters import PROBE, Parameters
from videoattn.engine.protocol import Start
from videoattn.engine.recipe import Recipe, values
from videoattn.engine.study import Study
from videoattn.engine.user_videos import user_lists
from videoattn.errors import InputError
from videoattn.locations import cache_root
from videoattn.parallel import cores

WITHOUT_EFFECT = ("workers", "lanes", "max_unreadable")  # on the results, so not part of a run's digest


@dataclass(frozen=True, kw_only=True)
class RGBProfile:
    """One size of a study; a paper's own profile adds what its networks take and how they are trained.

    Args:
        jobs: names of variants. seeds: of each.
        probe: the generated clips. max_unreadable: share of unreadable videos at which a run stops.
        workers: processes that load clips. test_batch: videos at a time in testing.
        lanes: 1 trains one network after the other; 0 as many side by side as there are cores.
    """

    jobs: tuple[str, ...]
    seeds: int
    probe: ProbeSettings
    max_unreadable: float = 0.05
    workers: int = 0
    test_batch: int = 64
    lanes: int = 1


def check_rgb(parameters: Parameters) -> None:
    """Raise `InputError` where flow is asked for, which studies of RGB networks do not look at."""
    if parameters.flow not in ("auto", "none"):
        raise InputError(
            f"FLOW is {parameters.flow!r}, but {parameters.paper} looks at RGB alone: leave it at 'auto' or 'none'"
        )


class RGBData:
    """Clips of a profile's probe or of a user's videos; prepared when first asked for.

    Args:
        settings: what is taken from a video, by a name for each use. use: from a job to that name.
        protocols: further ways of testing; the one named "3x2" takes what the settings "<use> 3x2" say.
        extra: from the truth about the probe's clips, {sample name: truth}, to what the clips get besides frames.
    """

    def __init__(
        self,
        parameters: Parameters,
        profile: RGBProfile,
        *,
        settings: Mapping[str, ClipSettings],
        use: Callable[[str], str],
        protocols: tuple[str, ...] = (),
        extra: Callable[[dict], Mapping[str, Mapping[str, Tensor]]] | None = None,
    ):
        self.profile = profile
        self.settings = settings
        self.use = use
        self.protocols = protocols
        self.extra = extra
        self.lists: Lists | None = None
        self._root = parameters.data
        if parameters.dataset != PROBE:
            self.lists = user_lists(parameters)

    def train(self, job: Job, seed: int) -> Clips:
        return self.main.train(self.use(job.name), seed=seed)

    def test(self, job: Job) -> Clips:
        return self.main.test(self.use(job.name))

    def further(self, job: Job) -> dict[str, Clips]:
        """The test clips of the protocols, by their names."""
        return {name: self.main.test(f"{self.use(job.name)} {name}") for name in self.protocols}

    def description(self) -> dict:
        return self.main.description()

    @property
    def objective(self) -> Objective:
        """What the labels are."""
        return Objective.of(self.lists[0]) if self.lists else ONE_CLASS

    @property
    def outputs(self) -> int:
        """How many scores a network gives; known before a probe is generated."""
        return self.objective.outputs(len(self.lists[0].classes)) if self.lists else len(self.profile.probe.names)

    @functools.cached_property
    def truth(self) -> dict:
        """`probe.json` of the generated probe."""
        return read_truth(self._folder)

    @functools.cached_property
    def _folder(self) -> Path:
        return self.profile.probe.generate(cache_root() / "probes")

    @functools.cached_property
    def main(self) -> ClipData | ImageData:
        """The data set itself."""
        if self.lists and self.lists[0].data_set == cifar100.NAME:
            return ImageData(self.lists, pixels=functools.partial(cifar100.pixels, self._root), settings=self.settings)
        if self.lists:
            return ClipData(lambda: self.lists, settings=self.settings, max_unreadable=self.profile.max_unreadable)
        extra = self.extra(self.truth["clips"]) if self.extra else None
        return ClipData(
            lambda: load_splits("folder", self._folder), settings=self.settings, max_unreadable=None, extra=extra
        )


def rgb_study(
    parameters: Parameters,
    profile: RGBProfile,
    start: Start,
    data: RGBData,
    *,
    variants: Mapping[str, Any],
    rows: tuple[Row, ...],
    recipe: Callable[[str], Recipe],
    build: Callable[[str], nn.Module],
    inspect: Callable[..., dict] | None = None,
) -> Study:
    """The study; nothing is generated or trained yet.

    Args:
        parameters, profile, start: as `videoattn.engine.profiles.sized` gives them.
        variants: what the profile's jobs train, dataclasses that determine the results. rows: of the results, of which
            those are kept whose jobs are run.
        recipe, build: from a job's name to its optimisation and to its network.
        inspect: as for `Study`, on the probe only.
    """
    seeds = tuple(range(parameters.seeds or profile.seeds))
    plan = values(profile) | {
        "seeds": seeds,
        **start.plan(),
        "variants": {name: values(variants[name]) for name in profile.jobs},
        "data": [videos.fingerprint() for videos in data.lists] if data.lists else "probe",
    }
    for name in (*WITHOUT_EFFECT, *(("probe",) if data.lists else ())):
        del plan[name]
    return Study(
        paper=parameters.paper,
        parameters=parameters,
        plan=plan,
        jobs=tuple(Job(name, recipe(name), "rgb", initial=name) for name in profile.jobs),
        rows=tuple(row for row in rows if {part[0] for part in row.parts} <= set(profile.jobs)),
        seeds=seeds,
        build=lambda job, weights: build(job.name),
        data=data,
        workers=min(profile.workers, cores()) if data.lists else 0,
        test_batch=profile.test_batch,
        lanes=profile.lanes or cores(),
        further=data.further,
        inspect=None if data.lists else inspect,
        start=start,
        objective=data.objective,
    )
