"""Whose file it is, what its networks see, and what is refused."""

import pytest
import torch

from videoattn.data.flow.algorithms import dequantise
from videoattn.errors import InputError
from videoattn.weights.inputs import CAFFE, FLOW, IMAGENET, TSN_FLOW, Input, converted
from videoattn.weights.sources import NAMED, OWN, PLAIN, SOURCES, source_of

ONE = torch.ones(1)


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("module.base_model.conv1.weight", "tsn"),
        ("base_model.layer2.0.nl.theta.weight", "tsn"),
        ("module.base_model.conv1_7x7_s2.weight", "bn-inception"),
        ("conv1_7x7_s2.weight", "bn-inception"),
        ("module.base_model.layer1.0.eft1.C_conv.weight", "aia"),
        ("module.base_model.layer1.0.eft.T_conv.weight", "aia"),
        ("module.base_model.layer4.2.Tconv.weight", "gst"),
        ("backbone.layer1.0.conv1.conv.weight", "mmaction2"),
        ("backbone.layer1.0.conv1.conv.net.weight", "mmaction2"),
        ("backbone.layer2.0.block.conv1.conv.net.weight", "mmaction2"),
        ("backbone.layer2.net.0.conv2.conv.weight", "mmaction2"),
        ("module.conv2.B01.conv_i1.bn.weight", "mfnet"),
        ("module.conv1_custom.weight", "p3d"),
        ("backbone.conv1.weight", "own"),
        ("network.backbone.conv1.weight", "plain"),  # no key of the network
        ("conv1.weight", "plain"),
        ("layer1.0.conv1.weight", "plain"),
    ],
)
def test_names_tell_the_source(key, name):
    network = ["backbone.conv1.weight", "fc.weight"]
    state = {"fc.weight": ONE, key: ONE}
    assert source_of(state, network).name == name
    assert source_of(state, network, "own") is OWN
    assert source_of({"fc.weight": ONE}, network) is PLAIN


def test_each_source_has_one_mark():
    assert len(NAMED) == len(SOURCES) + 2
    assert all(source.marks for source in SOURCES)
    with pytest.raises(
        InputError, match=r"unknown source 'tsm' .*; choose from p3d, gst, aia, mfnet, eco, bn-inception, "
    ):
        source_of({}, [], "tsm")


def test_what_networks_see_in_words():
    assert str(IMAGENET) == "RGB: (0 to 255 - 123.67, 116.28, 103.53) / 58.395, 57.12, 57.375"
    assert str(CAFFE) == "BGR: (0 to 255 - 104, 117, 128) / 1"
    assert str(TSN_FLOW) == "flow: (0 to 255 - 127.5) / 57.63"


def test_channels_are_in_the_order_of_ours():
    mean, std = CAFFE.channels(3)
    assert mean.tolist() == [128, 117, 104]
    assert std.tolist() == [1, 1, 1]
    mean, std = Input((1.0, 2.0), (3.0,)).channels(4)  # x and y of two fields
    assert mean.tolist() == [1, 2, 1, 2]
    assert std.tolist() == [3, 3, 3, 3]
    for given, count in ((CAFFE, 10), (IMAGENET, 6), (Input((1.0, 2.0), (3.0,)), 5)):
        with pytest.raises(InputError, match=f"a first convolution over {count} channels; [23] are expected"):
            given.channels(count)


def test_our_flow_is_that_of_the_decoder():
    levels = torch.arange(1, 256, dtype=torch.uint8)
    expected = (levels.double() - FLOW.mean[0]) / FLOW.std[0]
    torch.testing.assert_close(torch.from_numpy(dequantise(levels.numpy())).double(), expected, rtol=0, atol=1e-7)


def test_kernels_are_converted_channel_by_channel():
    there, here = Input((10.0, 20.0, 30.0), (2.0, 4.0, 8.0), "BGR"), Input((31.0, 22.0, 13.0), (16.0, 8.0, 4.0), "RGB")
    kernel = torch.tensor([[1.0, 10.0, 100.0]], dtype=torch.float64)[..., None]
    weight, offset = converted(kernel, there, here)
    assert weight.flatten().tolist() == [100 * 16 / 8, 10 * 8 / 4, 1 * 4 / 2]
    assert offset.tolist() == [(30 - 31) / 16, (20 - 22) / 8, (10 - 13) / 4]


@pytest.mark.parametrize(
    ("name", "key", "why"),
    [
        ("tsn", "base_model.layer2.net.0.conv1.net.weight", r"pools over time before layer2 \(temporal_pool\)"),
        (
            "mmaction2",
            "backbone.layer2.net.0.conv1.conv.net.weight",
            r"pools over time before layer2 \(temporal_pool\)",
        ),
        ("plain", "layer2.net.0.conv1.weight", r"pools over time before layer2 \(temporal_pool\)"),
        ("tsn", "base_model.layer1.0.net.conv1.weight", r"shifts the input of whole blocks \(place 'block'\)"),
        ("mmaction2", "backbone.layer1.0.net.conv1.conv.weight", r"shifts the input of whole blocks \(place 'block'\)"),
        ("aia", "base_model.layer3.22.conv1.weight", "in ResNet-101 of AIA's authors every second block of layer3 has"),
        ("p3d", "module.conv1_custom.weight", "is another network than the P3D of its authors"),
    ],
)
def test_other_networks_are_refused_by_name(name, key, why):
    with pytest.raises(InputError, match=rf"the file has {key}: .*{why}"):
        NAMED[name].check(["fc.weight", key])
    NAMED[name].check(["fc.weight", "base_model.layer3.21.conv1.net.weight"])
    assert OWN.check([key]) is None


def test_what_a_file_leaves_open_is_said_of_what_is_loaded():
    gates = ["module.base_model.layer1.0.eft1.C_conv.weight", "module.base_model.layer1.1.eft1.C_conv.weight"]
    assert len(NAMED["aia"].left_open(gates)) == 1
    assert NAMED["aia"].left_open(["module.base_model.conv1.weight"]) == ()
    (note,) = NAMED["mmaction2"].left_open(["backbone.layer2.0.non_local_block.theta.conv.weight"])
    assert "taken for embedded Gaussian ones without a scale" in note
