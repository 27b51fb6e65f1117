"""What is trained and compared for recurrent criss-cross attention: jobs, networks, rows."""

from dataclasses import replace

import torch
from torch import nn

from videoattn.backbones.mfnet import MFNet
from videoattn.backbones.positions import conv_channels, conv_path
from videoattn.backbones.tsn import tsn
from videoattn.backbones.video_network import VideoNetwork
from videoattn.engine.experiment import Job, Row, TestSet, Weights, no_weights
from videoattn.engine.protocol import FROM_SCRATCH, Start
from videoattn.layers.attach import attach
from videoattn.layers.non_local import NonLocalBlock
from videoattn.papers.rcca import comparison, inspection
from videoattn.papers.rcca.attention import RCCA3D
from videoattn.papers.rcca.network import CellNetwork
from videoattn.papers.rcca.protocols import PROTOCOLS
from videoattn.papers.rcca.recipe import PROFILES, VARIANTS, VIDEOS, Profile, Variant

__all__ = ["HEADLINE", "PROFILES", "PROTOCOLS", "VARIANTS", "VIDEOS", "build", "inputs", "inspect", "job", "rows"]

inspect = inspection.by_distance
HEADLINE = comparison.HEADLINE


def job(name: str, profile: Profile, start: Start) -> Job:
    """How a variant is trained and tested."""
    recipe, clips = {
        "tsm": (profile.recipe, profile.uniform),
        "mfnet": (profile.dense_recipe, profile.dense),
        "cells": (profile.cells_recipe, profile.dense),
    }[VARIANTS[name].kind]
    tests = (
        TestSet(name=comparison.crops_name(crops), settings=replace(clips, test_crops=crops)) for crops in profile.crops
    )
    return Job(
        name=name,
        recipe=recipe,
        train=clips,
        test=clips,
        extra_tests=tuple(tests),
        probe=profile.probe,
        initial=name,
    )


def rows(profile: Profile) -> tuple[Row, ...]:
    """The rows of the results."""
    return comparison.rows(tuple(map(comparison.crops_name, profile.crops)))


def inputs(clips: dict) -> dict[str, dict[str, torch.Tensor]]:
    """Where the two marks of each clip of the probe stand, which the read-out at the place looks at."""
    return {"places": {name: torch.tensor(about["places"]) for name, about in clips.items()}}


def build(
    variant: Variant, profile: Profile, *, classes: int, start: Start = FROM_SCRATCH, weights: Weights = no_weights
) -> nn.Module:
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
            pretrained=start.pretrained,
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
