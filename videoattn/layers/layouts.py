"""Blocks over maps (B, C, [T,] H, W) behind layers that give something else: what is theirs is put in order and back.

`attach` puts these around a block where it finds that a network needs them. By hand they are for what it cannot find
out, such as tokens of a grid that is not the frame's shape: `attach(net, {"blocks.5": Tokens(block, grid=(8, 16))})`.
"""

from collections.abc import Sequence
from math import isqrt, prod

import torch
from einops import rearrange
from torch import Tensor, nn

from videoattn.errors import InputError
from videoattn.layers.checks import check_maps
from videoattn.layers.meta import on_meta
from videoattn.layers.trial import Given

PREFIXES = range(9)  # tokens before those of a grid: of the class, of distillation, registers


class FoldedTime(nn.Module):
    """A block over video between layers that fold time into the batch.

    Args:
        block: maps (B, C, T, H, W) to (B, C', T, H', W').
        frames: T. The attribute of that name may be changed between calls, for clips of another length.

    Shapes: (B T, C, H, W) -> (B T, C', H', W'), the frames of a clip one after the other.

    A network with such a block cannot be moved to `torch.channels_last`, which PyTorch refuses for kernels with five
    axes: move it before the block is attached.

    Raises:
        InputError: `frames` below 1, at construction; a batch that is no multiple of `frames`, at the call.
    """

    def __init__(self, block: nn.Module, frames: int):
        super().__init__()
        if frames < 1:
            raise InputError(f"frames={frames}: a clip has at least 1")
        self.block = block
        self.frames = frames

    def forward(self, x: Tensor) -> Tensor:
        check_maps(x, dims=2)
        if x.shape[0] % self.frames:
            raise InputError(f"x has shape {tuple(x.shape)}; (B T, C, H, W) with T = {self.frames} is expected")
        x = rearrange(x, "(b t) c h w -> b c t h w", t=self.frames)
        return rearrange(self.block(x), "b c t h w -> (b t) c h w")


class ChannelsLast(nn.Module):
    """A block behind layers whose channels are the last axis, as in Swin.

    Args:
        block: maps (B, C, [T,] H, W) to (B, C', [T,] H', W').

    Shapes: (B, [T,] H, W, C) -> (B, [T,] H', W', C').
    """

    def __init__(self, block: nn.Module):
        super().__init__()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x.movedim(-1, 1)).movedim(1, -1)


class Tokens(nn.Module):
    """A block behind layers that give a sequence of tokens, as in ViT: those of a grid become maps.

    Args:
        block: maps (B, C, [T,] H, W) to maps of the same shape.
        grid: ([T,] H, W), whose tokens are in row-major order. None where the tokens come with it: as a pair of
            tokens and grid, such as MViT's blocks give, of which the block's output is one, too.
        prefix: tokens before the grid's, such as the class token, which stay as they are.

    Shapes: (B, prefix + N, C) -> the same, N the places of the grid.

    Raises:
        InputError: an impossible grid or prefix, at construction; tokens of another number, at the call.
    """

    def __init__(self, block: nn.Module, *, grid: Sequence[int] | None, prefix: int = 0):
        super().__init__()
        if grid is not None and (len(grid) not in (2, 3) or min(grid) < 1):
            raise InputError(f"grid={tuple(grid)}: ([T,] H, W) of at least 1 is expected")
        if prefix < 0:
            raise InputError(f"prefix={prefix}: must be at least 0")
        self.block = block
        self.grid = None if grid is None else tuple(grid)
        self.prefix = prefix

    def forward(self, x: Tensor | tuple[Tensor, Sequence[int]]) -> Tensor | tuple[Tensor, Sequence[int]]:
        if self.grid is not None:
            return self._in_grid(x, self.grid)
        tokens, grid = x
        return self._in_grid(tokens, grid), grid

    def _in_grid(self, x: Tensor, grid: Sequence[int]) -> Tensor:
        if x.dim() != 3 or x.shape[1] != self.prefix + prod(grid):
            raise InputError(
                f"tokens of shape {tuple(x.shape)}; (B, N, C) with N = {self.prefix} + "
                f"{' x '.join(map(str, grid))} is expected"
            )
        maps = x[:, self.prefix :].unflatten(1, tuple(grid)).movedim(-1, 1)
        out = self.block(maps)
        if out.shape != maps.shape:
            raise InputError(f"the block makes {tuple(out.shape)} of {tuple(maps.shape)}; tokens need the same shape")
        # Not flatten(2).mT: a single sample's gradient would have a layout that PyTorch's batch norm mistakes on CPUs.
        return torch.cat([x[:, : self.prefix], out.movedim(1, -1).flatten(1, -2)], 1)


