r"""Attention in attention (AIA): gates from pooled axes, put into each other, behind each other and beside each other.

Y. Hao, S. Wang, P. Cao, X. Gao, T. Xu, J. Wu, X. He. Attention in Attention: Modeling Context Correlation for
Efficient Video Classification. IEEE TCSVT 2022.

    (1) G_C = Concat(AvgPool(X, C), MaxPool(X, C))        and alike (2) G_T, (3) G_H, (4) G_W
    (5) Y_C = Expand(Sigmoid(3DConv(G_C)))                and alike (6) Y_T, (7) Y_H, (8) Y_W
    (9) Y_ST = (Y_T + Y_H + Y_W) / 3
    (10) Z_C = Y_C * X        (11) Z_ST = Y_ST * X
    (12) G'_* = Concat(AvgPool(Z_C, *), MaxPool(Z_C, *)), * one of T, H, W: CinST
    (13) G'_C = Concat(AvgPool(Z_ST, C), MaxPool(Z_ST, C)), (14) Y'_C, (15) Z'_C = Y'_C * X: STinC

Axes: b batch, c channels, t frames, h rows, w columns.

Departures: none. The batch norms behind the convolutions are from section IV-B; the halves in a sum A+B are from
the authors' code, which also concatenates the maximum before the mean.
"""

import re

import torch
from torch import Tensor, nn

from videoattn.errors import InputError, unknown
from videoattn.layers.banded import conv3d
from videoattn.layers.checks import check_maps

AXES = {"C": 1, "T": 2, "H": 3, "W": 4}
NAMES = ("C", "ST", "C->ST", "ST->C", "C+ST", "CinST", "STinC", "CinST->STinC", "STinC->CinST", "CinST+STinC")
TERM = r"(?:C|ST)(?:in(?:C|ST))*"


class Context(nn.Module):
    """Gates from one pooled axis: its mean and maximum become the two channels of a convolution over the other three.

    Args:
        axis: which is pooled, "C", "T", "H" or "W".
        kernel: of the convolution, odd: over (t, h, w) for C, over (c, h, w), (t, c, w) and (t, h, c) for T, H and W,
            so with the channels in the place of the pooled axis.

    Shapes: (b, c, t, h, w) -> gates in (0, 1) of that shape, but 1 along the pooled axis.
    """

    def __init__(self, axis: str, kernel: tuple[int, int, int] = (3, 3, 3)):
        super().__init__()
        if axis not in AXES:
            raise unknown("axis", axis, AXES)
        if any(k < 1 or k % 2 == 0 for k in kernel):
            raise InputError(f"kernel {kernel}: odd numbers are expected, so that every place keeps its gate")
        self.axis = AXES[axis]
        self.conv = nn.Conv3d(2, 1, kernel, padding=tuple(k // 2 for k in kernel), bias=False)
        self.norm = nn.BatchNorm3d(1)

    def forward(self, x: Tensor) -> Tensor:
        check_maps(x, dims=3)
        pooled = [x.mean(self.axis, keepdim=True), x.max(self.axis, keepdim=True).values]
        context = torch.cat(pooled, self.axis)  # Eq. (1), (2), (3), (4), (12), (13)
        y = self.norm(conv3d(self.conv, context.transpose(1, self.axis)))
        return torch.sigmoid(y).transpose(1, self.axis)  # Eq. (5), (6), (7), (8), (14)


class Gate(nn.Module):
    """x times gates for it: `mask` gives the gates, in a shape that broadcasts to x."""

    def mask(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        return self.mask(x) * x  # Eq. (10), (11), (15)


class Unit(Gate):
    """The unit of some axes: "C", or "THW" for ST; gates of several axes are averaged."""

    def __init__(self, axes: str, kernel: tuple[int, int, int] = (3, 3, 3)):
        super().__init__()
        self.contexts = nn.ModuleDict({axis: Context(axis, kernel) for axis in axes})

    def mask(self, x: Tensor) -> Tensor:
        return sum(context(x) for context in self.contexts.values()) / len(self.contexts)  # Eq. (9)


class In(Gate):
    """Attention in attention: the gates of `host` are computed from x gated by `inner`, and gate x itself."""

    def __init__(self, inner: Gate, host: Gate):
        super().__init__()
        self.inner = inner
        self.host = host

    def mask(self, x: Tensor) -> Tensor:
        return self.host.mask(self.inner(x))


class Sum(nn.Module):
    """Parallel gates, with equal weights."""

    def __init__(self, *parts: nn.Module):
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, x: Tensor) -> Tensor:
        return sum(part(x) for part in self.parts) / len(self.parts)


def aia(name: str, *, kernel: tuple[int, int, int] = (3, 3, 3)) -> nn.Module:
    """The module of a name, such as "C", "ST", "C+ST", "CinST" or "CinST->STinC"; input and output (B, C, T, H, W).

    `->` (or an arrow) puts modules behind each other and binds weakest, `+` beside each other, `in` one unit into
    another: AinB computes the gates of B from x gated by A. The paper's names are in `NAMES`.

    Args:
        kernel: of all convolutions; (3, 3, 3) in the paper.

    Raises:
        InputError: a name that is not made of these.
    """
    plain = name.replace("→", "->").replace(" ", "")
    if re.fullmatch(rf"{TERM}(?:(?:->|\+){TERM})*", plain) is None:
        raise InputError(f"{name!r} is no module: C and ST, joined by 'in', '+' and '->', as in {', '.join(NAMES)}")
    stages = [[_term(term, kernel) for term in stage.split("+")] for stage in plain.split("->")]
    modules = [terms[0] if len(terms) == 1 else Sum(*terms) for terms in stages]
    return modules[0] if len(modules) == 1 else nn.Sequential(*modules)


def _term(term: str, kernel: tuple[int, int, int]) -> Gate:
    inner, _, host = term.rpartition("in")
    unit = Unit({"C": "C", "ST": "THW"}[host], kernel)
    return In(_term(inner, kernel), unit) if inner else unit
