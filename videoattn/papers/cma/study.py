"""The study of cross-modality attention: from the notebook's parameters to networks, clips and a folder of results."""

import functools
from dataclasses import replace

from torch import Tensor, nn

from videoattn.data.clips.snippets import Snippets
from videoattn.data.clips.two_stream import TwoStreamData
from videoattn.data.datasets.splits import Lists, load_splits
from videoattn.data.flow.cache import FlowSettings
from videoattn.engine.jobs import Job
from videoattn.engine.objective import ONE_CLASS, Objective
from videoattn.engine.parameters import PROBE, Parameters
from videoattn.engine.profiles import sized
from videoattn.engine.protocol import Start
from videoattn.engine.recipe import values
from videoattn.engine.study import Study
from videoattn.engine.user_videos import user_lists
from videoattn.errors import InputError
from videoattn.locations import cache_root
from videoattn.papers.cma import inspection
from videoattn.papers.cma.build import build, warm_job
from videoattn.papers.cma.comparison import ROWS
from videoattn.papers.cma.protocols import PROTOCOLS
from videoattn.papers.cma.recipe import PROFILES, VARIANTS, VIDEOS, Profile, Variant
from videoattn.parallel import cores


def study(parameters: Parameters) -> Study:
    """The study that these parameters ask for; nothing is generated or trained yet.

    Raises:
        InputError: the data set is not as it should be, or there is to be no flow.
    """
    if parameters.flow == "none":
        raise InputError("FLOW is 'none', but cma needs flow; good ones: 'auto', 'tvl1', 'dis'")
    parameters, profile, start = _sized(parameters)
    probe = parameters.dataset == PROBE
    seeds = tuple(range(parameters.seeds or profile.seeds))
    lists = None if probe else user_lists(parameters)
    plan = values(profile) | {
        "seeds": seeds,
        **start.plan(),
        "variants": {name: values(VARIANTS[name]) for name in profile.jobs},
        "data": "probe" if probe else [v.fingerprint() for v in lists],
    }
    for name in ("workers", "lanes", "max_unreadable", *(() if probe else ("probe",))):
        del plan[name]  # without effect on the results
    objective = ONE_CLASS if probe else Objective.of(lists[0])
    outputs = profile.probe.classes if probe else objective.outputs(len(lists[0].classes))
    data = _Clips(profile, _flow(profile), lists)
    return Study(
        paper="cma",
        parameters=parameters,
        plan=plan,
        jobs=tuple(_job(name, profile, start) for name in profile.jobs),
        rows=tuple(row for row in ROWS if {part[0] for part in row.parts} <= set(profile.jobs)),
        seeds=seeds,
        build=lambda job, weights: build(
            VARIANTS[job.name],
            profile,
            classes=outputs,
            weights=weights,
            pretrained=start.pretrained,
            warm=not start.path,
        ),
        data=data,
        workers=0 if probe else min(profile.workers, cores()),
        test_batch=profile.test_batch,
        lanes=profile.lanes or cores(),
        inspect=functools.partial(_inspect, data) if probe else None,
        start=start,
        objective=objective,
    )


def flow_settings(parameters: Parameters) -> tuple[FlowSettings, ...]:
    """The flow that the study of these parameters reads."""
    return (_flow(_sized(parameters)[1]),)


def _sized(parameters: Parameters) -> tuple[Parameters, Profile, Start]:
    needs = functools.partial(_needs, parameters=parameters)
    parameters, profile, start = sized(parameters, PROFILES, VIDEOS, PROTOCOLS, needs=needs)
    return parameters, profile if parameters.flow == "auto" else replace(profile, flow=parameters.flow), start


def _flow(profile: Profile) -> FlowSettings:
    return FlowSettings(algorithm=profile.flow, short_side=profile.short_side, aspect=profile.aspect)


def _needs(name: str, parameters: Parameters) -> tuple[str, ...]:
    """The jobs of this study whose weights a job starts from; a transfer from a run starts from that run's."""
    variant = VARIANTS[name]
    if parameters.init and variant.transfer:
        return ()
    warm = PROFILES[parameters.resolved().profile].warm_start and variant.warm
    return (*variant.after, *([variant.warm] if warm else ()))


def _inspect(clips: "_Clips", job: Job, network: nn.Module, scores: dict[str, Tensor], labels: Tensor) -> dict:
    """Rows about the first iteration: is it the place of the motion that counts, and does attention go there?"""
    if job.name != "cma-1":
        return {}
    test = clips.test(job)
    position = network.positions[-1]
    return {
        "cma-1-R-moved-flow": inspection.with_moved_flow(network, test),
        "attention": inspection.on_the_mover(network, test, position),
    }


def _job(name: str, profile: Profile, start: Start) -> Job:
    variant = VARIANTS[name]
    if variant.transfer:
        recipe = profile.transfer
    elif variant.kind.endswith("single") and not variant.non_local:
        recipe = {"rgb": profile.rgb_recipe, "flow": profile.flow_recipe}[variant.stream]
    else:
        recipe = profile.recipe
    warm = None if start.pretrained or start.path else warm_job(variant, profile)
    after = () if start.path and variant.transfer else (*variant.after, *([warm] if warm else ()))
    return Job(name, recipe, variant.stream, after=after, initial="" if variant.after else name)


class _Clips:
    """Clips of the data set and, for the transfer, of the second one; prepared when first asked for."""

    def __init__(self, profile: Profile, flow: FlowSettings, lists: Lists | None):
        self.profile, self.flow, self.lists = profile, flow, lists
        self._sets: dict[str, TwoStreamData] = {}

    def train(self, job: Job, seed: int) -> Snippets:
        variant = VARIANTS[job.name]
        return self._set(variant).train(self._use(variant), seed=seed, streams=self._streams(variant))

    def test(self, job: Job) -> Snippets:
        variant = VARIANTS[job.name]
        return self._set(variant).test(self._use(variant), streams=self._streams(variant))

    def description(self) -> dict:
        return self.main.description()

    @property
    def main(self) -> TwoStreamData:
        """The data set itself."""
        return self._set(VARIANTS["rgb"])

    def _use(self, variant: Variant) -> str:
        return "dense" if variant.kind.startswith("p3d") else "segments"

    def _streams(self, variant: Variant) -> tuple[str, ...]:
        return (variant.stream,) if variant.kind.endswith("single") else ("rgb", "flow")

    def _set(self, variant: Variant) -> TwoStreamData:
        key = "second" if variant.transfer and not self.lists else "main"
        if key not in self._sets:
            probe = self.profile.probe.second() if key == "second" else self.profile.probe
            self._sets[key] = TwoStreamData(
                lambda: self.lists or load_splits("folder", probe.generate(cache_root() / "probes")),
                flow=self.flow,
                settings={"segments": self.profile.snippets, "dense": self.profile.dense},
                max_unreadable=self.profile.max_unreadable,
            )
        return self._sets[key]
