"""timm's ResNets as branches: their size, the stem for flow, the padding, and what is refused."""

import pytest
import timm
import torch
from torch import nn

from videoattn.backbones import resnet as module
from videoattn.backbones.resnet import average_stem, resnet
from videoattn.errors import InputError, RunError
from videoattn.reporting.cost import parameters

SMALL = {"channels": (4, 4, 8, 8), "layers": (1, 1, 1, 1), "stem_width": 2}


def test_resnet50_of_the_tables():
    with torch.device("meta"):
        assert parameters(resnet("resnet50", classes=400)) == 24_327_632
        assert parameters(resnet("resnet50", classes=400, in_channels=10)) == 24_327_632 + 7 * 64 * 7 * 7


def test_the_last_layer_starts_small():
    torch.manual_seed(0)
    net = resnet("resnet18", classes=1000, dropout=0.7)
    assert net.fc.weight.std().item() == pytest.approx(0.001, rel=0.02)
    assert not net.fc.bias.any()
    assert net.drop_rate == 0.7


def first(net) -> nn.Conv2d:
    return net.conv1[0] if isinstance(net.conv1, nn.Sequential) else net.conv1


@pytest.mark.parametrize("name", ["resnet18", "resnet18d"])
def test_the_stem_for_flow_has_the_mean_of_the_kernels_everywhere(name):
    torch.manual_seed(0)
    net = timm.create_model(name)
    old = first(net)
    assert old.in_channels == 3
    average_stem(net, 10)
    new = first(net)
    assert (new.in_channels, new.stride, new.padding) == (10, old.stride, old.padding)
    mean = (old.weight[:, 0] + old.weight[:, 1] + old.weight[:, 2]) / 3
    for channel in range(10):
        torch.testing.assert_close(new.weight[:, channel], mean)
    grey = torch.randn(1, 1, 32, 32)
    torch.testing.assert_close(new(grey.expand(1, 10, -1, -1)) / 10, old(grey.expand(1, 3, -1, -1)) / 3)
    assert net.eval()(torch.zeros(1, 10, 32, 32)).shape == (1, 1000)


def test_a_stem_with_a_bias_keeps_it():
    net = timm.create_model("resnet18")
    net.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=True)
    bias = net.conv1.bias
    average_stem(net, 2)
    torch.testing.assert_close(net.conv1.bias, bias)


def test_small_networks():
    net = resnet("resnet18", classes=5, in_channels=10, **SMALL)
    assert [stage["num_chs"] for stage in net.feature_info] == [4, 4, 4, 8, 8]
    assert [len(net.get_submodule(f"layer{n}")) for n in (1, 2, 3, 4)] == [1, 1, 1, 1]
    assert net(torch.zeros(2, 10, 32, 32)).shape == (2, 5)


def shift_error(net: nn.Module, stride: int = 32) -> float:
    """How far the features of a shifted image are from the shifted features, relative to their spread."""
    image = torch.randn(1, 3, 4 * stride, 4 * stride, dtype=torch.float64)
    features = net.forward_features(image)
    moved = net.forward_features(image.roll((stride, 2 * stride), (2, 3)))
    return float((moved - features.roll((1, 2), (2, 3))).abs().max() / features.std())


@pytest.mark.parametrize("stem", [{}, SMALL], ids=["plain", "deep"])
@pytest.mark.parametrize(("padding", "equivariant"), [("circular", True), ("zeros", False), ("replicate", False)])
def test_only_circular_padding_makes_no_place_special(padding, equivariant, stem):
    torch.manual_seed(0)
    options = {"channels": (4, 4, 8, 8), "layers": (1, 1, 1, 1)} | stem
    net = resnet("resnet18", classes=2, padding=padding, **options).double().eval()
    for norm in net.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.ones_(norm.weight)  # timm starts the last one of each block at zero
    with torch.no_grad():
        error = shift_error(net)
    assert (error < 1e-9) is equivariant
    assert equivariant or error > 1e-2


@pytest.mark.parametrize("padding", ["circular", "reflect", "replicate"])
def test_padding_keeps_the_sizes(padding):
    plain, other = (resnet("resnet18", classes=2, padding=p, **SMALL) for p in ("zeros", padding))
    image = torch.zeros(1, 3, 64, 96)
    assert plain.forward_features(image).shape == other.forward_features(image).shape == (1, 8, 2, 3)


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("resnet51", {}, "unknown backbone 'resnet51' .*choose from .*resnet50"),
        ("vgg16", {}, "unknown backbone 'vgg16'"),
        ("resnet18", {"padding": "mirror"}, "'mirror'; choose from zeros, circular, reflect, replicate"),
        ("resnet18", {"pretrained": True, "layers": (1, 1, 1, 1)}, "no ImageNet weights for resnet18 with .*layers"),
    ],
)
def test_what_is_unknown_is_refused(name, options, says):
    with pytest.raises(InputError, match=says):
        resnet(name, classes=2, **options)


@pytest.mark.parametrize("start", ["resnetv2_50", "legacy_seresnet18", "tresnet_m", "inception_resnet_v2"])
def test_a_network_without_stages_is_refused(start):
    others = [name for name in timm.list_models("*resnet*") if name.startswith(start)]
    with pytest.raises(InputError, match="which has no layer1 to layer4"), torch.device("meta"):
        resnet(others[0], classes=2)


def test_weights_out_of_reach(monkeypatch):
    asked = []

    def create_model(name, *, pretrained, **options):
        asked.append((name, pretrained))
        raise ConnectionError("no route to host")

    monkeypatch.setattr(module.timm, "create_model", create_model)
    with pytest.raises(RunError, match=r"weights of resnet50 could not be fetched \(ConnectionError\).*PRETRAINED off"):
        resnet("resnet50", classes=2, pretrained=True)
    assert asked == [("resnet50", True)]


def test_residual_branches_start_at_zero_unless_told():
    for zero_init in (True, False):
        net = resnet("resnet18", classes=3, channels=(8, 8, 8, 8), zero_init=zero_init)
        last = [block.bn2.weight for stage in (net.layer1, net.layer4) for block in stage]
        assert all(torch.equal(weight, torch.full_like(weight, float(not zero_init))) for weight in last)
