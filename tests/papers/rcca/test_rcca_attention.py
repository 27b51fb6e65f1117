"""Eq. (1)-(7) index by index against criss-cross attention in space-time, its limits, and what it refuses."""

import itertools

import pytest
import torch
from criss_cross import by_loops, dense, noise, rcca
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from videoattn.errors import InputError
from videoattn.papers.rcca.attention import CCA3D, RCCA3D, STRUCTURES


@pytest.mark.parametrize("structure", STRUCTURES)
@settings(max_examples=10, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 4)] * 3),
    widths=st.sampled_from([(2, 1), (4, 2), (6, 3), (4, 4)]),
    recurrence=st.integers(1, 4),
    gamma=st.floats(-1, 1),
    recompute=st.booleans(),
    seed=st.integers(0, 99),
)
def test_equals_plain_loops(structure, shape, widths, recurrence, gamma, recompute, seed):
    channels, reduction = widths
    block = rcca(
        structure,
        gamma=gamma,
        channels=channels,
        reduction=reduction,
        recurrence=recurrence,
        recompute=recompute,
        seed=seed,
    )
    x = noise(2, channels, *shape, seed=seed)
    expected, seen = by_loops(block, x[1])
    out, attention = block(x, return_attention=True)
    torch.testing.assert_close(out[1], expected)
    torch.testing.assert_close(block(x)[1], expected)
    assert len(attention) == recurrence
    for lines, by_place in zip(attention, seen, strict=True):
        for u, weight_of in by_place.items():
            grid = dense(lines, 1, u)
            for i in itertools.product(*map(range, shape)):
                assert grid[i].item() == pytest.approx(weight_of.get(i, 0.0), rel=1e-9, abs=1e-12)


def test_three_steps_are_the_printed_formulas():
    x = noise(2, 4, 2, 3, 4)
    for structure in STRUCTURES:
        block = rcca(structure)
        f, g = block.step, block.gamma
        y = g * f(x) + x
        y1 = g * f(y) + y
        expected = {"b": g * f(y1) + y1, "d": g * f(g * f(g * f(x))) + x}.get(
            structure, g * f(g * f(g * f(x) + x) + x) + x
        )
        torch.testing.assert_close(block(x), expected)
    assert rcca("c").step.v.out_channels == rcca("c").step.q.out_channels == 2  # V of width C' and back


def criss_cross_2d(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """CCNet's step for maps (B, C, H, W): a joint softmax over H + W - 1, the query left out of its column."""
    batch, _, height, width = q.shape
    columns = [m.permute(0, 3, 2, 1).reshape(batch * width, height, -1) for m in (q, k, v)]
    rows = [m.permute(0, 2, 3, 1).reshape(batch * height, width, -1) for m in (q, k, v)]
    vertical = columns[0] @ columns[1].mT + torch.diag(torch.full((height,), -torch.inf, dtype=q.dtype))
    vertical = vertical.view(batch, width, height, height).transpose(1, 2)  # b h w h'
    horizontal = (rows[0] @ rows[1].mT).view(batch, height, width, width)
    joint = torch.cat([vertical, horizontal], dim=-1).softmax(-1)
    from_columns = joint[..., :height].transpose(1, 2).reshape(batch * width, height, height) @ columns[2]
    from_rows = joint[..., height:].reshape(batch * height, width, width) @ rows[2]
    return from_columns.view(batch, width, height, -1).permute(0, 3, 2, 1) + from_rows.view(
        batch, height, width, -1
    ).permute(0, 3, 1, 2)


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (3, 1), (3, 4)])
def test_one_frame_makes_it_criss_cross_attention_in_2d(shape):
    step = rcca().step
    x = noise(2, 4, 1, *shape)
    q, k, v = (layer(x)[:, :, 0] for layer in (step.q, step.k, step.v))
    torch.testing.assert_close(step(x)[:, :, 0], criss_cross_2d(q, k, v))


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 3, 4), (4, 1, 3), (3, 4, 1), (3, 4, 2), (5, 1, 1)])
def test_every_query_has_its_lines_once_and_the_weights_give_the_output(shape):
    block = rcca(recurrence=2)
    x = noise(2, 4, *shape)
    out, attention = block(x, return_attention=True)
    y = x
    for lines in attention:
        joint = torch.cat(lines, dim=-1)
        assert (joint >= 0).all()
        assert ((joint != 0).sum(-1) == sum(shape) - 2).all()
        torch.testing.assert_close(joint.sum(-1), torch.ones(2, *shape, dtype=torch.float64))
        assert lines.h.diagonal(dim1=2, dim2=4).abs().max() == 0  # the query itself is in t
        assert lines.w.diagonal(dim1=3, dim2=4).abs().max() == 0
        v = block.step.v(y)
        h = torch.empty_like(v)
        for b, *u in itertools.product(range(2), *map(range, shape)):
            h[(b, slice(None), *u)] = (dense(lines, b, tuple(u)) * v[b]).sum((1, 2, 3))
        y = block.gamma * h + x
    torch.testing.assert_close(y, out)


