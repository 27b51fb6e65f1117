"""Squeeze-and-excitation by plain loops; the paper's own test, of a paper that is added from outside."""

import math

import torch
from videoattn.papers.squeeze.attention import SqueezeExcitation


def test_the_module_is_its_equations_in_loops():
    torch.manual_seed(1)
    module = SqueezeExcitation(channels=4, reduction=2).double()
    u = torch.randn(1, 4, 2, 3, 2, dtype=torch.float64)
    places = [(t, h, w) for t in range(2) for h in range(3) for w in range(2)]
    z = [sum(u[0, c, t, h, w].item() for t, h, w in places) / len(places) for c in range(4)]  # Eq. (2)
    down, up = module.down.weight.tolist(), module.up.weight.tolist()
    hidden = [max(0.0, sum(down[r][c] * z[c] for c in range(4))) for r in range(2)]
    s = [1 / (1 + math.exp(-sum(up[c][r] * hidden[r] for r in range(2)))) for c in range(4)]  # Eq. (3)
    out = module(u)
    for c in range(4):
        for place in places:
            assert math.isclose(out[(0, c, *place)].item(), s[c] * u[(0, c, *place)].item(), abs_tol=1e-12)  # Eq. (4)
