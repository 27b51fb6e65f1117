r"""Gates over video that attention in attention is compared with: SE3D, GE3D, S3D-G and CBAM3D.

J. Hu, L. Shen, G. Sun. Squeeze-and-Excitation Networks. CVPR 2018.
J. Hu, L. Shen, S. Albanie, G. Sun, A. Vedaldi. Gather-Excite. NeurIPS 2018.
S. Xie, C. Sun, J. Huang, Z. Tu, K. Murphy. Rethinking Spatiotemporal Feature Learning (S3D-G). ECCV 2018.
S. Woo, J. Park, J.-Y. Lee, I. S. Kweon. CBAM: Convolutional Block Attention Module. ECCV 2018.

Their extension from images to video is that of Y. Hao et al., Attention in Attention, IEEE TCSVT 2022, section IV-C and
figure 4: pools reach over space and time, convolutions get a kernel along time.

Departures: none. The extents that the figure leaves open are those that give the parameters which its paper prints.

All take maps (B, C, T, H, W) and refuse others at the call with an `InputError`.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from videoattn.errors import InputError
from videoattn.layers.banded import conv3d
from videoattn.layers.checks import check_maps


class SE3D(nn.Module):
    """Gates of the channels from their means over space-time, through two layers with C // reduction units between.

    Shapes: (B, C, T, H, W) -> (B, C, T, H, W).
    """

    def __init__(self, channels: int, *, reduction: int = 16):
        super().__init__()
        self.pool = nn.AdaptiveAvgPool3d(1)
        self.gates = bottleneck(channels, reduction, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        check_maps(x, dims=3, channels=self.gates[0].in_channels)
        return x * torch.sigmoid(self.gates(self.pool(x)))


class GE3DG(nn.Module):
    """Gather-excite without parameters: gates of the channels are the sigmoids of their means over space-time.

    Shapes: (B, C, T, H, W) -> (B, C, T, H, W).
    """

    def __init__(self):
        super().__init__()
        self.pool = nn.AdaptiveAvgPool3d(1)

    def forward(self, x: Tensor) -> Tensor:
        check_maps(x, dims=3)
        return x * torch.sigmoid(self.pool(x))


class GE3DDW(nn.Module):
    """Gather-excite with depthwise convolutions: three of stride 2 in space, their output enlarged to x for the gates.

    Args:
        kernel: of each convolution, along (t, h, w); (1, 3, 3) and (3, 3, 3) in the paper.

    Shapes: (B, C, T, H, W) -> (B, C, T, H, W).
    """

    def __init__(self, channels: int, *, kernel: tuple[int, int, int]):
        super().__init__()
        check_kernel(kernel)
        layers: list[nn.Module] = []
        for _ in range(3):
            convolution = nn.Conv3d(
                channels,
                channels,
                kernel,
                stride=(1, 2, 2),
                padding=tuple(k // 2 for k in kernel),
                groups=channels,
                bias=False,
            )
            layers += [convolution, nn.BatchNorm3d(channels)]
        self.gather = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        check_maps(x, dims=3, channels=self.gather[0].in_channels)
        return x * torch.sigmoid(functional.interpolate(self.gather(x), size=x.shape[2:]))


class S3DG(nn.Module):
    """Gates of the channels from their means over space-time, through one layer.

    Shapes: (B, C, T, H, W) -> (B, C, T, H, W).
    """

    def __init__(self, channels: int):
        super().__init__()
        self.pool = nn.AdaptiveAvgPool3d(1)
        self.gates = nn.Conv3d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        check_maps(x, dims=3, channels=self.gates.in_channels)
        return x * torch.sigmoid(self.gates(self.pool(x)))


class CBAM3D(nn.Module):
    """Gates of the channels from their means and maxima, then gates of the places from the mean and maximum channel.

    Args:
        kernel: of the convolution over places, along (t, h, w); (1, 7, 7) and (3, 7, 7) in the paper.
        reduction: C // reduction units between the two layers, which means and maxima share.

    Shapes: (B, C, T, H, W) -> (B, C, T, H, W).
    """

    def __init__(self, channels: int, *, kernel: tuple[int, int, int], reduction: int = 16):
        super().__init__()
        check_kernel(kernel)
        self.pool = nn.AdaptiveAvgPool3d(1)
        self.highest = nn.AdaptiveMaxPool3d(1)
        self.gates = bottleneck(channels, reduction)
        self.conv = nn.Conv3d(2, 1, kernel, padding=tuple(k // 2 for k in kernel), bias=False)
        self.norm = nn.BatchNorm3d(1)

    def forward(self, x: Tensor) -> Tensor:
        check_maps(x, dims=3, channels=self.gates[0].in_channels)
        x = x * torch.sigmoid(self.gates(self.pool(x)) + self.gates(self.highest(x)))
        places = torch.cat([x.amax(1, keepdim=True), x.mean(1, keepdim=True)], 1)
        return x * torch.sigmoid(self.norm(conv3d(self.conv, places)))


def bottleneck(channels: int, reduction: int, *, bias: bool = True) -> nn.Sequential:
    """Two layers over (B, C, 1, 1, 1) with C // reduction units and a ReLU between them.

    Raises:
        InputError: a reduction that leaves no unit.
    """
    if not 1 <= reduction <= channels:
        raise InputError(f"reduction={reduction}: 1 to {channels} are possible with {channels} channels")
    inner = channels // reduction
    return nn.Sequential(
        nn.Conv3d(channels, inner, 1, bias=bias), nn.ReLU(inplace=True), nn.Conv3d(inner, channels, 1, bias=bias)
    )


def check_kernel(kernel: tuple[int, int, int]) -> None:
    """Raise `InputError` unless all three are odd, so that every place keeps its gate."""
    if len(kernel) != 3 or any(k < 1 or k % 2 == 0 for k in kernel):
        raise InputError(f"kernel {kernel}: three odd numbers are expected, so that every place keeps its gate")