def test_gamma_is_one_scalar_shared_by_all_steps_and_learns():
    for structure, recurrence in itertools.product(STRUCTURES, (1, 4)):
        torch.manual_seed(0)
        block = RCCA3D(channels=4, recurrence=recurrence, structure=structure)
        assert [name for name, p in block.named_parameters() if "step." not in name] == ["gamma"]
        assert block.gamma.shape == ()
        assert block.gamma.item() == 1
        (block(noise(1, 4, 2, 3, 3, dtype=torch.float32)).square().sum()).backward()
        gradients = {name: p.grad.abs().max() for name, p in block.named_parameters()}
        assert gradients.pop("step.k.bias") < 1e-3  # it adds the same to all energies of a query
        assert min(gradients.values()) > 1e-3


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("recurrence", [1, 3])
def test_gamma_zero_makes_it_the_identity(structure, recurrence):
    x = noise(2, 4, 2, 3, 4)
    torch.testing.assert_close(rcca(structure, gamma=0.0, recurrence=recurrence)(x), x, rtol=0, atol=0)


def test_parameters_do_not_depend_on_the_number_of_steps():
    expected = {"abd": 2 * (8 * 2 + 2) + 8 * 8 + 8 + 1, "c": 3 * (8 * 2 + 2) + 2 * 8 + 8 + 1}
    for structures, count in expected.items():
        for structure, r in itertools.product(structures, range(1, 5)):
            block = rcca(structure, channels=8, reduction=4, recurrence=r)
            assert sum(p.numel() for p in block.parameters()) == count
            block.load_state_dict(rcca(structure, channels=8, reduction=4, seed=5).state_dict())


def test_bad_values_are_named():
    with pytest.raises(InputError, match=r"channels=6, reduction=4: .*\[1, 2, 3, 6\]"):
        RCCA3D(channels=6)
    for channels, reduction in ((0, 1), (4, 0), (4, -2), (4, 8)):
        with pytest.raises(InputError, match=f"channels={channels}, reduction={reduction}"):
            CCA3D(channels=channels, reduction=reduction)
    with pytest.raises(InputError, match="'e'; choose from a, b, c, d"):
        RCCA3D(channels=4, structure="e")
    for recurrence in (0, -1):
        with pytest.raises(InputError, match=f"recurrence={recurrence}: at least 1"):
            RCCA3D(channels=4, recurrence=recurrence)


@pytest.mark.parametrize("shape", [(2, 5, 2, 3, 4), (2, 4, 3, 4), (4, 2, 3, 4), (1, 2, 4, 2, 3, 4)])
@pytest.mark.parametrize("recompute", [False, True])
def test_maps_of_the_wrong_shape_are_named(shape, recompute):
    for block in (CCA3D(channels=4), RCCA3D(channels=4, recompute=recompute)):
        with pytest.raises(InputError) as error:
            block(torch.zeros(shape))
        assert str(error.value) == f"x has shape {shape}; (B, C, T, H, W) with C = 4 is expected"
