"""Eq. (1)-(5) index by index against the block, and what the paper says of its limits."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from videoattn.errors import InputError
from videoattn.layers.non_local import NonLocalBlock
from videoattn.papers.cma.attention import CMABlock


def linear(layer: nn.Module, features: Tensor) -> list[float]:
    """A 1x1 convolution at one position, by hand."""
    weight, bias = layer.weight.flatten(1).tolist(), layer.bias.tolist()
    values = features.tolist()
    return [sum(w * x for w, x in zip(row, values, strict=True)) + b for row, b in zip(weight, bias, strict=True)]


def by_loops(block: CMABlock, x: Tensor, y: Tensor) -> Tensor:
    """The block for one sample of 2D maps (C, H, W), position by position, in evaluation mode."""
    _, height, width = y.shape
    keys = []
    for top in range(0, height, 2 if block.pool else 1):
        for left in range(0, width, 2 if block.pool else 1):
            side = 2 if block.pool else 1
            window = y[:, top : top + side, left : left + side]
            keys.append(window.flatten(1).max(dim=1).values)
    d = block.q.out_channels
    out = torch.empty_like(x)
    for row in range(x.shape[1]):
        for column in range(x.shape[2]):
            q = linear(block.q, x[:, row, column])
            f = []
            for key in keys:
                k = linear(block.k, key)
                f.append(math.exp(sum(a * b for a, b in zip(q, k, strict=True)) / math.sqrt(d)))  # Eq. (3)
            c = sum(f)  # Eq. (4)
            z = [0.0] * d
            for weight, key in zip(f, keys, strict=True):  # Eq. (1), (2)
                for channel, value in enumerate(linear(block.v, key)):
                    z[channel] += weight / c * value
            projected = linear(block.out, torch.tensor(z, dtype=x.dtype))
            for channel, value in enumerate(projected):
                norm = block.norm
                value = (value - norm.running_mean[channel]) / math.sqrt(norm.running_var[channel] + norm.eps)
                value = value * norm.weight[channel] + norm.bias[channel]
                out[channel, row, column] = value + x[channel, row, column]  # Eq. (5)
    return out


def awake(block: nn.Module, seed: int = 0) -> nn.Module:
    """The block with a batch norm that lets its branch through, in float64 and evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    for tensor in (block.norm.weight.data, block.norm.bias.data, block.norm.running_mean):
        tensor.copy_(torch.randn(tensor.shape, generator=generator))
    block.norm.running_var.copy_(torch.rand(block.norm.running_var.shape, generator=generator) + 0.5)
    return block.double().eval()


@settings(max_examples=15, deadline=None)
@given(
    channels=st.sampled_from([2, 4, 6]),
    height=st.integers(1, 5),
    width=st.integers(1, 5),
    keys=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    pool=st.booleans(),
    seed=st.integers(0, 99),
)
def test_block_equals_loops(channels, height, width, keys, pool, seed):
    torch.manual_seed(seed)
    block = awake(CMABlock(channels=channels, pool=pool), seed)
    x = torch.randn(1, channels, height, width, dtype=torch.float64)
    y = torch.randn(1, channels, *keys, dtype=torch.float64)
    expected = by_loops(block, x[0], y[0])
    torch.testing.assert_close(block(x, y)[0], expected)
    torch.testing.assert_close(block(x, y, return_attention=True)[0][0], expected)


