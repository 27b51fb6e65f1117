"""The non-local block position by position, with and without the downsampling trick, in 2D and 3D."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from videoattn.errors import InputError
from videoattn.layers.non_local import NonLocalBlock, attend, check_block, spatial_max_pool


def positions(maps: Tensor) -> list[tuple[int, ...]]:
    return list(itertools.product(*(range(side) for side in maps.shape[1:])))


def linear(layer, features: list[float]) -> list[float]:
    weight, bias = layer.weight.flatten(1).tolist(), layer.bias.tolist()
    return [sum(w * x for w, x in zip(row, features, strict=True)) + b for row, b in zip(weight, bias, strict=True)]


def window(where: tuple[int, ...]) -> tuple[int, ...]:
    """Which window of 2 x 2 in space a position belongs to."""
    return (*where[:-2], where[-2] // 2, where[-1] // 2)


def by_loops(block: NonLocalBlock, x: Tensor) -> tuple[Tensor, list[list[float]]]:
    """Output and attention for one sample (C, [T,] H, W) in evaluation mode."""
    there = positions(x)
    features = {p: x[(slice(None), *p)].tolist() for p in there}
    phi, g = ({p: linear(layer, features[p]) for p in there} for layer in (block.phi, block.g))
    if block.pool:
        groups = {}
        for p in there:
            groups.setdefault(window(p), []).append(p)
        phi, g = (
            {w: [max(v) for v in zip(*(m[p] for p in members), strict=True)] for w, members in sorted(groups.items())}
            for m in (phi, g)
        )
    out, attention = torch.empty_like(x), []
    for p in there:
        theta = linear(block.theta, features[p])
        weights = [math.exp(block.scale * sum(a * b for a, b in zip(theta, key, strict=True))) for key in phi.values()]
        weights = [weight / sum(weights) for weight in weights]
        attention.append(weights)
        z = [sum(w * v[c] for w, v in zip(weights, g.values(), strict=True)) for c in range(len(theta))]
        norm = block.norm
        for c, value in enumerate(linear(block.out, z)):
            value = (value - norm.running_mean[c]) / math.sqrt(norm.running_var[c] + norm.eps)
            out[(c, *p)] = value * norm.weight[c] + norm.bias[c] + x[(c, *p)]
    return out, attention


def awake(block: NonLocalBlock) -> NonLocalBlock:
    """The block in float64 and evaluation mode, with a batch norm that lets its branch through."""
    block = block.double().eval()
    generator = torch.Generator().manual_seed(0)
    for tensor in (block.norm.weight.data, block.norm.bias.data, block.norm.running_mean):
        tensor.copy_(torch.randn(tensor.shape, generator=generator))
    block.norm.running_var.copy_(torch.rand(block.norm.running_var.shape, generator=generator) + 0.5)
    return block


@pytest.mark.parametrize("scale", [False, True])
@pytest.mark.parametrize("pool", [False, True])
@given(dims=st.sampled_from([2, 3]), time=st.integers(1, 2), sides=st.tuples(*[st.integers(1, 5)] * 2))
@settings(max_examples=8, deadline=None)
def test_equals_plain_loops(pool, scale, dims, time, sides):
    torch.manual_seed(sum(sides))
    block = awake(NonLocalBlock(channels=4, inner=3, dims=dims, pool=pool, scale=scale))
    x = 0.5 * torch.randn(2, 4, *((time, *sides) if dims == 3 else sides), dtype=torch.float64)
    expected = [by_loops(block, sample) for sample in x]
    out, attention = block(x, return_attention=True)
    torch.testing.assert_close(out, torch.stack([sample for sample, _ in expected]))
    torch.testing.assert_close(attention, torch.tensor([weights for _, weights in expected], dtype=torch.float64))
    torch.testing.assert_close(block(x), out)


@pytest.mark.parametrize(("dims", "shape"), [(2, (2, 6, 5, 4)), (3, (2, 6, 3, 5, 4))])
@pytest.mark.parametrize("training", [True, False])
def test_starts_as_the_identity_and_learns(dims, shape, training):
    torch.manual_seed(0)
    block = NonLocalBlock(channels=6, dims=dims).train(training)
    x = torch.randn(shape)
    out = block(x)
    torch.testing.assert_close(out, x, rtol=0, atol=0)
    (out * torch.randn(shape)).sum().backward()
    assert block.norm.weight.grad.abs().min() > 0


def test_the_scale_divides_by_the_root_of_the_width():
    assert NonLocalBlock(channels=8).scale == 1
    assert NonLocalBlock(channels=32, scale=True).scale == 1 / 4


def test_the_pool_keeps_time_and_odd_ends():
    video = torch.arange(2 * 3 * 5.0).reshape(1, 1, 2, 3, 5)
    assert spatial_max_pool(video).tolist() == [[[[[6, 8, 9], [11, 13, 14]], [[21, 23, 24], [26, 28, 29]]]]]
    assert spatial_max_pool(video[:, :, 0]).tolist() == [[[[6, 8, 9], [11, 13, 14]]]]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_without_the_map_a_fused_kernel_runs(layout):
    torch.manual_seed(0)
    q, k = torch.randn(2, 8, 4, 6).contiguous(memory_format=layout), torch.randn(2, 8, 3, 3)
    explicit, attention = attend(q, k, k, scale=0.3, return_attention=True)
    assert attention.shape == (2, 24, 9)
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):  # refuses what it cannot compute
        fused, nothing = attend(q, k, k, scale=0.3)
    assert nothing is None
    torch.testing.assert_close(fused, explicit)


@pytest.mark.parametrize(("sizes", "says"), [((4, 2, 1), "dims=1"), ((0, 1, 2), "channels=0"), ((1, 0, 3), "inner=0")])
def test_impossible_sizes_are_refused(sizes, says):
    with pytest.raises(InputError, match=says):
        check_block(*sizes)
    with pytest.raises(InputError, match=says):
        NonLocalBlock(channels=sizes[0], inner=sizes[1], dims=sizes[2])


def test_attention_starts_nearly_even():
    """Queries and keys have a sixth of He's variance, and no bias shifts them; the rest has all of it."""
    torch.manual_seed(0)
    block = NonLocalBlock(channels=256)
    for layer, variance in ((block.theta, 1 / 3), (block.phi, 1 / 3), (block.g, 2.0), (block.out, 2.0)):
        assert layer.weight.var().item() * layer.in_channels == pytest.approx(variance, rel=0.05)
        assert not layer.bias.any()
