"""Cascaded self-attention by loops, which positions it joins, its non-local limit, its cost counted pair by pair."""

import copy
import itertools
import math
import re
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_weights import noise, randomise
from torch import Tensor, nn

from videoattn.errors import InputError
from videoattn.layers.non_local import NonLocalBlock
from videoattn.papers.banet import closed_forms
from videoattn.papers.banet.cascade import PLANES, CascadedAttention, PlaneAttention
from videoattn.reporting.cost import count, parameters

ORDERS = [order for n in (1, 2, 3) for order in itertools.permutations(PLANES, n)]


def places(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    return list(itertools.product(*map(range, shape)))


def planes(shape: tuple[int, ...], plane: str) -> list[list[tuple[int, ...]]]:
    """The positions of each plane, row by row."""
    (fixed,) = (axis for axis, letter in enumerate("THW") if letter not in plane)
    return [[u for u in places(shape) if u[fixed] == at] for at in range(shape[fixed])]


def linear(layer: nn.Module, z: Tensor) -> Tensor:
    """A 1x1x1 convolution of (C, T, H, W) place by place."""
    weight, bias = layer.weight.flatten(1).tolist(), layer.bias.tolist()
    out = z.new_empty(len(bias), *z.shape[1:])
    for u in places(z.shape[1:]):
        x = z[(slice(None), *u)].tolist()
        for c, row in enumerate(weight):
            out[(c, *u)] = bias[c] + sum(w * a for w, a in zip(row, x, strict=True))
    return out


def plane_by_loops(module: PlaneAttention, z: Tensor) -> tuple[Tensor, list[list[list[float]]]]:
    """Maps and weights for one sample (C, T, H, W)."""
    q, k, v = (linear(layer, z) for layer in (module.q, module.k, module.v)) if module.project else (z, z, z)
    out, weights = torch.zeros_like(z), []
    for members in planes(z.shape[1:], module.plane):
        weights.append([])
        for u in members:
            at = (slice(None), *u)
            q_u, keys = q[at].tolist(), [k[(slice(None), *i)].tolist() for i in members]
            products = [module.scale * sum(a * b for a, b in zip(q_u, key, strict=True)) for key in keys]
            exponentials = [math.exp(p - max(products)) for p in products]
            weights[-1].append([e / sum(exponentials) for e in exponentials])
            for weight, i in zip(weights[-1][-1], members, strict=True):
                out[at] += weight * v[(slice(None), *i)]
    return out, weights


def by_loops(module: CascadedAttention, x: Tensor) -> Tensor:
    """One sample (C, T, H, W), in evaluation mode."""
    z = linear(module.reduce, x)
    if module.parallel:
        z = sum(plane_by_loops(plane, z)[0] for plane in module.planes)
    else:
        for plane in module.planes:
            z, _ = plane_by_loops(plane, z)
    norm, restored = module.norm, linear(module.restore, z)
    for c in range(len(x)):
        restored[c] -= norm.running_mean[c].item()
        restored[c] *= norm.weight[c].item() / math.sqrt(norm.running_var[c].item() + norm.eps)
        restored[c] += norm.bias[c].item()
    return restored + x


def cascade(order: tuple[str, ...] = tuple(PLANES), **options: object) -> CascadedAttention:
    return randomise(CascadedAttention(**{"channels": 4, "inner": 3, "order": order} | options))


@pytest.mark.parametrize("plane", PLANES)
@settings(max_examples=8, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 3)] * 3),
    channels=st.integers(1, 4),
    project=st.booleans(),
    scale=st.sampled_from((None, 1.0, 0.3)),
)
def test_plane_by_loops(plane, shape, channels, project, scale):
    module = randomise(PlaneAttention(plane, channels=channels, project=project, scale=scale))
    assert module.scale == (scale or channels**-0.5)
    z = noise(2, channels, *shape)
    expected, weights = zip(*(plane_by_loops(module, sample) for sample in z), strict=True)
    out, attention = module(z, return_attention=True)
    torch.testing.assert_close(out, torch.stack(expected))
    torch.testing.assert_close(attention, torch.tensor(weights, dtype=torch.float64).flatten(0, 1))
    torch.testing.assert_close(attention.sum(-1), torch.ones(attention.shape[:2], dtype=torch.float64))
    torch.testing.assert_close(module(z), out)  # the fused path


@settings(max_examples=20, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 3)] * 3),
    order=st.sampled_from(ORDERS),
    project=st.booleans(),
    scale=st.sampled_from((None, 1.0)),
    parallel=st.booleans(),
)
def test_cascade_and_parallel_sum_by_loops(shape, order, project, scale, parallel):
    module, x = cascade(order, project=project, scale=scale, parallel=parallel), noise(2, 4, *shape)
    torch.testing.assert_close(module(x), torch.stack([by_loops(module, sample) for sample in x]))


def test_starts_as_the_identity_and_wakes_up_by_its_norm():
    torch.manual_seed(0)
    module, x = CascadedAttention(channels=6), torch.randn(2, 6, 2, 3, 4)
    assert module.reduce.out_channels == 3
    assert torch.equal(module(x), x)
    module(x).square().sum().backward()
    assert (module.norm.weight.grad != 0).all()
    assert all(p.grad.isfinite().all() for p in module.parameters())


