"""Every job of every profile gets the network that the paper says; protocols, ensembles and what is shown."""

from dataclasses import replace
from types import SimpleNamespace

import matplotlib
import matplotlib.pyplot as plt
import pytest
import torch
from torch import nn

from videoattn.backbones.inflated import GroupedConv
from videoattn.backbones.tsn import FrameNetwork
from videoattn.data.clips import augment
from videoattn.data.clips.settings import ClipSettings
from videoattn.data.datasets.videos import VideoList
from videoattn.engine.protocol import FROM_SCRATCH
from videoattn.layers.temporal_shift import TemporalShift
from videoattn.papers.aia import inspection
from videoattn.papers.aia.attention import NAMES, Context
from videoattn.papers.aia.experiments import (
    BEST,
    CROPS,
    EIGHT,
    LONGER,
    PAPER,
    PROFILES,
    VARIANTS,
    VIEWS,
    build,
    job,
    jobs,
    plain,
    rows,
)
from videoattn.papers.aia.network import RIVALS

matplotlib.use("Agg")


class Test(SimpleNamespace):
    """Test clips of two views."""

    __test__ = False

    def __getitem__(self, i: int) -> tuple[dict[str, torch.Tensor], int]:
        return {"rgb": torch.randn(2, 3, 8, 32, 32)}, i % 2

    def __len__(self) -> int:
        return 8


@pytest.mark.parametrize("job", ["tsn-CinST", "tsm-none", "gst"])
def test_the_last_layer_starts_as_the_profile_says(job):
    torch.manual_seed(0)
    network = build(VARIANTS[job], PROFILES["quick"], classes=400)
    assert network.fc.weight.std().item() == pytest.approx(PROFILES["quick"].last, rel=0.05)


@pytest.mark.parametrize("name", ["full", "paper"])
def test_networks_hold_what_their_variants_say(name, networks):
    for label, network in networks("aia", "", PROFILES[name]).items():
        variant = VARIANTS[label]
        assert any(isinstance(m, TemporalShift) for m in network.modules()) == (variant.kind == "tsm"), label
        assert any(isinstance(m, GroupedConv) for m in network.modules()) == (variant.kind == "gst"), label
        if variant.kind in ("tsn", "tsm"):
            assert isinstance(network.backbone, FrameNetwork)
            assert network.backbone.frames == variant.frames
        kernels = {tuple(m.conv.kernel_size) for m in network.modules() if isinstance(m, Context)}
        assert kernels == ({variant.kernel} if variant.gate in NAMES else set()), label
        if variant.gate in RIVALS:
            kind = type(RIVALS[variant.gate][1](16))
            blocks = sum(len(network.backbone.backbone.get_submodule(f"layer{i}")) for i in range(1, 5))
            assert sum(type(m) is kind for m in network.modules()) == blocks, label


@pytest.mark.parametrize("name", ["tsn-none", "tsn-C-133", "tsn-CinST_STinC", "tsm-ST", "c3d", "gst"])
def test_networks_run_on_the_clips_of_their_profile(name):
    profile = PROFILES["check"]
    torch.manual_seed(0)
    network = build(VARIANTS[name], profile, classes=12).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
            nn.init.ones_(module.weight)  # residual branches start at zero
    nn.init.normal_(network.fc.weight)
    rgb = torch.randn(2, 3, 8, profile.clips.size, profile.clips.size)
    with torch.no_grad():
        scores = network({"rgb": rgb})["rgb"]
        shuffled = network({"rgb": rgb[:, :, torch.tensor([3, 1, 5, 0, 7, 2, 6, 4])]})["rgb"]
    assert scores.shape == (2, 12)
    blind = name in ("tsn-none", "tsn-C-133")
    assert torch.allclose(scores, shuffled, rtol=0, atol=1e-6) == blind


def test_the_paper_profile_is_the_papers():
    recipe = PAPER.recipe
    found = (recipe.epochs, recipe.batch_size, recipe.lr, recipe.milestones, recipe.clip_norm, recipe.weight_decay)
    assert found == (50, 32, 0.01, (20, 40), 20.0, 1e-4)
    assert (PAPER.clips.size, PAPER.clips.short_side, PAPER.clips.sampling, PAPER.clips.scales) == (
        224,
        256,
        "tsn",
        augment.CENTRE,
    )
    assert PAPER.jobs == tuple(VARIANTS)
    assert set(EIGHT) | set(LONGER) == set(VARIANTS)
    assert {VARIANTS[name].frames for name in LONGER} == {12, 16}
    assert {VARIANTS[f"tsn-{plain(name)}"].gate for name in (*RIVALS, *NAMES)} == {*RIVALS, *NAMES}


def test_what_is_taken_from_a_video():
    for name, frames in (("tsn-C", 8), ("tsm-CinST_STinC-12f", 12), ("tsn-CinST_STinC-16f", 16)):
        one = job(name, PAPER, FROM_SCRATCH)
        assert one.train == one.test == replace(PAPER.clips, frames=frames)
        assert (one.test.test_crops, one.test.test_clips) == (1, 1)
        views = {own.name: (own.settings.test_crops, own.settings.test_clips) for own in one.extra_tests}
        assert views == {"1x2": (1, 2), "3x2": (3, 2)}
        assert {own.settings.frames for own in one.extra_tests} == {frames}
    assert PROFILES["full"].jobs == EIGHT
    several = job("tsn-C", replace(PAPER, clips=replace(PAPER.clips, scales=CROPS["multi-scale"])), FROM_SCRATCH)
    assert (PAPER.clips.scales, several.train.scales) == (augment.CENTRE, augment.SCALES)


