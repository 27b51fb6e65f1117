"""Every job of every profile gets the network that the paper says; results are told apart; what is shown adds up."""

from dataclasses import replace

import pytest
import torch
from random_weights import noise, randomise
from torch import nn

from videoattn.backbones.cells import CellNetwork
from videoattn.backbones.mfnet import MFNet
from videoattn.backbones.tsn import FrameNetwork, tsn
from videoattn.backbones.video_network import VideoNetwork
from videoattn.engine.protocol import FROM_SCRATCH
from videoattn.layers.non_local import NonLocalBlock
from videoattn.layers.temporal_shift import TemporalShift
from videoattn.papers.rcca import inspection
from videoattn.papers.rcca.attention import RCCA3D
from videoattn.papers.rcca.experiments import (
    BACKBONES,
    CELLS,
    OF_OTHERS,
    PAPER,
    PROFILES,
    VARIANTS,
    build,
    hosted,
    inputs,
    job,
    rows,
)


@pytest.mark.parametrize("name", ["full", "paper"])
def test_networks_hold_what_their_variants_say(name, networks):
    for label, network in networks("rcca", "", PROFILES[name]).items():
        variant = VARIANTS[label]
        blocks = [m for m in network.modules() if isinstance(m, RCCA3D | NonLocalBlock)]
        assert len(blocks) == (0 if variant.block is None else len(variant.positions)), label
        for block in blocks:
            if variant.block == "rcca":
                ours = (block.recurrence, block.structure, block.step.q.in_channels // block.step.q.out_channels)
                assert ours == (variant.recurrence, variant.structure, variant.reduction), label
            else:
                assert block.pool == (variant.block == "nl-pool"), label
        assert any(isinstance(m, TemporalShift) for m in network.modules()) == (variant.kind == "tsm")


@pytest.mark.parametrize("name", ["tsm-conv4_5", "mfnet-rcca", "cells-r2"])
def test_networks_run_on_the_clips_of_their_profile(name):
    profile, variant = PROFILES["check"], VARIANTS[name]
    torch.manual_seed(0)
    network = build(variant, profile, classes=2).eval()
    settings = job(name, profile, FROM_SCRATCH).test
    rgb = torch.randn(2, 3, settings.frames, settings.size, settings.size)
    other = rgb.clone()
    other[:, :, -1] += 1
    with torch.no_grad():
        scores, changed = network({"rgb": rgb})["rgb"], network({"rgb": other})["rgb"]
    assert scores.shape == (2, 2)
    assert not torch.allclose(scores, changed, rtol=0, atol=1e-7)


def test_the_paper_profile_is_the_papers():
    tsm, mfnet = PAPER.recipe, PAPER.dense_recipe
    assert (tsm.epochs, tsm.batch_size, tsm.accumulation, tsm.lr, tsm.weight_decay, tsm.momentum, tsm.milestones) == (
        *(100, 128, 8, 0.02, 5e-4, 0.9),
        (40, 80),
    )
    assert (mfnet.epochs, mfnet.lr, mfnet.weight_decay, mfnet.milestones) == (120, 0.05, 1e-4, (60, 90, 110))
    assert (PAPER.uniform.frames, PAPER.uniform.sampling, PAPER.dense.frames, PAPER.dense.sampling) == (
        *(8, "tsn"),
        *(16, "dense"),
    )
    assert PAPER.jobs == BACKBONES
    with torch.device("meta"):
        network = build(VARIANTS["tsm-r3"], PAPER, classes=101)
        five = build(VARIANTS["mfnet-rcca"], PAPER, classes=101)
    places = {n: m.step.q.in_channels for n, m in network.named_modules() if isinstance(m, RCCA3D)}
    assert places == {"backbone.backbone.layer2.2.attached.block": 512}
    places = {n: m.step.q.in_channels for n, m in five.named_modules() if isinstance(m, RCCA3D)}
    widths = {"conv3.0": 192, "conv3.2": 192, "conv4.0": 384, "conv4.2": 384, "conv4.4": 384}
    assert places == {f"backbone.{place}.attached": channels for place, channels in widths.items()}
    assert isinstance(network.backbone, FrameNetwork)
    assert isinstance(five.backbone, MFNet)


@pytest.mark.parametrize("name", ["cells-r3", "tsm-r3", "mfnet-none"])
def test_activation_maps_add_up_to_the_score(name):
    torch.manual_seed(0)
    network = build(VARIANTS[name], PROFILES["check"], classes=2).eval()
    nn.init.normal_(network.fc.weight)
    clip = {"rgb": torch.randn(2, 3, 3, 30, 30)}
    for label in (0, 1):
        maps = inspection.activation_maps(network, clip, label)
        with torch.no_grad():
            score = network(clip)["rgb"][:, label]
        torch.testing.assert_close(maps.mean((1, 2, 3)) + network.fc.bias[label], score)


def test_activation_maps_of_a_head_of_several_layers_are_what_scaling_the_maps_does():
    network = randomise(VideoNetwork(tsn("mobilenetv3_small_050", classes=3, frames=2)))
    clip = {"rgb": noise(1, 3, 2, 64, 64)}
    maps = network.features(clip["rgb"]).detach()
    assert maps.shape[1] != network.fc.in_features
    found = inspection.activation_maps(network, clip, 1)
    assert found.shape == (1, 2, 2, 2)
    for t, row, column in ((0, 0, 1), (1, 1, 0)):
        larger, less = maps.clone(), maps.clone()
        larger[..., t, row, column] *= 1 + 1e-6
        less[..., t, row, column] *= 1 - 1e-6
        with torch.no_grad():
            change = (network.backbone.head(larger) - network.backbone.head(less))[0, 1] / 2e-6
        torch.testing.assert_close(found[0, t, row, column] / 8, change, rtol=1e-5, atol=1e-9)


def test_blocks_of_another_host_stand_behind_its_stages(networks):
    profile = hosted(PAPER, "tf_efficientnet_lite0")
    without = {"tsm-cd16"}  # 40 channels cannot be divided by 16
    assert profile.jobs == tuple(name for name in PAPER.jobs if VARIANTS[name].kind == "tsm" and name not in without)
    paths = {"conv3_3": "blocks.2", "conv4_5": "blocks.4", "conv5_2": "blocks.6"}
    channels = {"conv3_3": 40, "conv4_5": 112, "conv5_2": 320}
    for label, network in networks("rcca", "", profile).items():
        variant, trunk = VARIANTS[label], network.backbone.backbone
        (place,) = variant.positions
        hosts = [m for m in trunk.modules() if hasattr(m, "attached")]
        assert hosts == ([trunk.get_submodule(paths[place])[-1]] if variant.block else []), label
        if variant.block == "rcca":
            assert hosts[0].attached.block.step.q.in_channels == channels[place]
        assert sum(isinstance(m, TemporalShift) for m in network.modules()) == 9  # blocks with an identity path
    shallow = networks("rcca", "", replace(hosted(PAPER, "resnet18"), jobs=("tsm-r3",)))["tsm-r3"]
    assert hasattr(shallow.get_submodule("backbone.backbone.layer2.1"), "attached")  # its stage has two blocks


def test_what_goes_through_the_module_is_its_input_and_output():
    torch.manual_seed(0)
    module = RCCA3D(channels=8, recurrence=2)
    network = CellNetwork(module, classes=2, width=8, cell=8).eval()
    clip = {"rgb": torch.randn(1, 3, 2, 16, 24)}
    found, before, behind, attention = inspection.through(network, clip)
    assert found is module
    with torch.no_grad():
        torch.testing.assert_close(before, network.stem(clip["rgb"]))
        torch.testing.assert_close(behind, module(network.stem(clip["rgb"])))
    assert [lines.w.shape for lines in attention] == [(1, 2, 2, 3, 3)] * 2
    assert not module._forward_pre_hooks
    with pytest.raises(LookupError, match="no RCCA-3D"):
        inspection.through(VideoNetwork(nn.Identity()), clip)


def test_jobs_of_each_kind_and_other_numbers_of_crops():
    own = replace(PAPER, crops=(1,))
    for name, recipe, clips in (
        ("tsm-r3", own.recipe, own.uniform),
        ("mfnet-nl", own.dense_recipe, own.dense),
        ("cells-r1", own.cells_recipe, own.dense),
    ):
        one = job(name, own, FROM_SCRATCH)
        assert (one.recipe, one.train, one.test, one.initial) == (recipe, clips, clips, name)
        (other,) = one.extra_tests
        assert (other.name, other.settings) == ("1-crop", replace(clips, test_crops=1))
    assert job("tsm-r3", PAPER, FROM_SCRATCH).extra_tests == ()
    assert {row.name for row in rows(own)} == {*VARIANTS, *(f"{name} 1-crop" for name in VARIANTS)}
    assert {row.name for row in rows(PAPER)} == set(VARIANTS) == {*CELLS, *BACKBONES, *OF_OTHERS}


def test_the_places_of_the_marks_go_with_the_clips():
    (places,) = inputs({"x": {"places": [[0, 1, 2], [0, 2, 1]], "distance": 2}}).values()
    assert places["x"].tolist() == [[0, 1, 2], [0, 2, 1]]
