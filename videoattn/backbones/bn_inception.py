r"""BN-Inception: GoogLeNet with batch norm.

S. Ioffe, C. Szegedy. Batch Normalization. ICML 2015; the network is in figure 5 of its version on arXiv, 1502.03167.

Batch norm and a ReLU follow every convolution. An Inception module concatenates four branches over the same maps:

    1x1 | 1x1 -> 3x3 | 1x1 -> 3x3 -> 3x3 | pool 3x3 -> 1x1

3c and 4e have no first branch and no convolution behind their pool; their last convolutions and the pool have stride 2.
Pools of stride 2 round up.

Departures from the paper, all of them in the Caffe network whose weights are public and from which TSN and ECO start:
- the first convolution is a plain one; in the paper it is separable;
- 128 channels behind the pools of 4c and 4d; `slim` has the paper's 96. So 4c and 4d give 608 channels instead of 576,
  and 4e 1056 instead of 1024;
- convolutions with a bias.
The last pool averages whatever is left of H and W instead of 7 x 7.
"""

from collections import OrderedDict
from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import reduce
from torch import Tensor, nn

from videoattn.backbones.checks import check_values
from videoattn.errors import InputError
from videoattn.layers.input_offset import accept_offset


class Widths(NamedTuple):
    """Channels of an Inception module; one = project = 0 for those of stride 2. The two convolutions 3x3 of the third
    branch have the same number."""

    one: int
    three_reduce: int
    three: int
    double_reduce: int
    double: int
    pool: str
    project: int


TABLE = {
    "3a": Widths(64, 64, 64, 64, 96, "average", 32),
    "3b": Widths(64, 64, 96, 64, 96, "average", 64),
    "3c": Widths(0, 128, 160, 64, 96, "max", 0),
    "4a": Widths(224, 64, 96, 96, 128, "average", 128),
    "4b": Widths(192, 96, 128, 96, 128, "average", 128),
    "4c": Widths(160, 128, 160, 128, 160, "average", 128),
    "4d": Widths(96, 128, 192, 160, 192, "average", 128),
    "4e": Widths(0, 128, 192, 192, 256, "max", 0),
    "5a": Widths(352, 192, 320, 160, 224, "average", 128),
    "5b": Widths(352, 192, 320, 192, 224, "max", 128),
}
SLIM = {name: TABLE[name]._replace(project=96) for name in ("4c", "4d")}
STEM, LAST = 192, 1024  # channels that the stem and the last module give


