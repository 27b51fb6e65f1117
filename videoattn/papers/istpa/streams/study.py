"""The study of streams: from the notebook's parameters to networks, flow, trajectories and results."""

import functools
from dataclasses import replace
from itertools import chain
from pathlib import Path

import torch
from torch import Tensor

from videoattn.data.clips.snippets import Snippets
from videoattn.data.clips.two_stream import TwoStreamData, kinds
from videoattn.data.datasets import cifar100
from videoattn.data.datasets.splits import Lists, load_splits
from videoattn.data.flow.cache import FlowSettings
from videoattn.data.tracks.classify import idt_scores
from videoattn.data.tracks.features import TrackCache
from videoattn.engine.jobs import Job
from videoattn.engine.parameters import PROBE, Parameters
from videoattn.engine.profiles import sized
from videoattn.engine.protocol import Start
from videoattn.engine.recipe import values
from videoattn.engine.rgb_study import WITHOUT_EFFECT
from videoattn.engine.study import Study
from videoattn.engine.user_videos import user_lists
from videoattn.errors import RunError
from videoattn.locations import cache_root
from videoattn.papers.istpa.recipe import SIDES
from videoattn.papers.istpa.recipe import VARIANTS as ATTENTION
from videoattn.papers.istpa.streams.comparison import HELD, rows
from videoattn.papers.istpa.streams.network import build
from videoattn.papers.istpa.streams.protocols import PROTOCOLS
from videoattn.papers.istpa.streams.recipe import IDT, PROFILES, VARIANTS, VIDEOS, Profile, Variant
from videoattn.parallel import cores
from videoattn.reporting.record import read

PART = "streams"
WITHOUT_FLOW = (
    cifar100.NAME,
    "kinetics400",
    "charades",
    "epic55",
)  # section 5.7.2, 5.7.3; videos of several labels, too


def study(parameters: Parameters) -> Study | None:
    """The study that these parameters ask for; nothing is generated or trained yet.

    None without flow, where JOBS names none of its jobs, where networks start from other ones (INIT), and on data sets
    on which the paper has no flow.

    Raises:
        InputError: the data set is not as it should be.
    """
    if not _is_made(parameters):
        return None
    parameters, profile, start = _sized(parameters)
    if not profile.jobs:
        return None
    probe = parameters.dataset == PROBE
    seeds = tuple(range(parameters.seeds or profile.seeds))
    lists = None if probe else user_lists(parameters)
    variants = {name: VARIANTS[name] for name in profile.jobs}
    merges = {variant.attention for variant in variants.values() if variant.attention}
    plan = values(profile) | {
        "seeds": seeds,
        **start.plan(),
        "variants": values(variants),
        "attentions": {name: values(ATTENTION[name]) for name in merges},
        "data": "probe" if probe else [videos.fingerprint() for videos in lists],
    }
    for name in (*WITHOUT_EFFECT, *(() if probe else ("probe",))):
        del plan[name]
    data = StreamsData(profile, lists)
    return Study(
        paper=parameters.paper,
        part=PART,
        parameters=parameters,
        plan=plan,
        jobs=tuple(job(name, profile) for name in profile.jobs),
        rows=rows(profile),
        seeds=seeds,
        build=lambda job, weights: build(
            VARIANTS[job.name],
            profile,
            size=side(VARIANTS[job.name], profile)[0],
            classes=data.classes,
            weights=weights,
            pretrained=start.pretrained,
        ),
        data=data,
        workers=0 if probe else min(profile.workers, cores()),
        test_batch=profile.test_batch,
        lanes=profile.lanes or cores(),
        further=data.further,
        scored=data.trajectories,
        start=start,
    )


def flow_settings(parameters: Parameters) -> tuple[FlowSettings, ...]:
    """The flow that the study of these parameters reads; none where there is no such study."""
    if not _is_made(parameters):
        return ()
    _, profile, _ = _sized(parameters)
    sides = dict.fromkeys(side(VARIANTS[name], profile)[1] for name in profile.jobs)
    return tuple(kind for short_side in sides for kind in kinds(_flow(profile, short_side), warped=True))


def _is_made(parameters: Parameters) -> bool:
    return not (parameters.flow == "none" or parameters.dataset in WITHOUT_FLOW or _of_first(parameters))


def _sized(parameters: Parameters) -> tuple[Parameters, Profile, Start]:
    needs = {"needs": lambda name: VARIANTS[name].after, "elsewhere": ATTENTION, "part": PART}
    parameters, profile, start = sized(parameters, PROFILES, VIDEOS, PROTOCOLS, **needs)
    return parameters, profile if parameters.flow == "auto" else replace(profile, flow=parameters.flow), start


