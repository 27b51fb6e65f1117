"""timm's networks as hosts: where stages end, where shifts stand, what input weights get, and what is refused."""

import copy
import importlib.util
import pickle

import pytest
import timm
import torch
from random_weights import noise, randomise
from torch import nn

from videoattn.backbones import hosts
from videoattn.backbones.hosts import facts, host, stages, steps
from videoattn.backbones.positions import conv_channels, conv_path, nearest, places
from videoattn.backbones.tsn import tsn
from videoattn.data.clips.augment import normalise
from videoattn.errors import InputError, RunError
from videoattn.layers.attach import attach
from videoattn.layers.temporal_shift import TemporalShift
from videoattn.weights.offline import PACKAGE

SMALL = "test_efficientnet"  # timm's networks for tests: five stages of blocks, 0.4 M parameters


def small(name=SMALL, **options):
    torch.manual_seed(0)
    return randomise(tsn(name, classes=5, **options))


def shifted(x, frames, fraction=8):
    """Frame by frame: the first channels of the next frame, the second ones of the one before."""
    y = x.clone()
    fold = x.shape[1] // fraction
    for i in range(len(x)):
        first, last = i % frames == 0, i % frames == frames - 1
        y[i, :fold] = 0 if last else x[i + 1, :fold]
        y[i, fold : 2 * fold] = 0 if first else x[i - 1, fold : 2 * fold]
    return y


@pytest.mark.parametrize(
    ("name", "paths", "channels"),
    [
        ("resnext50_32x4d", ("layer1", "layer2", "layer3", "layer4"), (256, 512, 1024, 2048)),
        ("tf_efficientnet_lite0", ("blocks.1", "blocks.2", "blocks.4", "blocks.6"), (24, 40, 112, 320)),
        ("mobilenetv3_small_100", ("blocks.0", "blocks.1", "blocks.3", "blocks.5"), (16, 24, 48, 576)),
        ("convnext_atto", ("stages.0", "stages.1", "stages.2", "stages.3"), (40, 80, 160, 320)),
    ],
)
def test_stages_end_where_maps_have_their_size(name, paths, channels):
    with torch.device("meta"):
        network = timm.create_model(name)
        found, sides = stages(network), {}
        for stage, (path, _) in found.items():
            network.get_submodule(path).register_forward_hook(lambda _, __, y, at=stage: sides.update({at: y.shape}))
        network(torch.empty(1, 3, 224, 224))
    assert tuple(found.values()) == tuple(zip(paths, channels, strict=True))
    assert sides == {f"conv{n}": (1, c, 224 // 2**n, 224 // 2**n) for n, c in zip((2, 3, 4, 5), channels, strict=True)}


def test_of_several_maps_of_a_size_a_stage_ends_with_the_last():
    network = nn.Identity()
    sizes = ((4, "a", 1), (8, "b", 2), (8, "c", 3), (16, "d", 4), (32, "e", 5), (32, "f", 6))
    network.feature_info = [{"reduction": r, "module": path, "num_chs": c} for r, path, c in sizes]
    assert {name: tuple(stage) for name, stage in stages(network).items()} == {
        "conv2": ("a", 1),
        "conv3": ("c", 3),
        "conv4": ("d", 4),
        "conv5": ("f", 6),
    }


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tf_efficientnet_lite", "timm has no network 'tf_efficientnet_lite'; nearest: .*tf_efficientnet_lite0"),
        ("resnet50.a1", "timm has no network 'resnet50.a1'; nearest: .*resnet50.a1_in1k"),
        ("zzzzzzz", "timm has no network 'zzzzzzz'; nearest: none"),
        ("swin_tiny_patch4_window7_224", r"its conv2 is \(1, 56, 56, 96\); \(B, 96, H, W\) is expected"),
        ("vit_tiny_patch16_224", "VisionTransformer has no maps of 1/4 of the image's side, for conv2"),
        ("hrnet_w18_small", "hrnet_w18_small cannot be a host: its conv2 is no module's output"),
        ("dla34", "dla34 ends with a Conv2d; a host ends with a linear layer"),
    ],
)
def test_what_cannot_be_a_host_is_refused(name, text):
    with pytest.raises(InputError, match=text):
        facts(name)


def test_every_frame_stands_alone_and_the_last_layer_starts_small():
    net, clip = small(frames=3), noise(2, 3, 3, 40, 36)
    scores = torch.stack([net.backbone(clip[:, :, t]) for t in range(3)])
    torch.testing.assert_close(net(clip), scores.mean(0))
    torch.testing.assert_close(net.head(net.features(clip)), net(clip))
    assert net.features(clip).shape == (2, facts(SMALL).features, 3, 2, 2)
    assert net.fc is net.backbone.get_submodule(facts(SMALL).last)
    fresh = host(SMALL, classes=7, dropout=0.4)
    assert (fresh.drop_rate, fresh.classifier.out_features) == (0.4, 7)
    assert 0.0008 < fresh.classifier.weight.std() < 0.0012
    assert not fresh.classifier.bias.any()


