"""Files of ECO's public port, of torchvision's VGG and of its video networks: whole, in part, or refused by name."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
import torchvision
from caffe_bn_inception import random_file
from caffe_eco import random_eco, resnet18_3d
from eco_cases import WIDTHS, narrow_eco
from torch import nn

from videoattn.backbones.eco import ECO, eco, eco_lite
from videoattn.backbones.inflated import ClipNetwork
from videoattn.backbones.resnet import resnet
from videoattn.backbones.resnet3d import Resnet3D
from videoattn.backbones.scaled_vgg import scaled_vgg16
from videoattn.engine.record import Record
from videoattn.errors import InputError
from videoattn.papers.banet.experiments import started
from videoattn.papers.banet.network import BANet
from videoattn.weights.files import Weights
from videoattn.weights.initial import describe, joined, load_weights, translated
from videoattn.weights.key_names import canonical, eco_name
from videoattn.weights.sources import source_of


@pytest.mark.parametrize(("make", "full"), [(eco_lite, False), (eco, True)])
def test_every_weight_of_eco_has_its_name_in_the_port(make: Callable, full: bool):
    with torch.device("meta"):
        own = [key for key in make(classes=5).state_dict() if not key.endswith("num_batches_tracked")]
    names = [eco_name(canonical(f"eco.{key}")) for key in own]
    assert sorted(names) == sorted(map(canonical, random_eco(full=full, widths=WIDTHS)))


def report_of(*, file: bool, network: bool, classes: int = 5) -> str:
    """What is said of a file of ECO (else of ECO-Lite) in ECO (else in ECO-Lite)."""
    banet = BANet(select=nn.Identity(), eco=narrow_eco(full=network))
    return describe(load_weights(banet, random_eco(full=file, widths=WIDTHS, classes=classes), head=True))


def of(*told: str) -> Record:
    results = [{"job": f"{i}", "initial": f"eco.pth: 9 of 9 tensors loaded\n{text}"} for i, text in enumerate(told)]
    return Record("banet", "paper", "0123456789", {}, {}, {}, results=results)


def test_what_the_file_gave_decides_in_what_banet_departs_from_its_paper():
    whole, lite = (report_of(file=full, network=full) for full in (True, False))
    part = "as initialised: side (200), fc (2)"
    assert "as initialised" not in whole + lite
    behind = (
        ", where the paper takes BN-Inception and a 3D ResNet-18, each trained on Kinetics-400 (section IV-A); what "
    )
    assert started(of(whole, lite)).startswith(f"the networks start from a whole ECO{behind}")
    assert started(of(whole, part)).startswith(f"ECO's 2D side of some networks start at random{behind}")
    assert started(of("as initialised: spatial (7), temporal (8), fc (2)")).startswith(
        "the 2D part and the 3D part of "
    )
    assert started(of("as initialised: fc (2)\nnot used of the file: temporal (3)")).startswith(
        "the networks start from a"
    )
    both = replace(of(whole), recipe={"init": {"name": "file", "of": "0123456789", "files": 2}})
    assert started(both).startswith("the networks start from two files, the paper's only if they hold BN-Inception and")
    assert started(replace(both, results=of(part).results)).startswith("ECO's 2D side of some networks start at random")
    assert started(of(whole)).endswith(
        "what is tested on Kinetics-400 is its validation set, where table IV says test set"
    )


def test_the_last_layer_of_a_whole_eco_is_none_for_eco_lite():
    told = report_of(file=True, network=False)
    assert "not used of the file: inception_3c" in told
    assert "fc.weight (5, 1038) instead of (5, 14)" in told
    assert "as initialised: fc (2)" in told


def test_without_dropout_the_port_has_another_name_for_the_last_layer():
    file = random_eco(full=False, widths=WIDTHS)
    renamed = {name.replace("module.new_fc", "base_model.fc_final"): tensor for name, tensor in file.items()}
    network = narrow_eco(full=False)
    assert load_weights(network, renamed, head=True).missing == ()
    assert network.fc.weight.equal(file["module.new_fc.weight"].double())


def test_norms_are_loaded_whole_from_files_without_their_counts():
    network = narrow_eco(full=False)
    count = network.spatial.stem.conv1.norm.num_batches_tracked
    count += 3
    assert load_weights(network, random_eco(full=False, widths=WIDTHS), head=True).missing == ()
    assert network.spatial.stem.conv1.norm.num_batches_tracked == 0


def test_an_early_eco_of_the_port_is_refused():
    file = random_eco(full=False, widths=WIDTHS)
    file["module.base_model.res3a_1.weight"] = file["module.base_model.res3a_2.weight"]
    with pytest.raises(InputError, match=r"the file has module\.base_model\.res3a_1\.weight: an early ECO of the port"):
        load_weights(narrow_eco(full=False), file, head=True)


def test_a_file_of_bn_inception_gives_eco_its_2d_part():
    network, file = narrow_eco(full=True), {f"base_model.{name}": w for name, w in random_file(classes=5).items()}
    report = load_weights(network, file, head=True)
    assert report.source.name == "bn-inception"
    assert {key.partition(".")[0] for key in report.missing} == {"temporal", "fc"}


def test_the_3d_resnet_gives_eco_its_3d_part_with_the_first_96_channels():
    spatial, temporal = nn.Conv2d(3, 96, 8, 8), Resnet3D(widths=WIDTHS)
    network, file = ECO(spatial=spatial, temporal=temporal, classes=5, features=WIDTHS[-1]), resnet18_3d(widths=WIDTHS)
    report = load_weights(network, file, head=True)
    assert report.source.name == "eco"
    assert {key.partition(".")[0] for key in report.loaded} == {"temporal", "fc"}
    assert report.adapted == (("temporal.conv3.enter.weight", (6, 128, 3, 3, 3), (6, 96, 3, 3, 3)),)
    kernel = file["module.base_model.res3a_2.weight"]
    assert network.temporal.conv3.enter.weight.equal(kernel[:, :96])
    assert "made to fit: temporal.conv3.enter.weight (6, 128, 3, 3, 3) instead of (6, 96, 3, 3, 3)" in describe(report)


def test_of_two_files_the_first_counts_but_for_the_last_layer():
    first = Weights(random_file(classes=5))
    second = Weights(resnet18_3d(widths=WIDTHS) | {"module.base_model.conv1_7x7_s2_bn.bias": torch.zeros(64)})
    first.others, second.others = ("epoch",), ("arch", "epoch")
    found = joined(first, second)
    assert found.others == ("epoch", "arch")
    assert found["conv1_7x7_s2_bn.bias"] is first["conv1_7x7_s2_bn.bias"]
    names = {*first, *second} - {"last_linear.weight", "last_linear.bias", "module.base_model.conv1_7x7_s2_bn.bias"}
    assert set(found) == names


def test_other_two_files_are_refused_by_name():
    bn, cube, plain = (
        Weights(random_file()),
        Weights(resnet18_3d(widths=WIDTHS)),
        Weights({"fc.weight": torch.ones(2, 3)}),
    )
    for pair, kinds in (((cube, bn), "eco and bn-inception"), ((bn, plain), "bn-inception and plain")):
        with pytest.raises(InputError, match=rf"two files are for ECO alone: first one of BN-Inc.* taken for {kinds}$"):
            joined(*pair)


@pytest.mark.parametrize("name", ["vgg16", "vgg16_bn"])
def test_torchvisions_vgg_16_has_all_weights_of_ours_and_no_other(name: str):
    with torch.device("meta"):
        theirs, own = getattr(torchvision.models, name)().state_dict(), scaled_vgg16(classes=1000)
        found = translated(theirs, own, source_of(theirs, own.state_dict()))
    own = own.state_dict()
    assert (found.keys() == own.keys()) == (name == "vgg16")
    assert all(found[key].shape == own[key].shape for key in own if key in found) == (name == "vgg16")


@pytest.mark.parametrize("name", ["r3d_18", "mc3_18", "r2plus1d_18"])
def test_torchvisions_video_networks_are_refused_with_the_reason(name: str):
    with torch.device("meta"):
        file = getattr(torchvision.models.video, name)().state_dict()
        host = resnet("resnet18", classes=400)
        hosts = [host, ClipNetwork(resnet("resnet18", classes=400), kind="c3d"), eco_lite(classes=400)]
    for network in hosts:
        with pytest.raises(
            InputError, match=r"layer1\.0\.conv1\.0\.\S+: r3d_18, mc3_18 and r2plus1d_18 are the network"
        ):
            load_weights(network, file, head=True)
