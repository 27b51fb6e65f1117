"""The papers' names for places: which modules they mean, and what is refused."""

import pytest
import torch
from torch import nn

from videoattn.backbones.mfnet import MFNet
from videoattn.backbones.positions import conv_channels, conv_path, places
from videoattn.backbones.tsn import tsn
from videoattn.errors import InputError


@pytest.fixture(scope="module")
def networks():
    with torch.device("meta"):
        return {"tsm": tsn(classes=400, shift=True), "mfnet": MFNet(classes=400)}


@pytest.mark.parametrize(
    ("name", "tsm", "mfnet"),
    [
        ("conv2_1", ("backbone.layer1.0", 256, 8, 56), ("conv2.0", 96, 8, 56)),
        ("conv3_1", ("backbone.layer2.0", 512, 8, 28), ("conv3.0", 192, 8, 28)),
        ("conv3_3", ("backbone.layer2.2", 512, 8, 28), ("conv3.2", 192, 8, 28)),
        ("conv4_5", ("backbone.layer3.4", 1024, 8, 14), ("conv4.4", 384, 8, 14)),
        ("conv5_2", ("backbone.layer4.1", 2048, 8, 7), ("conv5.1", 768, 8, 7)),
    ],
)
def test_positions_of_the_papers(networks, name, tsm, mfnet):
    for key, frames, (path, channels, length, side) in (("tsm", 8, tsm), ("mfnet", 16, mfnet)):
        net, shapes = networks[key], []
        assert (conv_path(net, name), conv_channels(net, name)) == (path, channels)
        module = net.get_submodule(path)
        handle = module.register_forward_hook(lambda m, i, output, shapes=shapes: shapes.append(tuple(output.shape)))
        net(torch.empty(1, 3, frames, 224, 224, device="meta"))
        handle.remove()
        assert shapes == [(8, channels, side, side) if key == "tsm" else (1, channels, length, side, side)]


def test_all_places_in_order(networks):
    names = [f"conv{n}_{i}" for n, blocks in ((2, 3), (3, 4), (4, 6), (5, 3)) for i in range(1, blocks + 1)]
    for net in networks.values():
        assert list(places(net)) == names
        assert [path for path, _ in places(net).values()] == [conv_path(net, name) for name in names]
    assert list(places(MFNet(classes=2, layers=(1, 2, 1, 1), width=4, groups=1))) == [
        "conv2_1",
        "conv3_1",
        "conv3_2",
        "conv4_1",
        "conv5_1",
    ]


@pytest.mark.parametrize("name", ["conv3_0", "conv3_5", "conv1_1", "conv6_1", "layer2.2", "conv03_3", ""])
def test_unknown_names_are_refused(networks, name):
    for net in networks.values():
        for call in (conv_path, conv_channels):
            with pytest.raises(InputError, match=rf"unknown position '{name}'.*; choose from conv2_1, .*, conv5_3$"):
                call(net, name)


def test_other_networks_are_refused():
    with pytest.raises(InputError, match="a Linear has no such places; a FrameNetwork or an MFNet is expected"):
        places(nn.Linear(2, 2))
