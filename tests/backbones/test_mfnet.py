"""MF-Net: its units against plain functional calls, its closed-form size, and the printed figures."""

import copy
import pickle

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from random_weights import noise, randomise
from torch import Tensor, nn

from videoattn.backbones.mfnet import MFNet, MFUnit
from videoattn.backbones.positions import conv_path
from videoattn.errors import InputError
from videoattn.layers.attach import attach
from videoattn.reporting.cost import count, parameters

SMALL = {"classes": 5, "layers": (2, 3, 1, 1), "width": 8, "groups": 4, "stem": 4}


def small(**options):
    torch.manual_seed(0)
    return randomise(MFNet(**SMALL, **options))


def active(x: Tensor, state: dict[str, Tensor], name: str, **options) -> Tensor:
    """Batch norm, ReLU and the convolution `name` of a state dict."""
    norm = [state[f"{name}.0.{key}"] for key in ("running_mean", "running_var", "weight", "bias")]
    return F.conv3d(F.batch_norm(x, *norm).relu(), state[f"{name}.2.weight"], **options)


def unit(x: Tensor, state: dict[str, Tensor], *, groups: int, first: bool, stride=1) -> Tensor:
    """One unit by plain functional calls."""
    mixed = x + active(active(x, state, "i1"), state, "i2")
    y = active(mixed, state, "m1", stride=stride, padding=1, groups=groups)
    if first:
        return active(y, state, "m2") + active(x, state, "w1", stride=stride)
    return active(y, state, "m2", padding=(0, 1, 1), groups=groups) + x


@pytest.mark.parametrize("stride", [(2, 1, 1), (1, 2, 2), (1, 1, 1)])
def test_first_unit_is_that_of_plain_calls(stride):
    module = randomise(MFUnit(in_channels=6, channels=12, groups=3, first=True, stride=stride))
    x = noise(2, 6, 5, 7, 6)
    expected = unit(x.clone(), module.state_dict(), groups=3, first=True, stride=stride)
    torch.testing.assert_close(module(x), expected)


def test_other_units_are_those_of_plain_calls():
    module = randomise(MFUnit(in_channels=12, channels=12, groups=4))
    x = noise(2, 12, 3, 5, 4)
    torch.testing.assert_close(module(x), unit(x.clone(), module.state_dict(), groups=4, first=False))
    assert (module(x) < 0).any()  # no ReLU behind the sum


def test_fibers_meet_in_the_multiplexer_alone():
    module = randomise(MFUnit(in_channels=8, channels=8, groups=4))
    x = noise(4, 8, 3, 5, 5)
    changed = x.clone()
    changed[:, 2] += 1  # the second fiber has channels 2 and 3

    def reached():
        return ((module(changed) - module(x)).abs().amax(dim=(0, 2, 3, 4)) > 0).tolist()

    assert all(reached())
    nn.init.zeros_(module.i2[2].weight)
    assert reached() == [False, False, True, True, False, False, False, False]


def test_network_is_that_of_plain_calls():
    net, clip = small(), noise(2, 3, 5, 37, 30)
    norm = net.conv1[1]
    x = F.conv3d(clip, net.conv1[0].weight, stride=(1, 2, 2), padding=(1, 2, 2))
    x = F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias).relu()
    x = F.max_pool3d(x, (1, 3, 3), (1, 2, 2), (0, 1, 1))
    for stage, units in zip((2, 3, 4, 5), SMALL["layers"], strict=True):
        stride = (2, 1, 1) if stage == 2 else (1, 2, 2)
        x = unit(x, net.get_submodule(f"conv{stage}.0").state_dict(), groups=4, first=True, stride=stride)
        for i in range(1, units):
            x = unit(x, net.get_submodule(f"conv{stage}.{i}").state_dict(), groups=4, first=False)
    norm = net.tail[0]
    x = F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias).relu()
    torch.testing.assert_close(net.features(clip), x)
    assert x.shape == (2, 64, 3, 2, 1)
    torch.testing.assert_close(net(clip), F.linear(x.mean(dim=(2, 3, 4)), net.fc.weight, net.fc.bias))


