"""The 3D part of ECO against the released network's layers by plain calls, and its closed-form size."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from random_weights import noise, randomise
from torch import Tensor

from videoattn.backbones.resnet3d import Resnet3D
from videoattn.errors import InputError
from videoattn.reporting.cost import parameters

# The released 3D network: output, operation, inputs.
PROGRAM = """
res3a_2   conv   data
res3a_bn  bnr    res3a_2
res3b_1   conv   res3a_bn
res3b_1bn bnr    res3b_1
res3b_2   conv   res3b_1bn
res3b     sum    res3b_2 res3a_2
res3b_bn  bnr    res3b
"""
HALVING = """
res#a_1    conv/2 res@b_bn
res#a_1bn  bnr    res#a_1
res#a_2    conv   res#a_1bn
res#a_down conv/2 res@b_bn
res#a      sum    res#a_2 res#a_down
res#a_bn   bnr    res#a
res#b_1    conv   res#a_bn
res#b_1bn  bnr    res#b_1
res#b_2    conv   res#b_1bn
res#b      sum    res#b_2 res#a
res#b_bn   bnr    res#b
"""
PROGRAM += "".join(HALVING.replace("#", str(n)).replace("@", str(n - 1)) for n in (4, 5))
PATHS = {"a_bn": "residual.0", "b_1": "residual.2", "b_1bn": "residual.3", "b_2": "residual.5", "b_bn": "leave.0"}
PATHS |= {"a_1": "enter.0", "a_1bn": "enter.1", "a_2": "enter.3", "a_down": "shortcut"}


def plain_3d(x: Tensor, state: dict[str, Tensor]) -> Tensor:
    values = {"data": x}
    for line in filter(None, PROGRAM.split("\n")):
        name, operation, *inputs = line.split()
        path = "conv3.enter" if name == "res3a_2" else f"conv{name[3]}.{PATHS.get(name[4:])}"
        x = values[inputs[0]]
        if operation == "sum":
            values[name] = x + values[inputs[1]]
        elif operation == "bnr":
            entries = [state[f"{path}.{entry}"] for entry in ("running_mean", "running_var", "weight", "bias")]
            values[name] = F.batch_norm(x, *entries).relu()
        else:
            stride = 2 if operation == "conv/2" else 1
            values[name] = F.conv3d(x, state[f"{path}.weight"], state[f"{path}.bias"], stride, 1)
    return values[name]


def test_3d_part_is_that_of_plain_calls():
    net, x = randomise(Resnet3D(in_channels=3, widths=(4, 5, 6))), noise(2, 3, 8, 9, 6)
    expected = plain_3d(x.clone(), net.state_dict())
    torch.testing.assert_close(net(x), expected)
    assert expected.shape == (2, 6, 2, 3, 2)


@settings(max_examples=15, deadline=None)
@given(sides=st.tuples(*[st.integers(1, 20)] * 3), widths=st.tuples(*[st.integers(1, 9)] * 4))
def test_3d_part_of_any_size(sides, widths):
    first, *widths = widths
    with torch.device("meta"):
        net = Resnet3D(in_channels=first, widths=widths).eval()
        x = torch.empty(2, first, *sides)
    assert net(x).shape == (2, widths[2], *(-(-n // 4) for n in sides))
    a, b, c = widths
    convolutions = first * a + 2 * a * a + 2 * a * b + 3 * b * b + 2 * b * c + 3 * c * c
    # conv3 has 3 convolutions with a bias and 3 norms, the others 5 and 4.
    assert parameters(net) == 27 * convolutions + (3 + 2 * 3) * a + (5 + 2 * 4) * (b + c)


def test_network_starts_as_caffe_s_filler_does():
    torch.manual_seed(0)
    weight = Resnet3D(in_channels=16, widths=(16, 32, 8)).conv4.residual[2].weight
    assert weight.std().item() == pytest.approx((27 * 32) ** -0.5, rel=0.02)
    assert weight.abs().max().item() == pytest.approx((27 * 32 / 3) ** -0.5, rel=0.01)


@pytest.mark.parametrize(("in_channels", "widths"), [(96, (4, 4)), (96, (4, 0, 4)), (0, (4, 4, 4))])
def test_impossible_widths_are_refused(in_channels, widths):
    with pytest.raises(InputError, match=rf"in_channels={in_channels}, widths=.*three widths are expected"):
        Resnet3D(in_channels=in_channels, widths=widths)
