r"""3D residual network that ECO puts on the stacked maps of a 2D one: conv3 to conv5 of a 3D ResNet-18.

M. Zolfaghari, K. Singh, T. Brox. ECO: Efficient Convolutional Network for Online Video Understanding. ECCV 2018.

With act = batch norm and ReLU, and x the input of a stage:

    a = conv(x) in conv3; conv(act(conv(x))) + conv(x) in conv4 and conv5, where both convolutions of x have stride 2
    output = act(conv(act(conv(act(a)))) + a)

All convolutions are 3x3x3 with a bias, all strides over T, H and W.

Departures: none. What the paper leaves open follows the networks that its authors released: shortcuts carry sums from
before batch norm, and those of stride 2 are 3x3x3 convolutions.
"""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from videoattn.backbones.bn_inception import init_as_caffe
from videoattn.errors import InputError

WIDTHS = (128, 256, 512)


class Stage3D(nn.Module):
    """A stage of the 3D part; (B, in_channels, T, H, W) -> (B, channels, T, H, W), with `halve` each length halved."""

    def __init__(self, *, in_channels: int, channels: int, halve: bool):
        super().__init__()
        if halve:
            self.enter = nn.Sequential(
                conv3d(in_channels, channels, 2), *activation(channels), conv3d(channels, channels)
            )
            self.shortcut = conv3d(in_channels, channels, 2)
        else:
            self.enter = conv3d(in_channels, channels)
            self.shortcut = None
        self.residual = nn.Sequential(
            *activation(channels), conv3d(channels, channels), *activation(channels), conv3d(channels, channels)
        )
        self.leave = nn.Sequential(*activation(channels))

    def forward(self, x: Tensor) -> Tensor:
        a = self.enter(x)
        if self.shortcut is not None:
            a = a + self.shortcut(x)
        return self.leave(self.residual(a) + a)


def conv3d(in_channels: int, channels: int, stride: int = 1) -> nn.Conv3d:
    return nn.Conv3d(in_channels, channels, 3, stride, 1)


def activation(channels: int) -> tuple[nn.Module, nn.Module]:
    return nn.BatchNorm3d(channels), nn.ReLU(inplace=True)


class Resnet3D(nn.Sequential):
    """The 3D part: the stages conv3, conv4 and conv5.

    Shapes: (B, in_channels, T, h, w) -> (B, widths[2], T/4, h/4, w/4), rounded up.

    Raises:
        InputError: other than three widths, or widths below 1.
    """

    def __init__(self, *, in_channels: int = 96, widths: Sequence[int] = WIDTHS):
        super().__init__()
        if len(widths) != 3 or min(in_channels, *widths) < 1:
            raise InputError(
                f"in_channels={in_channels}, widths={tuple(widths)}: three widths are expected, and all at least 1"
            )
        for i, (before, after) in enumerate(pairwise((in_channels, *widths))):
            self.add_module(f"conv{i + 3}", Stage3D(in_channels=before, channels=after, halve=i > 0))
        init_as_caffe(self)
