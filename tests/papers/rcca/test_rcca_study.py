"""Every job of every profile gets the network that the paper says; results are told apart; what is shown adds up."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from videoattn.backbones.mfnet import MFNet
from videoattn.backbones.tsn import FrameNetwork
from videoattn.backbones.video_network import VideoNetwork
from videoattn.engine.parameters import check
from videoattn.errors import InputError
from videoattn.layers.non_local import NonLocalBlock
from videoattn.layers.temporal_shift import TemporalShift
from videoattn.papers.rcca import comparison, inspection
from videoattn.papers.rcca.attention import RCCA3D
from videoattn.papers.rcca.experiments import (
    BACKBONES,
    CELLS,
    CPU,
    PAPER,
    PROFILES,
    USES,
    VARIANTS,
    VIDEOS,
    build,
    rows,
    settings,
    study,
)
from videoattn.papers.rcca.network import CellNetwork


def of(tmp_path: Path, **values: object):
    return study(replace(check("rcca", values, ("folder", "ucf101")), runs=tmp_path))


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_builds_all_of_its_networks(name):
    profile = PROFILES[name]
    for job in profile.jobs:
        variant = VARIANTS[job]
        with torch.device("meta"):
            network = build(variant, profile, classes=3)
        blocks = [m for m in network.modules() if isinstance(m, RCCA3D | NonLocalBlock)]
        assert len(blocks) == (0 if variant.block is None else len(variant.positions)), job
        for block in blocks:
            if variant.block == "rcca":
                ours = (block.recurrence, block.structure, block.step.q.in_channels // block.step.q.out_channels)
                assert ours == (variant.recurrence, variant.structure, variant.reduction), job
            else:
                assert block.pool == (variant.block == "nl-pool"), job
        assert any(isinstance(m, TemporalShift) for m in network.modules()) == (variant.kind == "tsm")


@pytest.mark.parametrize("name", ["tsm-conv4_5", "mfnet-rcca", "cells-r2"])
def test_networks_run_on_the_clips_of_their_profile(name):
    profile, variant = PROFILES["check"], VARIANTS[name]
    torch.manual_seed(0)
    network = build(variant, profile, classes=2).eval()
    settings = getattr(profile, USES[variant.kind])
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
        *(8, "uniform"),
        *(16, "dense"),
    )
    assert PAPER.jobs == BACKBONES
    assert set(VIDEOS) == set(PROFILES)
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


def test_rows_name_jobs():
    names = {row.name for row in rows()}
    assert names == set(VARIANTS) == set(CELLS) | set(BACKBONES)
    assert {row.rsplit(" at ", 1)[0] for _, row in comparison.HEADLINE} <= names


def test_the_study_of_the_probe(tmp_path):
    ours = of(tmp_path, PROFILE="check")
    assert [job.name for job in ours.jobs] == list(PROFILES["check"].jobs)
    assert ours.inspect is not None  # accuracy by distance, which only the probe knows
    assert {VARIANTS[job.name].kind for job in ours.jobs} == {"cells", "tsm", "mfnet"}
    assert PROFILES["gpu"].jobs == tuple(VARIANTS)
    assert [row.name for row in of(tmp_path, PROFILE="cpu").rows] == list(CPU.jobs)
    folders = [ours.folder, *(of(tmp_path, **v).folder for v in ({"PROFILE": "cpu"}, {"PROFILE": "check", "SEEDS": 2}))]
    assert len({folder.name for folder in folders}) == 3
    assert not any(tmp_path.iterdir())  # nothing is generated or trained yet
    with pytest.raises(InputError, match=r"FLOW is 'tvl1'.*RGB alone"):
        of(tmp_path, FLOW="tvl1")


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


def test_other_numbers_of_crops_are_tested_too():
    own = replace(PROFILES["paper"], crops=(1,))
    found = settings(own)
    assert found["uniform"] == own.uniform
    assert found["uniform 1-crop"] == replace(own.uniform, test_crops=1)
    assert {row.name for row in rows(("1-crop",))} >= {"tsm-r3", "tsm-r3 1-crop"}