def closed_form(layers, *, classes, width, groups, stem, clip) -> tuple[int, int]:
    """Parameters and multiply-adds of one clip (T, H, W)."""
    t, h, w = clip
    h, w = -(-h // 2), -(-w // 2)
    kernel = 3 * stem * 75
    total, cost = kernel + 2 * stem, kernel * t * h * w
    h, w = -(-h // 2), -(-w // 2)
    channels = stem
    for stage, units in enumerate(layers):
        c = width * 2**stage
        before = t * h * w
        t, h, w = (-(-t // 2), h, w) if stage == 0 else (t, -(-h // 2), -(-w // 2))
        for i in range(units):
            mixing = channels * (c // 4) * 2
            second = c * c if i == 0 else 9 * c * c // groups
            weights = 27 * channels * c // groups + second + (channels * c if i == 0 else 0)
            norms = channels + c // 4 + channels + c + (channels if i == 0 else 0)
            total += mixing + weights + 2 * norms
            cost += mixing * (before if i == 0 else t * h * w) + weights * t * h * w
            channels = c
    return total + 2 * channels + channels * classes + classes, cost + channels * classes


def test_the_printed_size():
    """400 classes, 16 x 224 x 224: printed are 8.00 M parameters and 11.1 G, which counts every output once more."""
    with torch.device("meta"):
        net, clip = MFNet(classes=400), torch.empty(1, 3, 16, 224, 224)
    found = parameters(net), count(net, clip)
    sizes = {"classes": 400, "width": 96, "groups": 16, "stem": 16}
    assert found == closed_form((3, 4, 6, 3), clip=(16, 224, 224), **sizes) == (7_996_368, 11_045_449_728)
    outputs = []
    for conv in net.modules():
        if isinstance(conv, nn.Conv3d):
            conv.register_forward_hook(lambda m, i, output: outputs.append(output.numel()))
    net(clip)
    assert (round(found[0] / 1e6, 2), round((found[1] + sum(outputs)) / 1e9, 1)) == (8.00, 11.1)


@settings(max_examples=6, deadline=None)
@given(
    layers=st.lists(st.integers(1, 2), min_size=4, max_size=4),
    classes=st.integers(1, 9),
    groups=st.integers(1, 4),
    fibers=st.tuples(st.integers(4, 6), st.integers(1, 3)),
    clip=st.tuples(st.integers(1, 9), st.integers(1, 70), st.integers(1, 70)),
)
def test_any_size_and_any_clip(layers, classes, groups, fibers, clip):
    sizes = {"classes": classes, "width": groups * fibers[0], "groups": groups, "stem": groups * fibers[1]}
    with torch.device("meta"), torch.no_grad():
        net = MFNet(layers=layers, **sizes)
        maps = net.features(torch.empty(2, 3, *clip))
    t, h, w = clip
    assert maps.shape == (2, 8 * sizes["width"], -(-t // 2), -(-h // 32), -(-w // 32))
    assert (parameters(net), count(net, torch.empty(1, 3, *clip))) == closed_form(layers, clip=clip, **sizes)


def test_feature_info_tells_channels_and_reductions():
    net, x = small(), noise(1, 3, 4, 64, 64)
    for stage in net.feature_info:
        x = net.get_submodule(stage["module"])(x)
        assert (x.shape[1], x.shape[3]) == (stage["num_chs"], 64 // stage["reduction"])
        x = net.maxpool(x) if stage["module"] == "conv1" else x
    assert net.num_features == x.shape[1] == 64


def test_one_frame_of_one_pixel():
    net = small()
    net.conv1[0].weight.requires_grad_(True)
    net(noise(2, 3, 1, 1, 1)).sum().backward()
    assert net.conv1[0].weight.grad.abs().sum() > 0


def test_blocks_at_a_position_see_video():
    net, clip = small(), noise(2, 3, 6, 40, 33)
    block = randomise(nn.Conv3d(16, 16, 3, padding=1), seed=2)
    x = net.conv2(net.maxpool(net.conv1(clip)))
    x = net.conv3[2](block(net.conv3[1](net.conv3[0](x))))
    expected = net.tail(net.conv5(net.conv4(x)))
    before, own = net(clip), set(net.state_dict())
    attach(net, {conv_path(net, "conv3_2"): block})
    torch.testing.assert_close(net.features(clip), expected)
    assert not torch.allclose(net(clip), before)
    assert set(net.state_dict()) - own == {"conv3.1.attached.weight", "conv3.1.attached.bias"}


def test_initialisation():
    torch.manual_seed(0)
    net = MFNet(classes=400)
    conv = net.conv5[0].m1[2].weight
    bound = (6 / (27 * (conv.shape[1] + conv.shape[0]))) ** 0.5
    assert conv.abs().max().item() == pytest.approx(bound, rel=1e-3)
    assert conv.std().item() == pytest.approx(bound / 3**0.5, rel=0.01)
    assert net.fc.weight.abs().max().item() == pytest.approx((6 / (768 + 400)) ** 0.5, rel=1e-3)
    assert not net.fc.bias.any()
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm3d)]
    assert len(norms) == 1 + 16 * 4 + 4 + 1
    assert all((norm.weight == 1).all() and not norm.bias.any() for norm in norms)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_copies_and_states(duplicate):
    net, clip = small(), noise(1, 3, 3, 20, 20)
    expected = net(clip)
    twin = duplicate(net)
    other = MFNet(**SMALL).double().eval()
    other.load_state_dict(net.state_dict())
    with torch.no_grad():
        net.fc.weight.zero_()
    for network in (twin, other):
        torch.testing.assert_close(network(clip), expected, rtol=0, atol=0)


def test_compiles_and_trains():
    torch.manual_seed(0)
    net = MFNet(**SMALL | {"layers": (2, 1, 1, 1)})
    clip = torch.randn(2, 3, 4, 40, 36)
    expected = copy.deepcopy(net)(clip)
    torch._dynamo.reset()
    out = torch.compile(net, fullgraph=True, backend="eager")(clip)
    torch.testing.assert_close(out, expected)
    out.logsumexp(dim=1).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
    assert net.conv1[0].weight.grad.abs().sum() > 0


def test_channels_last_and_dropout():
    net, clip = small(dropout=0.9), noise(2, 3, 4, 32, 32)
    expected = net(clip)
    net.to(memory_format=torch.channels_last_3d)
    torch.testing.assert_close(net(clip.contiguous(memory_format=torch.channels_last_3d)), expected)
    for norm in net.modules():
        if isinstance(norm, nn.BatchNorm3d):
            norm.momentum = 0
    net.train()
    torch.manual_seed(0)
    assert not torch.equal(net(clip), net(clip))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"classes": 0}, "classes=0: must be at least 1"),
        ({"layers": (3, 4, 6)}, r"layers=\(3, 4, 6\): four numbers"),
        ({"layers": (3, 4, 0, 3)}, r"layers=\(3, 4, 0, 3\)"),
        ({"width": 3}, "width=3: must be at least 4"),
        ({"stem": 0}, "stem=0: must be at least 1"),
        ({"groups": 0}, r"groups=0: it must divide width=96 and stem=16; possible are \[1, 2, 4, 8, 16\]"),
        ({"groups": 32}, "groups=32"),
        ({"width": 40}, r"groups=16: it must divide width=40 and stem=16; possible are \[1, 2, 4, 8\]"),
        ({"dropout": 1.0}, r"dropout=1.0: must lie in \[0, 1\)"),
    ],
)
def test_impossible_sizes_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        MFNet(**{"classes": 5, **arguments})


@pytest.mark.parametrize("shape", [(3, 4, 16, 16), (1, 10, 4, 16, 16)])
def test_wrong_clips_are_refused(shape):
    with pytest.raises(InputError, match=r"the clip has shape .*\(B, 3, T, H, W\) is expected"):
        MFNet(**SMALL)(torch.zeros(shape))
