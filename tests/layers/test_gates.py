"""Rivals of attention in attention: values by loops, and what each can and cannot see."""

import itertools
import math

import pytest
import torch
from random_weights import noise, randomise
from torch import Tensor, nn

from videoattn.errors import InputError
from videoattn.layers.gates import CBAM3D, GE3DDW, GE3DG, S3DG, SE3D, bottleneck

C = 4
GATES = {
    "SE3D": lambda: SE3D(C, reduction=2),
    "GE3D-G": GE3DG,
    "GE3D-DW133": lambda: GE3DDW(C, kernel=(1, 3, 3)),
    "GE3D-DW333": lambda: GE3DDW(C, kernel=(3, 3, 3)),
    "S3D-G": lambda: S3DG(C),
    "CBAM3D-177": lambda: CBAM3D(C, kernel=(1, 7, 7), reduction=2),
    "CBAM3D-377": lambda: CBAM3D(C, kernel=(3, 7, 7), reduction=2),
}
LOCAL_IN_TIME = {"GE3D-DW333", "CBAM3D-377"}


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def dense(layer: nn.Conv3d, values: list[float]) -> list[float]:
    bias = [0.0] * layer.out_channels if layer.bias is None else layer.bias.tolist()
    weight = layer.weight.flatten(1).tolist()
    return [b + sum(w * v for w, v in zip(row, values, strict=True)) for row, b in zip(weight, bias, strict=True)]


def two_layers(layers: nn.Sequential, values: list[float]) -> list[float]:
    return dense(layers[2], [max(v, 0.0) for v in dense(layers[0], values)])


def pooled(x: Tensor) -> tuple[list[float], list[float]]:
    """Mean and maximum of each channel of x (c, t, h, w)."""
    values = [channel.flatten().tolist() for channel in x]
    return [sum(v) / len(v) for v in values], [max(v) for v in values]


def convolved(weight: Tensor, x: Tensor, norm: nn.BatchNorm3d, stride: int = 1) -> Tensor:
    """One output channel of a convolution with same padding and its batch norm, position by position."""
    reach = [k // 2 for k in weight.shape[1:]]
    shape = [x.shape[1], *((n + stride - 1) // stride for n in x.shape[2:])]
    found = torch.zeros(shape, dtype=x.dtype)
    for t, h, w in itertools.product(*map(range, shape)):
        total = 0.0
        for offset in itertools.product(*(range(-r, r + 1) for r in reach)):
            at = [t + offset[0], h * stride + offset[1], w * stride + offset[2]]
            if all(0 <= a < n for a, n in zip(at, x.shape[1:], strict=True)):
                index = tuple(o + r for o, r in zip(offset, reach, strict=True))
                total += sum(weight[c][index].item() * x[c][tuple(at)].item() for c in range(len(x)))
        found[t, h, w] = total
    scale = norm.weight.item() / math.sqrt(norm.running_var.item() + norm.eps)
    return (found - norm.running_mean.item()) * scale + norm.bias.item()


def one(norm: nn.BatchNorm3d, c: int) -> nn.BatchNorm3d:
    """The batch norm of a single channel."""
    alone = nn.BatchNorm3d(1, norm.eps).double()
    keys = ("weight", "bias", "running_mean", "running_var")
    alone.load_state_dict({key: getattr(norm, key)[c : c + 1] for key in keys}, strict=False)
    return alone


def by_loops(name: str, gate: nn.Module, x: Tensor) -> Tensor:
    mean, highest = pooled(x)
    if name.startswith("GE3D-DW"):
        maps = x
        for conv, norm in pairs(gate.gather):
            maps = torch.stack([convolved(conv.weight[c], maps[c : c + 1], one(norm, c), 2) for c in range(C)])
        out = torch.empty_like(x)
        for c, t, h, w in itertools.product(*map(range, x.shape)):
            small = maps.shape[2:]
            y = maps[c, t, h * small[0] // x.shape[2], w * small[1] // x.shape[3]].item()
            out[c, t, h, w] = x[c, t, h, w] * sigmoid(y)
        return out
    if name == "GE3D-G":
        logits = mean
    elif name == "S3D-G":
        logits = dense(gate.gates, mean)
    else:
        logits = two_layers(gate.gates, mean)
    if name.startswith("CBAM"):
        logits = [a + b for a, b in zip(logits, two_layers(gate.gates, highest), strict=True)]
    x = torch.stack([channel * sigmoid(y) for channel, y in zip(x, logits, strict=True)])
    if name.startswith("CBAM"):
        places = torch.stack([x.amax(0), x.mean(0)])
        x = x * torch.sigmoid(convolved(gate.conv.weight[0], places, gate.norm))
    return x


def pairs(layers: nn.Sequential) -> list[tuple[nn.Module, nn.Module]]:
    return list(zip(layers[::2], layers[1::2], strict=True))


@pytest.mark.parametrize("name", GATES)
@pytest.mark.parametrize("shape", [(2, C, 3, 5, 4), (1, C, 1, 1, 1)])
def test_values_by_loops(name, shape):
    gate, x = randomise(GATES[name]()), noise(*shape)
    expected = torch.stack([by_loops(name, gate, clip) for clip in x])
    torch.testing.assert_close(gate(x), expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", GATES)
def test_only_kernels_along_time_notice_the_order_of_the_frames(name):
    gate, x = randomise(GATES[name]()), noise(2, C, 5, 6, 6)
    order = torch.tensor([3, 1, 4, 0, 2])
    moved = gate(x[:, :, order])
    same = torch.allclose(moved, gate(x)[:, :, order], rtol=1e-10, atol=1e-12)
    assert same is (name not in LOCAL_IN_TIME)


@pytest.mark.parametrize("name", GATES)
def test_gradients(name):
    gate, x = randomise(GATES[name]()).train(), noise(2, C, 2, 3, 3).requires_grad_()
    assert torch.autograd.gradcheck(gate, (x,), eps=1e-6, atol=1e-5)


def test_impossible_values_are_refused():
    with pytest.raises(InputError, match="reduction=8: 1 to 4 are possible with 4 channels"):
        SE3D(C, reduction=8)
    with pytest.raises(InputError, match="reduction=0"):
        bottleneck(C, 0)
    for kernel in ((2, 3, 3), (3, 3), (1, 0, 1)):
        with pytest.raises(InputError, match="three odd numbers"):
            GE3DDW(C, kernel=kernel)
        with pytest.raises(InputError, match="three odd numbers"):
            CBAM3D(C, kernel=kernel)
