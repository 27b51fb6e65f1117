"""The study of BANet: its networks, what they take from a video, further shares, and what is kept."""

from dataclasses import replace
from types import SimpleNamespace

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from torch import nn

from videoattn.data.clips.settings import ClipSettings, frame_indices
from videoattn.engine.protocol import FROM_SCRATCH, IMAGENET, Start
from videoattn.errors import InputError, RunError
from videoattn.layers.non_local import NonLocalBlock
from videoattn.papers.banet import inspection
from videoattn.papers.banet.attention import LARGEST, FrameAttention, Kept, differences
from videoattn.papers.banet.cascade import CascadedAttention
from videoattn.papers.banet.experiments import (
    HEADLINE,
    OTHER_LENGTHS,
    PAPER,
    PROFILES,
    QUICK,
    VARIANTS,
    VIDEOS,
    build,
    job,
    rows,
    sampled,
    shares_name,
)

matplotlib.use("Agg")


@pytest.mark.parametrize("name", ["full", "paper"])
def test_networks_hold_what_their_variants_say(name, networks):
    profile = PROFILES[name]
    for label, network in networks("banet", "", profile).items():
        variant = VARIANTS[label]
        after = NonLocalBlock if variant.non_local else CascadedAttention if variant.order else nn.Identity
        assert type(network.eco.attention) is after, label
        assert isinstance(network.select, FrameAttention) == (variant.rule == "learned"), label
        assert (network.eco.side is not None) == variant.full, label
        if variant.rule not in ("all", "uniform"):
            assert network.select.count == (variant.frames or profile.frames), label


@pytest.mark.parametrize("name", ["lite-all", "lite-random", "lite-literal", "lite-cs-sum", "eco-learned-perturbed"])
def test_networks_run_on_the_clips_of_their_profile(name):
    profile = PROFILES["check"]
    torch.manual_seed(0)
    network = build(VARIANTS[name], profile, classes=4)
    rgb = torch.randn(2, 3, sampled(VARIANTS[name], profile), profile.clips.size, profile.clips.size)
    for training in (True, False):
        scores = network.train(training)({"rgb": rgb})["rgb"]
        assert scores.shape == (2, 4)
        assert scores.isfinite().all()


def test_the_paper_profile_is_the_papers():
    recipe = PAPER.recipe
    found = (recipe.epochs, recipe.batch_size, recipe.lr, recipe.milestones, recipe.momentum, recipe.weight_decay)
    assert found == (90, 16, 0.001, (30, 60), 0.9, 5e-4)
    assert recipe.optimizer == "nesterov"
    assert (PAPER.frames, PAPER.keep, PAPER.every, PAPER.pooled, PAPER.clips.size) == (16, 0.5, 16, 56, 224)
    assert PAPER.jobs == tuple(VARIANTS)


def test_what_is_taken_from_a_video():
    counts = {name: sampled(VARIANTS[name], PAPER) for name in ("lite-all", "lite-learned", "lite-both-20f", "eco-nl")}
    assert counts == {"lite-all": 16, "lite-learned": 32, "lite-both-20f": 40, "eco-nl": 16}
    for name, count in counts.items():
        one = job(name, PAPER, FROM_SCRATCH)
        assert (one.train, one.test, one.extra_tests) == (replace(PAPER.clips, frames=count), one.train, ())
    assert {sampled(VARIANTS[name], PROFILES["full"]) for name in PROFILES["full"].jobs} == {8}
    assert VARIANTS["lite-both-4f"].frames in {VARIANTS[name].frames for name in OTHER_LENGTHS}


def test_videos_shorter_than_the_clip_repeat_frames():
    (indices,) = frame_indices(replace(PAPER.clips, frames=8), 3)
    assert indices.tolist() == [0, 0, 0, 1, 1, 2, 2, 2]
    drawn = frame_indices(replace(PAPER.clips, frames=8), 3, rng=np.random.default_rng(0))[0]
    assert sorted(drawn) == drawn.tolist()
    assert drawn.max() <= 2


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"frames": 6}, "6 frames would go into the 3D network; a multiple of 4 is expected"),
        ({"frames": 4, "keep": 2.0}, "keep=2.0"),
    ],
)
def test_impossible_numbers_of_frames_are_refused_before_training(changes, match):
    with pytest.raises(InputError, match=match):
        build(VARIANTS["lite-learned"], replace(PROFILES["quick"], **changes), classes=4)


def test_weights_that_are_not_there(monkeypatch, tmp_path):
    monkeypatch.setenv("VIDEOATTN_CACHE", str(tmp_path))
    start = Start(IMAGENET)
    with pytest.raises(InputError, match="no weights for the small ECO"):
        build(VARIANTS["lite-all"], PROFILES["quick"], classes=4, start=start)
    with pytest.raises(RunError, match=r"bn_inception\.pth"):
        build(VARIANTS["lite-all"], PAPER, classes=4, start=start)


def test_further_probes_differ_in_their_share_alone():
    profile = PROFILES["quick"]
    one, main = job("lite-learned", profile, FROM_SCRATCH), profile.probe
    assert [own.name for own in one.extra_tests] == [shares_name(*both) for both in profile.shares]
    assert {own.settings for own in one.extra_tests} == {one.test}
    assert [(own.probe.irrelevant, own.probe.redundant) for own in one.extra_tests] == list(profile.shares)
    assert {(own.probe.train, own.probe.test) for own in one.extra_tests} == {(main.classes, profile.further)}
    whole = {"irrelevant": 0.25, "redundant": 0.5, "train": main.train, "test": main.test}
    assert [replace(own.probe, **whole) for own in one.extra_tests] == [main] * len(profile.shares)
    assert [shares_name(*both) for both in ((0.25, 0.0), (0.25, 0.5))] == [
        "25% irrelevant",
        "25% irrelevant, 50% redundant",
    ]
    names = {row.name: row.parts for row in rows(profile)}
    assert names["lite-all 50% irrelevant"] == (("lite-all", "rgb 50% irrelevant", 1),)
    assert main.kind_counts == {"relevant": 2, "irrelevant": 2, "redundant": 4}
    assert len(names) == len(VARIANTS) * (1 + len(profile.shares))


