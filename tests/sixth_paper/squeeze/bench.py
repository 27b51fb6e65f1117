"""How fast the gate is on this machine, beside the convolution that it follows."""

from functools import partial

import torch
from torch import nn
from videoattn.papers.squeeze.attention import SqueezeExcitation

from videoattn.reporting.speed import Cases

SIZE = (256, 8, 56, 56)  # C, T, H, W behind the first blocks of ResNet-50


def tables(kind: str) -> dict[str, Cases]:
    """What makes the cases, by title, for a kind of device."""
    return {f"The gate on {' x '.join(map(str, SIZE))}, first a 1x1 convolution": modules}


def modules(size: tuple[int, int, int, int] = SIZE) -> dict:
    """A 1x1 convolution, then the gate."""
    x = torch.randn(1, *size, requires_grad=True)
    found = {"1x1 convolution": nn.Conv3d(size[0], size[0], 1), "gate": SqueezeExcitation(channels=size[0])}
    return {name: partial(module, x) for name, module in found.items()}
