"""Criss-cross attention as networks run it: gradients, recomputation, reduced precision, compiled, other layouts."""

import itertools

import pytest
import torch
from criss_cross import noise, on_lines, rcca
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.func import functional_call, grad, jvp, vmap

from videoattn.layers.meta import on_meta
from videoattn.papers.rcca.attention import RCCA3D, STRUCTURES
from videoattn.papers.rcca.lines import aggregate, weights
from videoattn.reporting.cost import count

LAYOUTS = ("contiguous", "channels last", "folded time", "transposed", "every second")


def laid_out(layout: str, *shape: int) -> Tensor:
    """The same maps (B, C, T, H, W) in other places of the memory."""
    x = noise(*shape)
    if layout == "channels last":
        return x.contiguous(memory_format=torch.channels_last_3d)
    if layout == "folded time":  # as a block gets them within a network over frames
        return x.transpose(1, 2).contiguous().transpose(1, 2)
    if layout == "transposed":
        return x.mT.contiguous().mT
    return x.repeat_interleave(2, 2)[:, :, ::2] if layout == "every second" else x


def results(block: RCCA3D, x: Tensor, *, autocast: bool = False) -> list[Tensor]:
    """Output and gradients: of the input, then of the parameters."""
    block.zero_grad()
    x = x.detach().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        out = block(x)
    (out * noise(*x.shape, seed=3, dtype=x.dtype)).sum().backward()
    return [out.detach(), x.grad, *(p.grad.clone() for p in block.parameters())]


