"""What is taken off the input of a convolution: at the border too, and wherever its state goes."""

import copy
import io

import pytest
import torch
import torch.nn.functional as F
from random_weights import noise
from torch import nn

from videoattn.errors import InputError
from videoattn.layers.input_offset import accept_offset, set_offset

OFFSET = torch.tensor([0.5, -2.0, 0.25], dtype=torch.float64)


def convolution(dims: int = 2) -> nn.Module:
    torch.manual_seed(0)
    conv = (nn.Conv2d if dims == 2 else nn.Conv3d)(3, 4, 3, stride=2, padding=1).double()
    accept_offset(conv)
    return conv


@pytest.mark.parametrize("dims", [2, 3])
def test_the_border_stands_for_the_offset(dims):
    conv, x = convolution(dims), noise(2, 3, *[7] * dims)
    set_offset(conv, OFFSET)
    values = OFFSET.view(-1, *[1] * dims)
    padded = values.expand(2, -1, *[9] * dims).clone()
    padded[(..., *[slice(1, -1)] * dims)] = x
    function = F.conv2d if dims == 2 else F.conv3d
    expected = function(padded - values, conv.weight, conv.bias, stride=2)
    torch.testing.assert_close(conv(x), expected, rtol=0, atol=1e-14)
    torch.testing.assert_close(F.pad(x, [1, 1] * dims).sum(), x.sum())


def test_it_goes_where_the_state_goes():
    conv, x = convolution(), noise(2, 3, 7, 7)
    before = conv(x)
    set_offset(conv, OFFSET)
    expected = conv(x)
    assert (expected - before).abs().max() > 0.1
    assert conv.state_dict()["offset"].equal(OFFSET)
    other = convolution()
    other.load_state_dict(conv.state_dict())
    whole = nn.Sequential(convolution())
    whole.load_state_dict({f"0.{key}": value for key, value in conv.state_dict().items()})
    buffer = io.BytesIO()
    torch.save(conv, buffer)
    buffer.seek(0)
    pickled = torch.load(buffer, weights_only=False)
    compiled = torch.compile(conv, backend="eager")
    fresh = copy.deepcopy(convolution())
    fresh.load_state_dict(conv.state_dict())
    for net in (other, whole, copy.deepcopy(conv), copy.deepcopy(other), pickled, compiled, fresh):
        assert torch.equal(net(x), expected)
    plain = convolution()
    plain.load_state_dict({key: value for key, value in conv.state_dict().items() if key != "offset"})
    assert torch.equal(plain(x), before)
    with pytest.raises(RuntimeError, match=r'Missing key.*"offset"'):
        other.load_state_dict(plain.state_dict())


def test_a_second_offset_replaces_the_first():
    conv, x = convolution(), noise(1, 3, 5, 5)
    set_offset(conv, OFFSET)
    once = conv(x)
    set_offset(conv, 3 * OFFSET)
    set_offset(conv, OFFSET)
    assert torch.equal(conv(x), once)
    assert conv.float()(x.float()).dtype == torch.float32
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert conv(x.float()).dtype == torch.bfloat16


def test_another_shape_is_refused():
    with pytest.raises(InputError, match=r"the offset has shape \(1,\); \(3,\) is expected"):
        set_offset(convolution(), OFFSET[:1])