def test_the_order_of_planes_matters():
    module, x, found = cascade(), noise(1, 4, 2, 3, 4), []
    for ordered in itertools.permutations(module.planes):
        module.planes = nn.ModuleList(ordered)
        found.append(module(x))
    assert not any(torch.allclose(one, other) for one, other in itertools.combinations(found, 2))


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("order", ORDERS)
def test_which_positions_reach_which(order, parallel):
    shape = (2, 3, 2)
    module, x = cascade(order, parallel=parallel), noise(1, 4, *shape).requires_grad_()
    out = module(x)
    for u in places(shape):
        (gradient,) = torch.autograd.grad(out[(0, slice(None), *u)].sum(), x, retain_graph=True)
        reached = {i for i in places(shape) if (gradient[(0, slice(None), *i)] != 0).any()}
        together = {i for plane in order for members in planes(shape, plane) if u in members for i in members}
        assert reached == (together if parallel or len(order) == 1 else set(places(shape)))
        assert len(together) <= 10  # of 12: two differ from u in t, h and w


def test_hw_alone_is_non_local_attention_over_one_frame():
    module, x = cascade(("HW",)), noise(2, 4, 1, 3, 4)
    block = NonLocalBlock(channels=4, inner=3, dims=3, pool=False).double().eval()
    reduce, (plane,) = module.reduce, module.planes
    for ours, its in ((plane.q, block.theta), (plane.k, block.phi), (plane.v, block.g)):  # one after the other is one
        weight = ours.weight.flatten(1) @ reduce.weight.flatten(1)
        its.weight.data.copy_(weight.view_as(its.weight))
        its.bias.data.copy_(ours.weight.flatten(1) @ reduce.bias + ours.bias)
    block.out, block.norm = module.restore, module.norm
    torch.testing.assert_close(module(x), block(x))


def test_axes_of_length_one():
    module = cascade()
    for shape in ((1, 1, 1), (1, 3, 4), (4, 1, 3), (3, 4, 1), (5, 1, 1)):
        x = noise(2, 4, *shape)
        torch.testing.assert_close(module(x)[1], by_loops(module, x[1]))


@pytest.mark.parametrize("parallel", [False, True])
def test_layout_precision_and_compilation(parallel):
    module, x = cascade(parallel=parallel).float(), noise(2, 4, 2, 3, 4).float()
    expected = module(x)
    torch.testing.assert_close(module(x.contiguous(memory_format=torch.channels_last_3d)), expected)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = module(x)
    assert half.dtype == torch.float32
    assert 0 < (half - expected).norm() < 0.02 * expected.norm()  # it did compute in half
    if not parallel:
        torch.testing.assert_close(torch.compile(module, backend="aot_eager", fullgraph=True)(x), expected)


def test_state_and_copies():
    module, other, x = cascade(), randomise(CascadedAttention(channels=4, inner=3), seed=9), noise(1, 4, 2, 3, 2)
    assert not torch.allclose(other(x), module(x))
    other.load_state_dict(module.state_dict())
    assert torch.equal(other(x), module(x))
    assert torch.equal(copy.deepcopy(module)(x), module(x))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": 0}, "channels=0, inner=0: both must be at least 1"),
        ({"inner": -2}, "channels=4, inner=-2"),
        ({"order": ()}, "order=(): different ones of HW, TW, TH"),
        ({"order": ("HW", "TH", "HW")}, "order=('HW', 'TH', 'HW'): different ones"),
        ({"order": ("HW", "WT")}, "unknown plane 'WT'; choose from HW, TW, TH"),
    ],
)
def test_bad_arguments_are_refused(options, message):
    with pytest.raises(InputError, match=re.escape(message)):
        CascadedAttention(**{"channels": 4} | options)


def pairs(channels: int, members: list[tuple[int, ...]]) -> int:
    """FLOPs of q k^T over all pairs: a multiplication and an addition for each channel."""
    return sum(2 for _ in itertools.product(members, members, range(channels)))


@settings(max_examples=20, deadline=None)
@given(c=st.integers(1, 3), lengths=st.tuples(*[st.integers(1, 3)] * 3))
def test_flops_pair_by_pair(c, lengths):
    shape = (c, *lengths)
    by_plane = {plane: [pairs(c, members) for members in planes(lengths, plane)] for plane in PLANES}
    assert set(by_plane["HW"]) == {closed_forms.plane_flops(shape)}  # Eq. (3)
    assert sum(by_plane["HW"]) == closed_forms.hw_flops(shape)  # Eq. (4)
    full = pairs(c, places(lengths))
    assert full == closed_forms.full_flops(shape)  # Eq. (5)
    cascaded = sum(map(sum, by_plane.values()))
    assert cascaded == closed_forms.cascade_flops(shape)  # Eq. (6)
    assert Fraction(cascaded, full) == closed_forms.share(shape)  # Eq. (7)
    for plane, flops in by_plane.items():
        assert closed_forms.plane_positions(shape, plane) == (len(flops), len(planes(lengths, plane)[0]))


@given(shape=st.tuples(*[st.integers(1, 200)] * 4))
def test_the_share_is_exact(shape):
    share = Fraction(closed_forms.cascade_flops(shape), closed_forms.full_flops(shape))
    assert closed_forms.share(shape) == share


def test_the_share_that_the_paper_prints():
    assert closed_forms.share((96, 16, 28, 28)) == Fraction(15, 112)
    assert f"{15 / 112:.1%}" == "13.4%"


@settings(max_examples=25, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 9), *[st.integers(1, 6)] * 3),
    inner=st.integers(1, 8),
    order=st.sampled_from(ORDERS),
    project=st.booleans(),
    parallel=st.booleans(),
)
def test_cost_is_what_is_counted(shape, inner, order, project, parallel):
    with torch.device("meta"):
        module = CascadedAttention(channels=shape[0], inner=inner, order=order, project=project, parallel=parallel)
    sizes = closed_forms.cascade_parameters(shape[0], inner=inner, planes=len(order), project=project)
    assert parameters(module) == sizes
    adds = closed_forms.cascade_multiply_adds(shape, inner=inner, order=order, project=project)
    assert count(module, torch.empty(1, *shape)) == adds
