"""Networks of the streams: of one, or of RGB and flow, which start from those of one."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from videoattn.papers.istpa.build import backbone, losses, merging, stream_network
from videoattn.papers.istpa.fusion import FusedBackbone, JoinedNetwork, load_stream
from videoattn.papers.istpa.network import PyramidNetwork, StreamNetwork
from videoattn.papers.istpa.recipe import VARIANTS as ATTENTION
from videoattn.papers.istpa.reinforcement import ReinforcedResNet
from videoattn.papers.istpa.streams.recipe import Profile, Variant

ATTENDED = "network.attention."  # in a network's state


def channels(profile: Profile) -> dict[str, int]:
    """Of an image of each stream."""
    return {"rgb": 3, "flow": 2 * profile.snippets.fields}


def build(
    variant: Variant,
    profile: Profile,
    *,
    size: int,
    classes: int,
    weights: Callable[[str], Mapping[str, Tensor]],
    pretrained: bool = False,
) -> StreamNetwork:
    """The network of one variant.

    One of both streams starts from the networks of each, a reinforced one from the attention of RGB, too. Its flow
    multiplies RGB as 1 + s m with s from 0, so that it starts as the network of RGB.

    Args:
        size: side of the frames. weights: state of an earlier job's network, by the job's name.

    Raises:
        InputError: impossible values, such as a reinforced network that is no ResNet.
    """
    merge = ATTENTION[variant.attention]
    given = channels(profile)
    of_flow = replace(profile, dropout=profile.flow_dropout)
    if variant.kind == "single":
        return stream_network(
            merge,
            of_flow if variant.stream == "flow" else profile,
            size=size,
            classes=classes,
            pretrained=pretrained,
            stream=variant.stream,
            in_channels=given[variant.stream],
        )
    states = {stream: weights(name) for stream, name in zip(given, variant.after, strict=True)}
    streams = {}
    for stream, count in given.items():
        own = of_flow if stream == "flow" else profile
        streams[stream] = backbone(merge, own, classes=classes, pretrained=False, in_channels=count)
        load_stream(streams[stream], states[stream])
    reinforced = variant.kind == "reinforced"
    joint = ReinforcedResNet(streams, form="stable") if reinforced else FusedBackbone(streams)
    network = merging(joint, merge, size=size)
    if reinforced and isinstance(network, PyramidNetwork):
        own = {key.removeprefix(ATTENDED): w for key, w in states["rgb"].items() if key.startswith(ATTENDED)}
        network.attention.load_state_dict(own)
    return JoinedNetwork(network, **losses(merge, profile)).to(memory_format=torch.channels_last)
