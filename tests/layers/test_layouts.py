"""Blocks behind channels-last maps, tokens and tuples: what they compute, and what is refused."""

import math
import re

import pytest
import torch
from random_weights import noise, randomise
from torch import nn

from videoattn.errors import InputError
from videoattn.layers.layouts import ChannelsLast, First, FoldedTime, Tokens
from videoattn.layers.non_local import NonLocalBlock


def kernel(*, dims: int = 2, to: int = 3) -> nn.Module:
    """A convolution of 3 channels that tells every axis from every other."""
    size = (3, 1, 5)[3 - dims :]
    make = {2: nn.Conv2d, 3: nn.Conv3d}[dims]
    return randomise(make(3, to, size, padding=tuple(n // 2 for n in size)))


@pytest.mark.parametrize("dims", [2, 3])
def test_channels_last(dims):
    block, x = kernel(dims=dims, to=4), noise(2, *(4, 5, 6)[3 - dims :], 3)
    out = ChannelsLast(block)(x)
    assert out.shape == (*x.shape[:-1], 4)
    for c in range(4):
        expected = block(torch.stack([x[..., i] for i in range(3)], 1))[:, c]
        torch.testing.assert_close(out[..., c], expected)


@pytest.mark.parametrize("prefix", [0, 1, 5])
@pytest.mark.parametrize("grid", [(4, 5), (2, 4, 5)])
def test_tokens_of_a_grid_become_maps_and_others_stay(grid, prefix):
    block = kernel(dims=len(grid))
    x = noise(2, prefix + math.prod(grid), 3)
    maps = torch.empty(2, 3, *grid, dtype=x.dtype)
    for n, place in enumerate(torch.cartesian_prod(*map(torch.arange, grid)).tolist()):
        maps[(slice(None), slice(None), *place)] = x[:, prefix + n]
    out, expected = Tokens(block, grid=grid, prefix=prefix)(x), block(maps)
    for n, place in enumerate(torch.cartesian_prod(*map(torch.arange, grid)).tolist()):
        torch.testing.assert_close(out[:, prefix + n], expected[(slice(None), slice(None), *place)])
    assert torch.equal(out[:, :prefix], x[:, :prefix])
    pair = Tokens(block, grid=None, prefix=prefix)((x, list(grid)))
    assert torch.equal(pair[0], out)
    assert pair[1] == list(grid)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("make", [lambda b: Tokens(b, grid=(4, 4), prefix=1), lambda b: ChannelsLast(b)])
def test_gradients_are_those_of_finite_differences(make, batch):
    """A single sample, too: PyTorch's batch norm on a CPU mistakes the gradient of some of its layouts for another."""
    block = randomise(NonLocalBlock(channels=3, inner=2))
    shape = (17, 3) if isinstance(make(block), Tokens) else (4, 4, 3)
    x, weights = noise(batch, *shape).requires_grad_(), noise(batch, *shape, seed=5)
    parameter = block.norm.weight.detach().clone().requires_grad_()

    def call(x, parameter):
        return torch.func.functional_call(make(block), {"block.norm.weight": parameter}, (x,)) * weights

    assert torch.autograd.gradcheck(call, (x, parameter), fast_mode=True)


@pytest.mark.parametrize("kind", [tuple, list])
def test_first_of_several(kind):
    out = First(nn.Softplus())(kind([x := noise(2, 3), "rest", 7]))
    assert type(out) is kind
    torch.testing.assert_close(out[0], x.exp().log1p())
    assert list(out[1:]) == ["rest", 7]


def test_frames_among_tokens():
    block, x = kernel(dims=3), noise(6, 1 + 12, 3)
    maps = x[:, 1:].reshape(2, 3, 3, 4, 3).permute(0, 4, 1, 2, 3)
    out = Tokens(FoldedTime(block, 3), grid=(3, 4), prefix=1)(x)
    torch.testing.assert_close(out[:, 1:], block(maps).permute(0, 2, 3, 4, 1).reshape(6, 12, 3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Tokens(nn.Identity(), grid=(3,)), "grid=(3,): ([T,] H, W) of at least 1"),
        (lambda: Tokens(nn.Identity(), grid=(0, 3)), "grid=(0, 3)"),
        (lambda: Tokens(nn.Identity(), grid=(3, 3), prefix=-1), "prefix=-1"),
        (
            lambda: Tokens(nn.Identity(), grid=(3, 4), prefix=1)(torch.zeros(2, 12, 5)),
            "tokens of shape (2, 12, 5); (B, N, C) with N = 1 + 3 x 4 is expected",
        ),
        (lambda: Tokens(nn.Identity(), grid=(3, 4))(torch.zeros(2, 3, 4, 5)), "tokens of shape (2, 3, 4, 5)"),
        (
            lambda: Tokens(nn.AvgPool2d(2), grid=(4, 4))(torch.zeros(2, 16, 5)),
            "the block makes (2, 5, 2, 2) of (2, 5, 4, 4); tokens need the same shape",
        ),
        (lambda: FoldedTime(nn.Identity(), 3)((torch.zeros(6, 2, 4, 4),)), "x is a tuple; a tensor (B, C, H, W)"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(InputError, match=re.escape(message)):
        call()
