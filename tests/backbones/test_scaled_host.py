"""Other networks of timm as backbones of pyramids: their stages, their head, shifts, and what is refused."""

import importlib.util

import pytest
import torch
from random_weights import noise, randomise

from videoattn.backbones.hosts import host
from videoattn.backbones.scaled_host import scaled_host
from videoattn.backbones.tsn import tsn
from videoattn.errors import InputError
from videoattn.papers.istpa.network import MeanNetwork
from videoattn.weights.offline import HOST, PACKAGE

SMALL = "test_efficientnet"
ALL = ("conv2", "conv3", "conv4", "conv5")


def test_scales_are_the_ends_of_stages_and_the_rest_is_the_head():
    network = randomise(scaled_host(SMALL, classes=5, scales=ALL, dropout=0.0))
    x, plain = noise(2, 3, 64, 96), network.network
    found = network.maps(x)
    maps = plain.bn1(plain.conv_stem(x))
    for i, (block, channels) in enumerate(zip(plain.blocks, (16, 24, 32, 48, 64), strict=True)):
        maps = block(maps)
        if i:
            assert maps.shape == (2, channels, 32 >> i, 48 >> i)
            torch.testing.assert_close(found[i - 1], maps)
    features = plain.bn2(plain.conv_head(maps)).mean((2, 3))
    expected = features @ plain.classifier.weight.T + plain.classifier.bias
    torch.testing.assert_close(network.head(found[-1]), expected)
    torch.testing.assert_close(network(x), plain(x))
    assert (network.fc, network.in_channels) == (plain.classifier, 3)
    below = scaled_host(SMALL, classes=5, scales=("conv4",), dropout=0.0)
    below = below.double().eval()
    below.load_state_dict(network.state_dict())
    torch.testing.assert_close(below.head(found[2]), expected)


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        (HOST, (24, 40, 112, 320)),
        ("convnext_tiny", (96, 192, 384, 768)),
        ("mobilenetv3_large_100", (24, 40, 112, 960)),
        ("densenet121", (256, 512, 1024, 1024)),
    ],
)
def test_maps_of_an_image_of_the_usual_size(name, channels):
    with torch.device("meta"):
        network = scaled_host(name, classes=7, scales=ALL, in_channels=10)
    sides = ((n, n) for n in (56, 28, 14, 7))
    assert network.shapes((224, 224)) == tuple(zip(channels, sides, strict=True))
    assert network.eval()(torch.empty(2, 10, 224, 224, device="meta")).shape == (2, 7)


@pytest.mark.parametrize("name", [SMALL, "test_byobnet"])
def test_shifts_are_those_of_tsm(name):
    theirs = randomise(tsn(name, classes=5, frames=3, shift=True))
    network = scaled_host(name, classes=5, scales=("conv5",), shift=True).double().eval()
    network.network.load_state_dict(theirs.backbone.state_dict())
    clip = noise(2, 3, 3, 64, 48)
    found = MeanNetwork(network)(clip)
    torch.testing.assert_close(found, theirs(clip))
    plain = scaled_host(name, classes=5, scales=("conv5",)).double().eval()
    plain.load_state_dict(network.state_dict())
    assert not torch.allclose(MeanNetwork(plain)(clip), found)


def test_weights_of_an_installed_package_are_in_it_for_flow_too():
    if importlib.util.find_spec(PACKAGE) is None:
        pytest.skip("weights are not installed")
    expected = host(HOST, classes=3, pretrained=True)
    for channels in (3, 10):
        found = scaled_host(HOST, classes=3, in_channels=channels, pretrained=True).network
        torch.testing.assert_close(found.blocks.state_dict(), expected.blocks.state_dict(), rtol=0, atol=0)
        assert found.conv_stem.in_channels == channels


def test_impossible_values_are_refused():
    with pytest.raises(
        InputError, match=r"scales=\('conv6',\): at least one is expected of conv2, conv3, conv4, conv5"
    ):
        scaled_host(SMALL, classes=5, scales=("conv6",))
    with pytest.raises(InputError, match="dropout=1: must lie in"):
        scaled_host(SMALL, classes=5, dropout=1)
    with (
        torch.device("meta"),
        pytest.raises(InputError, match="XceptionAligned does not apply its modules one after the other"),
    ):
        scaled_host("xception41", classes=5)
