"""The study of pyramid attention: from the notebook's parameters to networks, clips and results."""

import functools
from dataclasses import replace

import torch
from torch import nn

from videoattn.backbones.bn_inception_weights import WEIGHTS
from videoattn.backbones.scaled_inception import scaled_bn_inception, scaled_inception_resnet_v2
from videoattn.backbones.scaled_vgg import scaled_vgg16
from videoattn.backbones.scales import ScaledBackbone, scaled_resnet
from videoattn.data.clip_settings import ClipSettings
from videoattn.data.clips import Clips
from videoattn.data.datasets import cifar100
from videoattn.errors import InputError
from videoattn.locations import cache_root
from videoattn.papers.istpa import inspection
from videoattn.papers.istpa.comparison import frames_name, rows
from videoattn.papers.istpa.network import MeanNetwork, PyramidNetwork, StreamNetwork
from videoattn.papers.istpa.recipe import IMAGES, PLACES, POOLED, PROFILES, SIDES, VARIANTS, VIDEOS, Profile, Variant
from videoattn.training.jobs import Job
from videoattn.training.parameters import Parameters
from videoattn.training.rgb_study import RGBData, rgb_study, sized
from videoattn.training.study import Study

TRAIN, TEST = "train", "test"


class PyramidData(RGBData):
    """Clips of the probe or of a user's videos; tested with other numbers of frames than trained with."""

    def test(self, job: Job) -> Clips:
        return self.main.test(use(TEST, VARIANTS[job.name], self.profile))

    def further(self, job: Job) -> dict[str, Clips]:
        return {name: self.main.test(use(name, VARIANTS[job.name], self.profile)) for name in self.protocols}


def study(parameters: Parameters) -> Study:
    """The study that these parameters ask for; nothing is generated or trained yet.

    Raises:
        InputError: the data set is not as it should be, or flow is asked for.
    """
    parameters, profile = sized(parameters, PROFILES, IMAGES if parameters.dataset == cifar100.NAME else VIDEOS)
    tested = tuple(frames_name(frames) for frames in profile.tested)
    data = PyramidData(
        parameters,
        profile,
        settings=settings(profile),
        use=lambda name: use(TRAIN, VARIANTS[name], profile),
        protocols=tested,
    )
    return rgb_study(
        parameters,
        profile,
        data,
        variants=VARIANTS,
        rows=rows(tested),
        recipe=lambda name: profile.recipe,
        build=lambda name: build(VARIANTS[name], profile, classes=data.classes, pretrained=parameters.pretrained),
        inspect=functools.partial(inspection.inspected, data),
    )


def use(what: str, variant: Variant, profile: Profile) -> str:
    """A name for what a variant takes from a video: "train", "test" or "K=10", frames, and their side."""
    clips = taken(what, variant, profile)
    return f"{what} {clips.frames} {clips.size}"


def taken(what: str, variant: Variant, profile: Profile) -> ClipSettings:
    """What a variant takes from a video for one use."""
    size, short_side = SIDES.get(variant.backbone, (profile.clips.size, profile.clips.short_side))
    counts = {TRAIN: variant.frames or profile.clips.frames, TEST: profile.test_frames}
    counts |= {frames_name(frames): frames for frames in profile.tested}
    return replace(profile.clips, frames=counts[what], size=size, short_side=short_side)


def settings(profile: Profile) -> dict[str, ClipSettings]:
    """What is taken from a video, by the names of `use`."""
    uses = (TRAIN, TEST, *map(frames_name, profile.tested))
    return {
        use(what, VARIANTS[name], profile): taken(what, VARIANTS[name], profile)
        for name in profile.jobs
        for what in uses
    }


def build(
    variant: Variant, profile: Profile, *, classes: int, pretrained: bool = False, in_channels: int = 3
) -> StreamNetwork:
    """The network of one variant, its maps laid out channels last, in which convolutions run faster.

    Raises:
        InputError: a pyramid of more scales than the network has places.
    """
    network = backbone(variant, profile, classes=classes, pretrained=pretrained, in_channels=in_channels)
    nn.init.normal_(network.fc.weight, std=profile.last)
    if not variant.scales:
        return StreamNetwork(MeanNetwork(network, merge=variant.merge)).to(memory_format=torch.channels_last)
    merged = PyramidNetwork(
        network,
        size=(taken(TRAIN, variant, profile).size,) * 2,
        downsample=variant.downsample,
        fusion=variant.fusion,
        normalise=variant.normalise,
        shared=variant.shared,
    )
    return StreamNetwork(
        merged,
        beta=profile.beta if variant.interaction else 0.0,
        gamma=profile.gamma if variant.pyramid else 0.0,
        form=profile.form,
    ).to(memory_format=torch.channels_last)


def backbone(variant: Variant, profile: Profile, *, classes: int, pretrained: bool, in_channels: int) -> ScaledBackbone:
    """The network of a variant, cut at its scales; without a pyramid at its last place."""
    name = variant.backbone or profile.backbone
    options = {"classes": classes, "in_channels": in_channels, "dropout": profile.dropout}
    places = PLACES[name]
    end = len(places) + 1 - variant.top
    scales = (POOLED,) if not variant.top else places[max(0, end - max(1, variant.scales)) : end]
    if len(scales) < variant.scales:
        raise InputError(f"{variant.scales} scales, the last at {scales[-1]}; {name} has {', '.join(places)}")
    if name == "vgg16":
        return scaled_vgg16(scales=scales, pretrained=pretrained, **options)
    if name == "inception_resnet_v2":
        return scaled_inception_resnet_v2(scales=scales, pretrained=pretrained, **options)
    if name == "bn_inception":
        return scaled_bn_inception(scales=scales, weights=cache_root() / WEIGHTS if pretrained else None, **options)
    return scaled_resnet(
        "resnet18" if name == "small" else "resnet50",
        scales=scales,
        pretrained=pretrained,
        shift=variant.shift,
        channels=profile.channels,
        stem_width=profile.stem_width,
        layers=profile.layers,
        zero_init=name != "small",
        pool=name != "small",
        **options,
    )
