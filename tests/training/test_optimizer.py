"""Optimisers: their steps by hand."""

import pytest
import torch
from torch import nn

from videoattn.training.loop import make_optimizer
from videoattn.training.recipe import Recipe


def test_steps_of_sgd_with_nesterovs_momentum():
    """v <- m v + g + w p; p <- p - lr (g + w p + m v), by hand for the loss p, whose gradient g is 1."""
    layer = nn.Linear(1, 1, bias=False)
    p, v = 1.0, 0.0
    nn.init.constant_(layer.weight, p)
    recipe = Recipe(epochs=3, batch_size=1, lr=0.1, optimizer="nesterov", momentum=0.5, weight_decay=0.2)
    optimizer, _ = make_optimizer(layer, recipe)
    for _ in range(3):
        layer.weight.grad = torch.ones(1, 1)
        optimizer.step()
        slope = 1 + 0.2 * p
        v = 0.5 * v + slope
        p -= 0.1 * (slope + 0.5 * v)
        assert layer.weight.item() == pytest.approx(p)
