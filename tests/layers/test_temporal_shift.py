"""The temporal shift index by index, and blocks of timm's ResNets with it against plain functional calls."""

import copy
import pickle

import pytest
import timm
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from videoattn.backbones.resnet import resnet
from videoattn.errors import InputError
from videoattn.layers.temporal_shift import NAME, TemporalShift, add_temporal_shift
from videoattn.reporting.cost import count, parameters

SIZES = {"classes": 3, "channels": (8, 8, 16, 16), "stem_width": 4, "layers": (2, 1, 1, 1)}


def shifted(x: Tensor, frames: int, fold: int) -> Tensor:
    """The shift of (B T, C, H, W), index by index."""
    y = torch.zeros_like(x)
    for row in range(x.shape[0]):
        clip, t = divmod(row, frames)
        for c in range(x.shape[1]):
            source = t + 1 if c < fold else t - 1 if c < 2 * fold else t
            if 0 <= source < frames:
                y[row, c] = x[clip * frames + source, c]
    return y


def small(name="resnet18", seed=0):
    """A small network in float64 and evaluation mode whose norms let everything through."""
    torch.manual_seed(seed)
    net = resnet(name, **SIZES).double().eval()
    for norm in net.modules():
        if isinstance(norm, nn.BatchNorm2d):
            for tensor, low in (
                (norm.weight, 0.5),
                (norm.bias, -1.0),
                (norm.running_mean, -1.0),
                (norm.running_var, 1),
            ):
                nn.init.uniform_(tensor, low, low + 1)
    return net


