"""What is trained and compared for attention in attention: jobs, networks, rows."""

from dataclasses import replace

import torch
from torch import nn

from videoattn.backbones.inflated import ClipNetwork
from videoattn.backbones.resnet import resnet
from videoattn.backbones.tsn import tsn
from videoattn.backbones.video_network import VideoNetwork
from videoattn.engine.experiment import Job, Row, TestSet, Weights, no_weights
from videoattn.engine.protocol import FROM_SCRATCH, Start
from videoattn.papers.aia import comparison, inspection
from videoattn.papers.aia.network import gated
from videoattn.papers.aia.protocols import PROTOCOLS
from videoattn.papers.aia.recipe import PROFILES, VARIANTS, VIDEOS, Profile, Variant, views_name

__all__ = ["HEADLINE", "PROFILES", "PROTOCOLS", "VARIANTS", "VIDEOS", "build", "inspect", "job", "rows"]

inspect = inspection.by_level
HEADLINE = comparison.HEADLINE


def job(name: str, profile: Profile, start: Start) -> Job:
    """How a variant is trained and tested."""
    clips = replace(profile.clips, frames=VARIANTS[name].frames)
    tests = (
        TestSet(name=views_name(crops, count), settings=replace(clips, test_crops=crops, test_clips=count))
        for crops, count in profile.views
    )
    return Job(
        name=name,
        recipe=profile.recipe,
        train=clips,
        test=clips,
        extra_tests=tuple(tests),
        probe=profile.probe,
        initial=name,
    )


def rows(profile: Profile) -> tuple[Row, ...]:
    """The rows of the results."""
    return comparison.rows(tuple(views_name(*of) for of in profile.views))


def build(
    variant: Variant, profile: Profile, *, classes: int, start: Start = FROM_SCRATCH, weights: Weights = no_weights
) -> nn.Module:
    """The network of one variant."""
    options = {
        "dropout": profile.dropout,
        "pretrained": start.pretrained,
        "channels": profile.channels,
        "stem_width": profile.stem_width,
        "layers": profile.layers,
        "zero_init": profile.zero_init,
    }
    if variant.kind in ("c3d", "gst"):
        backbone = ClipNetwork(resnet(profile.backbone, classes=classes, **options), kind=variant.kind)
    else:
        shift = variant.kind == "tsm"
        backbone = tsn(profile.backbone, classes=classes, frames=variant.frames, shift=shift, **options)
        if variant.gate:
            gated(backbone, variant.gate, kernel=variant.kernel)
        for module in backbone.modules():
            if isinstance(module, nn.Conv2d):  # small maps take a quarter less time in this layout
                module.to(memory_format=torch.channels_last)
    nn.init.normal_(backbone.fc.weight, std=profile.last)
    return VideoNetwork(backbone)