def conv_norm_relu(
    in_channels: int, channels: int, kernel: int, *, stride: int = 1, bias: bool = True, relu: bool = True
) -> nn.Sequential:
    """Convolution `conv`, batch norm `norm` and, with `relu`, a ReLU, padded so that stride 1 keeps the size."""
    layers = OrderedDict(
        conv=nn.Conv2d(in_channels, channels, kernel, stride, kernel // 2, bias=bias), norm=nn.BatchNorm2d(channels)
    )
    if relu:
        layers["relu"] = nn.ReLU(inplace=True)
    return nn.Sequential(layers)


class Inception(nn.Module):
    """One module of the table.

    The branches end before their last ReLU; `relu` is applied once, to their concatenation. (Maps that a module of
    stride 2 only pools are non-negative already.)

    Shapes: (N, in_channels, H, W) -> (N, out_channels, H, W), halved at stride 2, where H and W must be even.
    """

    def __init__(self, *, in_channels: int, widths: Widths, bias: bool = True):
        super().__init__()
        stride = 1 if widths.one else 2

        def ending(channels: int, width: int, kernel: int, stride: int = 1) -> nn.Sequential:
            return conv_norm_relu(channels, width, kernel, stride=stride, bias=bias, relu=False)

        self.branch_one = ending(in_channels, widths.one, 1) if widths.one else None
        self.branch_three = nn.Sequential(
            OrderedDict(
                reduce=conv_norm_relu(in_channels, widths.three_reduce, 1, bias=bias),
                last=ending(widths.three_reduce, widths.three, 3, stride),
            )
        )
        self.branch_double = nn.Sequential(
            OrderedDict(
                reduce=conv_norm_relu(in_channels, widths.double_reduce, 1, bias=bias),
                first=conv_norm_relu(widths.double_reduce, widths.double, 3, bias=bias),
                last=ending(widths.double, widths.double, 3, stride),
            )
        )
        if stride == 2:
            self.branch_pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        else:
            pool = nn.MaxPool2d(3, 1, 1) if widths.pool == "max" else nn.AvgPool2d(3, 1, 1)
            self.branch_pool = nn.Sequential(OrderedDict(pool=pool, project=ending(in_channels, widths.project, 1)))
        self.relu = nn.ReLU()
        self.out_channels = widths.one + widths.three + widths.double + (widths.project or in_channels)

    def before_relu(self, x: Tensor) -> Tensor:
        """The concatenated branches before their last ReLU; shapes as for the module."""
        branches = (self.branch_one, self.branch_three, self.branch_double, self.branch_pool)
        return torch.cat([branch(x) for branch in branches if branch is not None], 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.before_relu(x))


class BNInception(nn.Module):
    """BN-Inception; its modules are `stem`, `inception_3a` to `inception_3c`, `inception_4a` to `inception_4e`,
    `inception_5a`, `inception_5b` and `fc`. The input of `inception_4d.relu` are the maps of 4d before the ReLU.

    Args:
        classes: outputs of the last layer.
        dropout: probability before the last layer.
        slim: the paper's widths of 4c and 4d; public weights are for the others.
        in_channels: 3 for RGB, 10 for five flow fields.
        bias: of the convolutions.

    Shapes: (N, in_channels, H, W) -> (N, classes). H and W are multiples of 32, or 1 less to 6 more: with others the
        pools of 3c and 4e do not fit their convolutions.

    Raises:
        InputError: impossible values, at construction; frames of the wrong shape, at the call.
    """

    def __init__(
        self, *, classes: int, dropout: float = 0.0, slim: bool = False, in_channels: int = 3, bias: bool = True
    ):
        super().__init__()
        check_values({"classes": classes, "in_channels": in_channels}, dropout=dropout)
        self.in_channels = in_channels
        self.stem = nn.Sequential(
            OrderedDict(
                conv1=conv_norm_relu(in_channels, 64, 7, stride=2, bias=bias),
                pool1=nn.MaxPool2d(3, 2, ceil_mode=True),
                reduce=conv_norm_relu(64, 64, 1, bias=bias),
                conv2=conv_norm_relu(64, STEM, 3, bias=bias),
                pool2=nn.MaxPool2d(3, 2, ceil_mode=True),
            )
        )
        channels = STEM
        for name, widths in (TABLE | SLIM if slim else TABLE).items():
            module = Inception(in_channels=channels, widths=widths, bias=bias)
            self.add_module(f"inception_{name}", module)
            channels = module.out_channels
        self.drop_rate = dropout
        self.fc = nn.Linear(channels, classes)
        accept_offset(self.stem.conv1.conv)
        init_as_caffe(self)

    def features(self, x: Tensor) -> Tensor:
        """Maps before the last pooling: (N, in_channels, H, W) -> (N, 1024, about H/32, about W/32)."""
        check_frames(x, channels=self.in_channels, halvings=2)
        x = self.stem(x)
        for name in TABLE:
            x = getattr(self, f"inception_{name}")(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        pooled = reduce(self.features(x), "n c h w -> n c", "mean")
        return self.fc(F.dropout(pooled, self.drop_rate, self.training))


def check_frames(x: Tensor, *, channels: int, halvings: int) -> None:
    """Refuse frames of the wrong shape: behind the stem both sides must be at least 1 and divisible by 2^halvings.

    Raises:
        InputError: they are not.
    """
    multiple = 2**halvings
    # The stem halves three times, rounding up once and down twice.
    if x.dim() != 4 or x.shape[1] != channels or any(n < 7 or (n + 1) // 8 % multiple for n in x.shape[2:]):
        sides = "of at least 7" if halvings == 0 else f"{8 * multiple} k - 1 to {8 * multiple} k + 6 with k from 1 on"
        raise InputError(
            f"the frames have shape {tuple(x.shape)}; (N, {channels}, H, W) with H and W {sides} is expected"
        )


def init_as_caffe(network: nn.Module) -> None:
    """Initialise all convolutions and linear layers as Caffe's "xavier" does: uniform, variance 1 / fan-in, bias 0."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d | nn.Linear):
            nn.init.kaiming_uniform_(module.weight, nonlinearity="linear")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