def test_on_a_users_videos_there_are_no_further_shares(study_of, videos):
    one = study_of("banet", PROFILE="quick", **videos)
    assert {own.extra_tests for own in one.jobs} == {()}
    assert {row.name for row in one.rows} == set(VIDEOS["quick"]["jobs"])


class Test(SimpleNamespace):
    """Test clips of one view: frame n of clip i holds the number 10 i + n."""

    __test__ = False

    def __getitem__(self, i: int) -> tuple[dict[str, torch.Tensor], int]:
        return {"rgb": (10 * i + torch.arange(4.0)).expand(1, 3, 2, 2, 4).transpose(2, 4).transpose(3, 4)}, i % 2

    def __len__(self) -> int:
        return 3


class Ends(nn.Module):
    """Keeps the first and the last frame; of odd clips the two in the middle."""

    def forward(self, clip: torch.Tensor) -> Kept:
        odd = (clip[:, 0, 0, 0, 0] / 10).round().long() % 2
        return Kept(torch.where(odd[:, None] == 1, torch.tensor([1, 2]), torch.tensor([0, 3])))


def test_what_is_kept_by_kind():
    kinds = ["relevant", "irrelevant", "irrelevant", "redundant"]
    videos = SimpleNamespace(samples=[SimpleNamespace(name=str(i), label=0) for i in range(3)], classes=("a",))
    test = Test(
        videos=videos,
        settings=ClipSettings(frames=4),
        train=False,
        raw=lambda i: {"rgb": torch.full((3, 4, 8, 8), 100).byte()},
    )
    data = SimpleNamespace(truth={"clips": {str(i): {"kinds": kinds} for i in range(3)}}, test=lambda job: test)
    network = SimpleNamespace(select=Ends(), eval=lambda: network)
    assert inspection.kept(network, test).tolist() == [[0, 3], [1, 2], [0, 3]]
    found = inspection.by_kind(data, SimpleNamespace(name="x"), network, {}, torch.tensor([]))
    assert found == {"x kept": {"relevant": 1 / 3, "irrelevant": 1 / 3, "redundant": 1 / 3}}
    figure = inspection.strips({"ends": network}, test, 0)
    shown = [ax.images[0].get_array()[0, 0].tolist() for ax in figure.axes]
    assert shown == [[100, 100, 100], [150, 50, 50], [150, 50, 50], [100, 100, 100]]  # the middle is tinted
    plt.close(figure)
    widget = inspection.explore({"ends": network}, test)
    assert bytes(widget.children[1].value).startswith(b"\x89PNG")


def test_what_differences_are_worth():
    torch.manual_seed(0)
    videos = SimpleNamespace(samples=[SimpleNamespace(name=str(i)) for i in range(3)])
    test = Test(videos=videos)
    kinds = ["relevant", "irrelevant", "relevant", "redundant"]
    data = SimpleNamespace(truth={"clips": {str(i): {"kinds": kinds} for i in range(3)}})
    select = FrameAttention(frames=4, size=2)
    found = inspection.worth(select, data, test)
    assert {name: len(values) for name, values in found.items()} == {
        "relevant | irrelevant": 6,
        "relevant | redundant": 3,
    }
    d = select.mlp(differences(test[0][0]["rgb"], 2).flatten(2)).clamp(0, LARGEST)[0, :, 0]
    assert found["relevant | redundant"][0] == pytest.approx(d[2].item())
    figure = inspection.worth_figure(found)
    assert [text.get_text() for text in figure.axes[1].get_legend().get_texts()] == sorted(found)
    plt.close(figure)


def test_readings_of_eq_2_are_those_of_their_rows():
    found = {name: build(VARIANTS[f"lite-{name}"], QUICK, classes=4).select.reading for name in ("centred", "direct")}
    assert found == {"centred": "centred", "direct": "direct"}
    assert build(VARIANTS["lite-learned"], QUICK, classes=4).select.reading == "consistent"


def test_the_rows_of_eco_have_labels():
    labelled = {row for _, row in HEADLINE}
    assert {name for name in PROFILES["full"].jobs if name.startswith("eco-")} <= labelled
    assert set(QUICK.jobs) <= labelled


def test_videos_of_a_user_are_not_repeated_as_often_as_the_few_clips_of_the_probe():
    for name in ("quick", "full"):
        assert VIDEOS[name]["recipe"] == replace(PROFILES[name].recipe, epochs=12)


def test_frame_attention_is_warmed_up_but_in_the_cold_row():
    found = {
        name: build(VARIANTS[name], QUICK, classes=4).select.warm_up
        for name in ("lite-learned", "lite-both", "lite-learned-cold")
    }
    assert found == {"lite-learned": QUICK.warm_up, "lite-both": QUICK.warm_up, "lite-learned-cold": 0}
    assert QUICK.warm_up == pytest.approx(QUICK.recipe.epochs * QUICK.probe.train / 12, rel=0.01)
    assert PAPER.warm_up == 0
