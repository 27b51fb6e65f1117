r"""Multi-fiber network (MF-Net) for video.

Y. Chen, Y. Kalantidis, J. Li, S. Yan, J. Feng. Multi-Fiber Networks for Video Recognition. ECCV 2018.

Channels are split into fibers that convolve apart (groups); before each pair of them a multiplexer, two 1x1x1
convolutions over all channels, lets them exchange. A unit is

    x' = x + i2(i1(x))
    y  = m2(m1(x')) + w1(x)    in the first unit of a stage
    y  = m2(m1(x')) + x        in the others

where each of i1, i2, m1, m2, w1 is batch norm, ReLU and a convolution without bias. What the paper leaves open follows
the network that its authors released:
- the multiplexer narrows to a quarter of the stage's channels;
- m1 has the kernel 3x3x3, fibers, and the stride; m2 is 1x1x1 over all channels in the first unit of a stage, and
  1x3x3 with fibers in the others; w1 is 1x1x1, strided, and reads x from before the multiplexer;
- the first stage halves time, the stem and the other stages halve space; batch norm and ReLU before the last pooling;
- Xavier-uniform weights, norms at scale 1 and shift 0.

Departures: none at the default sizes. The last pooling averages whatever is left of T, H and W, instead of 8 x 7 x 7.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from videoattn.backbones.checks import check_clip, check_values
from videoattn.errors import InputError
from videoattn.layers.input_offset import accept_offset

Triple = tuple[int, int, int]
STRIDES = ((2, 1, 1), (1, 2, 2), (1, 2, 2), (1, 2, 2))


class MFUnit(nn.Module):
    """Multiplexer and two convolutions with fibers, with a residual connection.

    Args:
        in_channels: channels of the input.
        channels: channels of the output and between the two convolutions; the multiplexer has a quarter of them.
        groups: fibers; they divide both numbers of channels.
        first: the first unit of a stage, whose shortcut is a convolution.
        stride: of the first unit over T, H and W.

    Shapes: (B, in_channels, T, H, W) -> (B, channels, T', H', W'), each length divided by its stride, rounded up.
    """

    def __init__(
        self, *, in_channels: int, channels: int, groups: int, first: bool = False, stride: Triple = (1, 1, 1)
    ):
        super().__init__()
        self.i1 = preactivated(in_channels, channels // 4, (1, 1, 1))
        self.i2 = preactivated(channels // 4, in_channels, (1, 1, 1))
        self.m1 = preactivated(in_channels, channels, (3, 3, 3), stride=stride, groups=groups)
        if first:
            self.m2 = preactivated(channels, channels, (1, 1, 1))
            self.w1 = preactivated(in_channels, channels, (1, 1, 1), stride=stride)
        else:
            self.m2 = preactivated(channels, channels, (1, 3, 3), groups=groups)
            self.w1 = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.m2(self.m1(x + self.i2(self.i1(x)))) + self.w1(x)


def preactivated(
    in_channels: int, channels: int, kernel: Triple, *, stride: Triple = (1, 1, 1), groups: int = 1
) -> nn.Sequential:
    """Batch norm, ReLU and a convolution without bias, padded so that stride 1 keeps the lengths."""
    padding = tuple(side // 2 for side in kernel)
    return nn.Sequential(
        nn.BatchNorm3d(in_channels),
        nn.ReLU(inplace=True),
        nn.Conv3d(in_channels, channels, kernel, stride, padding, groups=groups, bias=False),
    )


class MFNet(nn.Module):
    """MF-Net; the paper gives it 16 frames of 224 x 224.

    The stages conv2 to conv5 are each an `nn.Sequential` of units: "conv3.2" is the third unit of conv3. `feature_info`
    gives the channels and the spatial reduction of the stem and of each stage, as timm's networks do.

    Args:
        classes: outputs of the last layer.
        dropout: probability before the last layer.
        layers: units in each of the four stages.
        width: channels of conv2, at least 4; the later stages have 2, 4 and 8 times as many.
        groups: fibers; they divide `width` and `stem`.
        stem: channels of the first convolution.

    Shapes: (B, 3, T, H, W) with any T, H and W from 1 on -> (B, classes). Lengths round up where a stride does not
        divide them.

    Raises:
        InputError: impossible sizes, at construction; a clip of the wrong shape, at the call.
    """

    def __init__(
        self,
        *,
        classes: int,
        dropout: float = 0.0,
        layers: Sequence[int] = (3, 4, 6, 3),
        width: int = 96,
        groups: int = 16,
        stem: int = 16,
    ):
        super().__init__()
        layers = tuple(layers)
        if len(layers) != 4 or min(layers) < 1:
            raise InputError(f"layers={layers}: four numbers of units are expected, each at least 1")
        check_values({"classes": classes, "stem": stem}, dropout=dropout)
        if width < 4:
            raise InputError(f"width={width}: must be at least 4")
        if groups < 1 or width % groups or stem % groups:
            good = [g for g in range(1, min(width, stem) + 1) if width % g == stem % g == 0]
            raise InputError(f"groups={groups}: it must divide width={width} and stem={stem}; possible are {good}")
        self.conv1 = nn.Sequential(
            nn.Conv3d(3, stem, (3, 5, 5), (1, 2, 2), (1, 2, 2), bias=False),
            nn.BatchNorm3d(stem),
            nn.ReLU(inplace=True),
        )
        accept_offset(self.conv1[0])
        self.maxpool = nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))
        self.feature_info = [{"num_chs": stem, "reduction": 2, "module": "conv1"}]
        in_channels = stem
        for stage, (units, stride) in enumerate(zip(layers, STRIDES, strict=True)):
            channels = width * 2**stage
            first = MFUnit(in_channels=in_channels, channels=channels, groups=groups, first=True, stride=stride)
            others = [MFUnit(in_channels=channels, channels=channels, groups=groups) for _ in range(units - 1)]
            name = f"conv{stage + 2}"
            self.add_module(name, nn.Sequential(first, *others))
            self.feature_info.append({"num_chs": channels, "reduction": 4 * 2**stage, "module": name})
            in_channels = channels
        self.tail = nn.Sequential(nn.BatchNorm3d(in_channels), nn.ReLU(inplace=True))
        self.global_pool = nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Flatten())
        self.num_features = in_channels
        self.drop_rate = dropout
        self.fc = nn.Linear(in_channels, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv3d | nn.Linear):
                nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(self.fc.bias)

    def features(self, clip: Tensor) -> Tensor:
        """Maps before the last pooling: (B, 3, T, H, W) -> (B, 8 width, about T/2, about H/32, about W/32)."""
        check_clip(clip)
        x = self.maxpool(self.conv1(clip))
        return self.tail(self.conv5(self.conv4(self.conv3(self.conv2(x)))))

    def forward(self, clip: Tensor) -> Tensor:
        return self.fc(F.dropout(self.global_pool(self.features(clip)), self.drop_rate, self.training))
