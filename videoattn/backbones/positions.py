"""Places in a network by the names in papers: conv3_3 is the output of the third block of stage 3, of 2 to 5.

Networks over frames that are no ResNets have whole stages alone, conv2 to conv5 (`videoattn.backbones.hosts`).
"""

from typing import NamedTuple

from timm.models.resnet import ResNet
from torch import nn

from videoattn.backbones.mfnet import MFNet
from videoattn.backbones.tsn import FrameNetwork
from videoattn.errors import InputError, unknown

STAGES = (2, 3, 4, 5)


class Place(NamedTuple):
    """The output of a block: its module path in the network, as `attach` takes it, and its channels."""

    path: str
    channels: int


def places(network: nn.Module) -> dict[str, Place]:
    """All places of a FrameNetwork or an MFNet, conv2_1 (or conv2) first, in the order in which the network runs.

    Raises:
        InputError: another network.
    """
    if isinstance(network, FrameNetwork):
        trunk, prefix = network.backbone, "backbone."
    elif isinstance(network, MFNet):
        trunk, prefix = network, ""
    else:
        raise InputError(f"a {type(network).__name__} has no such places; a FrameNetwork or an MFNet is expected")
    found = {}
    if isinstance(network, FrameNetwork) and not isinstance(trunk, ResNet):
        return {name: Place(f"{prefix}{stage.path}", stage.channels) for name, stage in network.stages.items()}
    for n, stage in zip(STAGES, trunk.feature_info[-len(STAGES) :], strict=True):
        for i in range(len(trunk.get_submodule(stage["module"]))):
            found[f"conv{n}_{i + 1}"] = Place(f"{prefix}{stage['module']}.{i}", stage["num_chs"])
    return found


def conv_path(network: nn.Module, name: str) -> str:
    """Module path of a place: "conv3_3" is "backbone.layer2.2" in a FrameNetwork and "conv3.2" in an MFNet.

    Raises:
        InputError: a name that the network does not have, or another network.
    """
    return _place(network, name).path


def conv_channels(network: nn.Module, name: str) -> int:
    """Channels of the maps at a place; errors as in `conv_path`."""
    return _place(network, name).channels


def nearest(network: nn.Module, name: str) -> str:
    """The place of that name, or, where its stage has no such block, the end of the stage; errors as in `conv_path`.

    So the places of a paper's network can be looked for in any other one.
    """
    found = places(network)
    own = [place for place in found if place.partition("_")[0] == name.partition("_")[0]]
    if name in found or not own:
        return name
    return own[-1]


def _place(network: nn.Module, name: str) -> Place:
    found = places(network)
    if name not in found:
        raise unknown("position", name, found)
    return found[name]
