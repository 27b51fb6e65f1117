r"""Temporal shift module (TSM).

J. Lin, C. Gan, S. Han. TSM: Temporal Shift Module for Efficient Video Understanding. ICCV 2019.

With fold = C // fraction, channel c of frame t becomes

    y_t = x_t+1    c < fold
    y_t = x_t-1    fold <= c < 2 fold
    y_t = x_t      2 fold <= c

and zero where that frame lies beyond the clip. The shift stands before the first convolution of every residual block,
or of every second one, the first of a stage included, where layer3 has 23 blocks or more, as the authors have it in
ResNet-101; the identity path keeps the unshifted maps.

Departures: none.
"""

import torch
from einops import rearrange
from timm.models.resnet import BasicBlock, Bottleneck, ResNet
from torch import Tensor, nn

from videoattn.errors import InputError
from videoattn.layers.layouts import FoldedTime

NAME = "shift"
MANY = 23  # blocks
STAGES = ("layer1", "layer2", "layer3", "layer4")


class TemporalShift(nn.Module):
    """Move one part of the channels a frame back in time and one a frame on; no parameters, no arithmetic.

    Args:
        frames: T. The attribute of that name may be changed between calls, for clips of another length.
        fraction: C // fraction channels move each way.

    Shapes: (B T, C, H, W) -> (B T, C, H, W), the frames of a clip one after the other.

    Raises:
        InputError: `frames` below 1 or `fraction` below 2, at construction; a batch that is no multiple of `frames`,
            at the call.
    """

    def __init__(self, *, frames: int, fraction: int = 8):
        super().__init__()
        if frames < 1:
            raise InputError(f"frames={frames}: a clip has at least 1")
        if fraction < 2:
            raise InputError(f"fraction={fraction}: at least 2, since 1/fraction of the channels moves each way")
        self.frames = frames
        self.fraction = fraction

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() != 4 or x.shape[0] % self.frames:
            raise InputError(f"maps of shape {tuple(x.shape)}; (B T, C, H, W) with T = {self.frames} is expected")
        fold = x.shape[1] // self.fraction
        x = rearrange(x, "(b t) c h w -> b t c h w", t=self.frames)
        y = torch.zeros_like(x)
        y[:, :-1, :fold] = x[:, 1:, :fold]
        y[:, 1:, fold : 2 * fold] = x[:, :-1, fold : 2 * fold]
        y[:, :, 2 * fold :] = x[:, :, 2 * fold :]
        return rearrange(y, "b t c h w -> (b t) c h w")

    def extra_repr(self) -> str:
        return f"frames={self.frames}, fraction={self.fraction}"


def add_temporal_shift(backbone: ResNet, *, frames: int, fraction: int = 8) -> ResNet:
    """Put a shift before the first convolution of residual blocks, in place; returns the backbone.

    All blocks get one; where layer3 has `MANY` of them or more, every second block of each stage, from its first on.

    The shift becomes a child of that convolution and a hook applies it to the input. It has no state: the keys of the
    backbone's `state_dict` stay as they were, so that ImageNet weights load before or after. Deep copies and pickles
    take the shifts along. Add them before compiling.

    Args:
        backbone: a timm ResNet of basic or bottleneck blocks, over (B T, C, H, W).
        frames: T. fraction: as in `TemporalShift`.

    Raises:
        InputError: another kind of network, a network that has shifts already, a block with fewer than `fraction`
            channels (none would move), and what `TemporalShift` refuses. The network is unchanged then.
    """
    if not isinstance(backbone, ResNet):
        raise InputError(f"the backbone is a {type(backbone).__name__}; one of timm's ResNets is expected")
    hosts = {}
    step = 2 if len(backbone.layer3) >= MANY else 1
    for stage in STAGES:
        for i, block in enumerate(backbone.get_submodule(stage)):
            path = f"{stage}.{i}"
            if not isinstance(block, BasicBlock | Bottleneck):
                raise InputError(f"{path} is a {type(block).__name__}; BasicBlock and Bottleneck can be shifted")
            if hasattr(block.conv1, NAME):
                raise InputError(f"{path} has a temporal shift already")
            if block.conv1.in_channels < fraction:
                raise InputError(
                    f"fraction={fraction}: {path} has {block.conv1.in_channels} channels, of which none would move; "
                    f"at most {block.conv1.in_channels} is possible"
                )
            if i % step == 0:
                hosts[block.conv1] = TemporalShift(frames=frames, fraction=fraction)
    for host, shift in hosts.items():
        host.add_module(NAME, shift)
        host.register_forward_pre_hook(run_shift)
    return backbone


def run_shift(host: nn.Module, inputs: tuple[Tensor]) -> Tensor:
    """Forward pre-hook of a convolution: its input through the shift that is its child."""
    return getattr(host, NAME)(*inputs)


def set_frames(network: nn.Module, frames: int) -> None:
    """Let all shifts and attached blocks in a network (`TemporalShift`, `FoldedTime`) take clips of so many frames.

    Raises:
        InputError: `frames` below 1; the network is unchanged then.
    """
    if frames < 1:
        raise InputError(f"frames={frames}: a clip has at least 1")
    for module in network.modules():
        if isinstance(module, TemporalShift | FoldedTime):
            module.frames = frames
