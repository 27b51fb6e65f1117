r"""Who can know of whom after R steps of criss-cross attention: by sets, by gradients, and by weights.

A step lets position u see every i that differs from it in one of t, h, w at most. So after R steps u knows what it can
reach by R such moves: all within Hamming distance R in (t, h, w). Two positions at distance D both become known to
some third one, between them, once 2 R >= D.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from videoattn.papers.rcca.attention import Lines


def hamming(shape: Sequence[int]) -> Tensor:
    """(N, N) in how many of t, h, w two positions of a (T, H, W) grid differ; rows and columns in row-major order."""
    places = torch.cartesian_prod(*(torch.arange(length) for length in shape)).view(-1, len(shape))
    return (places[:, None] != places[None]).sum(-1)


def known(shape: Sequence[int], steps: int) -> Tensor:
    """(N, N) whether row u knows of column i after `steps` steps, by propagating sets along the three lines."""
    count = torch.Size(shape).numel()
    sets = torch.eye(count, dtype=torch.bool).view(*shape, count)
    for _ in range(steps):
        sets = sets | torch.stack([sets.any(axis, keepdim=True).expand_as(sets) for axis in range(3)]).any(0)
    return sets.view(count, count)


def meeting(shape: Sequence[int], steps: int) -> Tensor:
    """(N, N) whether any position knows of both i and j after `steps` steps: what a pooled read-out needs."""
    sets = known(shape, steps).long()
    return sets.T @ sets > 0


def gradient_reach(module: nn.Module, channels: int, shape: Sequence[int], *, seed: int = 0) -> Tensor:
    """(N, N) whether the output at row u has a gradient with respect to the input at column i, at random input.

    Args:
        module: maps (1, C, T, H, W) to the same; brought to float64.
    """
    generator = torch.Generator().manual_seed(seed)
    x, mix = (torch.randn(1, channels, *shape, generator=generator, dtype=torch.float64) for _ in range(2))
    x.requires_grad_()
    scalars = (module.double()(x) * mix).sum(1).flatten()  # one for each position
    rows = [torch.autograd.grad(s, x, retain_graph=True)[0].abs().sum(1).flatten() > 0 for s in scalars]
    return torch.stack(rows)


def effective(attention: Sequence[Lines], gamma: float, structure: str, query: tuple[int, int, int]) -> Tensor:
    """Share of each input position in the output at `query` after all steps, by weights alone (values left out).

    Args:
        attention: the weights of one clip, B = 1, step by step.

    Returns:
        (T, H, W), sum 1.
    """
    at = attention[0].t.new_zeros(attention[0].t.shape[1:4])
    at[query] = 1
    row, total = at, torch.zeros_like(at)
    for lines in reversed(attention):
        through = gamma * _seen(lines, row)
        if structure == "b":
            row = row + through
        else:
            total = total if structure == "d" else total + row
            row = through
    total = {"b": row, "d": at + row}.get(structure, total + row)
    return total / total.sum()


def _seen(lines: Lines, row: Tensor) -> Tensor:
    """The row vector (T, H, W) times the attention matrix."""
    t, h, w = (part[0] for part in lines)
    return (
        torch.einsum("thw,thws->shw", row, t)
        + torch.einsum("thw,thwg->tgw", row, h)
        + torch.einsum("thw,thwv->thv", row, w)
    )
