r"""3D residual networks made of 2D ones: C3D-ResNet, whose 3x3 convolutions become 3x3x3, and GST.

D. Tran, L. Bourdev, R. Fergus, L. Torresani, M. Paluri. Learning Spatiotemporal Features with 3D Convolutional
Networks. ICCV 2015 (the kernel). J. Carreira, A. Zisserman. Quo Vadis, Action Recognition? CVPR 2017 (inflating).
C. Luo, A. Yuille. Grouped Spatial-Temporal Aggregation for Efficient Action Recognition. ICCV 2019 (GST).

GST splits the input channels of a block's 3x3 convolution into two halves. Over the first a (1, 3, 3) convolution gives
3/4 of its output channels, over the second a (3, 3, 3) convolution gives 1/4.

Departures: none. Time is neither pooled nor strided; the stem sees single frames.
"""

import torch
from einops import reduce
from timm.models.resnet import BasicBlock, Bottleneck, ResNet
from torch import Tensor, nn

from videoattn.backbones.checks import check_clip
from videoattn.errors import InputError, unknown
from videoattn.layers.temporal_shift import STAGES


class GroupedConv(nn.Module):
    """GST's convolution: spatial on one part of the channels, spatio-temporal on the other.

    Args:
        alpha, beta: 1/alpha of the output channels come from the spatio-temporal part, 1/beta of the input go to it.

    Shapes: (B, C_in, T, H, W) -> (B, C_out, T, H / stride, W / stride).
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 1, alpha: int = 4, beta: int = 2):
        super().__init__()
        if in_channels % beta or out_channels % alpha:
            raise InputError(
                f"{in_channels} input and {out_channels} output channels: multiples of {beta} and {alpha} are expected"
            )
        self.parts = (in_channels - in_channels // beta, in_channels // beta)
        self.temporal = _conv3d(self.parts[1], out_channels // alpha, (3, 3, 3), stride)
        self.spatial = _conv3d(self.parts[0], out_channels - out_channels // alpha, (1, 3, 3), stride)

    def forward(self, x: Tensor) -> Tensor:
        still, moving = x.split(self.parts, 1)
        return torch.cat([self.spatial(still), self.temporal(moving)], 1)


class ClipNetwork(nn.Module):
    """A residual network with an axis of time; (B, 3, T, H, W) -> (B, classes), T free.

    Args:
        backbone: a timm ResNet, which is changed in place.
        kind: "c3d" or "gst".

    The weights are inflated: a kernel of three frames takes a third of the 2D kernel for each, so that a clip of equal
    frames gives what the frame gave, borders of time apart. GST's convolutions start at random.

    Raises:
        InputError: another network, an unknown kind, widths that cannot be split.
    """

    def __init__(self, backbone: ResNet, *, kind: str):
        super().__init__()
        if kind not in ("c3d", "gst"):
            raise unknown("kind", kind, ("c3d", "gst"))
        if not isinstance(backbone, ResNet):
            raise InputError(f"the backbone is a {type(backbone).__name__}; one of timm's ResNets is expected")
        for stage in STAGES:
            for i, block in enumerate(backbone.get_submodule(stage)):
                if not isinstance(block, BasicBlock | Bottleneck):
                    raise InputError(f"{stage}.{i} is a {type(block).__name__}; BasicBlock and Bottleneck are possible")
                for name in ("conv2",) if isinstance(block, Bottleneck) else ("conv1", "conv2"):
                    conv = getattr(block, name)
                    if kind == "gst":
                        setattr(block, name, GroupedConv(conv.in_channels, conv.out_channels, stride=conv.stride[0]))
                    else:
                        setattr(block, name, _inflated(conv, 3))
        _to_3d(backbone)
        self.backbone = backbone

    @property
    def fc(self) -> nn.Linear:
        """The last layer, on the mean of the last maps."""
        return self.backbone.fc

    def features(self, clip: Tensor) -> Tensor:
        """Maps before the last pooling: (B, 3, T, H, W) -> (B, C, T, about H/32, about W/32)."""
        check_clip(clip)
        return self.backbone.forward_features(clip)

    def forward(self, clip: Tensor) -> Tensor:
        pooled = reduce(self.features(clip), "b c t h w -> b c", "mean")
        return self.fc(nn.functional.dropout(pooled, self.backbone.drop_rate, self.training))


def _conv3d(in_channels: int, out_channels: int, kernel: tuple[int, int, int], stride: int) -> nn.Conv3d:
    conv = nn.Conv3d(
        in_channels,
        out_channels,
        kernel,
        stride=(1, stride, stride),
        padding=tuple(k // 2 for k in kernel),
        bias=False,
    )
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return conv


def _inflated(conv: nn.Conv2d, frames: int) -> nn.Conv3d:
    """The convolution with a kernel of `frames` frames, each the 2D kernel / frames, padded so that T stays."""
    new = nn.Conv3d(
        conv.in_channels,
        conv.out_channels,
        (frames, *conv.kernel_size),
        stride=(1, *conv.stride),
        padding=(frames // 2, *conv.padding),
        groups=conv.groups,
        bias=conv.bias is not None,
        device=conv.weight.device,
        dtype=conv.weight.dtype,
    )
    with torch.no_grad():
        new.weight.copy_(inflated_kernel(conv.weight, frames))
        if conv.bias is not None:
            new.bias.copy_(conv.bias)
    return new


def inflated_kernel(weight: Tensor, frames: int) -> Tensor:
    """A 2D kernel (C, inputs, h, w) repeated over time and divided by `frames`: (C, inputs, frames, h, w)."""
    return (weight / frames).unsqueeze(2).repeat_interleave(frames, dim=2)


def _to_3d(module: nn.Module) -> None:
    """Replace the remaining 2D layers, in place, by 3D ones of extent 1 in time."""
    for name, child in module.named_children():
        if isinstance(child, nn.Conv2d):
            setattr(module, name, _inflated(child, 1))
        elif isinstance(child, nn.BatchNorm2d):
            norm = nn.BatchNorm3d(child.num_features, child.eps, child.momentum).to(child.weight)
            norm.load_state_dict(child.state_dict())
            setattr(module, name, norm)
        elif isinstance(child, nn.MaxPool2d):
            sides = (child.kernel_size, child.stride, child.padding)
            setattr(module, name, nn.MaxPool3d(*((first, n, n) for first, n in zip((1, 1, 0), sides, strict=True))))
        else:
            _to_3d(child)
