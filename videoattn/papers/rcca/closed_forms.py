"""Parameters and multiply-adds of criss-cross attention and of the non-local block, as formulas.

Maps have the shape (C, T, H, W). Multiply-adds are those of `reporting.cost`: convolutions and products, nothing else.
Lengths and inner widths are at least 2: what has one key or one channel is no product there.
"""

from math import prod

Shape = tuple[int, int, int, int]


def needed_keys(shape: Shape) -> int:
    """Keys of a query: T + H + W - 2, itself once."""
    return sum(shape[1:]) - 2


def computed_keys(shape: Shape) -> int:
    """Products of a query as `CCA3D` computes them: T + H + W, the query on each of its lines; two are masked."""
    return sum(shape[1:])


def rcca_parameters(channels: int, *, reduction: int = 4, restore: bool = False) -> int:
    """q and k with bias at width C' = C / reduction, v with bias, gamma; structure c: v at C', and back to C."""
    inner = channels // reduction
    values = inner * (channels + 1) + channels * (inner + 1) if restore else channels * (channels + 1)
    return 2 * inner * (channels + 1) + values + 1


def rcca_multiply_adds(
    shape: Shape, *, reduction: int = 4, steps: int = 3, keys: int | None = None, restore: bool = False
) -> int:
    """R steps: the convolutions of each, then `keys` products of width C' and as many of the values' width a query.

    Args:
        keys: `computed_keys` where left out.
    """
    channels, positions = shape[0], prod(shape[1:])
    keys = computed_keys(shape) if keys is None else keys
    inner = channels // reduction
    values = inner if restore else channels
    convolutions = 2 * channels * inner + channels * values + (inner * channels if restore else 0)
    return steps * positions * (convolutions + keys * (inner + values))


def non_local_parameters(channels: int) -> int:
    """theta, phi, g and W with bias at inner width C / 2, and batch norm."""
    inner = channels // 2
    return 3 * inner * (channels + 1) + channels * (inner + 1) + 2 * channels


def non_local_multiply_adds(shape: Shape, *, pool: bool) -> int:
    """Four convolutions at N = T H W positions, then two products of N queries with all keys: N, pooled N / 4.

    The pooling halves H and W, which must be even here.
    """
    channels, positions = shape[0], prod(shape[1:])
    inner = channels // 2
    keys = positions // 4 if pool else positions
    return 4 * positions * channels * inner + 2 * positions * keys * inner
