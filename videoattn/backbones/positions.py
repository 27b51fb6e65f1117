"""Places in a network by the names in papers: conv3_3 is the output of the third block of stage 3, of 2 to 5."""

from typing import NamedTuple

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
    """All places of a FrameNetwork or an MFNet, conv2_1 first, in the order in which the network runs.

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


def _place(network: nn.Module, name: str) -> Place:
    found = places(network)
    if name not in found:
        raise unknown("position", name, found)
    return found[name]
