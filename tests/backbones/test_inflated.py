"""C3D and GST from 2D residual networks: weights, shapes and cost."""

import copy

import pytest
import torch
from torch import nn

from videoattn.backbones.inflated import ClipNetwork, GroupedConv
from videoattn.backbones.resnet import resnet
from videoattn.errors import InputError
from videoattn.reporting.cost import count, parameters

SMALL = {"channels": (8, 8, 16, 16), "layers": (1, 2, 1, 1)}


def small(name: str = "resnet18", **more) -> nn.Module:
    torch.manual_seed(0)
    network = resnet(name, classes=3, **SMALL, **more)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)  # timm starts residual branches at zero
    return network


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_a_clip_of_equal_frames_gives_what_the_frame_gives(name):
    flat = small(name).eval()
    network = ClipNetwork(copy.deepcopy(flat), kind="c3d").eval()
    image = torch.randn(2, 3, 40, 33, generator=torch.Generator().manual_seed(1))
    maps = network.features(image[:, :, None].expand(-1, -1, 25, -1, -1))
    torch.testing.assert_close(maps[:, :, 12], flat.forward_features(image), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(maps[:, :, 0], maps[:, :, 12], atol=1e-4)  # the border of time shows


def test_gst_splits_the_channels():
    conv = GroupedConv(4, 8, stride=2).double()
    x = torch.randn(1, 4, 5, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    before = conv(x)
    assert before.shape == (1, 8, 5, 3, 3)
    for channels, changed in ((slice(0, 2), slice(0, 6)), (slice(2, 4), slice(6, 8))):
        other = x.clone()
        other[:, channels, 2] += 1
        frames = (conv(other) != before).any(0).any(-1).any(-1)
        outside = torch.ones(8, dtype=torch.bool)
        outside[changed] = False
        assert not frames[outside].any()
        near = [2] if changed == slice(0, 6) else [1, 2, 3]
        assert frames[changed].any(0).nonzero().flatten().tolist() == near


def test_only_convolutions_along_time_notice_the_order_of_the_frames():
    clip = torch.randn(1, 3, 6, 32, 32, generator=torch.Generator().manual_seed(3))
    order = torch.tensor([3, 1, 4, 0, 2, 5])  # inflated kernels are symmetric in time: reversal alone would not show
    for kind in ("c3d", "gst"):
        network = ClipNetwork(small(), kind=kind).eval()
        assert network(clip).shape == (1, 3)
        assert not torch.allclose(network.features(clip[:, :, order]), network.features(clip)[:, :, order], rtol=0.01)


def test_cost_of_resnet_50():
    """GST: 21.0M parameters and 59.0G for 16 frames (table II of the AIA paper; thop's rules give 58.4)."""
    sizes = {}
    for kind in ("c3d", "gst"):
        with torch.device("meta"):
            network, clip = ClipNetwork(resnet("resnet50", classes=174), kind=kind), torch.empty(1, 3, 16, 224, 224)
        sizes[kind] = parameters(network), count(network, clip)
    mids = {64: 3, 128: 4, 256: 6, 512: 3}
    plain = 23_864_558
    assert sizes["c3d"][0] == plain + sum(18 * p * p * n for p, n in mids.items())
    assert sizes["gst"][0] == plain - sum(9 * p * p // 4 * n for p, n in mids.items())
    assert round(sizes["gst"][0] / 1e6, 1) == 21.0
    assert sizes["gst"][1] < sizes["c3d"][1] / 2


def test_every_layer_has_an_axis_of_time():
    for kind in ("c3d", "gst"):
        network = ClipNetwork(small("resnet50", stem_width=4), kind=kind)
        assert not [m for m in network.backbone.modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d | nn.MaxPool2d)]
        network(torch.randn(2, 3, 1, 32, 32)).sum().backward()
        assert all(p.grad is not None for p in network.parameters())


def test_wrong_input_is_refused():
    with pytest.raises(InputError, match=r"unknown kind 'i3d' .*; choose from c3d, gst"):
        ClipNetwork(small(), kind="i3d")
    with pytest.raises(InputError, match="the backbone is a Linear"):
        ClipNetwork(nn.Linear(2, 2), kind="c3d")
    with pytest.raises(InputError, match="3 input and 8 output channels: multiples of 2 and 4"):
        GroupedConv(3, 8)
    with pytest.raises(InputError, match=r"the clip has shape \(2, 3, 32, 32\)"):
        ClipNetwork(small(), kind="c3d")(torch.zeros(2, 3, 32, 32))
