"""Weights of cut networks: names, the first convolution for flow, and what cannot be had."""

import copy

import pytest
import timm
import torch
from caffe_bn_inception import random_file
from cut_networks import RESNET, inception_resnet, resnet, vgg
from random_weights import noise
from timm.data.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import nn

from videoattn.backbones import scales as module
from videoattn.backbones.scaled_inception import (
    ScaledInceptionResNet,
    for_imagenet,
    scaled_bn_inception,
    scaled_inception_resnet_v2,
)
from videoattn.backbones.scaled_vgg import scaled_vgg16
from videoattn.backbones.scales import scaled_resnet
from videoattn.errors import InputError, RunError


@pytest.fixture
def published(monkeypatch):
    """timm with weights for small networks of its names; returns what was asked for."""
    asked = []

    def create_model(name, *, pretrained, in_chans, drop_rate):
        asked.append((name, pretrained, in_chans, drop_rate))
        return {"vgg16": vgg, "inception_resnet_v2": inception_resnet}[name]()

    monkeypatch.setattr(module.timm, "create_model", create_model)
    return asked


def test_keys_are_those_of_timm():
    with torch.device("meta"):
        for build, name in ((scaled_vgg16, "vgg16"), (scaled_inception_resnet_v2, "inception_resnet_v2")):
            network, plain = build(classes=1000).network, timm.create_model(name)
            assert {k: v.shape for k, v in network.state_dict().items()} == {
                k: v.shape for k, v in plain.state_dict().items()
            }
    backbone = scaled_resnet("resnet18", classes=5, shift=True, **RESNET)
    assert list(backbone.network.state_dict()) == list(resnet().network.state_dict())


@pytest.mark.parametrize(
    ("build", "conv"), [(scaled_vgg16, "features.0"), (scaled_inception_resnet_v2, "conv2d_1a.conv")]
)
def test_flow_has_the_mean_of_the_kernels_everywhere(published, build, conv):
    scales = {scaled_vgg16: ("conv1_2", "conv2_2")}.get(build, ("Block A",))
    rgb, flow = (build(classes=3, scales=scales, in_channels=n, dropout=0.7, pretrained=True) for n in (3, 10))
    old, new = (network.network.get_submodule(conv) for network in (rgb, flow))
    assert (rgb.in_channels, flow.in_channels) == (3, 10)
    assert (new.stride, new.padding, new.bias is None) == (old.stride, old.padding, old.bias is None)
    mean = (old.weight[:, 0] + old.weight[:, 1] + old.weight[:, 2]) / 3
    for channel in range(10):
        torch.testing.assert_close(new.weight[:, channel], mean)
    others = [k for k in rgb.state_dict() if conv not in k and not k.endswith(("fc.weight", "classif.weight"))]
    assert all(torch.equal(rgb.state_dict()[k], flow.state_dict()[k]) for k in others)
    assert rgb.fc.out_features == 3
    assert 0 < rgb.fc.weight.abs().max() < 0.006
    assert not rgb.fc.bias.any()
    assert [(pretrained, channels, rate) for _, pretrained, channels, rate in published] == [(True, 3, 0.7)] * 2


def test_weights_of_bn_inception_come_from_a_file(tmp_path):
    torch.save(random_file(), tmp_path / "bn.pth")
    rgb, flow = (
        scaled_bn_inception(classes=3, in_channels=n, weights=tmp_path / "bn.pth").double().eval() for n in (3, 10)
    )
    old, new = (network.network.stem.conv1.conv for network in (rgb, flow))
    torch.testing.assert_close(new.weight, old.weight.mean(1, keepdim=True).expand_as(new.weight), rtol=0, atol=1e-6)
    assert torch.equal(new.bias, old.bias)
    assert not hasattr(new, "offset")  # a still pixel's flow is 0 for both
    old.offset.zero_()
    grey = noise(1, 1, 63, 63)
    with torch.no_grad():
        found, expected = flow.maps(0.3 * grey.expand(-1, 10, -1, -1)), rgb.maps(grey.expand(-1, 3, -1, -1))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-3)
    assert min(x.std() for x in expected) > 0.1
    assert rgb.fc.weight.abs().max() < 0.006
    with pytest.raises(RunError, match=r"there is no file .*absent\.pth: put the weights"):
        scaled_bn_inception(classes=3, weights=tmp_path / "absent.pth")


def test_the_networks_of_timm_see_what_the_clips_give():
    plain = inception_resnet()
    plain.conv2d_1a.bn.running_mean.normal_()
    other = copy.deepcopy(plain)
    for_imagenet(other)
    rgb = torch.rand(2, 3, 75, 80, generator=torch.Generator().manual_seed(1))
    mean, deviation = (torch.tensor(v)[:, None, None] for v in (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD))
    with torch.no_grad():
        torch.testing.assert_close(other.conv2d_1a((rgb - mean) / deviation), plain.conv2d_1a(2 * rgb - 1))


def test_synchronised_norms_keep_their_activations():
    network = ScaledInceptionResNet(inception_resnet(), scales=("Block A", "Block C"))
    images = noise(1, 3, 75, 75).float()
    with torch.no_grad():
        expected = network.maps(images)
        network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
        torch.testing.assert_close(network.maps(images), expected)
    assert sum(isinstance(m, nn.SyncBatchNorm) for m in network.modules()) > 30


@pytest.mark.parametrize("name", ["vgg16", "inception_resnet_v2", "resnet50"])
def test_weights_out_of_reach(monkeypatch, name):
    def create_model(name, *, pretrained, drop_rate, in_chans=3):
        raise ConnectionError("no route to host")

    build = {"vgg16": scaled_vgg16, "inception_resnet_v2": scaled_inception_resnet_v2, "resnet50": scaled_resnet}[name]
    monkeypatch.setattr(module.timm, "create_model", create_model)
    with pytest.raises(RunError, match=rf"weights of {name} could not be fetched \(ConnectionError\).*PRETRAINED off"):
        build(classes=2, pretrained=True)


@pytest.mark.parametrize("build", [scaled_vgg16, scaled_bn_inception, scaled_inception_resnet_v2, scaled_resnet])
@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"classes": 0}, "classes=0: must be at least 1"),
        ({"in_channels": 0}, "in_channels=0: must be at least 1"),
        ({"dropout": 1.0}, r"dropout=1\.0: must lie in \[0, 1\)"),
    ],
)
def test_impossible_values_are_refused(build, values, says):
    with pytest.raises(InputError, match=says):
        build(**{"classes": 2, **values})


def test_dropout_stands_before_the_last_layer():
    with torch.device("meta"):
        assert scaled_vgg16(classes=2, dropout=0.7).network.head.drop.p == 0.7
        assert scaled_vgg16(classes=2, dropout=0.7).network.pre_logits.drop.p == 0.7
        assert scaled_inception_resnet_v2(classes=2, dropout=0.7).network.head_drop.p == 0.7
        assert scaled_resnet(classes=2, dropout=0.7).network.drop_rate == 0.7
        network = scaled_bn_inception(classes=2, dropout=0.7)
    assert network.network.drop_rate == 0.7
    ones = torch.ones(1, 1024, 1, 1)
    network.network.fc = nn.Identity()
    torch.testing.assert_close(network.train()._scores(ones).unique(), torch.tensor([0, 1 / 0.3]))
    assert torch.equal(network.eval()._scores(ones), ones[..., 0, 0])
