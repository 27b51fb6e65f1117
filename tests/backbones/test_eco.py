"""ECO against its own parts run one by one, against the whole of BN-Inception, and known sizes."""

import copy

import pytest
import torch
import torch.nn.functional as F
from caffe_bn_inception import random_file
from hypothesis import given, settings
from hypothesis import strategies as st
from random_weights import noise, randomise
from torch import nn

from videoattn.backbones.bn_inception import BNInception
from videoattn.backbones.eco import ECO, eco, eco_lite, load_bn_inception, small_eco
from videoattn.errors import InputError, RunError
from videoattn.reporting.cost import count, parameters
from videoattn.weights.bn_inception import bn_inception_weights

PARTS = {"classes": 5, "widths": (4, 6), "temporal_widths": (4, 6, 8)}


def small(**options) -> ECO:
    return randomise(small_eco(**PARTS | {"side_widths": (5, 7)} | options))


@pytest.mark.parametrize(
    ("make", "total", "cost"), [(eco_lite, 37_503_856, 46_486_462_464), (eco, 47_502_128, 64_412_950_528)]
)
def test_size_at_16_frames(make, total, cost):
    """For ECO with 8 and 16 frames J. Lin et al. (TSM, ICCV 2019, table 2) print 47.5 M parameters, 32 G and 64 G."""
    with torch.device("meta"):
        net, clip = make(classes=400), torch.empty(1, 3, 16, 224, 224)
        whole = BNInception(classes=400)
    assert (parameters(net), count(net, clip)) == (total, cost)
    taps = 27 * 16 * 28 * 28
    temporal = taps * (96 * 128 + 2 * 128**2)
    temporal += taps // 8 * (2 * 128 * 256 + 3 * 256**2) + taps // 64 * (2 * 256 * 512 + 3 * 512**2)
    assert count(net.temporal, torch.empty(1, 96, 16, 28, 28)) == temporal
    assert net.frames(clip)[0].shape == (1, 96, 16, 28, 28)
    if make is eco:  # each frame runs through the whole of BN-Inception once
        frames = 16 * (count(whole, clip[:, :, 0]) - 1024 * 400)
        assert cost == temporal + frames + (1024 + 512) * 400
        assert parameters(net) == parameters(whole) + parameters(net.temporal) + 512 * 400
        assert (round(total / 1e6, 1), round(cost / 1e9), round(count(net, clip[:, :, :8]) / 1e9)) == (47.5, 64, 32)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("eco") / "bn_inception.pth"
    torch.save(random_file(), path)
    return path


@pytest.mark.parametrize("make", [eco_lite, eco])
def test_2d_part_is_bn_inception_with_its_weights(make, file):
    net, whole = make(classes=3), BNInception(classes=7)
    fresh = {key: tensor.clone() for key, tensor in net.state_dict().items()}
    left = load_bn_inception(net, file)
    assert left == tuple(key for key in fresh if key.startswith(("temporal.", "fc.")))
    assert all(torch.equal(net.state_dict()[key], fresh[key]) for key in left)
    whole.load_state_dict(bn_inception_weights(file, whole))
    net.double().eval(), whole.double().eval()
    clip, seen = noise(1, 3, 4, 32, 35), []
    whole.inception_3c.branch_double.first.register_forward_hook(lambda m, i, output: seen.append(output))
    features = torch.stack([whole.features(clip[:, :, t]).mean(dim=(2, 3)) for t in range(4)], 1)
    stacked = torch.stack(seen, 2)
    maps, side = net.frames(clip)
    torch.testing.assert_close(maps, stacked)
    pooled = net.temporal(stacked).mean(dim=(2, 3, 4))
    if make is eco:
        torch.testing.assert_close(side, features)
        pooled = torch.cat([features.mean(1), pooled], 1)
    else:
        assert side is None
    torch.testing.assert_close(net(clip), F.linear(pooled, net.fc.weight, net.fc.bias))
    torch.testing.assert_close(net.features(clip), net.temporal(stacked))


def test_weights_that_cannot_be_loaded(file, tmp_path):
    with pytest.raises(InputError, match="the 2D part has nothing of BN-Inception; eco and eco_lite"):
        load_bn_inception(small(), file)
    with pytest.raises(RunError, match="there is no file"):
        load_bn_inception(small(), tmp_path / "absent.pth")


def test_weights_of_frames():
    """They multiply the maps before attention and 3D, and the side's features, which attention does not see."""
    net, clip = small(), noise(2, 3, 8, 17, 12)
    net.attention = nn.Conv3d(6, 6, 1, dtype=torch.float64)
    weights = noise(2, 8, seed=3).requires_grad_()
    frames = [clip[:, :, t] for t in range(8)]
    maps = torch.stack([net.spatial(frame) * weights[:, t, None, None, None] for t, frame in enumerate(frames)], 2)
    side = sum(net.side(net.spatial(frame)) * weights[:, t, None] for t, frame in enumerate(frames)) / 8
    temporal = net.temporal(F.conv3d(maps, net.attention.weight, net.attention.bias))
    torch.testing.assert_close(net.features(clip, weights), temporal)
    expected = net.fc(torch.cat([side, temporal.mean(dim=(2, 3, 4))], 1))
    torch.testing.assert_close(net(clip, weights), expected)
    torch.testing.assert_close(net.scores(*net.frames(clip), weights), expected)
    torch.testing.assert_close(net(clip, torch.ones(2, 8, dtype=torch.float64)), net(clip))
    assert not torch.allclose(net(clip), expected)
    net(clip, weights)[:, 0].sum().backward()
    assert weights.grad.all()


