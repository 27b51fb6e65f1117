"""Networks over single frames: what they compute, how far shifts reach, and the printed size of TSN and TSM."""

import copy
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_weights import noise, randomise
from torch import nn

from videoattn.backbones.positions import conv_path
from videoattn.backbones.tsn import FrameNetwork, tsn
from videoattn.errors import InputError
from videoattn.layers.attach import attach, detach
from videoattn.layers.layouts import FoldedTime
from videoattn.layers.temporal_shift import TemporalShift
from videoattn.reporting.cost import count, parameters

SMALL = {"classes": 5, "channels": (8, 8, 16, 16), "stem_width": 4, "layers": (1, 1, 1, 1)}


def small(name="resnet18", **options):
    torch.manual_seed(0)
    return randomise(tsn(name, **SMALL, **options))


@pytest.mark.parametrize("shift", [False, True])
def test_size_of_resnet50_with_8_frames(shift):
    """The figures that papers print: 24.3 M parameters and 33 G multiply-adds."""
    with torch.device("meta"):
        net = tsn(classes=400, shift=shift)
    assert parameters(net) == 24_327_632
    # Stem, then per stage: positions, width of the 1x1 convolutions, blocks, and what the first block adds.
    total, channels = 3 * 64 * 49 * 112**2, 64
    for inner, side, blocks in ((64, 56, 3), (128, 28, 4), (256, 14, 6), (512, 7, 3)):
        for block in range(blocks):
            entry = side if block or inner == 64 else 2 * side  # the stride sits on the 3x3
            total += channels * inner * entry**2 + (9 * inner**2 + 4 * inner**2) * side**2
            total += 0 if block else channels * 4 * inner * side**2
            channels = 4 * inner
    total = 8 * (total + 2048 * 400)
    assert count(net, torch.empty(1, 3, 8, 224, 224)) == total
    assert total == 32_703_643_648


def test_without_shift_every_frame_stands_alone():
    net, clip = small(frames=3), noise(2, 3, 3, 37, 30)
    scores = torch.stack([net.backbone(clip[:, :, t]) for t in range(3)])
    torch.testing.assert_close(net(clip), (scores[0] + scores[1] + scores[2]) / 3)
    maps = net.features(clip)
    assert maps.shape == (2, 16, 3, 2, 1)
    for t in range(3):
        torch.testing.assert_close(maps[:, :, t], net.backbone.forward_features(clip[:, :, t]))
    torch.testing.assert_close(net(clip.flip(2)), net(clip))


@pytest.mark.parametrize("shift", [False, True])
def test_scores_are_the_last_layer_on_the_mean_of_the_features(shift):
    net, clip = small(frames=4, shift=shift), noise(2, 3, 4, 32, 32)
    torch.testing.assert_close(net(clip), net.fc(net.features(clip).mean(dim=(2, 3, 4))))


def test_shifts_reach_one_frame_a_block():
    net, clip = small(frames=12, shift=True, fraction=4), noise(1, 3, 12, 64, 64)
    changed = clip.clone()
    changed[:, :, 5] += 1
    difference = (net.features(changed) - net.features(clip)).abs().amax(dim=(0, 1, 3, 4))
    assert (difference > 0).tolist() == [1 <= t <= 9 for t in range(12)]  # four blocks, both ways
    assert not torch.allclose(net(clip.flip(2)), net(clip))


def test_clips_of_a_batch_do_not_mix():
    net, clips = small(frames=3, shift=True), noise(3, 3, 3, 32, 32)
    torch.testing.assert_close(net(clips), torch.cat([net(clip[None]) for clip in clips]))