def noise(*shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@settings(max_examples=40, deadline=None)
@given(
    clips=st.integers(1, 3),
    frames=st.integers(1, 5),
    channels=st.integers(1, 19),
    height=st.integers(1, 3),
    width=st.integers(1, 3),
    fraction=st.integers(2, 9),
)
def test_shift_index_by_index(clips, frames, channels, height, width, fraction):
    x = noise(clips * frames, channels, height, width)
    kept = x.clone()
    out = TemporalShift(frames=frames, fraction=fraction)(x)
    torch.testing.assert_close(out, shifted(x, frames, channels // fraction), rtol=0, atol=0)
    torch.testing.assert_close(x, kept, rtol=0, atol=0)


def test_three_frames_by_hand():
    x = torch.arange(1.0, 13.0).view(3, 4, 1, 1)  # frames 1-4, 5-8, 9-12
    out = TemporalShift(frames=3, fraction=4)(x).view(3, 4)
    assert out.tolist() == [[5, 0, 3, 4], [9, 2, 7, 8], [0, 6, 11, 12]]


def test_one_frame_loses_the_moving_channels():
    x = noise(2, 8, 2, 3)
    out = TemporalShift(frames=1, fraction=4)(x)
    assert not out[:, :4].any()
    torch.testing.assert_close(out[:, 4:], x[:, 4:], rtol=0, atol=0)


def test_frames_may_change_and_clips_do_not_mix():
    shift, x = TemporalShift(frames=2), noise(6, 8, 2, 2)
    for frames in (2, 3, 6):
        shift.frames = frames
        torch.testing.assert_close(shift(x), shifted(x, frames, 1), rtol=0, atol=0)


def test_gradients_are_exact():
    x = noise(4, 4, 1, 2).requires_grad_()
    assert torch.autograd.gradcheck(TemporalShift(frames=2, fraction=2), (x,))


def test_channels_last_stays_so():
    x = noise(4, 8, 3, 5).contiguous(memory_format=torch.channels_last)
    out = TemporalShift(frames=2)(x)
    assert out.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(out, shifted(x, 2, 1), rtol=0, atol=0)


@pytest.mark.parametrize(("blocks", "step", "shifts"), [(22, 1, 22 + 3 + 4 + 3), (23, 2, 2 + 2 + 12 + 2)])
def test_long_networks_shift_every_second_block(blocks, step, shifts):
    with torch.device("meta"):
        net = resnet("resnet101", classes=3, layers=(3, 4, blocks, 3))
        add_temporal_shift(net, frames=2)
    found = {path for path, module in net.named_modules() if hasattr(module, NAME)}
    stages = {f"layer{i}": net.get_submodule(f"layer{i}") for i in range(1, 5)}
    expected = {f"{stage}.{i}.conv1" for stage, all_blocks in stages.items() for i in range(0, len(all_blocks), step)}
    assert found == expected
    assert len(found) == shifts


def convolved(x: Tensor, conv: nn.Conv2d, norm: nn.BatchNorm2d) -> Tensor:
    x = F.conv2d(x, conv.weight, stride=conv.stride, padding=conv.padding)
    return F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)


def residual(block: nn.Module, x: Tensor, frames: int) -> Tensor:
    """A basic or bottleneck block by plain functional calls, its first convolution on shifted maps."""
    y = convolved(shifted(x, frames, x.shape[1] // 8), block.conv1, block.bn1).relu()
    y = convolved(y, block.conv2, block.bn2)
    if hasattr(block, "conv3"):
        y = convolved(y.relu(), block.conv3, block.bn3)
    return (y + (x if block.downsample is None else convolved(x, *block.downsample))).relu()


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_network_with_shifts_is_that_of_plain_calls(name):
    plain = small(name)
    net = add_temporal_shift(copy.deepcopy(plain), frames=3)
    images = noise(6, 3, 37, 30)
    x = plain.maxpool(plain.act1(plain.bn1(plain.conv1(images))))
    for stage in (plain.layer1, plain.layer2, plain.layer3, plain.layer4):
        for block in stage:
            x = residual(block, x, 3)
    torch.testing.assert_close(net.forward_features(images), x)
    torch.testing.assert_close(net(images), plain.fc(x.mean(dim=(2, 3))))
    assert not torch.allclose(net(images), plain(images))


def test_the_identity_path_is_not_shifted():
    net = add_temporal_shift(small(), frames=2)
    block = net.layer1[1]
    nn.init.zeros_(block.bn2.weight)
    nn.init.zeros_(block.bn2.bias)
    x = noise(2, 8, 4, 4).abs()
    torch.testing.assert_close(block(x), x, rtol=0, atol=0)


def test_every_block_has_one_shift():
    with torch.device("meta"):
        net = add_temporal_shift(resnet("resnet50", classes=400), frames=8)
    hosts = [name for name, module in net.named_modules() if isinstance(module, TemporalShift)]
    blocks = [f"layer{s}.{i}" for s, n in ((1, 3), (2, 4), (3, 6), (4, 3)) for i in range(n)]
    assert hosts == [f"{block}.conv1.{NAME}" for block in blocks]


def test_neither_parameters_nor_arithmetic():
    with torch.device("meta"):
        plain, net = (resnet("resnet50", classes=400) for _ in range(2))
    add_temporal_shift(net, frames=2)
    assert parameters(net) == parameters(plain) == 24_327_632
    images = torch.empty(2, 3, 64, 64)
    assert count(net, images) == count(plain, images)


def test_keys_stay_and_weights_load_before_or_after():
    plain = small()
    before = add_temporal_shift(copy.deepcopy(plain), frames=3)
    after = add_temporal_shift(small(seed=5), frames=3)
    images = noise(3, 3, 32, 32)
    assert list(before.state_dict()) == list(plain.state_dict())
    assert not torch.allclose(before(images), after(images))
    after.load_state_dict(plain.state_dict())
    torch.testing.assert_close(before(images), after(images), rtol=0, atol=0)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_copies_have_shifts_of_their_own(duplicate):
    net, images = add_temporal_shift(small(), frames=2), noise(6, 3, 32, 32)
    expected = net(images)
    twin = duplicate(net)
    for module in net.modules():
        if isinstance(module, TemporalShift):
            module.frames = 3
    torch.testing.assert_close(twin(images), expected, rtol=0, atol=0)
    assert not torch.allclose(net(images), expected)


def test_compiles_to_one_graph():
    block, x = add_temporal_shift(small(), frames=2).layer2, noise(4, 8, 7, 6).requires_grad_()
    (gradient,) = torch.autograd.grad(block(x).square().sum(), x)
    torch._dynamo.reset()
    out = torch.compile(block, fullgraph=True, backend="aot_eager")(x)
    torch.testing.assert_close(out, block(x))
    torch.testing.assert_close(torch.autograd.grad(out.square().sum(), x)[0], gradient)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frames": 0}, "frames=0: a clip has at least 1"),
        ({"frames": 2, "fraction": 1}, "fraction=1: at least 2"),
        ({"frames": 2, "fraction": 9}, r"fraction=9: layer1\.0 has 8 channels, .*at most 8 is possible"),
    ],
)
def test_impossible_values_are_refused(options, message):
    net = small()
    with pytest.raises(InputError, match=message):
        add_temporal_shift(net, **options)
    assert not any(module._forward_pre_hooks for module in net.modules())


def test_other_networks_are_refused():
    with pytest.raises(InputError, match="the backbone is a Linear"):
        add_temporal_shift(nn.Linear(2, 2), frames=2)
    with torch.device("meta"):
        selective = timm.create_model("skresnet18")
    with pytest.raises(InputError, match=r"layer1\.0 is a SelectiveKernelBasic; BasicBlock and Bottleneck can be"):
        add_temporal_shift(selective, frames=2)
    with pytest.raises(InputError, match=r"layer1\.0 has a temporal shift already"):
        add_temporal_shift(add_temporal_shift(small(), frames=2), frames=2)


@pytest.mark.parametrize("shape", [(5, 8, 2, 2), (2, 8, 2, 2, 2), (8, 2)])
def test_wrong_maps_are_refused(shape):
    with pytest.raises(InputError, match=r"\(B T, C, H, W\) with T = 2 is expected"):
        TemporalShift(frames=2)(torch.zeros(shape))
