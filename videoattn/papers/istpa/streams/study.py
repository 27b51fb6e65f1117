"""The study of streams: from the notebook's parameters to networks, flow, trajectories and results."""

import dataclasses
import functools
import os
from dataclasses import replace
from itertools import chain
from pathlib import Path

import torch
from torch import Tensor

from videoattn.data.datasets import cifar100
from videoattn.data.flow import FlowSettings
from videoattn.data.listing import Lists, listed
from videoattn.data.snippets import Snippets
from videoattn.data.two_stream import TwoStreamData, kinds
from videoattn.errors import RunError
from videoattn.idt.classify import idt_scores
from videoattn.idt.features import TrackCache
from videoattn.locations import cache_root
from videoattn.papers.istpa.recipe import SIDES
from videoattn.papers.istpa.recipe import VARIANTS as ATTENTION
from videoattn.papers.istpa.streams.comparison import HELD, rows
from videoattn.papers.istpa.streams.network import build
from videoattn.papers.istpa.streams.recipe import IDT, PROFILES, VARIANTS, VIDEOS, Profile, Variant
from videoattn.training.jobs import Job
from videoattn.training.parameters import PROBE, Parameters
from videoattn.training.rgb_study import WITHOUT_EFFECT
from videoattn.training.study import Study
from videoattn.training.user_videos import user_lists

PART = "streams"


def study(parameters: Parameters) -> Study | None:
    """The study that these parameters ask for; None without flow, and of images. Nothing is generated or trained yet.

    Raises:
        InputError: the data set is not as it should be.
    """
    if parameters.flow == "none" or parameters.dataset == cifar100.NAME:
        return None
    parameters = parameters.resolved()
    probe = parameters.dataset == PROBE
    profile = _profile(parameters)
    seeds = tuple(range(parameters.seeds or profile.seeds))
    lists = None if probe else user_lists(parameters)
    variants = {name: VARIANTS[name] for name in profile.jobs}
    merges = {variant.attention for variant in variants.values() if variant.attention}
    plan = dataclasses.asdict(profile) | {
        "seeds": seeds,
        "pretrained": parameters.pretrained,
        "variants": {name: dataclasses.asdict(variant) for name, variant in variants.items()},
        "attentions": {name: dataclasses.asdict(ATTENTION[name]) for name in merges},
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
            pretrained=parameters.pretrained,
        ),
        data=data,
        workers=0 if probe else profile.workers,
        test_batch=profile.test_batch,
        lanes=profile.lanes or len(os.sched_getaffinity(0)),
        further=data.further,
        scored=data.trajectories,
    )


def flow_settings(parameters: Parameters) -> tuple[FlowSettings, ...]:
    """The flow that the study of these parameters reads."""
    profile = _profile(parameters.resolved())
    sides = dict.fromkeys(side(VARIANTS[name], profile)[1] for name in profile.jobs)
    return tuple(kind for short_side in sides for kind in kinds(_flow(profile, short_side), compensated=True))


def _profile(parameters: Parameters) -> Profile:
    profile = PROFILES[parameters.profile]
    profile = profile if parameters.dataset == PROBE else replace(profile, **VIDEOS[parameters.profile])
    return profile if parameters.flow == "auto" else replace(profile, flow=parameters.flow)


def _flow(profile: Profile, short_side: int) -> FlowSettings:
    return FlowSettings(algorithm=profile.flow, short_side=short_side, bound=profile.bound)


def job(name: str, profile: Profile) -> Job:
    """How a variant is trained."""
    variant = VARIANTS[name]
    if variant.kind == IDT:
        return Job(name, None, IDT)
    if variant.after:
        return Job(name, profile.joint_recipe, "fused", after=variant.after)
    return Job(name, {"rgb": profile.recipe, "flow": profile.flow_recipe}[variant.stream], variant.stream)


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
        return self._set(variant).train("all", seed=seed, streams=taken(variant), compensated=variant.compensated)

    def test(self, job: Job, subset: str = "test") -> Snippets:
        variant = VARIANTS[job.name]
        return self._set(variant).test("all", streams=taken(variant), compensated=variant.compensated, subset=subset)

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
        paths = [sample.path for videos in self.main.lists for sample in videos.samples]
        report = TrackCache(cache_root() / "idt", self.profile.idt).build(paths, workers=len(os.sched_getaffinity(0)))
        if report.unreadable:
            raise RunError(f"{len(report.unreadable)} videos give no tracks, the first: {report.unreadable[0]}")

    def _set(self, variant: Variant) -> TwoStreamData:
        size, short_side = key = side(variant, self.profile)
        if key not in self._sets:
            own = self.profile
            self._sets[key] = TwoStreamData(
                lambda: self.lists or listed("folder", self._folder),
                flow=_flow(own, short_side),
                settings={"all": replace(own.snippets, size=size)},
                max_unreadable=own.max_unreadable if self.lists else 0.0,
                compensated=True,
                held=own.held,
            )
        return self._sets[key]


def taken(variant: Variant) -> tuple[str, ...]:
    """The streams of a clip that a variant reads."""
    return (variant.stream,) if variant.stream else ("rgb", "flow")
