"""The study of recurrent criss-cross attention: from the notebook's parameters to networks, clips and results."""

import dataclasses
import functools
import os
from dataclasses import replace

import torch
from torch import nn

from videoattn.backbones.mfnet import MFNet
from videoattn.backbones.positions import conv_channels, conv_path
from videoattn.backbones.tsn import tsn
from videoattn.data.clip_data import ClipData
from videoattn.data.clips import Clips
from videoattn.data.listing import Lists, listed
from videoattn.data.probes.store import read_truth
from videoattn.errors import InputError
from videoattn.layers.attach import attach
from videoattn.layers.non_local import NonLocalBlock
from videoattn.locations import cache_root
from videoattn.papers.rcca import inspection
from videoattn.papers.rcca.attention import RCCA3D
from videoattn.papers.rcca.comparison import ROWS
from videoattn.papers.rcca.network import CellNetwork, VideoNetwork
from videoattn.papers.rcca.recipe import PROFILES, VARIANTS, VIDEOS, Profile, Variant
from videoattn.training.jobs import Job
from videoattn.training.parameters import PROBE, Parameters
from videoattn.training.study import Study

USES = {"tsm": "uniform", "mfnet": "dense", "cells": "dense"}


def study(parameters: Parameters) -> Study:
    """The study that these parameters ask for; nothing is generated or trained yet.

    Raises:
        InputError: the data set is not as it should be, or flow is asked for.
    """
    if parameters.flow != "auto":
        raise InputError(f"FLOW is {parameters.flow!r}, but rcca looks at RGB alone: leave it at 'auto'")
    parameters = parameters.resolved()
    probe = parameters.dataset == PROBE
    profile = PROFILES[parameters.profile]
    profile = profile if probe else replace(profile, **VIDEOS[parameters.profile])
    seeds = tuple(range(parameters.seeds or profile.seeds))
    lists = None if probe else _user_lists(parameters)
    plan = dataclasses.asdict(profile) | {
        "seeds": seeds,
        "pretrained": parameters.pretrained,
        "variants": {name: dataclasses.asdict(VARIANTS[name]) for name in profile.jobs},
        "data": "probe" if probe else [v.fingerprint() for v in lists],
    }
    for name in ("workers", "lanes", "max_unreadable", *(() if probe else ("probe",))):
        del plan[name]  # without effect on the results
    classes = len(profile.probe.names) if probe else len(lists[0].classes)
    data = _Data(profile, lists)
    return Study(
        paper="rcca",
        parameters=parameters,
        plan=plan,
        jobs=tuple(Job(name, _recipe(name, profile), "rgb") for name in profile.jobs),
        rows=tuple(row for row in ROWS if row.parts[0][0] in profile.jobs),
        seeds=seeds,
        build=lambda job, weights: build(
            VARIANTS[job.name], profile, classes=classes, pretrained=parameters.pretrained
        ),
        data=data,
        workers=0 if probe else profile.workers,
        test_batch=profile.test_batch,
        lanes=profile.lanes or len(os.sched_getaffinity(0)),
        inspect=functools.partial(inspection.by_distance, data) if probe else None,
    )


def build(variant: Variant, profile: Profile, *, classes: int, pretrained: bool = False) -> nn.Module:
    """The network of one variant."""
    if variant.kind == "cells":
        return CellNetwork(
            block(variant, profile.cells),
            classes=classes,
            width=profile.cells,
            cell=profile.probe.cell,
            readout=variant.readout,
        )
    if variant.kind == "mfnet":
        frames = None  # MF-Net's maps have an axis of time
        backbone = MFNet(classes=classes, width=profile.mf_width, stem=profile.mf_stem, groups=profile.mf_groups)
    else:
        frames = profile.uniform.frames
        backbone = tsn(
            profile.backbone,
            classes=classes,
            frames=frames,
            shift=True,
            dropout=profile.dropout,
            pretrained=pretrained,
            channels=profile.channels,
            stem_width=profile.stem_width,
            layers=profile.layers,
        )
    if variant.block:
        blocks = {conv_path(backbone, p): block(variant, conv_channels(backbone, p)) for p in variant.positions}
        attach(backbone, blocks, frames=frames)
    return VideoNetwork(backbone)


def block(variant: Variant, channels: int) -> nn.Module:
    """The module that a variant puts behind maps of so many channels; the identity where it puts none."""
    if variant.block is None:
        return nn.Identity()
    if variant.block == "rcca":
        return RCCA3D(
            channels=channels,
            reduction=variant.reduction,
            recurrence=variant.recurrence,
            structure=variant.structure,
            recompute=variant.kind != "cells",  # their maps are small
        )
    return NonLocalBlock(channels=channels, dims=3, pool=variant.block == "nl-pool")


def _recipe(name: str, profile: Profile):
    return {"tsm": profile.recipe, "mfnet": profile.dense_recipe, "cells": profile.cells_recipe}[VARIANTS[name].kind]


def _user_lists(parameters: Parameters) -> Lists:
    return listed(parameters.dataset, parameters.data, split=parameters.split, allow_missing=parameters.allow_missing)


class _Data:
    """Clips of the probe or of a user's videos; prepared when first asked for."""

    def __init__(self, profile: Profile, lists: Lists | None):
        self.profile = profile
        self.lists = lists

    def train(self, job: Job, seed: int) -> Clips:
        return self.main.train(USES[VARIANTS[job.name].kind], seed=seed)

    def test(self, job: Job) -> Clips:
        return self.main.test(USES[VARIANTS[job.name].kind])

    def description(self) -> dict:
        return self.main.description()

    @functools.cached_property
    def truth(self) -> dict:
        """`probe.json` of the generated probe."""
        return read_truth(self._folder)

    @functools.cached_property
    def _folder(self):
        return self.profile.probe.generate(cache_root() / "probes")

    @functools.cached_property
    def main(self) -> ClipData:
        """The data set itself."""
        settings = {"uniform": self.profile.uniform, "dense": self.profile.dense}
        if self.lists:
            return ClipData(lambda: self.lists, settings=settings, max_unreadable=self.profile.max_unreadable)
        places = {name: torch.tensor(about["places"]) for name, about in self.truth["clips"].items()}
        return ClipData(
            lambda: listed("folder", self._folder), settings=settings, max_unreadable=None, extra={"places": places}
        )
