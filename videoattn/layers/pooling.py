"""Adaptive max-pooling whose windows need not be alike, in a form that goes to ONNX.

ONNX has no pool with windows of different lengths. There the windows are gathered one axis after the other, the places
that a shorter one lacks filled with its last, and the maxima taken: the same values, by operators that ONNX has.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

Windows = list[tuple[int, int]]


def windows(length: int, to: int) -> Windows:
    """The first place of each adaptive window, and the place behind its last, as PyTorch lays them."""
    return [(i * length // to, -(-(i + 1) * length // to)) for i in range(to)]


class AdaptiveMaxPool2d(nn.AdaptiveMaxPool2d):
    """PyTorch's, which also goes to ONNX."""

    def forward(self, x: Tensor) -> Tensor:
        return adaptive_max_pool2d(x, self.output_size)


def adaptive_max_pool2d(x: Tensor, size: tuple[int, int]) -> Tensor:
    """What `torch.nn.functional.adaptive_max_pool2d` gives: (..., H, W) -> (..., *size)."""
    if not torch.onnx.is_in_onnx_export():
        return functional.adaptive_max_pool2d(x, size)
    for axis, to in zip((x.dim() - 2, x.dim() - 1), size, strict=True):
        x = _maxima(x, axis, windows(x.shape[axis], to))
    return x


def _maxima(x: Tensor, axis: int, spans: Windows) -> Tensor:
    longest = max(stop - start for start, stop in spans)
    places = [[min(place, stop - 1) for place in range(start, start + longest)] for start, stop in spans]
    gathered = x.index_select(axis, torch.tensor(places, device=x.device).flatten())
    return gathered.unflatten(axis, (len(spans), longest)).amax(axis + 1)
