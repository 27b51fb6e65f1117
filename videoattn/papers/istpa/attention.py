r"""Spatio-temporal pyramid attention: feature maps of several layers of a network say which features go on.

W. Hu, H. Liu, Y. Du, C. Yuan, B. Li, S. Maybank. Interaction-Aware Spatio-Temporal Pyramid Attention Networks for
Action Classification, sections 3.1 and 3.4.

    (1) F'_j = R(F_j) for the scales below the top, F'_i = F_i for the top scale i
    (2) Y_j = X_j^T W_j + b_j                       of one frame
    (3) a_m = softmax(U(y_m^1, ..., y_m^N)), then a_m / ||a_m||
    (4) M = X_i A
    (13) Y_j = X_j^T W_j + b_j                      of K frames, with the same W_j and b_j

R: down-sampling to the top scale's size; U: product, sum or maximum; X_j: C_j x K n, the F'_j of all frames flattened;
W_j: C_j x n; Y_j and A: K n x n, rows are sources, columns outputs; y_m and a_m: columns, normalised over the positions
of all frames; M: C_i x n, one map for all K frames, which do not count in any order.

Axes: b clip, c channel, t frame of K, h w place, n = h w of the top scale, m output, j scale of N.

Departures: none in the default. What the paper leaves open: R goes through the sizes of the pyramid one after the
other, in PyTorch's adaptive windows: 3 x 3 with stride 2 and no padding in 35 -> 17 -> 8, 2 x 2 in 28 -> 14 -> 7. A
down-sampling convolution has a kernel for each channel, as a pool has, and starts as the average. W_j and b_j start as
`init_scores` says. With weights shared over locations all columns of A are one. `normalise="l1"` leaves ||a_m|| out.

(3) is e / ||e|| with e = exp(u - max u): a norm of at least 1, no overflow, and no root of what may be 0 as in the
equal sqrt(softmax(2 u)). Scores are kept in float32 at least and within 1e18, so that no product of two is infinite;
logarithms would need their sign and have no slope where a score is 0.
"""

from collections.abc import Sequence
from functools import reduce
from itertools import pairwise
from math import prod
from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn

from videoattn.errors import InputError, unknown
from videoattn.layers.pooling import AdaptiveMaxPool2d, windows

DOWNSAMPLING = ("max", "average", "conv")
FUSIONS = ("product", "sum", "max")
NORMS = ("l2", "l1")
LARGEST = 1e18

Size = tuple[int, int]


class Scores(NamedTuple):
    """What a pyramid attended to.

    attention: A, (B, K n, n), at least 0; rows are sources in the order (t, h, w), columns outputs in the order (h, w).
    scales: Y_j of each scale, the same shape, before fusion.
    """

    attention: Tensor
    scales: tuple[Tensor, ...]


class PyramidAttention(nn.Module):
    """Merge the maps of K frames into one, at each place by attention that features of several scales score.

    Args:
        channels: C_j of each scale; the last is the top scale, whose maps are merged.
        sizes: (H_j, W_j) of each scale, none smaller than the top's; they fix the resolution of the network's input.
        downsample: R, one of `DOWNSAMPLING`. fusion: U, one of `FUSIONS`.
        normalise: columns of A, "l2" to unit length as in the paper or "l1" to a sum of 1. With unit length M grows
            with the number of frames, by sqrt(K) for K times the same frame; l1 makes M a weighted mean.
        shared: one weight vector a scale for all outputs, a 1x1 convolution (table 5).

    Shapes:
        N maps (B, C_j, K, H_j, W_j), any K of at least 1, another at each call -> (B, C, 1, H, W) of the top scale.

    Raises:
        InputError: impossible values, at construction; maps of another number, shape or resolution, at the call.
    """

    def __init__(
        self,
        *,
        channels: Sequence[int],
        sizes: Sequence[Size],
        downsample: str = "max",
        fusion: str = "product",
        normalise: str = "l2",
        shared: bool = False,
    ):
        super().__init__()
        channels, sizes = tuple(channels), tuple((height, width) for height, width in sizes)
        if not channels or len(channels) != len(sizes) or min(channels) < 1 or min(map(min, sizes)) < 1:
            raise InputError(f"channels={channels}, sizes={sizes}: both of each scale are needed, at least 1")
        if any(size[0] < sizes[-1][0] or size[1] < sizes[-1][1] for size in sizes):
            raise InputError(f"sizes={sizes}: the last is the top scale's, and none may be smaller in an axis")
        for name, value, good in (
            ("downsample", downsample, DOWNSAMPLING),
            ("fusion", fusion, FUSIONS),
            ("normalise", normalise, NORMS),
        ):
            if value not in good:
                raise unknown(name, value, good)
        self.channels = channels
        self.sizes = sizes
        self.fusion = fusion
        self.norm = {"l2": 2, "l1": 1}[normalise]
        self.downsample = nn.ModuleList(
            downsampling(downsample, c, steps(size, sizes)) for c, size in zip(channels, sizes, strict=True)
        )
        self.score = nn.ModuleList(nn.Linear(c, 1 if shared else prod(sizes[-1])) for c in channels)
        init_scores(self.score, fusion)

    def forward(self, maps: Sequence[Tensor], *, return_attention: bool = False) -> Tensor | tuple[Tensor, Scores]:
        """The merged maps; with `return_attention` also the `Scores`."""
        self.check(maps)
        top, (height, width) = maps[-1], self.sizes[-1]
        scales = []
        for x, down, score in zip(maps, self.downsample, self.score, strict=True):
            x = down(rearrange(x, "b c t h w -> (b t) c h w"))  # Eq. (1)
            y = score(rearrange(x, "(b t) c h w -> b (t h w) c", t=top.shape[2]))  # Eq. (2), (13)
            scales.append(y.to(torch.promote_types(y.dtype, torch.float32)).clamp(-LARGEST, LARGEST))
        attention = normalised(fused(scales, self.fusion), self.norm)  # Eq. (3)
        merged = rearrange(top, "b c t h w -> b c (t h w)") @ attention.to(top.dtype)  # Eq. (4)
        outputs = height * width
        out = rearrange(merged.expand(-1, -1, outputs), "b c (t h w) -> b c t h w", t=1, h=height)
        if not return_attention:
            return out
        return out, Scores(attention.expand(-1, -1, outputs), tuple(y.expand(-1, -1, outputs) for y in scales))

    def check(self, maps: Sequence[Tensor]) -> None:
        """Raise `InputError` unless there are maps of each scale, of the sizes that this layer was built for."""
        if len(maps) != len(self.channels):
            raise InputError(f"maps of {len(maps)} scales; this layer was built for {len(self.channels)}")
        for scale, (x, c, size) in enumerate(zip(maps, self.channels, self.sizes, strict=True), 1):
            if x.dim() != 5 or x.shape[1] != c or x.shape[2] < 1:
                raise InputError(f"maps of scale {scale} have shape {tuple(x.shape)}; (B, {c}, K, H, W) is expected")
            if x.shape[-2:] != size:
                raise InputError(
                    f"maps of scale {scale} are {x.shape[-2]} x {x.shape[-1]}; this layer was built for "
                    f"{size[0]} x {size[1]}: it has weights for each place, and fits one input resolution"
                )
            if x.shape[0] != maps[-1].shape[0] or x.shape[2] != maps[-1].shape[2]:
                raise InputError(
                    f"maps of scale {scale} hold {x.shape[0]} clips of {x.shape[2]} frames; those of the top scale "
                    f"{maps[-1].shape[0]} of {maps[-1].shape[2]}"
                )


