"""What weights are called: names of real files one by one, and that no network has two keys of one name."""

import pytest
import torch
import torchvision
from hypothesis import given
from hypothesis import strategies as st

from videoattn.backbones.bn_inception import BNInception
from videoattn.backbones.eco import eco
from videoattn.backbones.mfnet import MFNet
from videoattn.backbones.p3d import P3D
from videoattn.backbones.tsn import tsn
from videoattn.errors import InputError
from videoattn.papers.aia.experiments import PROFILES as AIA
from videoattn.papers.aia.experiments import VARIANTS as AIA_VARIANTS
from videoattn.papers.aia.experiments import build as aia
from videoattn.papers.cma.network import CMANetwork
from videoattn.weights.key_names import (
    WRAPPERS,
    aia_name,
    block_of,
    by_name,
    canonical,
    gst_name,
    is_last,
    mfnet_name,
    mmcv_name,
    tsm_name,
)
from videoattn.weights.sources import NAMED

CHANNELS = (8, 8, 8, 8)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("backbone.backbone.layer1.0.conv1.weight", "layer1.0.conv1.weight"),
        ("network.backbone.network.fc.bias", "fc.bias"),
        ("module.base_model.layer3.5.conv1.net.weight", "layer3.5.conv1.weight"),
        ("module.new_fc.weight", "fc.weight"),
        ("base_model.fc.weight", "fc.weight"),
        ("module.base_model.layer2.0.block.conv1.net.weight", "layer2.0.conv1.weight"),
        ("module.base_model.layer2.0.nl.theta.weight", "layer2.0.nl.theta.weight"),
        ("module.base_model.layer2.0.nl.g.0.weight", "layer2.0.nl.g.weight"),
        ("base_model.layer2.net.3.conv1.net.weight", "layer2.net.3.conv1.weight"),
        ("backbone.layer2.0.non_local_block.phi.0.conv.bias", "layer2.0.non_local_block.phi.conv.bias"),
        ("base_model.layer1.0.net.conv1.weight", "layer1.0.net.conv1.weight"),
        ("backbone.layer1.0.conv1.conv.net.weight", "layer1.0.conv1.conv.weight"),
        ("cls_head.fc_cls.bias", "fc.bias"),
        ("classifier.weight", "fc.weight"),
        ("classifier.6.weight", "classifier.6.weight"),
        ("backbone.network.classif.weight", "fc.weight"),
        ("eco.spatial.stem.conv1.conv.weight", "spatial.stem.conv1.conv.weight"),
        ("streams.rgb.conv1.weight", "streams.rgb.conv1.weight"),
        ("ema_backbone_conv1_conv_weight", "ema_backbone_conv1_conv_weight"),
        ("backbone.backbone.layer1.0.bn2.attached.block.convs.0.weight", "layer1.0.bn2.attached.block.convs.0.weight"),
    ],
)
def test_wrappers_go_and_layers_stay(key, expected):
    assert canonical(key) == expected


@given(st.lists(st.sampled_from(WRAPPERS), max_size=5))
def test_wrappers_may_come_in_any_order(wrappers):
    for name in ("conv1.weight", "layer4.2.bn3.num_batches_tracked", "fc.bias", "inception_3a_1x1_bn.weight"):
        assert canonical(".".join([*wrappers, name])) == name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("conv1.weight", "conv1.conv.weight"),
        ("bn1.num_batches_tracked", "conv1.bn.num_batches_tracked"),
        ("layer1.0.conv3.bias", "layer1.0.conv3.conv.bias"),
        ("layer4.2.bn2.running_mean", "layer4.2.conv2.bn.running_mean"),
        ("layer1.0.downsample.0.weight", "layer1.0.downsample.conv.weight"),
        ("layer1.0.downsample.1.running_var", "layer1.0.downsample.bn.running_var"),
        ("fc.weight", "fc.weight"),
        ("conv1.0.weight", "conv1.0.weight"),
        ("layer2.0.attached.block.g.weight", "layer2.0.non_local_block.g.conv.weight"),
        ("layer2.0.attached_2.out.weight", "layer2.0.non_local_block.conv_out.conv.weight"),
        ("layer2.0.attached.block.norm.running_var", "layer2.0.non_local_block.conv_out.bn.running_var"),
    ],
)
def test_names_of_mmaction2(name, expected):
    assert mmcv_name(name) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("conv1.0.weight", "conv1.conv.weight"),
        ("conv1.1.running_var", "conv1.bn.running_var"),
        ("conv2.0.i1.0.bias", "conv2.B01.conv_i1.bn.bias"),
        ("conv4.5.m2.2.weight", "conv4.B06.conv_m2.conv.weight"),
        ("conv5.0.w1.2.weight", "conv5.B01.conv_w1.conv.weight"),
        ("tail.0.running_mean", "tail.bn.running_mean"),
        ("fc.bias", "fc.bias"),
        ("conv3.2.attached.theta.weight", "conv3.2.attached.theta.weight"),
    ],
)
def test_names_of_mf_net(name, expected):
    assert mfnet_name(name) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("layer1.0.conv1.weight", "layer1.0.conv1.weight"),
        ("layer3.4.attached.block.theta.bias", "layer3.4.nl.theta.bias"),
        ("layer3.4.attached.block.phi.weight", "layer3.4.nl.phi.weight"),
        ("layer3.4.attached.out.weight", "layer3.4.nl.W.0.weight"),
        ("layer3.4.attached.block.norm.running_mean", "layer3.4.nl.W.1.running_mean"),
        ("layer3.4.attached.block.q.weight", "layer3.4.attached.block.q.weight"),
        ("attention.theta.weight", "attention.theta.weight"),
    ],
)
def test_names_of_tsm(name, expected):
    assert tsm_name(name) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("layer1.0.conv1.weight", "layer1.0.conv1.weight"),
        ("layer1.0.bn2.attached.block.contexts.C.conv.weight", "layer1.0.eft.C_conv.weight"),
        ("layer1.0.bn2.attached.block.inner.contexts.C.norm.bias", "layer1.0.eft.C_bn.bias"),
        ("layer1.0.bn2.attached.block.host.contexts.W.conv.weight", "layer1.0.eft.W_conv.weight"),
        ("layer1.0.bn2.attached.block.0.contexts.C.conv.weight", "layer1.0.eft1.C_conv.weight"),
        ("layer1.0.bn2.attached.block.parts.1.contexts.T.norm.weight", "layer1.0.eft2.T_bn.weight"),
        ("layer1.0.bn2.attached.block.1.host.contexts.C.norm.weight", "layer1.0.eft2.C_bn.weight"),
    ],
)
def test_names_of_aia(name, expected):
    assert aia_name(name) == expected


