r"""A step of criss-cross attention that keeps its input alone, and computes in the backward pass what it needs again.

    y' = gamma F(y) + residual,    F(y) = W_v A(y) y + b_v

The weights A of a query sum to 1, so that values may be aggregated before their convolution: A (W_v y + b_v) =
W_v (A y) + b_v. Neither the values nor their aggregate are then kept, and maps of C channels are worked on in parts:
beside its input and output a step holds little.

Backward, with g the gradient of y', z = gamma W_v^T g, A' = z y^T on the lines, E' that of the energies:

    W_v' = gamma g (A y)^T    gamma' = <g, W_v A y + b_v>    E' = A * (A' - sum A * A')
    q' = E' k    k' = E'^T q    y'' = A^T z + W_q^T q' + W_k^T k'
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from videoattn.papers.rcca.lines import Lines, aggregate, by_line, products, spread, weights

PARTS = 4  # of the C channels, in maps of more than so many values: smaller ones gain nothing from it
LARGE = 2**20


class RecomputedStep(torch.autograd.Function):
    """gamma F(y) + residual.

    Args of `apply`:
        dtype: in which it computes.
        own: whether the residual is y itself. y: (B, C, T, H, W). residual: another of the same shape, or None.
        gamma, then weights and biases of the convolutions for q, k and v, as `nn.Conv3d` has them.
    """

    @staticmethod
    def forward(
        ctx: Any, dtype: torch.dtype, own: bool, y: Tensor, residual: Tensor | None, gamma: Tensor, *qkv: Tensor
    ) -> Tensor:
        ctx.dtype, ctx.own, ctx.residual = dtype, own, residual is not None
        ctx.save_for_backward(y, gamma, *qkv)
        with torch.autocast(y.device.type, enabled=False):
            x, scale, wq, bq, wk, bk, wv, bv = (m.to(dtype) for m in (y, gamma, *qkv))
            q, k = _project(x, torch.cat([wq, wk]), torch.cat([bq, bk])).chunk(2, 1)
            lines = weights(q, k)
            del q, k
            residual = y if own else residual
            early = residual is not None and residual.dtype == dtype  # else it keeps its own precision
            bias = (scale * bv)[:, None]
            h = residual.flatten(2) + bias if early else bias.repeat(x.shape[0], 1, x[0, 0].numel())
            for x_, wv_ in zip(*(_parts(m, x) for m in (x, (scale * wv).flatten(1))), strict=True):
                h.baddbmm_(wv_.expand(x.shape[0], -1, -1), aggregate(lines, x_).flatten(2))
            h = h.unflatten(2, x.shape[2:])
            return h if early or residual is None else h + residual

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        y, gamma, *qkv = ctx.saved_tensors
        with torch.autocast(y.device.type, enabled=False):
            x, scale, wq, bq, wk, bk, wv, bv = (m.to(ctx.dtype) for m in (y, gamma, *qkv))
            g, wv = grad.to(ctx.dtype).flatten(2).contiguous(), wv.flatten(1)
            wqk = torch.cat([wq, wk])
            q, k = (_by_position(m) for m in _project(x, wqk, torch.cat([bq, bk])).chunk(2, 1))
            lines = weights(q, k)
            to_bv, to_wv, to_lines = g.sum((0, 2)), torch.empty_like(wv), None
            to_x = torch.bmm((scale * wv.T).expand(g.shape[0], -1, -1), g).unflatten(2, x.shape[2:])  # z until replaced
            for x_, z, to_wv_ in zip(*(_parts(m, x) for m in (x, to_x, to_wv)), strict=True):
                x_ = _by_position(x_)
                to_wv_.copy_(torch.bmm(g, aggregate(lines, x_).flatten(2).mT).sum(0))
                z_ = _by_position(z)
                found = products(z_, x_)
                to_lines = Lines(*(a.add_(b) for a, b in zip(to_lines, found, strict=True))) if to_lines else found
                del x_, found
                z.copy_(spread(lines, z_))
                del z_
            del g
            to_gamma = (to_wv * wv).sum() + (to_bv * bv).sum()
            joint, to_joint = torch.cat(lines, dim=-1), torch.cat(to_lines, dim=-1)
            to_energies = by_line(joint * (to_joint - (joint * to_joint).sum(-1, keepdim=True)), x.shape[2:])
            to_q, to_k = aggregate(to_energies, k), spread(to_energies, q)
            to_qk = torch.cat([to_q, to_k], 1).flatten(2)
            to_x.flatten(2).baddbmm_(wqk.flatten(1).T.expand(x.shape[0], -1, -1), to_qk)
            to_wqk, to_bqk = torch.bmm(to_qk, x.flatten(2).mT).sum(0), to_qk.sum((0, 2))
            (to_wq, to_wk), (to_bq, to_bk) = to_wqk.chunk(2), to_bqk.chunk(2)
            to_qkv = (to_wq, to_bq, to_wk, to_bk, scale * to_wv, scale * to_bv)
            to_x = to_x.to(y.dtype)  # before the residual is added: it keeps its precision
            if ctx.own:
                to_x += grad
        to_qkv = (found.view_as(m).to(m.dtype) for found, m in zip(to_qkv, qkv, strict=True))
        return None, None, to_x, grad if ctx.residual else None, to_gamma.to(gamma.dtype), *to_qkv


def _parts(m: Tensor, x: Tensor) -> tuple[Tensor, ...]:
    """m cut along its axis of C channels, into as many parts as the work on maps x is done in."""
    return m.chunk(PARTS if x.numel() > LARGE else 1, 1)


def _project(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The convolution of maps."""
    maps = torch.baddbmm(bias[:, None], weight.flatten(1).expand(x.shape[0], -1, -1), x.flatten(2))
    return maps.unflatten(2, x.shape[2:])


def _by_position(x: Tensor) -> Tensor:
    """The same maps with the channels of a position side by side in memory."""
    return x.contiguous(memory_format=torch.channels_last_3d)