@pytest.mark.parametrize("dims", [2, 3])
def test_attention_is_a_distribution_and_gives_the_output(dims):
    torch.manual_seed(0)
    block = awake(CMABlock(channels=4, context_channels=6, dims=dims))
    grid, other = ((3, 5), (4, 6)) if dims == 2 else ((2, 3, 5), (3, 4, 6))
    x, y = torch.randn(2, 4, *grid, dtype=torch.float64), torch.randn(2, 6, *other, dtype=torch.float64)
    out, attention = block(x, y, return_attention=True)
    assert attention.shape == (2, math.prod(grid), math.prod(other) // 4)
    torch.testing.assert_close(attention.sum(-1), torch.ones(2, math.prod(grid), dtype=torch.float64))
    torch.testing.assert_close(out, block(x, y))


def test_three_dimensional_block_over_one_frame_is_the_two_dimensional_one():
    torch.manual_seed(0)
    flat, deep = CMABlock(channels=6), CMABlock(channels=6, dims=3)
    deep.load_state_dict({k: v[..., None] if v.dim() == 4 else v for k, v in flat.state_dict().items()})
    awake(flat), awake(deep)
    x, y = torch.randn(2, 6, 4, 4, dtype=torch.float64), torch.randn(2, 6, 4, 4, dtype=torch.float64)
    torch.testing.assert_close(deep(x[:, :, None], y[:, :, None])[:, :, 0], flat(x, y))


@pytest.mark.parametrize("dims", [2, 3])
def test_one_modality_makes_it_the_non_local_block(dims):
    torch.manual_seed(0)
    ours = CMABlock(channels=6, dims=dims, pool=False)
    theirs = NonLocalBlock(channels=6, dims=dims, pool=False, scale=True)
    names = {"q": "theta", "k": "phi", "v": "g", "out": "out", "norm": "norm"}
    theirs.load_state_dict(
        {f"{names[k.split('.')[0]]}.{k.split('.')[1]}": value for k, value in ours.state_dict().items()}
    )
    awake(ours), awake(theirs)
    x = torch.randn(2, 6, *(2, 4, 5)[-dims:], dtype=torch.float64)
    torch.testing.assert_close(ours(x, x), theirs(x))


def test_starts_as_the_identity_whatever_the_other_modality_shows():
    torch.manual_seed(0)
    block = CMABlock(channels=8).train()
    x = torch.randn(2, 8, 6, 6)
    torch.testing.assert_close(block(x, torch.randn(2, 8, 6, 6)), x, rtol=0, atol=0)


def test_order_of_the_keys_does_not_matter_and_order_of_the_queries_is_kept():
    torch.manual_seed(0)
    block = awake(CMABlock(channels=4, pool=False))
    x, y = torch.randn(1, 4, 3, 4, dtype=torch.float64), torch.randn(1, 4, 3, 4, dtype=torch.float64)
    order = torch.randperm(12)
    shuffled = y.flatten(2)[..., order].view_as(y)
    torch.testing.assert_close(block(x, shuffled), block(x, y))
    moved = x.flatten(2)[..., order].view_as(x)
    torch.testing.assert_close(block(moved, y).flatten(2), block(x, y).flatten(2)[..., order])


def test_sleeping_block_sends_no_gradient_to_the_other_modality():
    torch.manual_seed(0)
    block = CMABlock(channels=4)
    x, y = torch.randn(2, 4, 4, 4, requires_grad=True), torch.randn(2, 4, 4, 4, requires_grad=True)
    block(x, y).square().sum().backward()
    assert y.grad.abs().max() == 0
    assert block.norm.weight.grad.abs().min() > 0  # so it wakes at the first step
    y.grad = None
    nn.init.ones_(block.norm.weight)
    block(x, y).square().sum().backward()
    assert (y.grad.abs().amax(1) > 0).any()


def test_bad_input_is_named():
    with pytest.raises(InputError, match="dims=4"):
        CMABlock(channels=4, dims=4)
    with pytest.raises(InputError, match="channels=1, inner=0"):
        CMABlock(channels=1)
    block = CMABlock(channels=4)
    with pytest.raises(InputError, match=r"y has shape \(1, 5, 2, 2\).*C = 4"):
        block(torch.zeros(1, 4, 2, 2), torch.zeros(1, 5, 2, 2))
    with pytest.raises(InputError, match="x holds 2 samples, y 1"):
        block(torch.zeros(2, 4, 2, 2), torch.zeros(1, 4, 2, 2))


def test_autocast_and_compile_agree_with_eager():
    torch.manual_seed(0)
    block = awake(CMABlock(channels=8)).float()
    x, y = torch.randn(2, 8, 4, 4), torch.randn(2, 8, 4, 4)
    expected = block(x, y)
    torch.testing.assert_close(torch.compile(block, backend="aot_eager", fullgraph=True)(x, y), expected)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(block(x, y).float(), expected, rtol=0.1, atol=0.1)
    strided = x.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(block(strided, y), expected)
