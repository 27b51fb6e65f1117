r"""What a convolution takes off its input before it pads: the mean that its weights were trained with.

Weights for an input (q - m) / s of pixels q serve in a network that sees z = (q - mean) / std, since

    (q - m) / s = (std / s) (z - offset),    offset = (m - mean) / std.

std / s goes into the kernel. The offset could go into a bias, but not where zeros are padded: they stand behind the
normalisation, for pixels of value m there and of value mean here. With the offset taken off z itself zeros stand for m.
"""

import torch
from torch import Tensor, nn

from videoattn.errors import InputError

NAME = "offset"


def set_offset(conv: nn.Module, offset: Tensor) -> None:
    """Let a convolution see its input minus `offset`, in place; the offset is a buffer of it, "offset" in its state.

    Args:
        conv: with `in_channels`, and a weight, whose device and type the buffer gets.
        offset: (in_channels).

    Raises:
        InputError: an offset of another shape.
    """
    if offset.shape != (conv.in_channels,):
        raise InputError(f"the offset has shape {tuple(offset.shape)}; ({conv.in_channels},) is expected")
    if not hasattr(conv, NAME):
        conv.register_forward_pre_hook(run_offset)
    conv.register_buffer(NAME, offset.to(conv.weight, copy=True))


def accept_offset(conv: nn.Module) -> None:
    """Let the convolution take an offset from any state dict that has one for it, in place."""
    conv.register_load_state_dict_pre_hook(follow_offset)


def run_offset(conv: nn.Module, inputs: tuple[Tensor]) -> Tensor:
    """Forward pre-hook of a convolution: its input (B, in_channels, ...) without the offset."""
    x, offset = inputs[0], conv.get_buffer(NAME)
    return x - offset.view(-1, *[1] * (x.dim() - 2)).to(x.dtype)


def follow_offset(conv: nn.Module, state: dict[str, Tensor], prefix: str, *_: object) -> None:
    """Hook before a state dict is loaded: make place for its offset."""
    if f"{prefix}{NAME}" in state and not hasattr(conv, NAME):
        set_offset(conv, torch.zeros(conv.in_channels))
