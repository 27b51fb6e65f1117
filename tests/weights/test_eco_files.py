"""Files of ECO's public port, of torchvision's VGG and of its video networks: whole, in part, or refused by name."""

from collections.abc import Callable

import pytest
import torch
import torchvision
from caffe_bn_inception import random_file
from caffe_eco import random_eco
from eco_cases import WIDTHS, narrow_eco
from torch import nn

from videoattn.backbones.eco import eco, eco_lite
from videoattn.backbones.inflated import ClipNetwork
from videoattn.backbones.resnet import resnet
from videoattn.backbones.scaled_vgg import scaled_vgg16
from videoattn.engine.record import Record
from videoattn.errors import InputError
from videoattn.papers.banet.experiments import started
from videoattn.papers.banet.network import BANet
from videoattn.weights.initial import describe, load_weights, translated
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
    assert started(of(whole)).endswith(
        "what is tested on Kinetics-400 is its validation set, where table IV says test set"
    )


def test_the_last_layer_of_a_whole_eco_is_none_for_eco_lite():
    told = report_of(file=True, network=False)
    assert "not used of the file: inception_3c" in told
    assert "fc.weight (5, 1038) instead of (5, 14)" in told
    assert "as initialised: fc (2)" in told


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
