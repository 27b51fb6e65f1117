"""Criss-cross attention place by place in plain loops, and small modules and maps to compare with it."""

import itertools
import math

import torch
from torch import Tensor, nn

from videoattn.papers.rcca.attention import CCA3D, RCCA3D
from videoattn.papers.rcca.lines import Lines

Place = tuple[int, int, int]
Features = dict[Place, list[float]]


def on_lines(u: Place, shape: tuple[int, ...]) -> list[Place]:
    """The T + H + W - 2 places that share two coordinates with u, itself once and first."""
    t, h, w = u
    along_t = [(i, h, w) for i in range(shape[0]) if i != t]
    along_h = [(t, i, w) for i in range(shape[1]) if i != h]
    along_w = [(t, h, i) for i in range(shape[2]) if i != w]
    return [u, *along_t, *along_h, *along_w]


def linear(layer: nn.Module, features: list[float]) -> list[float]:
    weight, bias = layer.weight.flatten(1).tolist(), layer.bias.tolist()
    return [sum(w * x for w, x in zip(row, features, strict=True)) + b for row, b in zip(weight, bias, strict=True)]


def step_by_loops(step: CCA3D, x: Features, shape: tuple[int, ...]) -> tuple[Features, dict[Place, dict[Place, float]]]:
    """F(X) and the weights of every place, one after the other."""
    q, k, v = ({u: linear(layer, x[u]) for u in x} for layer in (step.q, step.k, step.v))
    out, attention = {}, {}
    for u in x:
        d = {i: sum(a * b for a, b in zip(q[u], k[i], strict=True)) for i in on_lines(u, shape)}  # Eq. (1)
        largest = max(d.values())
        total = sum(math.exp(value - largest) for value in d.values())
        attention[u] = {i: math.exp(value - largest) / total for i, value in d.items()}  # Eq. (2)
        h = [0.0] * len(v[u])
        for i, weight in attention[u].items():
            for c, value in enumerate(v[i]):
                h[c] += weight * value  # Eq. (3)
        out[u] = linear(step.restore, h) if isinstance(step.restore, nn.Conv3d) else h
    return out, attention


def by_loops(module: RCCA3D, sample: Tensor) -> tuple[Tensor, list[dict[Place, dict[Place, float]]]]:
    """Output and weights of every step for one sample (C, T, H, W)."""
    shape, gamma, seen = sample.shape[1:], module.gamma.item(), []
    x = {u: sample[(slice(None), *u)].tolist() for u in itertools.product(*map(range, shape))}

    def f(y: Features) -> Features:
        h, attention = step_by_loops(module.step, y, shape)
        seen.append(attention)
        return {u: [gamma * value for value in h[u]] for u in h}

    def plus(a: Features, b: Features) -> Features:
        return {u: [i + j for i, j in zip(a[u], b[u], strict=True)] for u in a}

    y = x
    for r in range(module.recurrence):
        if module.structure in "ac":
            y = plus(f(y), x)  # Eq. (4), (5)
        elif module.structure == "b":
            y = plus(f(y), y)  # Eq. (6)
        elif module.structure == "d":
            y = f(y) if r < module.recurrence - 1 else plus(f(y), x)  # Eq. (7)
    out = torch.empty_like(sample)
    for u, values in y.items():
        out[(slice(None), *u)] = torch.tensor(values, dtype=sample.dtype)
    return out, seen


def rcca(structure="a", *, gamma=0.7, channels=4, reduction=2, recurrence=3, recompute=True, seed=0) -> RCCA3D:
    """In float64, with a gamma that is not 1."""
    torch.manual_seed(seed)
    made = RCCA3D(
        channels=channels, reduction=reduction, recurrence=recurrence, structure=structure, recompute=recompute
    )
    nn.init.constant_(made.gamma, gamma)
    return made.double()


def noise(*shape: int, seed: int = 1, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def dense(lines: Lines, b: int, u: Place) -> Tensor:
    """The weights (T, H, W) of query u of sample b, from those on its lines."""
    t, h, w = u
    grid = torch.zeros(lines.t.shape[1:4], dtype=lines.t.dtype)
    grid[:, h, w] += lines.t[(b, *u)]
    grid[t, :, w] += lines.h[(b, *u)]
    grid[t, h, :] += lines.w[(b, *u)]
    return grid