def test_frames_may_be_chosen_between_2d_and_3d():
    net, clip, kept = small(), noise(2, 3, 7, 16, 16), [0, 2, 3, 6]
    maps, side = net.frames(clip)
    torch.testing.assert_close(net.scores(maps[:, :, kept], side[:, kept]), net(clip[:, :, kept]))


def test_dropout_falls_on_single_frames():
    net = small(dropout=0.5).train()
    nn.init.zeros_(net.fc.weight)
    nn.init.zeros_(net.fc.bias)
    net.fc.weight.data[:, :5] = torch.eye(5)
    torch.manual_seed(0)
    means = net.scores(noise(40, 6, 4, 3, 3), torch.ones(40, 4, 7, dtype=torch.float64))
    assert set(means.flatten().tolist()) == {0.0, 0.5, 1.0, 1.5, 2.0}
    net.fc.weight.data.zero_()[:, 7:12] = torch.eye(5)
    net.temporal = nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Conv3d(6, 8, 1, dtype=torch.float64))
    nn.init.zeros_(net.temporal[1].weight)
    nn.init.ones_(net.temporal[1].bias)
    assert set(net.scores(noise(40, 6, 4, 3, 3), torch.ones(40, 4, 7)).flatten().tolist()) == {0.0, 2.0}


@settings(max_examples=10, deadline=None)
@given(frames=st.integers(1, 5), sides=st.tuples(st.integers(1, 40), st.integers(1, 40)), with_side=st.booleans())
def test_small_networks_take_any_clip(frames, sides, with_side):
    with torch.device("meta"):
        net = small_eco(classes=5, side_widths=(5,) if with_side else ()).eval()
        clip = torch.empty(2, 3, 4 * frames, *sides)
    assert net(clip).shape == (2, 5)
    assert net.features(clip).shape == (2, 32, frames, *(-(-n // 32) for n in sides))
    convolutions = 9 * (3 * 16 + 16 * 32 + 32 * 32) + 3 * (16 + 32 + 32)
    assert parameters(net.spatial) == convolutions


def test_compiles_and_trains():
    torch.manual_seed(0)
    net, clip, weights = small_eco(**PARTS, side_widths=(4,)), torch.randn(2, 3, 4, 20, 17), torch.rand(2, 4)
    expected = copy.deepcopy(net)(clip, weights)
    torch._dynamo.reset()
    out = torch.compile(net, fullgraph=True, backend="eager")(clip, weights)
    torch.testing.assert_close(out, expected)
    out.logsumexp(dim=1).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
    assert net.spatial[0].conv.weight.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("shape", "weights", "message"),
    [
        ((1, 3, 6, 16, 16), None, r"shape \(1, 3, 6, 16, 16\); .* T a multiple of 4, is expected"),
        ((1, 3, 0, 16, 16), None, "T a multiple of 4"),
        ((1, 10, 4, 16, 16), None, r"the clip has shape \(1, 10, 4, 16, 16\); \(B, 3, T, H, W\) is expected"),
        ((3, 4, 16, 16), None, r"shape \(3, 4, 16, 16\)"),
        ((2, 3, 4, 16, 16), (4, 2), r"the weights have shape \(4, 2\); \(2, 4\) is expected"),
    ],
)
def test_wrong_clips_are_refused(shape, weights, message):
    net, clip = small(), torch.zeros(shape, dtype=torch.float64)
    with pytest.raises(InputError, match=message):
        net(clip, None if weights is None else torch.ones(weights))
    with pytest.raises(InputError, match=message):
        net.features(clip, None if weights is None else torch.ones(weights))


def test_frames_too_small_are_refused():
    with torch.device("meta"):
        for make, side in ((eco_lite, 6), (eco, 30)):
            with pytest.raises(InputError, match=rf"the frames have shape \(4, 3, {side}, 40\)"):
                make(classes=2)(torch.empty(1, 3, 4, side, 40))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"classes": 0}, "classes=0: must be at least 1"),
        ({"widths": ()}, r"widths=\(\), side_widths=\(\): at least 1"),
        ({"side_widths": (0,)}, r"side_widths=\(0,\): at least 1"),
        ({"temporal_widths": (4, 4)}, r"widths=\(4, 4\): three widths"),
        ({"dropout": 1.0}, r"dropout=1.0: must lie in \[0, 1\)"),
    ],
)
def test_impossible_values_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        small_eco(**PARTS | arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"features": 0}, "features=0: must be at least 1"),
        ({"side": nn.Identity()}, "side_features=0: 0 is expected without a side, and at least 1 with one"),
        ({"side_features": 3}, "side_features=3: 0 is expected without a side"),
    ],
)
def test_parts_that_do_not_fit_are_refused(arguments, message):
    parts = {"spatial": nn.Identity(), "temporal": nn.Identity(), "classes": 2, "features": 3}
    with pytest.raises(InputError, match=message):
        ECO(**parts | arguments)