def steps(size: Size, sizes: Sequence[Size]) -> tuple[Size, ...]:
    """The sizes that down-sampling goes through, from `size` to the last of a pyramid's `sizes`, both included."""
    path = [size]
    for other in sorted(set(sizes), key=prod, reverse=True):
        if other != path[-1] and other[0] <= path[-1][0] and other[1] <= path[-1][1]:
            path.append(other)
    return tuple(path)


def window(length: int, to: int) -> tuple[int, int]:
    """Kernel and stride of the convolution that covers `length` exactly, without padding, in `to` places."""
    stride = length // to
    return length - (to - 1) * stride, stride


def downsampling(kind: str, channels: int, path: Sequence[Size]) -> nn.Sequential:
    """R: maps (B, C, H, W) of the first size of `path` -> of the last, through all between."""
    layers = []
    for big, small in pairwise(path):
        if kind == "conv":
            kernel, stride = zip(*map(window, big, small), strict=True)
            layers.append(nn.Conv2d(channels, channels, kernel, stride, groups=channels, bias=False))
            nn.init.constant_(layers[-1].weight, 1 / prod(kernel))
        else:
            layers.append(pool(kind, big, small))
    return nn.Sequential(*layers)


def pool(kind: str, big: Size, small: Size) -> nn.Module:
    """PyTorch's adaptive pool; where its windows are all alike, the common one of these windows, which is faster."""
    adaptive, common = {
        "max": (AdaptiveMaxPool2d, nn.MaxPool2d),
        "average": (nn.AdaptiveAvgPool2d, nn.AvgPool2d),
    }[kind]
    kernel, stride = zip(*map(window, big, small), strict=True)
    for length, to, k, s in zip(big, small, kernel, stride, strict=True):
        if windows(length, to) != [(i * s, i * s + k) for i in range(to)]:
            return adaptive(small)
    return common(kernel, stride)


def init_scores(layers: Sequence[nn.Linear], fusion: str) -> None:
    """Start W_j and b_j so that all of them learn.

    W_j is random, uniform within 1 / sqrt(C_j): columns that start as the same stay so behind a mean over the outputs.
    In a product the slope of a score is the product of the others: 0 where all weights and biases start at 0, small
    where all scores are small. So there b_j starts at 1, and the product near 1 + the sum of the X_j^T W_j; elsewhere
    at 0.
    """
    for layer in layers:
        bound = layer.in_features**-0.5
        nn.init.uniform_(layer.weight, -bound, bound)
        nn.init.constant_(layer.bias, float(fusion == "product" and len(layers) > 1))


def fused(scales: Sequence[Tensor], fusion: str) -> Tensor:
    """U: the scores of all scales in one, element by element; within `LARGEST`, as they are themselves."""
    if fusion == "product":
        return reduce(lambda u, y: (u * y).clamp(-LARGEST, LARGEST), scales)
    return reduce(torch.add if fusion == "sum" else torch.maximum, scales)


def normalised(u: Tensor, norm: int = 2) -> Tensor:
    """softmax over the sources, (B, K n, n) -> the same shape, each column then divided by its norm, 2 or 1."""
    e = torch.exp(u - u.amax(1, keepdim=True).detach())
    return e / torch.linalg.vector_norm(e, norm, dim=1, keepdim=True)
