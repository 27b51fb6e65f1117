"""Attention in attention: every value by loops from the paper's equations, and names that compose."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_weights import noise, randomise
from torch import Tensor, nn

from videoattn.errors import InputError
from videoattn.papers.aia.attention import AXES, NAMES, Context, In, Sum, Unit, aia
from videoattn.reporting.cost import parameters


def context_by_loops(context: Context, x: Tensor) -> Tensor:
    """Gates of one pooled axis, one position after the other, of x (c, t, h, w)."""
    axis = context.axis - 1
    lengths = list(x.shape)
    lengths[axis] = 1
    gates = torch.zeros(lengths, dtype=x.dtype)
    weight, norm = context.conv.weight[0], context.norm
    # The axes that the kernel slides over: the pooled one changes places with the channels.
    slides = [0, 1, 2, 3]
    slides[0], slides[axis] = slides[axis], slides[0]
    over = slides[1:]
    reach = [k // 2 for k in weight.shape[1:]]
    for place in itertools.product(*map(range, lengths)):
        total = 0.0
        for offset in itertools.product(*(range(-r, r + 1) for r in reach)):
            at = list(place)
            for a, o in zip(over, offset, strict=True):
                at[a] += o
            if any(not 0 <= at[a] < x.shape[a] for a in over):
                continue
            line = [x[(*at[:axis], i, *at[axis + 1 :])].item() for i in range(x.shape[axis])]
            g = (sum(line) / len(line), max(line))  # Eq. (1), (2), (3), (4), (12), (13)
            for c in (0, 1):
                total += weight[c][tuple(o + r for o, r in zip(offset, reach, strict=True))].item() * g[c]
        y = (total - norm.running_mean.item()) / math.sqrt(norm.running_var.item() + norm.eps)
        y = y * norm.weight.item() + norm.bias.item()
        gates[place] = 1 / (1 + math.exp(-y))  # Eq. (5), (6), (7), (8), (14)
    return gates


def unit_by_loops(unit: Unit, x: Tensor) -> Tensor:
    masks = [context_by_loops(context, x).expand_as(x) for context in unit.contexts.values()]
    return torch.stack(masks).mean(0)  # Eq. (9)


def by_loops(module: nn.Module, x: Tensor) -> Tensor:
    if isinstance(module, nn.Sequential):
        for part in module:
            x = by_loops(part, x)
        return x
    if isinstance(module, Sum):
        return 0.5 * by_loops(module.parts[0], x) + 0.5 * by_loops(module.parts[1], x)
    if isinstance(module, In):
        inner = unit_by_loops(module.inner, x) * x
        return unit_by_loops(module.host, inner) * x  # Eq. (15)
    return unit_by_loops(module, x) * x  # Eq. (10), (11)


@pytest.mark.parametrize("name", NAMES)
def test_every_module_by_loops(name):
    module, x = randomise(aia(name)), noise(2, 3, 4, 3, 2)
    expected = torch.stack([by_loops(module, clip) for clip in x])
    torch.testing.assert_close(module(x), expected, rtol=1e-12, atol=1e-13)


@settings(max_examples=20, deadline=None)
@given(
    sizes=st.tuples(*(st.integers(1, 4) for _ in range(4))),
    axis=st.sampled_from("CTHW"),
    kernel=st.tuples(*(st.sampled_from((1, 3)) for _ in range(3))),
)
def test_any_shape_axis_and_kernel_by_loops(sizes, axis, kernel):
    context, x = randomise(Context(axis, kernel)), noise(1, *sizes)
    expected = [1, *sizes]
    expected[AXES[axis]] = 1
    found = context(x)
    assert list(found.shape) == expected
    torch.testing.assert_close(found[0], context_by_loops(context, x[0]), rtol=1e-12, atol=1e-13)


def test_parameters_are_those_of_the_paper():
    """Section III-A: 54 a convolution; the batch norm adds 2."""
    found = {name: parameters(aia(name)) for name in NAMES}
    assert found["C"] == 54 + 2
    assert found["ST"] == 3 * found["C"]
    assert {found[name] for name in ("C->ST", "ST->C", "C+ST", "CinST", "STinC")} == {4 * found["C"]}
    assert {found[name] for name in ("CinST->STinC", "STinC->CinST", "CinST+STinC")} == {8 * found["C"]}


def test_the_host_gates_x_and_not_what_the_inner_unit_made_of_it():
    x = noise(2, 3, 4, 3, 2)
    inside, behind = randomise(aia("CinST")), randomise(aia("C->ST"))
    torch.testing.assert_close(behind(x), inside(x) * inside.inner.mask(x))  # the same weights, by their seed
    inside.inner.contexts["C"].norm.weight.data.zero_()
    inside.inner.contexts["C"].norm.bias.data.fill_(40.0)  # all gates of the inner unit are 1
    torch.testing.assert_close(inside(x), inside.host(x))


def test_names_as_the_paper_writes_them_and_beyond():
    x = noise(1, 2, 3, 4, 5)
    torch.testing.assert_close(randomise(aia("CinST → STinC"))(x), randomise(aia("CinST->STinC"))(x))
    deep = randomise(aia("C in ST in C"))
    torch.testing.assert_close(deep(x), deep.host.mask(deep.inner(x)) * x)
    assert isinstance(deep.inner, In)
    three = randomise(aia("C+ST+STinC"))
    torch.testing.assert_close(three(x), sum(part(x) for part in three.parts) / 3)
    mixed = aia("C+ST->C")
    assert isinstance(mixed, nn.Sequential)
    assert isinstance(mixed[0], Sum)


@pytest.mark.parametrize("name", ["", "X", "c", "C->", "->C", "CinX", "C++ST", "CST", "Cin", "CinST-STinC"])
def test_other_names_are_refused(name):
    with pytest.raises(InputError, match="is no module: C and ST, joined by"):
        aia(name)


def test_wrong_input_is_refused():
    with pytest.raises(InputError, match="unknown axis 'B'; choose from C, T, H, W"):
        Context("B")
    with pytest.raises(InputError, match="odd numbers"):
        aia("C", kernel=(3, 2, 3))
    with pytest.raises(InputError, match=r"x has shape \(2, 3, 4, 5\); \(B, C, T, H, W\) is expected"):
        aia("ST")(torch.zeros(2, 3, 4, 5))


def test_gradients():
    module = randomise(aia("CinST->STinC")).train()
    x = noise(2, 2, 3, 2, 2).requires_grad_()
    assert torch.autograd.gradcheck(module, (x,), eps=1e-6, atol=1e-5)
    module(x).sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in module.parameters())
