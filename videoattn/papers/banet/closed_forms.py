"""What self-attention over space-time costs, as formulas.

Maps have the shape (C, T, H, W). The paper counts 2 FLOPs for each multiply-add of the products Q K^T and nothing else;
`cascade_multiply_adds` and `non_local_multiply_adds` count what `reporting.cost` does: convolutions and all products.
"""

from fractions import Fraction
from math import prod

Shape = tuple[int, int, int, int]
PLANES = ("HW", "TW", "TH")


def plane_positions(shape: Shape, plane: str) -> tuple[int, int]:
    """How many planes of a kind there are, and how many positions each has."""
    lengths = dict(zip("THW", shape[1:], strict=True))
    inside = lengths[plane[0]] * lengths[plane[1]]
    return prod(shape[1:]) // inside, inside


def plane_flops(shape: Shape) -> int:
    """Q K^T in one frame."""
    c, _, h, w = shape
    return c * (h * w) ** 2 * 2  # Eq. (3)


def hw_flops(shape: Shape) -> int:
    """Q K^T in all frames."""
    c, t, h, w = shape
    return c * t * (h * w) ** 2 * 2  # Eq. (4)


def full_flops(shape: Shape) -> int:
    """Q K^T of all positions with all."""
    c, t, h, w = shape
    return c * (t * h * w) ** 2 * 2  # Eq. (5)


def cascade_flops(shape: Shape) -> int:
    """Q K^T of the three kinds of planes."""
    c, t, h, w = shape
    return c * (t * (h * w) ** 2 + h * (t * w) ** 2 + w * (t * h) ** 2) * 2  # Eq. (6)


def share(shape: Shape) -> Fraction:
    """The cascade's part of what all positions with all cost, exactly; of Q K^T as of the products with V."""
    _, t, h, w = shape
    return Fraction(1, t) + Fraction(1, h) + Fraction(1, w)  # Eq. (7)


def cascade_parameters(channels: int, *, inner: int, planes: int = 3, project: bool = True) -> int:
    """C -> C' and back with bias, a batch norm, and for each kind of plane three convolutions C' -> C'."""
    return inner * (channels + 1) + channels * (inner + 1) + 2 * channels + 3 * planes * project * inner * (inner + 1)


def cascade_multiply_adds(shape: Shape, *, inner: int, order: tuple[str, ...] = PLANES, project: bool = True) -> int:
    """Convolutions at every position, and in each plane Q K^T and the product with V."""
    channels, positions = shape[0], prod(shape[1:])
    products = sum(2 * inner * count * inside**2 for count, inside in (plane_positions(shape, p) for p in order))
    return positions * (2 * channels * inner + 3 * len(order) * project * inner**2) + products
