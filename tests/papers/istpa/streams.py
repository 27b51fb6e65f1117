"""Small networks of an RGB and a flow stream, clips and images for them, and residual blocks call by call."""

import torch
import torch.nn.functional as F
from random_weights import noise
from torch import Tensor, nn

from videoattn.backbones.scales import ScaledResNet, scaled_resnet

RESNET = {"classes": 5, "channels": (8, 8, 12, 12), "stem_width": 4, "layers": (1, 2, 3, 1)}
SIZE = (48, 64)
CHANNELS = {"rgb": 3, "flow": 10}


def backbones(name: str = "resnet18", *, channels=CHANNELS, **options: object) -> dict[str, ScaledResNet]:
    torch.manual_seed(0)
    return {s: scaled_resnet(name, **RESNET | options, in_channels=c) for s, c in channels.items()}


def clip(frames: int = 3, *, batch: int = 2, channels=CHANNELS, seed: int = 0) -> dict[str, Tensor]:
    return {s: noise(batch, c, frames, *SIZE, seed=100 * seed + c) for s, c in channels.items()}


def images(number: int = 2) -> Tensor:
    """Of both streams, (N, 13, H, W)."""
    return torch.cat([noise(number, c, *SIZE, seed=c) for c in CHANNELS.values()], 1)


def norm(x: Tensor, layer: nn.BatchNorm2d) -> Tensor:
    return F.batch_norm(x, layer.running_mean, layer.running_var, layer.weight, layer.bias, eps=layer.eps)


def branch_and_skip(block: nn.Module, x: Tensor, multiplied: Tensor) -> tuple[Tensor, Tensor]:
    """Both paths of a block, call by call; the branch sees `multiplied`."""
    y = F.conv2d(multiplied, block.conv1.weight, stride=block.conv1.stride, padding=block.conv1.padding)
    y = F.relu(norm(y, block.bn1))
    y = F.conv2d(y, block.conv2.weight, stride=block.conv2.stride, padding=1)
    y = norm(y, block.bn2)
    if hasattr(block, "conv3"):
        y = norm(F.conv2d(F.relu(y), block.conv3.weight), block.bn3)
    if block.se is not None:
        y = block.se(y)
    return y, x if block.downsample is None else block.downsample(x)
