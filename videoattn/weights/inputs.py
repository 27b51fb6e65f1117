"""What networks see of pixels: their input, declared, and a first convolution converted from one to another."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from timm.data.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import Tensor

from videoattn.errors import InputError

Values = tuple[float, ...]


@dataclass(frozen=True)
class Input:
    """What a network sees of pixels q of 0 to 255: (q - mean) / std, and zeros beyond the border.

    Args:
        mean, std: for each colour in `order`; one value is for all channels.
        order: "RGB" or "BGR"; "" for flow, whose channels come as ours do, x before y, field by field.
    """

    mean: Values
    std: Values
    order: str = ""

    def __str__(self) -> str:
        mean, std = (", ".join(f"{value:.5g}" for value in values) for values in (self.mean, self.std))
        return f"{self.order or 'flow'}: (0 to 255 - {mean}) / {std}"

    def channels(self, count: int) -> tuple[Tensor, Tensor]:
        """Mean and deviation of each of `count` channels, colours in the order RGB.

        Raises:
            InputError: as many channels as this input cannot have.
        """
        if count % len(self.mean) or (self.order and count != len(self.mean)):
            raise InputError(f"a first convolution over {count} channels; {len(self.mean)} are expected ({self})")
        mean, std = (torch.tensor(values, dtype=torch.float64) for values in (self.mean, self.std))
        if self.order == "BGR":
            mean, std = mean.flip(0), std.flip(0)
        return mean.repeat(count // len(mean)), std.expand(len(mean)).repeat(count // len(mean))


def of_unit(mean: Iterable[float], std: Iterable[float], order: str = "") -> Input:
    """The input of pixels that are first brought to 0 to 1."""
    return Input(tuple(255 * value for value in mean), tuple(255 * value for value in std), order)


# What networks here see. Flow: `videoattn.data.flow.algorithms.dequantise`, whose -1 also stands for q = 0, half a step
# further than it is.
IMAGENET = of_unit(IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD, "RGB")
FLOW = Input((128.0,), (127.5,))

HALVES = of_unit((0.5,) * 3, (0.5,) * 3, "RGB")  # of weights from TensorFlow
CAFFE = Input((104.0, 117.0, 128.0), (1.0,), "BGR")
TSN_FLOW = of_unit((0.5,), (sum(IMAGENET_DEFAULT_STD) / 3,))


def converted(kernel: Tensor, there: Input, here: Input) -> tuple[Tensor, Tensor]:
    """A first convolution's kernel for another input than that it was trained with.

    Args:
        kernel: (C, channels, ...), its channels in the order of `there`; `here` has the order RGB, or is flow too.

    Returns:
        the kernel, and what is to be taken off the input before it (channels), as in `videoattn.layers.input_offset`:
        with both the result is that of the given kernel on its own input, at the border too.
    """
    if there.order == "BGR":
        kernel = kernel.flip(1)
    (mean, std), (own_mean, own_std) = (given.channels(kernel.shape[1]) for given in (there, here))
    scale, offset = own_std / std, (mean - own_mean) / own_std
    return kernel * scale.to(kernel).view(-1, *[1] * (kernel.dim() - 2)), offset.to(kernel)