@pytest.mark.parametrize("name", ["layer1.0.bn2.attached.block.inner.inner.contexts.C.conv.weight"])
def test_modules_that_aia_s_authors_do_not_have_keep_their_names(name):
    assert aia_name(name) == name


def test_names_of_gst():
    assert gst_name("layer1.0.conv2.spatial.weight") == "layer1.0.conv2.weight"
    assert gst_name("layer1.0.conv2.temporal.weight") == "layer1.0.Tconv.weight"
    assert gst_name("layer1.0.conv1.weight") == "layer1.0.conv1.weight"


def test_blocks_and_last_layers_are_known_by_their_names():
    assert block_of("layer1.0.bn2.attached.block.se.weight") == "layer1.0.bn2.attached"
    assert block_of("layer1.0.bn2.attached_2.fc.weight") == "layer1.0.bn2.attached_2"
    assert block_of("attention.theta.weight") == "attention"
    assert block_of("blocks.rgb.layer2_0.g.weight") == "blocks"
    assert [block_of(name) for name in ("layer1.0.bn2.weight", "attached_weight", "selector.weight")] == [""] * 3
    assert [name for name in ("fc.weight", "streams.flow.fc.bias", "streams.rgb.network.classif.bias") if is_last(name)]
    assert not any(map(is_last, ("layer1.0.attached.fc.weight", "fc1.weight", "fc", "head.0.weight")))


def test_two_keys_of_one_name_are_an_error():
    with pytest.raises(InputError, match=r"the file has module\.fc\.weight and new_fc\.weight.*\(fc\.weight\)"):
        by_name(["conv1.weight", "module.fc.weight", "new_fc.weight"], canonical, where="the file")


@pytest.mark.parametrize(
    "make",
    [
        lambda: tsn("resnet50", classes=3, shift=True),
        lambda: MFNet(classes=3),
        lambda: P3D(classes=3),
        lambda: BNInception(classes=3),
        lambda: eco(classes=3),
        lambda: CMANetwork(
            **{s: tsn("resnet18", classes=3, channels=CHANNELS).backbone for s in ("rgb", "flow")},
            positions=["layer2.0"],
        ),
        *(lambda job=job: aia(AIA_VARIANTS[job], AIA["check"], classes=3) for job in AIA["check"].jobs),
    ],
)
def test_no_network_has_two_keys_of_one_name_in_any_style(make):
    with torch.device("meta"):
        network = make()
    own = by_name(network.state_dict(), canonical, where="the network")
    assert len(own) == len(network.state_dict())
    for source in NAMED.values():
        assert len(by_name(own, source.names, where="a file")) == len(own)
    assert sum(map(is_last, own)) == (4 if isinstance(network, CMANetwork) else 2)


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnet101"])
def test_torchvision_names_its_resnets_as_we_do(name):
    with torch.device("meta"):
        theirs = getattr(torchvision.models, name)().state_dict()
        own = tsn(name, classes=1000).state_dict()
    assert {canonical(key): value.shape for key, value in own.items()} == {key: w.shape for key, w in theirs.items()}
