"""Steps that are computed again in the backward pass, in parts of the channels or not, against plain layers."""

import pytest
import torch
from criss_cross import noise, rcca

from videoattn.papers.rcca import recomputed


@pytest.fixture(params=[0, 2**20], ids=["in parts", "whole"])
def _parts(request, monkeypatch):
    monkeypatch.setattr(recomputed, "LARGE", request.param)


@pytest.mark.usefixtures("_parts")
@pytest.mark.parametrize("structure", ["a", "b", "d"])
@pytest.mark.parametrize(("channels", "reduction", "recurrence"), [(2, 1, 1), (6, 2, 3), (8, 4, 2), (16, 4, 3)])
def test_equals_the_layers(structure, channels, reduction, recurrence):
    found = []
    for recompute in (False, True):
        block = rcca(
            structure,
            gamma=0.7,
            channels=channels,
            reduction=reduction,
            recurrence=recurrence,
            recompute=recompute,
        )
        x = noise(2, channels, 3, 2, 4).requires_grad_()
        out = block(x)
        (out * noise(*out.shape, seed=5)).sum().backward()
        found.append([out, x.grad, *(p.grad for p in block.parameters())])
    torch.testing.assert_close(found[1], found[0])


@pytest.mark.usefixtures("_parts")
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
def test_any_layout_and_a_gradient_that_is_no_memory_of_its_own(layout):
    block = rcca(channels=8)
    expected = rcca(channels=8, recompute=False)
    found = []
    for module in (expected, block):
        x = noise(2, 8, 2, 3, 4).contiguous(memory_format=layout).requires_grad_()
        module(x).sum().backward()  # the gradient of a sum is one number, expanded
        found.append([x.grad, *(p.grad for p in module.parameters())])
    torch.testing.assert_close(found[1], found[0])


def test_second_derivatives_are_refused():
    x = noise(1, 4, 2, 2, 2).requires_grad_()
    (gradient,) = torch.autograd.grad(rcca(recompute=True)(x).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()