@pytest.mark.parametrize("name", ["mobilenetv3_small_050", "test_convnext"])
def test_shifts_stand_in_the_branch_of_residual_blocks(name):
    net, plain = small(name, frames=3, shift=True), small(name, frames=3)
    assert list(net.state_dict()) == list(plain.state_dict())
    blocks = 0
    for path, module in net.named_modules():
        if "Residual" in type(module).__name__ or type(module).__name__ == "ConvNeXtBlock":
            identity = getattr(module, "has_skip", True)
            found = [m for m in module.modules() if isinstance(m, TemporalShift)]
            assert len(found) == identity
            conv = next(m for m in module.modules() if isinstance(m, nn.Conv2d))
            x = noise(6, conv.in_channels, 7, 6)
            z, other = shifted(x, 3), plain.get_submodule(path)
            shortcut = module.shortcut if hasattr(module, "shortcut") else nn.Identity()
            expected = shortcut(x) + other(z) - shortcut(z) if identity else other(x)
            torch.testing.assert_close(module(x), expected)
            blocks += identity
    assert blocks >= 3


def test_without_such_blocks_shifts_stand_behind_stages():
    net, plain = (small("test_byobnet", frames=3, shift=shift) for shift in (True, False))
    clip = noise(2, 3, 3, 64, 48)
    x = plain.backbone.stem(clip.transpose(1, 2).flatten(0, 1))
    for stage in plain.backbone.stages[:3]:
        x = shifted(stage(x), 3)
    x = plain.backbone.final_conv(plain.backbone.stages[3:](x))
    torch.testing.assert_close(net.features(clip).transpose(1, 2).flatten(0, 1), x)
    net.frames = 6
    assert [m.frames for m in net.modules() if isinstance(m, TemporalShift)] == [6, 6, 6]


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_copies_and_graphs_keep_shifts(duplicate):
    net, clip = small(frames=3, shift=True), noise(1, 3, 3, 32, 32)
    torch.testing.assert_close(duplicate(net)(clip), net(clip), rtol=0, atol=0)
    assert not torch.allclose(net(clip.flip(2)), net(clip))


def test_blocks_too_narrow_for_a_shift_are_named():
    with pytest.raises(InputError, match=r"fraction=64: a block has \d+ channels, of which none would move"):
        tsn("mobilenetv3_small_050", classes=5, shift=True, fraction=64)
    with pytest.raises(InputError, match="unknown backbone 'test_efficientnet'"):
        tsn(SMALL, classes=5, layers=(1, 1, 1, 1))  # sizes are those of ResNets


def test_places_are_whole_stages():
    net, clip = small(frames=2), noise(1, 3, 2, 64, 64)
    assert places(net) == {name: (f"backbone.{path}", c) for name, (path, c) in stages(net.backbone).items()}
    assert [nearest(net, name) for name in ("conv3_3", "conv4", "conv5_2")] == ["conv3", "conv4", "conv5"]
    assert (conv_path(net, "conv4"), conv_channels(net, "conv4")) == ("backbone.blocks.3", 48)
    block = randomise(nn.Conv3d(48, 48, (3, 1, 1), padding=(1, 0, 0)), seed=2)
    trunk = copy.deepcopy(net.backbone)
    x = trunk.blocks[:4](trunk.bn1(trunk.conv_stem(clip[0].transpose(0, 1))))
    x = block(x.transpose(0, 1)[None])[0].transpose(0, 1)
    expected = trunk.bn2(trunk.conv_head(trunk.blocks[4](x)))
    attach(net, {conv_path(net, nearest(net, "conv4_5")): block}, frames=2)
    torch.testing.assert_close(net.features(clip)[0].transpose(0, 1), expected)
    with torch.device("meta"):
        shallow = tsn("resnet18", classes=2)
    assert [nearest(shallow, name) for name in ("conv3_3", "conv3_1", "conv6_1")] == ["conv3_2", "conv3_1", "conv6_1"]
    with pytest.raises(InputError, match="unknown position 'conv6_1'"):
        conv_path(net, nearest(net, "conv6_1"))


@pytest.mark.parametrize("name", [SMALL, "test_convnext", "test_byobnet", "mobilenetv3_small_050"])
def test_steps_are_the_network_up_to_its_head(name):
    network = host(name, classes=2).train()
    found = steps(network)
    assert network.training
    assert {path for path, _ in stages(network).values()} <= set(found)
    x = torch.randn(1, 3, 96, 64, generator=torch.Generator().manual_seed(1))
    maps, expected = x, network.eval().forward_features(x)
    for path in found:
        maps = network.get_submodule(path)(maps)
    torch.testing.assert_close(maps, expected)
    assert steps(network.to("meta")) == found


