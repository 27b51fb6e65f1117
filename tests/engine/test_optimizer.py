"""Optimisers and losses: their steps by hand."""

from dataclasses import replace

import pytest
import tiny
import torch
from torch import Tensor, nn

from videoattn.engine.loop import make_optimizer
from videoattn.engine.recipe import Recipe


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


class Decayed(tiny.Net):
    """Its further loss is the sum of squares whose gradient is `decay` times the weights."""

    def __init__(self, decay: float):
        super().__init__(random=False)
        self.decay = decay

    def forward(self, clip: dict[str, Tensor]) -> dict[str, Tensor]:
        squares = sum(weight.square().sum() for weight in self.parameters())
        return super().forward(clip) | {"loss": self.decay / 2 * squares}


def test_a_further_loss_is_added(tmp_path):
    plain, decayed = tiny.Net(random=False), Decayed(0.1)
    with_decay = tiny.train(tmp_path / "a.pt", net=plain, recipe=replace(tiny.RECIPE, weight_decay=0.1))
    with_loss = tiny.train(tmp_path / "b.pt", net=decayed, recipe=replace(tiny.RECIPE, weight_decay=0.0))
    torch.testing.assert_close(decayed.state_dict(), plain.state_dict())
    assert with_loss[0]["loss"] > with_decay[0]["loss"]
