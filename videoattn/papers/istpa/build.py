"""Networks of variants: which backbone, cut where, with which attention."""

import torch
from torch import nn

from videoattn.backbones.scaled_inception import scaled_bn_inception, scaled_inception_resnet_v2
from videoattn.backbones.scaled_vgg import scaled_vgg16
from videoattn.backbones.scales import ScaledBackbone, scaled_resnet
from videoattn.errors import InputError
from videoattn.locations import cache_root
from videoattn.papers.istpa.network import MeanNetwork, PyramidNetwork, StreamNetwork
from videoattn.papers.istpa.recipe import PLACES, POOLED, NetworkProfile, Variant
from videoattn.weights.bn_inception import WEIGHTS


def stream_network(
    variant: Variant,
    profile: NetworkProfile,
    *,
    size: int,
    classes: int,
    pretrained: bool = False,
    stream: str = "rgb",
    in_channels: int = 3,
) -> StreamNetwork:
    """The network of one variant, its maps laid out channels last, in which convolutions run faster.

    Args:
        size: side of the frames. stream: what it reads, and its channels.

    Raises:
        InputError: a pyramid of more scales than the network has places.
    """
    network = backbone(variant, profile, classes=classes, pretrained=pretrained, in_channels=in_channels)
    nn.init.normal_(network.fc.weight, std=profile.last)
    merged = merging(network, variant, size=size)
    return StreamNetwork(merged, stream=stream, **losses(variant, profile)).to(memory_format=torch.channels_last)


def merging(network: nn.Module, variant: Variant, *, size: int) -> PyramidNetwork | MeanNetwork:
    """What merges the frames of a clip in a backbone, for frames of this side."""
    if not variant.scales:
        return MeanNetwork(network, merge=variant.merge)
    return PyramidNetwork(
        network,
        size=(size, size),
        downsample=variant.downsample,
        fusion=variant.fusion,
        normalise=variant.normalise,
        shared=variant.shared,
    )


def losses(variant: Variant, profile: NetworkProfile) -> dict[str, float | str]:
    """The losses of the attention that a variant learns with, as `StreamNetwork` takes them."""
    return {
        "beta": profile.beta if variant.interaction else 0.0,
        "gamma": profile.gamma if variant.pyramid else 0.0,
        "form": profile.form,
    }


def backbone(
    variant: Variant, profile: NetworkProfile, *, classes: int, pretrained: bool, in_channels: int
) -> ScaledBackbone:
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
        "resnet18" if name.startswith("small") else "resnet50",
        scales=scales,
        pretrained=pretrained,
        shift=variant.shift,
        channels=profile.channels,
        stem_width=profile.stem_width,
        layers=profile.layers,
        zero_init=not name.startswith("small"),
        pool=name != "small",
        **options,
    )