@settings(max_examples=15, deadline=None)
@given(clips=st.integers(1, 3), frames=st.integers(1, 5), height=st.integers(16, 70), width=st.integers(16, 70))
def test_any_length_and_odd_sizes_work(clips, frames, height, width):
    with torch.device("meta"), torch.no_grad():
        net = tsn("resnet18", frames=frames, shift=True, **SMALL).eval()
        clip = torch.empty(clips, 3, frames, height, width)
        assert net.features(clip).shape == (clips, 16, frames, -(-height // 32), -(-width // 32))
        assert net(clip).shape == (clips, 5)


def test_one_frame():
    net, clip = small(frames=1, shift=True), noise(2, 3, 1, 32, 32)
    with torch.no_grad():
        for stage in (1, 2, 3, 4):
            conv = net.backbone.get_submodule(f"layer{stage}.0.conv1")
            conv.weight[:, : 2 * (conv.in_channels // 8)] = 0
    plain = small(frames=1)
    plain.load_state_dict(net.state_dict())  # what would come from other frames is zero, on either side
    torch.testing.assert_close(net(clip), plain(clip))


def test_frames_change_everywhere():
    net, clip = small(frames=2, shift=True), noise(1, 3, 6, 32, 32)
    block = randomise(nn.Conv3d(8, 8, (3, 1, 1), padding=(1, 0, 0)), seed=2)
    attach(net, {conv_path(net, "conv3_1"): block}, frames=2)
    with pytest.raises(InputError, match="T = 2"):
        net(clip)
    net.frames = 6
    inner = [m.frames for m in net.modules() if isinstance(m, TemporalShift | FoldedTime)]
    assert (net.frames, inner) == (6, [6] * 5)
    other = attach(small(frames=6, shift=True), {"backbone.layer2.0": block}, frames=6)
    torch.testing.assert_close(net(clip), other(clip), rtol=0, atol=0)
    with pytest.raises(InputError, match="frames=0"):
        net.frames = 0


@pytest.mark.parametrize("shift", [False, True])
def test_blocks_at_a_position_see_video(shift):
    net, clip = small(frames=3, shift=shift), noise(2, 3, 3, 48, 32)
    block = randomise(nn.Conv3d(16, 16, 3, padding=1), seed=2)
    trunk = copy.deepcopy(net).backbone
    x = trunk.maxpool(trunk.act1(trunk.bn1(trunk.conv1(clip.transpose(1, 2).flatten(0, 1)))))
    maps = trunk.layer3(trunk.layer2(trunk.layer1(x)))
    maps = block(torch.stack([maps[:3], maps[3:]]).transpose(1, 2))
    expected = trunk.layer4(torch.cat([maps[0].transpose(0, 1), maps[1].transpose(0, 1)]))
    own = list(net.state_dict())
    before = net(clip)
    attach(net, {conv_path(net, "conv4_1"): block}, frames=3)
    torch.testing.assert_close(net.features(clip).transpose(1, 2).flatten(0, 1), expected)
    assert not torch.allclose(net(clip), before)
    torch.testing.assert_close(detach(net)(clip), before, rtol=0, atol=0)
    assert list(net.state_dict()) == own


def test_keys_are_those_without_shifts():
    plain, net, clip = small(frames=3), small(frames=3, shift=True), noise(1, 3, 3, 32, 32)
    assert list(net.state_dict()) == list(plain.state_dict())
    other = tsn("resnet18", frames=3, shift=True, **SMALL).double().eval()
    other.load_state_dict(plain.state_dict())
    torch.testing.assert_close(other(clip), net(clip), rtol=0, atol=0)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_copies_are_independent(duplicate):
    net, clip = small(frames=3, shift=True), noise(1, 3, 3, 32, 32)
    expected = net(clip)
    twin = duplicate(net)
    net.frames = 1
    with torch.no_grad():
        net.fc.weight.zero_()
    torch.testing.assert_close(twin(clip), expected, rtol=0, atol=0)


def test_compiles_and_trains():
    torch.manual_seed(0)
    net = tsn("resnet18", frames=4, shift=True, dropout=0.0, **SMALL)
    clip = torch.randn(2, 3, 4, 33, 40)
    expected = copy.deepcopy(net)(clip)
    torch._dynamo.reset()
    out = torch.compile(net, fullgraph=True, backend="eager")(clip)
    torch.testing.assert_close(out, expected)
    out.logsumexp(dim=1).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
    assert net.fc.weight.grad.abs().sum() > 0


def test_dropout_and_the_last_layer():
    net = tsn("resnet18", frames=2, dropout=0.7, **SMALL)
    assert net.backbone.drop_rate == 0.7
    assert net.fc is net.backbone.fc
    assert not net.fc.bias.any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"frames": 0}, "frames=0: must be at least 1"),
        ({"classes": 0}, "classes=0: must be at least 1"),
        ({"dropout": 1.0}, r"dropout=1.0: must lie in \[0, 1\)"),
        ({"name": "resnet51"}, "unknown backbone 'resnet51' .*choose from .*resnet50"),
        ({"shift": True, "fraction": 1}, "fraction=1: at least 2"),
        ({"shift": True, "fraction": 16}, r"fraction=16: layer1\.0 has 8 channels, .* at most 8"),
    ],
)
def test_impossible_values_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        tsn(**{"name": "resnet18", **SMALL, **arguments})


def test_wrong_clips_and_backbones_are_refused():
    net = tsn("resnet18", frames=4, **SMALL)
    for shape in ((3, 4, 32, 32), (1, 3, 5, 32, 32), (1, 10, 4, 32, 32)):
        for call in (net, net.features):
            with pytest.raises(InputError, match=r"the clip has shape .*\(B, 3, T, H, W\) with T = 4"):
                call(torch.zeros(shape))
    with pytest.raises(InputError, match="the backbone is a Identity"):
        FrameNetwork(nn.Identity(), frames=4)
    with pytest.raises(InputError, match="frames=-1"):
        FrameNetwork(net.backbone, frames=-1)
