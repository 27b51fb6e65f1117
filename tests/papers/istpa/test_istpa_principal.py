"""Section 3.2 against a real PCA: where attention is one, and where its constraint keeps it from being one."""

import itertools
import math
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pyramids import layer, pyramid
from random_weights import noise
from torch import Tensor, nn

from videoattn.errors import InputError
from videoattn.papers.istpa.attention import normalised
from videoattn.papers.istpa.losses import interaction_loss
from videoattn.papers.istpa.principal import disjoint, explained, principal_basis, second_moment, trace_loss


def energy(e: list[float], x: Tensor) -> float:
    """Sum over channels o of (e^T v_o)^2."""
    return sum(sum(a * b for a, b in zip(e, v, strict=True)) ** 2 for v in x.tolist())


def trace_by_loops(x: Tensor, basis: Tensor) -> float:
    positions, columns = basis.shape
    return -sum(
        basis[k, m].item() * sum(x[c, k].item() * x[c, i].item() for c in range(len(x))) * basis[i, m].item()
        for m in range(columns)
        for k, i in itertools.product(range(positions), repeat=2)
    )  # Eq. (6), (7)


def orthonormal(positions: int, columns: int, seed: int) -> Tensor:
    return torch.linalg.qr(noise(positions, columns, seed=seed)).Q


def cosine(a: Tensor, b: Tensor) -> float:
    return (a @ b).abs().item() / (a.norm() * b.norm()).item()


@settings(max_examples=25, deadline=None)
@given(channels=st.integers(1, 5), positions=st.integers(1, 5), seed=st.integers(0, 99))
def test_the_first_direction_has_the_most_energy(channels, positions, seed):
    x = noise(channels, positions, seed=seed)
    basis = principal_basis(x, positions)
    torch.testing.assert_close(basis.mT @ basis, torch.eye(positions).double())
    best = energy(basis[:, 0].tolist(), x)  # Eq. (5)
    assert best == pytest.approx(np.linalg.svd(x.numpy(), compute_uv=False)[0] ** 2)
    for direction in noise(20, positions, seed=seed + 1):
        assert energy((direction / direction.norm()).tolist(), x) <= best + 1e-12
    energies = [energy(e.tolist(), x) for e in basis.mT]
    assert energies == sorted(energies, reverse=True) or np.allclose(energies, sorted(energies, reverse=True))


@settings(max_examples=25, deadline=None)
@given(channels=st.integers(1, 4), positions=st.integers(2, 5), columns=st.integers(1, 3), seed=st.integers(0, 99))
def test_trace_by_loops(channels, positions, columns, seed):
    x = noise(2, channels, positions, seed=seed)
    attention = normalised(noise(2, positions, columns, seed=seed + 1))
    found = trace_loss(x, attention)
    for b in (0, 1):
        assert found[b].item() == pytest.approx(trace_by_loops(x[b], attention[b]))
        assert found[b].item() == pytest.approx(-sum(energy(a.tolist(), x[b]) for a in attention[b].mT))
    torch.testing.assert_close(explained(x, attention), -found / x.square().sum((1, 2)))


def test_a_real_pca_takes_off_the_mean_over_channels():
    x = noise(40, 6) * torch.tensor([3.0, 2.0, 1.5, 1.0, 0.7, 0.3]).double() + 4
    covariance = np.cov(x.numpy(), rowvar=False, bias=True)  # channels are samples, positions variables
    torch.testing.assert_close(second_moment(x, centre=True) / 40, torch.from_numpy(covariance))
    _, spread, directions = np.linalg.svd(x.numpy() - x.numpy().mean(0))
    basis = principal_basis(x, 3, centre=True)
    for e, direction in zip(basis.mT, directions, strict=False):
        assert cosine(e, torch.from_numpy(direction)) == pytest.approx(1)
    share = (spread[:3] ** 2).sum() / (spread**2).sum()
    assert explained(x, basis, centre=True).item() == pytest.approx(share)
    printed = principal_basis(x, 1)[:, 0]  # without: the mean itself
    assert cosine(printed, x.mean(0)) > 0.99
    assert cosine(printed, basis[:, 0]) < 0.6


def test_with_a_square_basis_there_is_nothing_to_minimise():
    x = noise(7, 5)
    for seed in range(5):
        assert trace_loss(x, orthonormal(5, 5, seed)).item() == pytest.approx(-x.square().sum().item())
    values = [trace_loss(x, orthonormal(5, 2, seed)).item() for seed in range(200)]
    assert min(values) >= trace_loss(x, principal_basis(x, 2))
    assert max(values) > 0.5 * min(values)


def test_the_bias_takes_no_mean_off():
    module, maps = layer((4,), ((2, 3),)), pyramid(2, (4,), ((2, 3),))
    _, (before, _) = module(maps, return_attention=True)
    nn.init.normal_(module.score[0].bias)
    torch.testing.assert_close(module(maps, return_attention=True)[1].attention, before)


def test_of_positive_features_one_direction_can_be_an_attention():
    x = noise(30, 6).abs()
    basis = principal_basis(x, 6)
    signs = basis.sign().sum(0).abs().tolist()
    assert signs[0] == 6
    assert max(signs[1:]) < 6


def test_unit_columns_alone_end_as_one_direction():
    x = noise(30, 6).abs()
    first = principal_basis(x, 1).abs()
    assert trace_loss(x, first.expand(-1, 6)) < trace_loss(x, principal_basis(x, 6))
    attention = normalised(noise(1, 6, 6))[0]
    assert trace_loss(x, first.expand(-1, 6)) <= trace_loss(x, attention)
    assert (first.mT @ first).item() == pytest.approx(1)  # A^T A of that is all ones


@settings(max_examples=25, deadline=None)
@given(positions=st.integers(1, 8), columns=st.integers(1, 5), seed=st.integers(0, 99))
def test_orthogonal_columns_without_negative_entries_share_no_source(positions, columns, seed):
    attention = normalised(3 * noise(1, positions, columns, seed=seed))[0]
    products = attention.mT @ attention
    assert (products > 0).all()  # a softmax reaches no 0
    apart = disjoint(attention)
    assert ((apart > 0).sum(1) == 1).all()
    alive = (apart > 0).any(0)
    torch.testing.assert_close(apart.mT @ apart, torch.diag(alive.double()))
    for k, row in enumerate(attention.tolist()):
        assert apart[k].argmax() == row.index(max(row))
    if alive.sum() == positions == columns:
        assert sorted(apart.flatten().tolist())[-positions:] == [1.0] * positions


@pytest.mark.parametrize("seed", range(3))
def test_the_constraint_alone_makes_a_permutation_of_one_frame(seed):
    u = noise(1, 4, 4, seed=seed).requires_grad_()
    optimizer = torch.optim.Adam([u], lr=0.2)
    for _ in range(150):
        optimizer.zero_grad()
        attention = normalised(u)
        interaction_loss(torch.zeros(1, 1, 1, 2, 2).double(), attention).backward()
        optimizer.step()
    attention = attention[0].detach()
    assert attention.argmax(0).unique().numel() == 4
    assert attention.amax(0).min() > 0.95
    x = noise(5, 4)
    assert trace_loss(x, attention.round()).item() == pytest.approx(
        -x.square().sum().item()
    )  # which one is all the same


def test_bad_counts_are_refused():
    for count in (0, 6):
        with pytest.raises(InputError, match=re.escape(f"count={count}: features at 5 positions have 1 to 5")):
            principal_basis(noise(3, 5), count)
    assert math.isclose(explained(noise(3, 5), torch.eye(5).double()).item(), 1)
