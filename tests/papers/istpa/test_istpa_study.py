"""The study of pyramid attention: its networks, what they take from a video, rows and tables."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from videoattn.engine.parameters import check
from videoattn.errors import InputError, RunError
from videoattn.papers.istpa import comparison
from videoattn.papers.istpa.attention import PyramidAttention
from videoattn.papers.istpa.experiments import (
    CENTRAL,
    DENSE,
    PAPER,
    PROFILES,
    TEST,
    TRAIN,
    VARIANTS,
    VIDEOS,
    build,
    frames_name,
    rows,
    settings,
    study,
    taken,
    use,
)
from videoattn.papers.istpa.network import MeanNetwork, PyramidNetwork


def of(tmp_path: Path, **values: object):
    return study(replace(check("istpa", values, ("folder", "ucf101")), runs=tmp_path))


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_builds_all_of_its_networks(name):
    profile = PROFILES[name]
    for job in profile.jobs:
        variant = VARIANTS[job]
        with torch.device("meta"):
            stream = build(variant, profile, classes=3)
        assert type(stream.network) is (PyramidNetwork if variant.scales else MeanNetwork), job
        assert (stream.beta > 0, stream.gamma > 0) == (variant.interaction, variant.pyramid), job
        assert stream.fc.out_features == 3
        if variant.scales:
            layer: PyramidAttention = stream.network.attention
            assert len(layer.channels) == variant.scales, job
            assert layer.score[0].out_features == (1 if variant.shared else layer.sizes[-1][0] * layer.sizes[-1][1])


@pytest.mark.parametrize("name", ["mean", "mean-maps", "scales-3", "place-2", "down-conv", "shared", "both"])
def test_networks_run_on_the_clips_of_their_profile(name):
    profile = PROFILES["check"]
    torch.manual_seed(0)
    network = build(VARIANTS[name], profile, classes=4)
    for frames in (profile.clips.frames, 1, 5):
        rgb = torch.randn(2, 3, frames, profile.clips.size, profile.clips.size)
        for training in (True, False):
            found = network.train(training)({"rgb": rgb})
            assert set(found) == ({"rgb", "loss"} if training and VARIANTS[name].interaction else {"rgb"})
            assert found["rgb"].shape == (2, 4)
            assert all(values.isfinite().all() for values in found.values())


def test_the_last_layer_starts_as_the_profile_says():
    torch.manual_seed(0)
    network = build(VARIANTS["scales-1"], PROFILES["cpu"], classes=400)
    assert network.fc.weight.std().item() == pytest.approx(PROFILES["cpu"].last, rel=0.05)


def test_the_paper_profile_is_the_papers():
    recipe = PAPER.recipe
    assert (recipe.batch_size, recipe.lr, recipe.momentum, recipe.optimizer) == (64, 0.001, 0.9, "sgd")
    assert recipe.weight_decay == 2 * 4e-5  # of lambda times the sum of squares
    steps = [epochs * 9537 // recipe.batch_size for epochs in (*recipe.milestones, recipe.epochs)]  # UCF101's split 1
    assert [round(count, -3) for count in steps] == [4000, 8000, 12000]
    assert (PAPER.beta, PAPER.gamma, PAPER.form) == (1e-4, 1e-4, "literal")
    assert (PAPER.clips.frames, PAPER.test_frames, PAPER.clips.size, PAPER.dropout) == (3, 25, 299, 0.5)
    assert set(VIDEOS) == set(PROFILES)
    assert set(CENTRAL) <= set(PROFILES["cpu"].jobs)


def test_what_is_taken_from_a_video():
    found = settings(PAPER)
    assert {name: (one.frames, one.size) for name, one in found.items() if name.startswith(TRAIN)} == {
        "train 3 299": (3, 299),
        "train 1 299": (1, 299),
        "train 3 224": (3, 224),
    }
    assert use(TEST, VARIANTS["both-1f"], PAPER) == "test 25 299"
    assert use(TEST, VARIANTS["vgg-both"], PAPER) == "test 25 224"
    assert found["K=30 30 224"].short_side == 256
    assert {one.frames for one in settings(PROFILES["cpu"]).values()} == {1, 3, 10, 25}


def test_networks_with_temporal_shifts_take_runs_of_frames():
    own = replace(PAPER, dense=DENSE)
    assert (taken(TRAIN, VARIANTS["both-tsm"], own), taken(TEST, VARIANTS["both-tsm"], own)) == (DENSE, DENSE)
    assert taken(TRAIN, VARIANTS["both"], own) == PAPER.clips
    assert taken(TRAIN, VARIANTS["both-tsm"], PAPER) == PAPER.clips
    assert use(TEST, VARIANTS["both-tsm"], own) == "test 8 224 dense"


def test_too_many_scales_are_refused_before_training():
    with pytest.raises(InputError, match="4 scales, the last at layer3; small has layer1, layer2, layer3"):
        build(VARIANTS["scales-4"], PROFILES["cpu"], classes=4)


def test_weights_that_are_not_there(monkeypatch, tmp_path):
    monkeypatch.setattr("videoattn.papers.istpa.experiments.cache_root", lambda: tmp_path)
    with pytest.raises(InputError, match="no ImageNet weights"):
        build(VARIANTS["mean"], PROFILES["cpu"], classes=4, pretrained=True)
    with pytest.raises(RunError, match=r"bn_inception\.pth"):
        build(VARIANTS["bn-mean"], PAPER, classes=4, pretrained=True)


def test_rows_name_jobs():
    names = {row.name: row for row in rows(("K=1", "K=10"))}
    assert set(names) == {*VARIANTS, *(f"{name} {test}" for name in VARIANTS for test in ("K=1", "K=10"))}
    assert names["mean K=10"].parts == (("mean", "rgb K=10", 1),)
    assert {row for _, row in comparison.HEADLINE} <= set(PROFILES["cpu"].jobs)


def test_every_job_is_tested_with_other_numbers_of_frames(tmp_path, monkeypatch):
    one = of(tmp_path, PROFILE="cpu")
    asked = []
    monkeypatch.setattr(type(one.data), "main", property(lambda self: self))
    monkeypatch.setattr(type(one.data), "test", lambda self, use: asked.append(use) or use)
    further = one.further(one.job("scales-3"))
    tested = PROFILES["cpu"].tested
    assert further == {frames_name(k): f"K={k} {k} 32" for k in tested}
    assert asked == list(further.values())
