"""3D convolutions as 2D ones: the same output and gradients, and the same count."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_weights import noise
from torch import nn

from videoattn.layers import banded
from videoattn.layers.banded import conv3d
from videoattn.reporting.cost import count


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.tuples(st.integers(1, 3), st.integers(1, 7), st.integers(1, 5), st.integers(1, 5)),
    channels=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    kernel=st.tuples(*(st.sampled_from((1, 3, 5, 7)) for _ in range(3))),
)
def test_output_and_gradients_are_those_of_the_convolution(sizes, channels, kernel):
    torch.manual_seed(0)
    conv = nn.Conv3d(*channels, kernel, padding=tuple(k // 2 for k in kernel), bias=False).double()
    found = []
    for call in (conv, lambda x: conv3d(conv, x)):
        x = noise(sizes[0], channels[0], *sizes[1:]).requires_grad_()
        conv.zero_grad()
        y = call(x)
        (y * noise(*y.shape, seed=2)).sum().backward()
        found.append((y.detach(), x.grad, conv.weight.grad.clone()))
    torch.testing.assert_close(found[1], found[0], rtol=1e-10, atol=1e-10)


def test_a_longer_axis_and_other_layouts(monkeypatch):
    conv = nn.Conv3d(2, 1, 3, padding=1, bias=False)
    x = torch.randn(2, 2, 6, 5, 4)
    transposed = x.transpose(2, 4).contiguous().transpose(2, 4)
    torch.testing.assert_close(conv3d(conv, transposed), conv(x))
    called = []
    conv.register_forward_hook(lambda *_: called.append(1))
    conv3d(conv, x)
    assert called == []
    monkeypatch.setattr(banded, "LONGEST", 5)
    torch.testing.assert_close(conv3d(conv, x), conv(x))
    assert called == [1, 1]


@pytest.mark.parametrize("convention", ["multiply-adds", "thop-2020"])
def test_on_meta_the_convolution_itself_is_counted(convention):
    class Convolution(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv3d(2, 1, 3, padding=1, bias=False)

        def forward(self, x):
            return conv3d(self.conv, x)

    with torch.device("meta"):
        network, x = Convolution(), torch.empty(1, 2, 8, 7, 6)
    assert count(network, x, convention=convention) == 54 * 8 * 7 * 6


def test_under_autocast_it_is_computed_in_half():
    conv, x = nn.Conv3d(2, 1, 3, padding=1, bias=False), torch.randn(2, 2, 6, 5, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half, direct = conv3d(conv, x), conv(x)
    assert half.dtype == direct.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), conv(x), rtol=0.05, atol=0.05)


def test_compiled_it_gives_the_same():
    conv, x = nn.Conv3d(2, 1, 3, padding=1, bias=False), torch.randn(2, 2, 6, 5, 4)
    compiled = torch.compile(lambda x: conv3d(conv, x), backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), conv(x))
