"""The study of pyramid attention: its networks, what they take from a video, rows and tables."""

from dataclasses import replace

import pytest
import torch

from videoattn.engine.protocol import FROM_SCRATCH, IMAGENET, Start
from videoattn.errors import InputError, RunError
from videoattn.papers.istpa.attention import PyramidAttention
from videoattn.papers.istpa.experiments import (
    CENTRAL,
    DENSE,
    PAPER,
    PROFILES,
    VARIANTS,
    build,
    frames_name,
    job,
    rows,
    taken,
)
from videoattn.papers.istpa.network import MeanNetwork, PyramidNetwork


@pytest.mark.parametrize("name", ["full", "paper"])
def test_networks_hold_what_their_variants_say(name, networks):
    for label, stream in networks("istpa", "", PROFILES[name]).items():
        variant = VARIANTS[label]
        assert type(stream.network) is (PyramidNetwork if variant.scales else MeanNetwork), label
        assert (stream.beta > 0, stream.gamma > 0) == (variant.interaction, variant.pyramid), label
        assert stream.fc.out_features == 3
        if variant.scales:
            layer: PyramidAttention = stream.network.attention
            assert len(layer.channels) == variant.scales, label
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
    network = build(VARIANTS["scales-1"], PROFILES["quick"], classes=400)
    assert network.fc.weight.std().item() == pytest.approx(PROFILES["quick"].last, rel=0.05)


def test_the_paper_profile_is_the_papers():
    recipe = PAPER.recipe
    assert (recipe.batch_size, recipe.lr, recipe.momentum, recipe.optimizer) == (64, 0.001, 0.9, "sgd")
    assert recipe.weight_decay == 2 * 4e-5  # of lambda times the sum of squares
    steps = [epochs * 9537 // recipe.batch_size for epochs in (*recipe.milestones, recipe.epochs)]  # UCF101's split 1
    assert [round(count, -3) for count in steps] == [4000, 8000, 12000]
    assert (PAPER.beta, PAPER.gamma, PAPER.form) == (1e-4, 1e-4, "literal")
    assert (PAPER.clips.frames, PAPER.test_frames, PAPER.clips.size, PAPER.dropout) == (3, 25, 299, 0.5)
    assert set(CENTRAL) <= set(PROFILES["quick"].jobs)


def test_what_is_taken_from_a_video():
    for name, frames, size, short_side in (
        ("both", 3, 299, 340),
        ("both-1f", 1, 299, 340),
        ("vgg-both", 3, 224, 256),
        ("bn-mean", 3, 224, 256),
    ):
        one = job(name, PAPER, FROM_SCRATCH)
        whole = replace(PAPER.clips, size=size, short_side=short_side)
        assert one.train == replace(whole, frames=frames)
        assert one.test == replace(whole, frames=25)
        assert {own.name: own.settings for own in one.extra_tests} == {
            f"K={k}": replace(whole, frames=k) for k in (1, 5, 10, 15, 20, 30)
        }
    assert frames_name(10) == "K=10"
    assert [own.name for own in job("mean", PROFILES["quick"], FROM_SCRATCH).extra_tests] == ["K=1", "K=3", "K=10"]
    names = {row.name: row.parts for row in rows(PROFILES["check"])}
    assert set(names) == {*VARIANTS, *(f"{name} {test}" for name in VARIANTS for test in ("K=1", "K=3"))}
    assert names["mean K=3"] == (("mean", "rgb K=3", 1),)


def test_networks_with_temporal_shifts_take_runs_of_frames():
    own = replace(PAPER, dense=DENSE)
    one = job("both-tsm", own, FROM_SCRATCH)
    assert {one.train, one.test, *(other.settings for other in one.extra_tests)} == {DENSE}
    assert taken(VARIANTS["both"], own) == PAPER.clips
    assert taken(VARIANTS["both-tsm"], PAPER) == PAPER.clips


def test_too_many_scales_are_refused_before_training():
    with pytest.raises(InputError, match="4 scales, the last at layer3; small has layer1, layer2, layer3"):
        build(VARIANTS["scales-4"], PROFILES["quick"], classes=4)


def test_weights_that_are_not_there(monkeypatch, tmp_path):
    monkeypatch.setenv("VIDEOATTN_CACHE", str(tmp_path))
    start = Start(IMAGENET)
    with pytest.raises(InputError, match="no ImageNet weights"):
        build(VARIANTS["mean"], PROFILES["quick"], classes=4, start=start)
    with pytest.raises(RunError, match=r"bn_inception\.pth"):
        build(VARIANTS["bn-mean"], PAPER, classes=4, start=start)