def test_steps_between_which_more_is_done_are_refused(monkeypatch):
    network = host(SMALL, classes=2, in_channels=10)
    own = network.forward_features
    monkeypatch.setattr(network, "forward_features", lambda x: own(x) + 1)
    with pytest.raises(InputError, match="EfficientNet does not apply its modules one after the other"):
        steps(network)
    other = host(SMALL, classes=2)
    other.bn1 = nn.BatchNorm2d(3)
    with pytest.raises(InputError, match=r"EfficientNet does not take images of \(160, 160\): running_mean"):
        steps(other)


@pytest.fixture
def fetched(monkeypatch):
    """timm's ImageNet weights as it gives them for a name: here random ones, of one network each."""
    create = timm.create_model
    given = {}

    def create_model(name, pretrained=False, **options):
        if pretrained and name not in given:
            given[name] = randomise(create(name)).float()
        return given[name] if pretrained else create(name, **options)

    monkeypatch.setattr(timm, "create_model", create_model)
    return create_model


@pytest.mark.parametrize(("name", "mean", "std"), [("test_convnext", 0.5, 0.5), (SMALL, None, None)])
def test_weights_of_timm_get_the_input_that_they_are_for(fetched, name, mean, std):
    theirs = fetched(name, pretrained=True)
    ours = host(name, classes=1000, pretrained=True).eval()
    ours.get_classifier().load_state_dict(theirs.get_classifier().state_dict())
    rgb = torch.rand(1, 3, 40, 48, generator=torch.Generator().manual_seed(3))
    usual = normalise(rgb[:, :, None])[:, :, 0]
    with torch.no_grad():
        expected = theirs((rgb - mean) / std if mean else usual)
        torch.testing.assert_close(ours(usual), expected, rtol=1e-4, atol=1e-5)
        assert torch.allclose(theirs(usual), expected, rtol=1e-3) == (mean is None)
        other = host(name, classes=1000).eval()
        other.load_state_dict(ours.state_dict())  # a checkpoint goes into a network that has no offset yet
        torch.testing.assert_close(other(usual), expected, rtol=1e-4, atol=1e-5)
    assert ("offset" in dict(ours.get_submodule(facts(name).first[0]).named_buffers())) == (mean is not None)


def test_weights_for_flow_are_those_of_rgb_averaged(fetched):
    theirs = fetched("test_convnext", pretrained=True)
    ours = host("test_convnext", classes=2, in_channels=10, pretrained=True)
    mean = theirs.stem[0].weight.mean(1)
    torch.testing.assert_close(ours.stem[0].weight, torch.stack([mean] * 10, 1))
    torch.testing.assert_close(ours.stages[3].state_dict(), theirs.stages[3].state_dict())
    assert ours(torch.zeros(1, 10, 32, 32)).shape == (1, 2)


def test_weights_whose_input_cannot_be_converted_are_refused(fetched, monkeypatch):
    given = fetched("test_nfnet", pretrained=True)
    monkeypatch.setitem(given.pretrained_cfg, "mean", (0.5, 0.5, 0.5))
    with pytest.raises(InputError, match=r"test_nfnet: the input of a ScaledStdConv2d\w* is not converted: RGB"):
        host("test_nfnet", classes=2, pretrained=True)


def test_weights_that_are_installed_need_no_net(monkeypatch, capsys):
    if importlib.util.find_spec(PACKAGE) is None:
        pytest.skip("weights are not installed")
    create = timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda name, **options: create(name, **{"pretrained": False} | options))
    rgb = host("tf_efficientnet_lite0", classes=3, pretrained=True)
    assert "tf_efficientnet_lite0: efficientnet-lite0-57934424.pth, of an installed package" in capsys.readouterr().out
    flow = host("tf_efficientnet_lite0", classes=3, in_channels=10, pretrained=True)
    torch.testing.assert_close(rgb.blocks.state_dict(), flow.blocks.state_dict(), rtol=0, atol=0)
    assert "offset" in rgb.conv_stem.state_dict()
    assert list(flow.conv_stem.state_dict()) == ["weight"]
    stem = flow.conv_stem.weight
    assert torch.equal(stem[:, :1].expand_as(stem), stem)


def test_weights_that_cannot_be_fetched_name_the_ones_that_can(monkeypatch):
    def create_model(name, pretrained=False, **options):
        if pretrained:
            raise ConnectionError("no net")
        return create(name, **options)

    create = timm.create_model
    monkeypatch.setattr(timm, "create_model", create_model)
    monkeypatch.setattr(hosts, "offline_file", lambda name: None)
    with pytest.raises(RunError, match=r'test_convnext could not be fetched.*"videoattn\[offline\]", BACKBONE=tf_eff'):
        host("test_convnext", classes=2, pretrained=True)
