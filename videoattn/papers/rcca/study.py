"""The study of recurrent criss-cross attention: from the notebook's parameters to networks, clips and results."""

import functools
from dataclasses import replace

import torch
from torch import nn

from videoattn.backbones.mfnet import MFNet
from videoattn.backbones.positions import conv_channels, conv_path
from videoattn.backbones.tsn import tsn
from videoattn.backbones.video_network import VideoNetwork
from videoattn.data.clips.settings import ClipSettings
from videoattn.engine.parameters import Parameters
from videoattn.engine.profiles import sized
from videoattn.engine.recipe import Recipe
from videoattn.engine.rgb_study import RGBData, check_rgb, rgb_study
from videoattn.engine.study import Study
from videoattn.layers.attach import attach
from videoattn.layers.non_local import NonLocalBlock
from videoattn.papers.rcca import inspection
from videoattn.papers.rcca.attention import RCCA3D
from videoattn.papers.rcca.comparison import crops_name, rows
from videoattn.papers.rcca.network import CellNetwork
from videoattn.papers.rcca.protocols import PROTOCOLS
from videoattn.papers.rcca.recipe import PROFILES, VARIANTS, VIDEOS, Profile, Variant

USES = {"tsm": "uniform", "mfnet": "dense", "cells": "dense"}


def study(parameters: Parameters) -> Study:
    """The study that these parameters ask for; nothing is generated or trained yet.

    Raises:
        InputError: the data set is not as it should be, or flow is asked for.
    """
    check_rgb(parameters)
    parameters, profile, start = sized(parameters, PROFILES, VIDEOS, PROTOCOLS)
    data = RGBData(
        parameters,
        profile,
        settings=settings(profile),
        use=lambda name: USES[VARIANTS[name].kind],
        protocols=tuple(map(crops_name, profile.crops)),
        extra=_places,
    )
    return rgb_study(
        parameters,
        profile,
        start,
        data,
        variants=VARIANTS,
        rows=rows(tuple(map(crops_name, profile.crops))),
        recipe=functools.partial(_recipe, profile=profile),
        build=lambda name: build(VARIANTS[name], profile, classes=data.outputs, pretrained=start.pretrained),
        inspect=functools.partial(inspection.by_distance, data),
    )


def settings(profile: Profile) -> dict[str, ClipSettings]:
    """What is taken from a video, by kind of network, and with other numbers of crops in testing."""
    uses = {"uniform": profile.uniform, "dense": profile.dense}
    more = {
        f"{use} {crops_name(crops)}": replace(own, test_crops=crops)
        for use, own in uses.items()
        for crops in profile.crops
    }
    return uses | more


def _places(clips: dict) -> dict[str, dict[str, torch.Tensor]]:
    return {"places": {name: torch.tensor(about["places"]) for name, about in clips.items()}}


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


def _recipe(name: str, profile: Profile) -> Recipe:
    return {"tsm": profile.recipe, "mfnet": profile.dense_recipe, "cells": profile.cells_recipe}[VARIANTS[name].kind]
