"""A small pyramid attention and maps for it."""

from random_weights import noise, randomise
from torch import Tensor

from videoattn.papers.istpa.attention import PyramidAttention

CHANNELS, SIZES = (2, 3, 4), ((7, 5), (4, 5), (2, 3))


def layer(channels=CHANNELS, sizes=SIZES, **options: object) -> PyramidAttention:
    return randomise(PyramidAttention(channels=channels, sizes=sizes, **options))


def pyramid(frames: int = 2, channels=CHANNELS, sizes=SIZES, batch: int = 2) -> list[Tensor]:
    return [noise(batch, c, frames, *size, seed=c) for c, size in zip(channels, sizes, strict=True)]
