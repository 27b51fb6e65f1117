"""The study of attention in attention: from the notebook's parameters to networks, clips and results."""

import functools
from dataclasses import replace

import torch
from torch import nn

from videoattn.backbones.inflated import ClipNetwork
from videoattn.backbones.resnet import resnet
from videoattn.backbones.tsn import tsn
from videoattn.backbones.video_network import VideoNetwork
from videoattn.data.clips.settings import ClipSettings
from videoattn.engine.parameters import Parameters
from videoattn.engine.profiles import sized
from videoattn.engine.rgb_study import RGBData, check_rgb, rgb_study
from videoattn.engine.study import Study
from videoattn.papers.aia import inspection
from videoattn.papers.aia.comparison import rows
from videoattn.papers.aia.network import gated
from videoattn.papers.aia.protocols import PROTOCOLS
from videoattn.papers.aia.recipe import PROFILES, VARIANTS, VIDEOS, Profile, Variant, views


def study(parameters: Parameters) -> Study:
    """The study that these parameters ask for; nothing is generated or trained yet.

    Raises:
        InputError: the data set is not as it should be, or flow is asked for.
    """
    check_rgb(parameters)
    parameters, profile, start = sized(parameters, PROFILES, VIDEOS, PROTOCOLS)
    protocols = tuple(views(*of) for of in profile.protocols)
    data = RGBData(
        parameters,
        profile,
        settings=settings(profile),
        use=lambda name: str(VARIANTS[name].frames),
        protocols=protocols,
    )
    return rgb_study(
        parameters,
        profile,
        start,
        data,
        variants=VARIANTS,
        rows=rows(protocols),
        recipe=lambda name: profile.recipe,
        build=lambda name: build(VARIANTS[name], profile, classes=data.outputs, pretrained=start.pretrained),
        inspect=functools.partial(inspection.by_level, data),
    )


def settings(profile: Profile) -> dict[str, ClipSettings]:
    """What is taken from a video, by number of frames, and for each further way of testing, as in "8 3x2"."""
    found = {}
    for frames in sorted({VARIANTS[name].frames for name in profile.jobs}):
        found[f"{frames}"] = own = replace(profile.clips, frames=frames)
        for crops, clips in profile.protocols:
            found[f"{frames} {views(crops, clips)}"] = replace(own, test_crops=crops, test_clips=clips)
    return found


def build(variant: Variant, profile: Profile, *, classes: int, pretrained: bool = False) -> nn.Module:
    """The network of one variant."""
    options = {
        "dropout": profile.dropout,
        "pretrained": pretrained,
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
