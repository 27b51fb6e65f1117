r"""Pseudo-3D residual network (P3D).

Z. Qiu, T. Yao, T. Mei. Learning Spatio-Temporal Representation with Pseudo-3D Residual Networks. ICCV 2017,
sections 3.2 and 3.3. The 3x3x3 convolution of a bottleneck is split into S = 1x3x3 over space and T = 3x1x1 over time:

    P3D-A  T(S(x))           P3D-B  S(x) + T(x)           P3D-C  S(x) + T(S(x))

taken in turn, A B C A B ..., through the stages res2 to res4; res5 is 2D. What the paper leaves open follows the
network that its authors released (github.com/ZhaofanQiu/pseudo-3d-residual-networks, Caffe, depth 152):
- stem: convolution 1x7x7, stride (1, 2, 2); max-pool 2x3x3, stride 2, not padded;
- a max-pool over 2 frames, stride 2, before each of res3, res4 and res5; here it is part of the stage's first block;
- the spatial stride of a stage sits on the first 1x1x1 convolution of its first block;
- convolutions without bias; dropout before the last layer, whose weights start with standard deviation 0.001.
Pools round up: a last window that hangs over the end takes the frames, rows and columns that there are. So T frames
become ceil(T/2), ceil(T/4), ceil(T/8) and ceil(T/16) after layer1 to layer4, and any T from 1 on works.

Departures from the paper, both of them in the released network: S(x) goes through its ReLU before the sums of P3D-B and
P3D-C, and P3D-C halves its sum (the batch norm that follows the next convolution undoes the factor). Departure from the
released network: He instead of Xavier initialisation, for training without ImageNet weights.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from videoattn.backbones.checks import check_values
from videoattn.errors import InputError, unknown

LAYERS = {50: (3, 4, 6, 3), 152: (3, 8, 36, 3)}
VARIANTS = ("A", "B", "C")
EXPANSION = 4


class P3DBlock(nn.Module):
    """Bottleneck 1x1x1, then S and T in one of the variants, then 1x1x1, with a residual connection.

    Args:
        in_channels: channels of the input.
        inner: channels between the two 1x1x1 convolutions; the output has 4 inner.
        variant: "A", "B" or "C"; "2D" has S alone.
        stride: spatial stride of the first convolution and of the shortcut.
        halve_time: max-pool over pairs of frames first, an odd last frame alone.

    Shapes: (B, in_channels, T, H, W) -> (B, 4 inner, T or ceil(T/2), ceil(H/stride), ceil(W/stride)).
    """

    def __init__(self, *, in_channels: int, inner: int, variant: str, stride: int = 1, halve_time: bool = False):
        super().__init__()
        if variant not in (*VARIANTS, "2D"):
            raise unknown("variant", variant, (*VARIANTS, "2D"))
        out_channels = EXPANSION * inner
        strides = (1, stride, stride)
        self.variant = variant
        self.pool = nn.MaxPool3d((2, 1, 1), ceil_mode=True) if halve_time else nn.Identity()
        self.conv1 = nn.Conv3d(in_channels, inner, 1, strides, bias=False)
        self.bn1 = nn.BatchNorm3d(inner)
        self.conv_s = nn.Conv3d(inner, inner, (1, 3, 3), padding=(0, 1, 1), bias=False)
        self.bn_s = nn.BatchNorm3d(inner)
        if variant != "2D":
            self.conv_t = nn.Conv3d(inner, inner, (3, 1, 1), padding=(1, 0, 0), bias=False)
            self.bn_t = nn.BatchNorm3d(inner)
        self.conv3 = nn.Conv3d(inner, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm3d(out_channels)
        self.downsample = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv3d(in_channels, out_channels, 1, strides, bias=False), nn.BatchNorm3d(out_channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(x)
        y = F.relu(self.bn1(self.conv1(x)))
        s = F.relu(self.bn_s(self.conv_s(y)))
        if self.variant == "A":
            s = F.relu(self._time(s))
        elif self.variant == "B":
            s = F.relu(s + self._time(y))
        elif self.variant == "C":
            s = F.relu(0.5 * (s + self._time(s)))
        return F.relu(self.bn3(self.conv3(s)) + self.downsample(x))

    def _time(self, x: Tensor) -> Tensor:
        return self.bn_t(self.conv_t(x))


class P3D(nn.Module):
    """P3D ResNet; its modules are named as in timm's ResNet, so that networks treat both alike.

    The residual stages layer1 to layer4 are the paper's res2 to res5, each an `nn.Sequential` of blocks: "layer3.35" is
    the last block of res4 at depth 152. `feature_info` gives the channels and the spatial reduction of each stage.

    Args:
        classes: outputs of the last layer.
        depth: 50 or 152, counted as in the ResNet underneath; P3D-63 and P3D-199 when S and T are counted apart.
        in_channels: 3 for RGB, 2 for one flow field a frame, 10 for five.
        dropout: probability before the last layer.
        layers: blocks in each of the four stages, instead of those of `depth`.
        width: channels of the stem; the stages have 4, 8, 16 and 32 times as many.

    Shapes: input (B, in_channels, T, H, W) with H and W of at least 3; output (B, classes).

    Raises:
        InputError: impossible sizes, at construction; a clip of the wrong shape, at the call.
    """

    def __init__(
        self,
        *,
        classes: int,
        depth: int = 50,
        in_channels: int = 3,
        dropout: float = 0.5,
        layers: Sequence[int] | None = None,
        width: int = 64,
    ):
        super().__init__()
        if layers is None and depth not in LAYERS:
            raise InputError(f"depth={depth!r}: {' and '.join(map(str, LAYERS))} are possible, or give layers")
        layers = LAYERS[depth] if layers is None else tuple(layers)
        if len(layers) != 4 or min(layers) < 1:
            raise InputError(f"layers={layers}: four numbers of blocks are expected, each at least 1")
        check_values({"classes": classes, "in_channels": in_channels, "width": width}, dropout=dropout)
        self.conv1 = nn.Conv3d(in_channels, width, (1, 7, 7), (1, 2, 2), (0, 3, 3), bias=False)
        self.bn1 = nn.BatchNorm3d(width)
        self.act1 = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool3d((2, 3, 3), 2, ceil_mode=True)
        self.feature_info = [{"num_chs": width, "reduction": 2, "module": "act1"}]
        channels, index = width, 0
        for stage, blocks in enumerate(layers):
            inner = width * 2**stage
            sequence = []
            for block in range(blocks):
                first = stage > 0 and block == 0
                sequence.append(
                    P3DBlock(
                        in_channels=channels,
                        inner=inner,
                        variant=VARIANTS[index % 3] if stage < 3 else "2D",
                        stride=2 if first else 1,
                        halve_time=first,
                    )
                )
                channels, index = EXPANSION * inner, index + 1
            name = f"layer{stage + 1}"
            self.add_module(name, nn.Sequential(*sequence))
            self.feature_info.append({"num_chs": channels, "reduction": 4 * 2**stage, "module": name})
        self.num_features = channels
        self.global_pool = nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Flatten())
        self.drop_rate = dropout
        self.fc = nn.Linear(channels, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.normal_(self.fc.weight, std=0.001)
        nn.init.zeros_(self.fc.bias)

    def stem(self, x: Tensor) -> Tensor:
        """(B, in_channels, T, H, W) -> (B, width, ceil(T/2), about H/4, about W/4)."""
        if x.dim() != 5 or x.shape[1] != self.conv1.in_channels or min(x.shape[3:]) < 3:
            raise InputError(
                f"the clip has shape {tuple(x.shape)}; (B, C, T, H, W) with C = {self.conv1.in_channels} and with "
                "H and W of at least 3 is expected"
            )
        return self.maxpool(self.act1(self.bn1(self.conv1(x))))

    def forward_features(self, x: Tensor) -> Tensor:
        """Maps of the last stage: (B, 32 width, ceil(T/16), about H/32, about W/32)."""
        return self.layer4(self.layer3(self.layer2(self.layer1(self.stem(x)))))

    def forward_head(self, x: Tensor) -> Tensor:
        """Maps of the last stage -> scores (B, classes): mean over T, H, W, dropout, linear."""
        return self.fc(F.dropout(self.global_pool(x), self.drop_rate, self.training))

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(x))
