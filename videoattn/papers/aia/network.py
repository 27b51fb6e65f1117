r"""Networks with a gate in every residual block: where the gates stand, and which there are.

Y. Hao et al., Attention in Attention, IEEE TCSVT 2022, figures 3 and 4.

A gate stands "inside" a block, behind the 3x3 convolution and its batch norm and before their ReLU (in a block of two
convolutions behind the first), or "behind" its last batch norm, before the sum with the identity. In a host that is no
ResNet a gate stands behind each of the four stages (`videoattn.backbones.hosts`).

Departures: none. Figure 3 does not show the ReLU; its place is that of the authors' code.
"""

from collections.abc import Callable
from functools import partial

from timm.models.resnet import BasicBlock, Bottleneck, ResNet
from torch import nn

from videoattn.backbones.tsn import FrameNetwork
from videoattn.errors import InputError, unknown
from videoattn.layers.attach import attach
from videoattn.layers.gates import CBAM3D, GE3DDW, GE3DG, S3DG, SE3D
from videoattn.layers.temporal_shift import STAGES
from videoattn.papers.aia.attention import NAMES, aia

NORMS = {"inside": {Bottleneck: "bn2", BasicBlock: "bn1"}, "behind": {Bottleneck: "bn3", BasicBlock: "bn2"}}
# Rivals: where each stands (figure 4), and how it is made for so many channels.
RIVALS: dict[str, tuple[str, Callable[[int], nn.Module]]] = {
    "SE3D": ("behind", SE3D),
    "GE3D-G": ("behind", lambda channels: GE3DG()),
    "GE3D-DW133": ("behind", partial(GE3DDW, kernel=(1, 3, 3))),
    "GE3D-DW333": ("behind", partial(GE3DDW, kernel=(3, 3, 3))),
    "S3D-G": ("inside", S3DG),
    "CBAM3D-177": ("behind", partial(CBAM3D, kernel=(1, 7, 7))),
    "CBAM3D-377": ("behind", partial(CBAM3D, kernel=(3, 7, 7))),
}
GATES = (*RIVALS, *NAMES)


def gated(network: FrameNetwork, name: str, *, kernel: tuple[int, int, int] = (3, 3, 3)) -> FrameNetwork:
    """Put a gate into every residual block of a TSN or TSM, or behind its stages, in place; returns the network.

    Args:
        name: one of `RIVALS`, or a module of `videoattn.papers.aia.attention.aia`.
        kernel: of the convolutions of such a module.

    Raises:
        InputError: an unknown name, or residual blocks of another kind.
    """
    where, make = RIVALS.get(name, ("inside", lambda channels: aia(name, kernel=kernel)))
    if isinstance(network.backbone, ResNet):
        gates = {path: make(norm.num_features) for path, norm in norms(network, where).items()}
    else:
        gates = {f"backbone.{stage.path}": make(stage.channels) for stage in network.stages.values()}
    attach(network, gates, frames=network.frames)
    return network


def norms(network: FrameNetwork, where: str) -> dict[str, nn.BatchNorm2d]:
    """The batch norms, by module path, behind which gates "inside" or "behind" the residual blocks stand."""
    if where not in NORMS:
        raise unknown("where", where, NORMS)
    found = {}
    for stage in STAGES:
        for i, block in enumerate(network.backbone.get_submodule(stage)):
            path = f"backbone.{stage}.{i}"
            if type(block) not in NORMS[where]:
                raise InputError(f"{path} is a {type(block).__name__}; BasicBlock and Bottleneck can be gated")
            name = NORMS[where][type(block)]
            found[f"{path}.{name}"] = getattr(block, name)
    return found