class First(nn.Module):
    """A block behind layers that give a tuple or list: its first part goes through the block, the others stay."""

    def __init__(self, block: nn.Module):
        super().__init__()
        self.block = block

    def forward(self, parts: Sequence) -> Sequence:
        return type(parts)((self.block(parts[0]), *parts[1:]))


def arranged(block: nn.Module, given: Given, *, at: str) -> nn.Module:
    """The block as it can stand behind a module: as it is, or in what its output needs.

    Args:
        given: what `trial` has found of the module. at: its path, for the error.

    Raises:
        InputError: the block does not take what the module gives.
    """
    whole = block if isinstance(block, ChannelsLast | Tokens | First) else _around(block, given.output, given)
    try:
        _try(whole, given.output)
    except InputError as error:
        raise InputError(f"{at!r} gives {_described(given)}, which the block for it does not take: {error}") from None
    except Exception:  # a foreign block: it may be meant for the output as it is, or for no meta device
        return block if _takes(block, given.output) else whole
    return whole


def _around(block: nn.Module, output: object, given: Given) -> nn.Module:
    if type(output) in (tuple, list) and output:
        if len(output) == 2 and isinstance(output[0], Tensor) and output[0].dim() == 3 and _is_grid(output[1]):
            prefix = output[0].shape[1] - prod(output[1])
            if prefix in PREFIXES:
                return Tokens(block, grid=None, prefix=prefix)
        return First(_around(block, output[0], given))
    if not isinstance(output, Tensor):
        return block
    if output.dim() == 3 and (grid := _grid(output, given)):
        return Tokens(block, grid=grid, prefix=output.shape[1] - prod(grid))
    return ChannelsLast(block) if _has_channels_last(output, given) else block


def _is_grid(value: object) -> bool:
    return isinstance(value, tuple | list) and len(value) in (2, 3) and all(isinstance(n, int) and n > 0 for n in value)


def _grid(tokens: Tensor, given: Given) -> tuple[int, int] | None:
    """The grid in the frame's shape that leaves the fewest tokens over, if that is as few as have been heard of."""
    batch, count, _ = tokens.shape
    height, width = given.size
    if batch % given.samples or (count == given.samples != batch):
        return None
    for prefix in PREFIXES:
        down = isqrt((count - prefix) * height // width) if count > prefix else 0
        across = down * width // height
        if down * across == count - prefix > 0 and _in_shape(down, across, given):
            return down, across
    return None


def _has_channels_last(maps: Tensor, given: Given) -> bool:
    """Whether the axes before the last have the frame's shape, and the last two have not."""
    if maps.dim() not in (4, 5):
        return False
    *_, before, first, last = maps.shape
    return _in_shape(before, first, given) and not _in_shape(first, last, given)


def _in_shape(down: int, across: int, given: Given) -> bool:
    return down * given.size[1] == across * given.size[0]


def _described(given: Given) -> str:
    output = given.output
    if not isinstance(output, Tensor):
        return f"a {type(output).__name__}"
    shape = f"a tensor {tuple(output.shape)}"
    if output.dim() == 3 and not _grid(output, given):
        return f"{shape}, tokens of no grid in the shape of the frame (`Tokens` takes another)"
    return f"{shape}, channels last" if _has_channels_last(output, given) else shape


def _try(block: nn.Module, output: object) -> None:
    with torch.no_grad():
        on_meta(block).eval()(output)


def _takes(block: nn.Module, output: object) -> bool:
    try:
        _try(block, output)
    except Exception:  # whatever a foreign block raises
        return False
    return True
