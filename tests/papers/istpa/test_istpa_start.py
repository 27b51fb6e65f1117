"""Scores of any size, biases that cancel, and what pyramid attention learns from its start."""

import math

import pytest
import torch
from pyramids import CHANNELS, SIZES, layer, pyramid
from random_weights import noise
from torch import Tensor, nn

from videoattn.papers.istpa.attention import FUSIONS, PyramidAttention, normalised


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("size", [1e4, 1e9, 1e30])
def test_extreme_scores_stay_finite(fusion, size):
    module = layer((2,) * 5, ((2, 2),) * 5, fusion=fusion).float()
    maps = [size * x.float() for x in pyramid(3, (2,) * 5, ((2, 2),) * 5)]
    maps = [x.requires_grad_() for x in maps]
    _, (attention, scales) = module(maps, return_attention=True)
    assert max(y.abs().max() for y in scales) > min(size, 1e17)
    torch.testing.assert_close(attention.square().sum(1), torch.ones(2, 4))
    (attention * torch.arange(12.0)[:, None]).sum().backward()
    assert all(t.grad.isfinite().all() for t in (*module.parameters(), *maps) if t.grad is not None)
    even = normalised(torch.full((1, 9, 1), 1e18))
    torch.testing.assert_close(even, torch.full((1, 9, 1), 1 / 3))


@pytest.mark.parametrize("fusion", FUSIONS)
def test_scores_that_half_precision_cannot_hold(fusion):
    module = layer(fusion=fusion).float()
    for score in module.score:
        nn.init.ones_(score.weight)
    maps = [5e4 * x.float().abs().clamp(0.9, 1.1) for x in pyramid()]
    with torch.autocast("cpu", dtype=torch.float16):
        _, (attention, scales) = module(maps, return_attention=True)
    assert max(y.max() for y in scales) == 1e18  # infinite in float16
    torch.testing.assert_close(attention.square().sum(1), torch.ones(2, 6))


@pytest.mark.parametrize(("fusion", "scales"), [("product", 1), ("product", 2), ("sum", 3), ("max", 1), ("max", 2)])
def test_where_the_bias_cancels(fusion, scales):
    module, maps = layer(CHANNELS[-scales:], SIZES[-scales:], fusion=fusion), pyramid()[-scales:]
    before = module(maps)
    before.square().sum().backward()
    slope = max(score.bias.grad.abs().max() for score in module.score)
    for score in module.score:
        nn.init.normal_(score.bias)
    same = scales == 1 or fusion == "sum"
    assert torch.allclose(module(maps), before) == same
    assert (slope < 1e-12 * before.square().sum()) == same


def slopes(module: PyramidAttention, maps: list[Tensor]) -> list[float]:
    """Sizes of the gradients of all W_j for a loss that looks at one part of the merged maps."""
    module.zero_grad()
    module(maps)[..., :2].square().sum().backward()
    return [score.weight.grad.norm().item() for score in module.score]


@pytest.mark.parametrize("scales", [2, 3, 4])
def test_product_fusion_learns_from_its_start(scales):
    torch.manual_seed(0)
    shape = {"channels": (8,) * scales, "sizes": ((3, 4),) * scales}
    maps = [noise(4, 8, 3, 3, 4, seed=s).float() for s in range(scales)]
    start, added = PyramidAttention(**shape), PyramidAttention(**shape, fusion="sum")
    assert min(slopes(start, maps)) > 0.3 * min(slopes(added, maps))
    for score in start.score:
        assert score.bias.tolist() == [1.0] * 12
        assert score.weight.abs().max() <= 8**-0.5
        assert 0.9 < score.weight.std() * math.sqrt(3 * 8) < 1.1
        nn.init.zeros_(score.bias)
        nn.init.normal_(score.weight, std=0.01)
    small = max(slopes(start, maps))
    assert 0 < small < 0.2 ** (scales - 1) * min(slopes(added, maps))
    for score in start.score:
        nn.init.zeros_(score.weight)
    assert slopes(start, maps) == [0.0] * scales


def test_only_the_biases_of_products_start_at_one():
    starts = [("product", 1), ("product", 2), ("sum", 2), ("max", 2)]
    modules = [PyramidAttention(channels=(8,) * n, sizes=((3, 4),) * n, fusion=fusion) for fusion, n in starts]
    assert [module.score[0].bias.unique().tolist() for module in modules] == [[0.0], [1.0], [0.0], [0.0]]


def test_columns_that_start_as_the_same_stay_the_same_behind_a_mean():
    module, maps = layer(), pyramid()
    for score in module.score:
        nn.init.zeros_(score.weight)
        nn.init.ones_(score.bias)
    (module(maps).mean((2, 3, 4)) ** 2).sum().backward()
    for score in module.score:
        assert score.weight.grad.abs().max() > 1e-4
        torch.testing.assert_close(score.weight.grad, score.weight.grad[:1].expand_as(score.weight))


@pytest.mark.parametrize("fusion", FUSIONS)
def test_gradients_by_differences(fusion):
    module, maps = layer(fusion=fusion), [x.requires_grad_() for x in pyramid(batch=1)]
    assert torch.autograd.gradcheck(lambda *maps: module(maps), maps)
    weights = tuple(module.parameters())
    assert torch.autograd.gradcheck(lambda *_: module(maps), weights)
