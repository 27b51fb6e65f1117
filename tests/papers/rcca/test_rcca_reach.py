"""Who knows of whom: sets, Hamming distances, gradients and products of the weights tell the same."""

import itertools
import math

import pytest
import torch
from criss_cross import dense, noise, rcca
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from videoattn.papers.rcca.attention import CCA3D, STRUCTURES
from videoattn.papers.rcca.reach import effective, gradient_reach, hamming, known, meeting

GRIDS = [(1, 1, 1), (1, 1, 4), (1, 3, 2), (2, 1, 3), (3, 2, 1), (2, 2, 3), (3, 1, 4)]


def places(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    return list(itertools.product(*map(range, shape)))


@settings(max_examples=40, deadline=None)
@given(shape=st.tuples(*[st.integers(1, 4)] * 3), steps=st.integers(0, 4))
def test_sets_are_hamming_balls_and_pairs_meet_half_way(shape, steps):
    distance = torch.tensor(
        [[sum(a != b for a, b in zip(u, i, strict=True)) for i in places(shape)] for u in places(shape)]
    )
    torch.testing.assert_close(hamming(shape), distance)
    sets = known(shape, steps)
    assert torch.equal(sets, distance <= steps)
    met = (
        torch.tensor(
            [
                [any(sets[u, i] and sets[u, j] for u in range(len(sets))) for j in range(len(sets))]
                for i in range(len(sets))
            ]
        )
        if len(sets) <= 12
        else distance <= 2 * steps
    )
    assert torch.equal(meeting(shape, steps), met)
    assert torch.equal(meeting(shape, steps), distance <= 2 * steps)


def test_what_the_paper_says_of_one_two_and_three_steps():
    shape = (3, 4, 5)
    at = places(shape).index((1, 2, 3))
    for steps, size in ((1, 3 + 4 + 5 - 2), (2, 3 * 4 * 5 - 2 * 3 * 4), (3, 3 * 4 * 5)):  # lines, planes, all
        assert known(shape, steps)[at].sum() == size
    assert known((1, 4, 5), 2).all()  # one frame needs two, as in CCNet
    assert not meeting(shape, 1).all()
    assert meeting(shape, 2).all()


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("shape", GRIDS)
def test_gradients_reach_what_the_sets_say(structure, shape):
    for recurrence in range(1, 5):
        block = rcca(structure, recurrence=recurrence, recompute=recurrence % 2 == 1)
        assert torch.equal(gradient_reach(block, 4, shape), known(shape, recurrence))
        assert torch.equal(gradient_reach(block, 4, shape), hamming(shape) <= recurrence)


def test_gradients_of_other_modules():
    shape = (2, 3, 2)
    assert torch.equal(gradient_reach(nn.Identity(), 3, shape), hamming(shape) == 0)
    assert torch.equal(gradient_reach(CCA3D(channels=4), 4, shape), hamming(shape) <= 1)
    row = nn.Conv3d(2, 2, (1, 1, 3), padding=(0, 0, 1))
    expected = torch.tensor([[u[:2] == i[:2] and abs(u[2] - i[2]) <= 1 for i in places(shape)] for u in places(shape)])
    assert torch.equal(gradient_reach(row, 2, shape), expected)
    assert torch.equal(gradient_reach(rcca("a", gamma=0.0), 4, shape), hamming(shape) == 0)


def matrix(lines, shape: tuple[int, ...]) -> Tensor:
    """The weights of one clip as (N, N), row = query."""
    return torch.stack([dense(lines, 0, u).flatten() for u in places(shape)])


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("recurrence", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_effective_weights_are_products_of_matrices(structure, recurrence, dtype):
    shape, gamma = (2, 3, 4), 0.6
    block = rcca(structure, recurrence=recurrence, gamma=gamma).to(dtype)
    with torch.no_grad():
        _, attention = block(noise(1, 4, *shape, dtype=dtype), return_attention=True)
    one = torch.eye(math.prod(shape), dtype=dtype)
    total = one
    for lines in attention:
        a = gamma * matrix(lines, shape)
        total = total + a @ total if structure == "b" else a @ total + (0 if structure == "d" else one)
    total = total + one if structure == "d" else total
    total = total / total.sum(1, keepdim=True)
    for u, row in zip(places(shape), total, strict=True):
        found = effective(attention, gamma, structure, u)
        assert found.dtype == dtype
        torch.testing.assert_close(found, row.view(shape))
        assert torch.equal(found > 0, (hamming(shape) <= recurrence)[places(shape).index(u)].view(shape))


def test_effective_weights_without_attention_are_at_the_query():
    _, attention = rcca("a", recurrence=2)(noise(1, 4, 2, 2, 3), return_attention=True)
    for structure in STRUCTURES:
        found = effective(attention, 0.0, structure, (1, 0, 2))
        assert found[1, 0, 2] == 1
        assert found.sum() == 1