def grouped(found: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Output, gradient of the input, and those of all parameters as one vector."""
    return *found[:2], torch.cat([m.flatten() for m in found[2:]])


def twins(structure: str, **sizes: int) -> tuple[RCCA3D, RCCA3D]:
    return rcca(structure, recompute=True, **sizes), rcca(structure, recompute=False, **sizes)


@pytest.mark.parametrize("structure", STRUCTURES)
@settings(max_examples=15, deadline=None)
@given(
    batch=st.integers(1, 3),
    channels=st.integers(1, 9),
    grid=st.tuples(*[st.integers(1, 4)] * 3),
    recurrence=st.integers(1, 4),
    layout=st.sampled_from(LAYOUTS),
)
def test_recomputing_gives_the_same_output_and_gradients(structure, batch, channels, grid, recurrence, layout):
    recomputed, plain = twins(structure, channels=channels, reduction=channels, recurrence=recurrence)
    x = laid_out(layout, batch, channels, *grid)
    torch.testing.assert_close(results(recomputed, x), results(plain, x))
    torch.testing.assert_close(recomputed.eval()(x), plain(x))
    with torch.no_grad():
        torch.testing.assert_close(recomputed(x), plain(x))


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layout_in_memory_does_not_matter(structure, layout):
    for block in twins(structure):
        x = laid_out(layout, 2, 4, 2, 3, 4)
        torch.testing.assert_close(results(block, x), results(block, noise(2, 4, 2, 3, 4)))


@pytest.mark.parametrize("structure", STRUCTURES)
def test_recomputing_keeps_the_input_of_each_step_alone(structure):
    sizes = []
    for block in twins(structure, channels=8):
        saved = {}
        with saved_tensors_hooks(lambda t, saved=saved: saved.update({t.data_ptr(): t.numel()}) or t, lambda t: t):
            block(noise(2, 8, 2, 3, 4).requires_grad_())
        sizes.append(sum(saved.values()))
    maps, own = 2 * 8 * 2 * 3 * 4, sum(p.numel() for p in block.parameters())
    assert sizes[0] <= (6 if structure == "c" else 3) * maps + own  # in c what gamma multiplies as well
    assert sizes[1] > 6 * maps + own


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("recompute", [False, True])
def test_gradients_are_those_of_finite_differences(structure, recompute):
    block = rcca(structure, channels=2, reduction=1, recurrence=2, recompute=recompute)
    names = [name for name, _ in block.named_parameters()]
    values = [p.detach().clone().requires_grad_() for p in block.parameters()]
    inputs = (noise(1, 2, 2, 1, 3).requires_grad_(), *values)

    def call(x: Tensor, *values: Tensor) -> Tensor:
        return functional_call(block, dict(zip(names, values, strict=True)), (x,))

    assert torch.autograd.gradcheck(call, inputs)
    if not recompute:
        assert torch.autograd.gradgradcheck(call, inputs, fast_mode=True)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_torch_func_gives_gradients_by_sample_and_second_derivatives(structure):
    """As plain layers, whatever `recompute` says."""
    block, plain = twins(structure, recurrence=2)
    x, parameters = noise(2, 4, 2, 1, 3), dict(block.named_parameters())

    def loss(parameters: dict[str, Tensor], x: Tensor) -> Tensor:
        return functional_call(block, parameters, (x,)).square().sum()

    found = vmap(grad(lambda p, x: loss(p, x[None])), in_dims=(None, 0))(parameters, x)
    for i, sample in enumerate(x):
        expected = torch.autograd.grad(plain(sample[None]).square().sum(), tuple(plain.parameters()))
        torch.testing.assert_close([m[i] for m in found.values()], list(expected))
    found = grad(lambda x: grad(lambda x: loss(parameters, x))(x).square().sum())(x)
    x.requires_grad_()
    (first,) = torch.autograd.grad(plain(x).square().sum(), x, create_graph=True)
    torch.testing.assert_close(found, torch.autograd.grad(first.square().sum(), x)[0])
    tangent = noise(*x.shape, seed=7)
    _, along = jvp(lambda x: functional_call(block, parameters, (x,)).sum(), (x,), (tangent,))
    torch.testing.assert_close(along, (torch.autograd.grad(plain(x).sum(), x)[0] * tangent).sum())


def test_frozen_parameters_and_inputs_get_no_gradient():
    for block in twins("a"):
        block.step.requires_grad_(False)
        block(noise(1, 4, 2, 3, 2)).sum().backward()
        assert [name for name, p in block.named_parameters() if p.grad is not None] == ["gamma"]


@pytest.mark.parametrize("structure", STRUCTURES)
def test_under_autocast_it_agrees_with_full_precision(structure):
    x = noise(2, 8, 2, 3, 4, dtype=torch.float32)
    for block in twins(structure, channels=8):
        block.float()
        full, half = results(block, x), results(block, x, autocast=True)
        assert [m.dtype for m in half] == [torch.float32] * len(full)
        assert not torch.equal(half[0], full[0])  # it did compute in half
        for exact, found in zip(grouped(full), grouped(half), strict=True):
            assert (found - exact).norm() < 0.02 * exact.norm()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            for lines in block(x, return_attention=True)[1]:
                total = torch.cat(lines, -1).float().sum(-1)
                torch.testing.assert_close(total, torch.ones(2, 2, 3, 4), rtol=0, atol=0.01)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_under_autocast_the_residual_keeps_its_precision(structure):
    x = noise(2, 4, 2, 3, 4, dtype=torch.float32)
    for block in twins(structure, gamma=0.0):
        out, gradient, *_ = results(block.float(), x, autocast=True)
        torch.testing.assert_close(out, x, rtol=0, atol=0)
        torch.testing.assert_close(gradient, noise(*x.shape, seed=3, dtype=torch.float32), rtol=0, atol=0)


def test_state_goes_from_one_to_another_whether_it_recomputes_or_not():
    x = noise(1, 4, 2, 3, 4)
    for structure in STRUCTURES:
        block, other = rcca(structure), rcca(structure, recompute=False, seed=9)
        assert not torch.allclose(other(x), block(x))
        other.load_state_dict(block.state_dict())
        torch.testing.assert_close(other(x), block(x))


def test_cost_does_not_depend_on_recomputing_or_on_the_device():
    x = torch.zeros(1, 8, 2, 3, 4)
    for structure in STRUCTURES:
        blocks = [block.float() for block in twins(structure, channels=8)]
        convolutions = 2 * 8 * 4 + (2 * 8 * 4 if structure == "c" else 8 * 8)
        lines = (2 + 3 + 4) * (4 + (4 if structure == "c" else 8))  # products with the place itself thrice
        for block in (*blocks, *map(on_meta, blocks)):
            assert count(block, x) == 3 * 24 * (convolutions + lines)


@pytest.mark.parametrize(("structure", "recompute"), [("a", True), ("b", False), ("c", True), ("d", True)])
def test_compiled_it_gives_the_same_output_and_gradients(structure, recompute):
    block = rcca(structure, channels=2, recompute=recompute, recurrence=2 if structure == "d" else 1)
    backend = "eager" if structure == "d" else "aot_eager"  # the shorter, where the other shows no more
    x = noise(1, 2, 2, 3, 2)
    expected = results(block, x)
    torch.testing.assert_close(results(torch.compile(block, backend=backend, fullgraph=True), x), expected)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_large_energies_pick_one_key(dtype):
    """Energies far apart leave one weight: the value at the key with the largest, and finite gradients."""
    shape = (3, 2, 4)
    scores = torch.randperm(24, generator=torch.Generator().manual_seed(0)).view(1, 1, *shape).to(dtype)
    q = torch.full((1, 1, *shape), 2000.0, dtype=dtype, requires_grad=True)
    k, v = (scores - 12).requires_grad_(), scores.clone().requires_grad_()
    h = aggregate(weights(q, k), v)
    for u in itertools.product(*map(range, shape)):
        assert h[(0, 0, *u)].item() == max(scores[(0, 0, *i)].item() for i in on_lines(u, shape))
    h.sum().backward()
    assert all(m.grad.isfinite().all() for m in (q, k, v))


@pytest.mark.parametrize("recompute", [False, True])
def test_large_energies_leave_output_and_gradients_finite(recompute):
    block = rcca("a", recompute=recompute)
    for layer in (block.step.q, block.step.k):
        layer.weight.data *= 1000
    expected = results(block, noise(1, 4, 2, 3, 4))
    found = results(block.float(), noise(1, 4, 2, 3, 4, dtype=torch.float32))
    torch.testing.assert_close(found[0], expected[0].float(), rtol=1e-3, atol=1e-3)
    assert all(m.isfinite().all() for m in found)
