"""Parameters and multiply-adds of attention in attention, as formulas over maps of the shape (C, T, H, W)."""

import re
from math import prod

from videoattn.papers.aia.attention import AXES

Shape = tuple[int, int, int, int]
KERNEL = (3, 3, 3)


def contexts(name: str) -> str:
    """The axes that a module pools, one letter for each convolution: "CinST" gives "CTHW"."""
    return "".join("THW" if unit == "ST" else unit for unit in re.findall("ST|C", name))


def gate_parameters(name: str, *, kernel: tuple[int, int, int] = KERNEL) -> int:
    """A convolution of two channels to one for each context, without bias, and the batch norm's two numbers."""
    return len(contexts(name)) * (2 * prod(kernel) + 2)


def gate_multiply_adds(name: str, shape: Shape, *, kernel: tuple[int, int, int] = KERNEL) -> int:
    """Each context's convolution over the three axes that it does not pool."""
    sizes = dict(zip(AXES, shape, strict=True))
    return sum(2 * prod(kernel) * prod(shape) // sizes[axis] for axis in contexts(name))