def test_rows_of_ensembles():
    names = {row.name: row for row in rows(PAPER)}
    assert set(VARIANTS) < set(names)
    assert {row.name for row in rows(PROFILES["quick"])} == {name for name in names if "x2" not in name}
    best = plain(BEST)
    ensemble = names[f"tsm-{best} 8+12+16 3x2"]
    assert ensemble.parts == tuple((f"tsm-{best}{n}", "rgb 3x2", 1) for n in ("", "-12f", "-16f"))
    assert jobs(f"tsn-{best} 8+16 3x2") == (f"tsn-{best}", f"tsn-{best}-16f")
    assert VIEWS == ("1x2", "3x2")


def test_metrics_are_split_by_level():
    names = ["a", "b", "c", "d"]
    videos = SimpleNamespace(samples=[SimpleNamespace(name=name) for name in names])
    data = SimpleNamespace(
        truth={"clips": {name: {"level": level} for name, level in zip(names, ("x", "y", "x", "y"), strict=True)}},
        test=lambda job: SimpleNamespace(videos=videos),
    )
    scores = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    found = inspection.by_level(data, SimpleNamespace(name="job"), None, {"rgb": scores}, torch.tensor([0, 1, 1, 1]))
    assert {row: metrics["top1"] for row, metrics in found.items()} == {"job x": 0.5, "job y": 1.0}


@pytest.mark.parametrize("name", ["tsn-none", "tsm-CinST", "c3d"])
def test_grad_cam_by_its_definition(name):
    """With a mean and one layer behind the maps the derivative is the layer's weight over the positions."""
    torch.manual_seed(0)
    network = build(VARIANTS[name], PROFILES["check"], classes=3).eval()
    nn.init.normal_(network.fc.weight)
    clip = torch.randn(1, 3, 8, 64, 64)
    for label in range(3):
        cam = inspection.grad_cam(network, clip, label)
        with torch.no_grad():
            maps = network.features(clip)
        n = maps[0, 0].numel()
        assert maps.shape[2] == 8
        expected = torch.einsum("c,cthw->thw", network.fc.weight[label].detach() / n, maps[0]).clamp(min=0)
        torch.testing.assert_close(cam, expected)
    assert all(p.grad is None for p in network.parameters())


@pytest.mark.parametrize("name", ["tsm-none", "c3d"])
def test_grad_cam_of_an_inner_stage(name):
    """The derivative of the score by the maps, by finite differences along each channel."""
    torch.manual_seed(0)
    network = build(VARIANTS[name], PROFILES["check"], classes=3).double().eval()
    nn.init.normal_(network.fc.weight)
    clip, stage = torch.randn(1, 3, 8, 32, 32).double(), network.get_submodule("backbone.backbone.layer2")
    seen = []

    def score(channel: int, step: float) -> torch.Tensor:
        def moved(_module, _inputs, output):  # (8, c, 4, 4), or (1, c, 8, 4, 4)
            seen.append(output)
            change = torch.zeros_like(output)
            change[:, channel] = step
            return output + change

        handle = stage.register_forward_hook(moved)
        with torch.no_grad():
            found = network({"rgb": clip})["rgb"][0, 1]
        handle.remove()
        return found

    slopes = torch.stack([(score(c, 1e-6) - score(c, -1e-6)) / 2e-6 for c in range(16)]) / (8 * 4 * 4)
    maps = seen[0][0] if seen[0].dim() == 5 else seen[0].transpose(0, 1)
    expected = torch.einsum("c,cthw->thw", slopes, maps).clamp(min=0)
    assert expected.shape == (8, 4, 4)
    assert expected.max() > 0
    torch.testing.assert_close(inspection.grad_cam(network, clip, 1, stage="layer2"), expected, rtol=1e-4, atol=1e-9)
    assert not stage._forward_hooks


def test_the_last_stage_with_places():
    network = build(VARIANTS["tsn-none"], PROFILES["check"], classes=2).eval()
    stages = {side: inspection.last_stage(network, torch.randn(1, 3, 8, side, side)) for side in (16, 28, 64, 128)}
    assert stages == {16: "layer1", 28: "layer2", 64: "layer3", 128: "layer4"}


def test_strips_of_grad_cam_and_examples():
    torch.manual_seed(0)
    networks = {name: build(VARIANTS[f"tsn-{name}"], PROFILES["check"], classes=2).eval() for name in ("none", "C")}
    samples = [SimpleNamespace(name=f"{i}", label=i % 2) for i in range(8)]
    frames = torch.randint(0, 255, (3, 8, 32, 32), dtype=torch.uint8)
    videos = VideoList("folder", "test", ("left", "right"), tuple(samples))
    data = Test(videos=videos, raw=lambda index: {"rgb": frames}, settings=ClipSettings(frames=8), train=False)
    figure = inspection.cam_strips(networks, data, 3)
    widget = inspection.explore(networks, data)
    assert [control.description for control in widget.children[0].children] == ["clip", "block"]
    assert bytes(widget.children[1].value).startswith(b"\x89PNG")
    titles = [ax.get_ylabel() for ax in figure.axes if ax.get_ylabel()]
    assert titles == ["frames", "none", "C"]
    assert figure.get_suptitle() == "right, behind layer2"
    plt.close(figure)
    levels = {f"{i}": {"level": "abcd"[i // 2]} for i in range(8)}
    probe = SimpleNamespace(lists=None, truth={"clips": levels})
    assert inspection.examples(probe, data) == [0, 2, 4, 6, 1, 3, 5, 7]
    assert inspection.examples(SimpleNamespace(lists=[1]), data) == [0, 2, 4, 6]


def test_accuracy_of_each_class():
    assert inspection.per_class([[3, 1], [0, 0]]) == [75, 0]
    assert inspection.per_class(torch.tensor([[1, 1, 0], [0, 4, 0], [2, 0, 2]]).tolist()) == [50, 100, 50]
