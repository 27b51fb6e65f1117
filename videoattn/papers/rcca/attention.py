r"""Recurrent 3D criss-cross attention (RCCA-3D).

C. Cao, Y. Lu, Y. Zhang, D. Jiang, Y. Zhang. Efficient Spatiotemporal Context Modeling for Action Recognition.
Neurocomputing, 2023 (preprint of April 2021).

    (1) d_iu = Q_u . Omega_iu                       Omega_u: the keys on the lines through u along t, h and w
    (2) A_iu = exp(d_iu) / sum_j exp(d_ju)          i, j = 1 .. T + H + W - 2: u itself counts once
    (3) H_u = sum_i A_iu Phi_iu                     Phi_u: the values on the same lines
    (4) Y = gamma H + X
    (5) structure a: Y'' = gamma F(gamma F(gamma F(X) + X) + X) + X
    (6) structure b: Y'' = gamma F(Y') + Y', Y' = gamma F(Y) + Y, Y = gamma F(X) + X
    (7) structure d: Y'' = gamma F(gamma F(gamma F(X))) + X

(1) to (3) stand in `lines`.

Departures: none. Structure c is a with values of width C' and a 1x1x1 convolution back to C; where gamma stands
relative to that convolution the paper does not say (here behind it, as in (4)).
"""

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from videoattn.errors import InputError, unknown
from videoattn.layers.checks import check_maps
from videoattn.papers.rcca.lines import Lines, aggregate, weights
from videoattn.papers.rcca.recomputed import RecomputedStep

STRUCTURES = ("a", "b", "c", "d")


class CCA3D(nn.Module):
    """One step of criss-cross attention: every position attends to those that share two of its three coordinates.

    Args:
        channels: C. reduction: C / C', C' the width of queries and keys.
        restore: values of width C' as well, and a convolution back to C (structure c).

    Shapes:
        (B, C, T, H, W) -> (B, C, T, H, W), any T, H, W of at least 1; weights as `Lines`.

    Raises:
        InputError: impossible sizes, at construction; maps of the wrong shape, at the call.
    """

    def __init__(self, *, channels: int, reduction: int = 4, restore: bool = False):
        super().__init__()
        if channels < 1 or reduction < 1 or channels % reduction:
            good = [r for r in range(1, max(channels, 0) + 1) if channels % r == 0]
            raise InputError(f"channels={channels}, reduction={reduction}: it must divide; possible are {good}")
        inner = channels // reduction
        self.q = nn.Conv3d(channels, inner, 1)
        self.k = nn.Conv3d(channels, inner, 1)
        self.v = nn.Conv3d(channels, inner if restore else channels, 1)
        self.restore = nn.Conv3d(inner, channels, 1) if restore else nn.Identity()

    def forward(self, x: Tensor, *, return_attention: bool = False) -> Tensor | tuple[Tensor, Lines]:
        self.check(x)
        lines = weights(self.q(x), self.k(x))
        h = self.restore(aggregate(lines, self.v(x)))
        return (h, lines) if return_attention else h

    def check(self, x: Tensor) -> None:
        """Raise `InputError` unless these are maps (B, C, T, H, W) with the C of this step."""
        check_maps(x, dims=3, channels=self.q.in_channels)


class RCCA3D(nn.Module):
    """R steps of one criss-cross attention, whose weights and gamma they share.

    After R steps a position knows of all positions that differ from it in at most R of t, h, w.

    Args:
        channels: C. reduction: C / C'.
        recurrence: R, at least 1.
        structure: how the steps are joined, one of `STRUCTURES`.
        recompute: keep the input of every step alone and compute what else the backward pass needs again in it, as
            `recomputed` says: a third of the memory, and not slower on a CPU. Without it every step runs as plain
            layers, and second derivatives exist.

    Shapes:
        (B, C, T, H, W) -> (B, C, T, H, W); attention: `Lines` for each of the R steps.

    Raises:
        InputError: impossible values, at construction; maps of the wrong shape, at the call.
    """

    def __init__(
        self,
        *,
        channels: int,
        reduction: int = 4,
        recurrence: int = 3,
        structure: str = "a",
        recompute: bool = True,
    ):
        super().__init__()
        if structure not in STRUCTURES:
            raise unknown("structure", structure, STRUCTURES)
        if recurrence < 1:
            raise InputError(f"recurrence={recurrence}: at least 1 step is needed")
        self.step = CCA3D(channels=channels, reduction=reduction, restore=structure == "c")
        self.gamma = nn.Parameter(torch.ones(()))  # section 4.2
        self.recurrence = recurrence
        self.structure = structure
        self.recompute = recompute

    def forward(self, x: Tensor, *, return_attention: bool = False) -> Tensor | tuple[Tensor, tuple[Lines, ...]]:
        self.step.check(x)
        y, attention = x, []
        # torch.func maps over layers, and differentiates them as often as asked; a step that is recomputed has one
        # derivative.
        recompute = self.recompute and not torch._C._are_functorch_transforms_active()
        for step in range(self.recurrence):
            if self.structure == "b":
                residual = y  # Eq. (6)
            elif self.structure == "d":
                residual = x if step == self.recurrence - 1 else None  # Eq. (7)
            else:
                residual = x  # Eq. (4), (5)
            layers = return_attention or self.structure == "c" or x.is_meta  # on meta, so that each layer's cost shows
            if recompute and not layers:
                y = self._recomputed(y, residual)
                continue
            if return_attention:
                h, lines = self.step(y, return_attention=True)
                attention.append(lines)
            elif recompute and torch.is_grad_enabled():
                h = checkpoint(self.step, y, use_reentrant=False, preserve_rng_state=False)
            else:
                h = self.step(y)
            y = self.gamma * h if residual is None else self.gamma * h + residual
        return (y, tuple(attention)) if return_attention else y

    def _recomputed(self, y: Tensor, residual: Tensor | None) -> Tensor:
        device = y.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else y.dtype
        qkv = [p for layer in (self.step.q, self.step.k, self.step.v) for p in (layer.weight, layer.bias)]
        own = residual is y  # torch.compile takes no tensor twice
        return RecomputedStep.apply(dtype, own, y, None if own else residual, self.gamma, *qkv)