def _flow(profile: Profile, short_side: int) -> FlowSettings:
    return FlowSettings(algorithm=profile.flow, short_side=short_side, bound=profile.bound)


def _of_first(parameters: Parameters) -> bool:
    """Whether the networks are to start from a run of the paper's first study, or from one network for all."""
    return parameters.init is not None and not (parameters.init.is_dir() and read(parameters.init).part == PART)


def job(name: str, profile: Profile) -> Job:
    """How a variant is trained."""
    variant = VARIANTS[name]
    if variant.kind == IDT:
        return Job(name, None, IDT)
    if variant.after:
        return Job(name, profile.joint_recipe, "fused", after=variant.after)
    recipe = {"rgb": profile.recipe, "flow": profile.flow_recipe}[variant.stream]
    return Job(name, recipe, variant.stream, initial=name)


def side(variant: Variant, profile: Profile) -> tuple[int, int]:
    """Side of the frames that a variant takes, and their shorter side before they are cropped."""
    backbone = ATTENTION[variant.attention].backbone if variant.attention else None
    return SIDES.get(backbone, (profile.snippets.size, profile.short_side))


class StreamsData:
    """RGB, flow, flow without the camera's motion, and trajectories of a probe or of a user's videos.

    All is computed and kept before anything is trained.
    """

    def __init__(self, profile: Profile, lists: Lists | None):
        self.profile = profile
        self.lists = lists
        self._sets: dict[tuple[int, int], TwoStreamData] = {}

    def train(self, job: Job, seed: int) -> Snippets:
        variant = VARIANTS[job.name]
        return self._set(variant).train("all", seed=seed, streams=taken(variant), warped=variant.warped)

    def test(self, job: Job, subset: str = "test") -> Snippets:
        variant = VARIANTS[job.name]
        return self._set(variant).test("all", streams=taken(variant), warped=variant.warped, subset=subset)

    def further(self, job: Job) -> dict[str, Snippets]:
        """The held-out videos."""
        return {HELD: self.test(job, HELD)}

    def description(self) -> dict:
        for name in self.profile.jobs:
            self._set(VARIANTS[name])
        if IDT in self.profile.jobs:
            self._tracks()
        return self.main.description()

    @property
    def main(self) -> TwoStreamData:
        """The data set itself."""
        return self._set(VARIANTS[IDT])

    @property
    def classes(self) -> int:
        """How many there are; known before a probe is generated."""
        return len(self.lists[0].classes) if self.lists else len(self.profile.probe.names)

    def trajectories(self, job: Job, seed: int) -> dict[str, Tensor]:
        """Scores of improved dense trajectories, learnt from the videos that networks are trained on."""
        subsets = self.main.subsets
        names = {"": subsets["test"].samples, f" {HELD}": subsets[HELD].samples}
        asked = replace(subsets["test"], samples=tuple(chain(*names.values())))  # the SVMs are fitted once for both
        scores = idt_scores(
            subsets["train"],
            asked,
            root=cache_root() / "idt",
            settings=replace(self.profile.idt, seed=seed),
            workers=1,
            progress=False,
        ).scores
        values = torch.from_numpy(scores.values).float().split([len(samples) for samples in names.values()])
        found = {f"{IDT}{suffix}": own for suffix, own in zip(names, values, strict=True)}
        for suffix, samples in names.items():
            found[f"labels{suffix}"] = torch.tensor([sample.label for sample in samples])
        return found

    @functools.cached_property
    def _folder(self) -> Path:
        return self.profile.probe.generate(cache_root() / "probes")

    def _tracks(self) -> None:
        """Tracks of all videos, in all cores; the scores of each seed find them done.

        Raises RunError where a video has none because it cannot be read, before anything is trained.
        """
        sources = [sample.source for videos in self.main.lists for sample in videos.samples]
        report = TrackCache(cache_root() / "idt", self.profile.idt).build(sources, workers=cores())
        if report.unreadable:
            raise RunError(f"{len(report.unreadable)} videos give no tracks, the first: {report.unreadable[0]}")

    def _set(self, variant: Variant) -> TwoStreamData:
        size, short_side = key = side(variant, self.profile)
        if key not in self._sets:
            own = self.profile
            self._sets[key] = TwoStreamData(
                lambda: self.lists or load_splits("folder", self._folder),
                flow=_flow(own, short_side),
                settings={"all": replace(own.snippets, size=size)},
                max_unreadable=own.max_unreadable if self.lists else 0.0,
                warped=True,
                held=own.held_out,
            )
        return self._sets[key]


def taken(variant: Variant) -> tuple[str, ...]:
    """The streams of a clip that a variant reads."""
    return (variant.stream,) if variant.stream else ("rgb", "flow")
