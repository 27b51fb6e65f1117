"""What a pyramid attention layer costs, as formulas.

Scales have C_j channels and sizes (H_j, W_j), the last is the top; n = H W of the top, K frames. Multiply-adds are
those of `reporting.cost`: products and convolutions, nothing for softmax, norms and pools.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import prod

from videoattn.papers.istpa.attention import Size, steps, window


def layer_parameters(
    channels: Sequence[int], sizes: Sequence[Size], *, downsample: str = "max", shared: bool = False
) -> int:
    """n (C_j + 1) a scale, C_j + 1 where weights are shared, and the kernels of down-sampling convolutions."""
    outputs = 1 if shared else prod(sizes[-1])
    kernels = sum(c * taps for c, taps, _ in convolutions(channels, sizes)) if downsample == "conv" else 0
    return outputs * sum(c + 1 for c in channels) + kernels


def layer_multiply_adds(
    channels: Sequence[int], sizes: Sequence[Size], *, frames: int, downsample: str = "max", shared: bool = False
) -> int:
    """K n C_j for each output and scale, then K n C_i for each output, of which `shared` computes one."""
    sources, outputs = frames * prod(sizes[-1]), 1 if shared else prod(sizes[-1])
    products = sources * outputs * (sum(channels) + channels[-1])
    if downsample == "conv":
        products += frames * sum(c * taps * places for c, taps, places in convolutions(channels, sizes))
    return products


def convolutions(channels: Sequence[int], sizes: Sequence[Size]) -> list[tuple[int, int, int]]:
    """Of each down-sampling convolution: channels, taps of a kernel, places of its output."""
    found = []
    for c, size in zip(channels, sizes, strict=True):
        for big, small in pairwise(steps(size, sizes)):
            taps = prod(window(length, to)[0] for length, to in zip(big, small, strict=True))
            found.append((c, taps, prod(small)))
    return found


def printed_cost(channels: int, size: Size) -> int:
    """The C W H of section 5.3: what the layer holds in weights for one scale, not what it computes."""
    return channels * prod(size)


def real_cost(channels: int, size: Size, frames: int) -> int:
    """C K (W H)^2: multiply-adds of each of the products (2) and (4), for one scale."""
    return channels * frames * prod(size) ** 2
