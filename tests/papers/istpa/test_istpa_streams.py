"""The study of streams: its networks and what they start from, rows and tables, what they know, what was asked for."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from videoattn.papers.istpa.streams.network import build

from videoattn.data.datasets.videos import Sample
from videoattn.data.decode.decoder import UnreadableVideo
from videoattn.data.tracks.features import TrackCache
from videoattn.data.tracks.tracks import Tracks
from videoattn.engine.parameters import check
from videoattn.engine.record import Record
from videoattn.errors import InputError, RunError
from videoattn.papers.istpa.attention import PyramidAttention
from videoattn.papers.istpa.claims import claims
from videoattn.papers.istpa.experiments import VARIANTS as ATTENTION
from videoattn.papers.istpa.fusion import FusedBackbone, JoinedNetwork
from videoattn.papers.istpa.reinforcement import ReinforcedResNet
from videoattn.papers.istpa.streams import comparison, inspection
from videoattn.papers.istpa.streams.experiments import (
    CHECK,
    GPU,
    IDT,
    PAPER,
    PROFILES,
    VARIANTS,
    VIDEOS,
    StreamsData,
    jobs,
    side,
    study,
)
from videoattn.reporting.tables import NOT_RUN

CLASSES = 4


def of(tmp_path, **values):
    return study(replace(check("istpa", values, ("folder", "ucf101", "cifar100")), runs=tmp_path))


def network(name: str, states: dict | None = None):
    torch.manual_seed(0)
    return build(VARIANTS[name], CHECK, size=CHECK.snippets.size, classes=CLASSES, weights=(states or {}).__getitem__)


@pytest.fixture(scope="module")
def states() -> dict:
    return {name: network(name).state_dict() for name in ("rgb-scales-1", "flow-scales-1")}


@pytest.fixture
def clip() -> dict[str, torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    side = CHECK.snippets.size
    return {name: torch.randn(2, c, 2, side, side, generator=rng) for name, c in (("rgb", 3), ("flow", 10))}


@pytest.mark.parametrize("name", [name for name in CHECK.jobs if VARIANTS[name].kind == "single"])
def test_a_stream_reads_its_own_frames_alone(name, clip):
    own = VARIANTS[name].stream
    net = network(name).eval()
    with torch.no_grad():
        scores = net(clip)
        assert scores.keys() == {own}
        torch.testing.assert_close(net({own: clip[own]})[own], scores[own])
    assert scores[own].shape == (2, CLASSES)


def test_a_reinforced_network_starts_as_the_one_of_rgb(states, clip):
    net = network("reinforced-scales-1", states).eval()
    alone = network("rgb-scales-1").eval()
    alone.load_state_dict(states["rgb-scales-1"])
    assert isinstance(net.network.backbone, ReinforcedResNet)
    with torch.no_grad():
        torch.testing.assert_close(net(clip)["fused"], alone(clip)["rgb"])
        other = clip | {"flow": clip["flow"] + 1}
        torch.testing.assert_close(net(other)["fused"], net(clip)["fused"])
        for scale in net.network.backbone.scale.values():
            scale += 0.5
        assert not torch.allclose(net(other)["fused"], net(clip)["fused"])


def test_a_fused_network_starts_from_both_backbones(states):
    net = network("fused-scales-1", states)
    assert isinstance(net, JoinedNetwork)
    assert isinstance(net.network.backbone, FusedBackbone)
    for stream in ("rgb", "flow"):
        own = states[f"{stream}-scales-1"]
        for key, value in net.network.backbone.streams[stream].state_dict().items():
            assert torch.equal(value, own[f"network.backbone.{key}"]), key


def test_streams_of_flow_have_their_own_dropout(states):
    profile = replace(CHECK, dropout=0.5, flow_dropout=0.7)
    rates = {}
    for name in ("rgb-scales-1", "flow-scales-1", "warped-scales-1", "fused-scales-1"):
        size = CHECK.snippets.size
        net = build(VARIANTS[name], profile, size=size, classes=CLASSES, weights=states.__getitem__)
        backbone = net.network.backbone
        streams = backbone.streams.values() if isinstance(backbone, FusedBackbone) else [backbone]
        rates[name] = [own.network.drop_rate for own in streams]
    assert rates == {
        "rgb-scales-1": [0.5],
        "flow-scales-1": [0.7],
        "warped-scales-1": [0.7],
        "fused-scales-1": [0.5, 0.7],
    }


@pytest.mark.parametrize("name", [*PROFILES, *(f"videos {name}" for name in VIDEOS)])
def test_every_profile_builds_all_of_its_networks(name):
    profile = PROFILES[name.split()[-1]]
    profile = replace(profile, **VIDEOS[name.split()[1]]) if " " in name else profile
    built = {}
    for job in (job for job in profile.jobs if job != IDT):
        with torch.device("meta"):
            size = side(VARIANTS[job], profile)[0]
            net = build(VARIANTS[job], profile, size=size, classes=3, weights=built.__getitem__)
        built[job] = net.state_dict()
        attended = [layer for layer in net.modules() if isinstance(layer, PyramidAttention)]
        assert len(attended) == (ATTENTION[VARIANTS[job].attention].scales > 0), job


@pytest.mark.parametrize("profile", PROFILES)
def test_jobs_come_after_those_they_start_from(profile):
    names = PROFILES[profile].jobs
    assert len(set(names)) == len(names)
    for i, name in enumerate(names):
        assert set(VARIANTS[name].after) <= set(names[:i])
        assert VARIANTS[name].kind == IDT or VARIANTS[name].attention in ATTENTION
    assert f"warped-{PROFILES[profile].attention}" in names
    assert set(VIDEOS) == set(PROFILES)


def test_the_paper_profile_is_the_papers():
    flow = PAPER.flow_recipe
    assert (flow.lr, PAPER.recipe.lr, PAPER.flow_dropout, PAPER.dropout) == (0.005, 0.001, 0.7, 0.5)
    assert (PAPER.flow, PAPER.attention, PAPER.snippets.test_segments, PAPER.idt.gaussians) == ("tvl1", "both", 25, 256)


def test_rows_fuse_by_search():
    found = {row.name: row for row in comparison.rows(GPU)}
    assert found["rgb"].parts == (("rgb-scales-1", "rgb", 1),)
    assert found["warped"].parts == (("warped-scales-1", "flow", 1),)
    assert found["rgb+flow+idt"].parts == (("rgb-scales-1", "rgb", 1), ("flow-scales-1", "flow", 1), ("idt", "idt", 1))
    assert {row.searched for row in found.values() if len(row.parts) > 1} == {"held_out"}
    assert {row.searched for row in found.values() if len(row.parts) == 1} == {""}
    assert {row for _, row in comparison.HEADLINE} <= {row.name for row in comparison.rows(PROFILES["cpu"])}
    few = replace(CHECK, jobs=jobs("scales-1")[:2])
    assert [row.name for row in comparison.rows(few)][:3] == ["rgb", "flow", "rgb+flow"]


def test_what_is_asked_for(tmp_path):
    assert of(tmp_path, FLOW="none") is None
    (tmp_path / "data").mkdir()
    assert of(tmp_path, DATASET="cifar100", DATA=str(tmp_path / "data")) is None
    own = of(tmp_path)
    assert own.folder.name == f"streams-check-probe-{own.digest}"
    assert of(tmp_path, FLOW="dis").digest == own.digest != of(tmp_path, FLOW="tvl1").digest
    assert own.job("idt").recipe is None
    assert own.job("fused-scales-1").after == ("rgb-scales-1", "flow-scales-1")
    json.dumps(own.plan)
    with pytest.raises(InputError):
        of(tmp_path, DATASET="ucf101", DATA=str(tmp_path / "data"))


def record(confusions: dict[str, list], **weights: dict) -> Record:
    results = [
        {"job": row, "seed": seed, "metrics": {row: {"top1": 0.5, "confusion": found} | weights.get(row, {})}}
        for row, seeds in confusions.items()
        for seed, found in enumerate(seeds)
    ]
    data = {"classes": ["red-up", "red-down", "blue-up"]}
    return Record(paper="istpa", profile="cpu", digest="0", parameters={}, recipe={}, data=data, results=results)


def test_look_and_motion_are_counted_apart():
    found = record({"rgb": [[[2, 2, 0], [1, 3, 0], [0, 0, 4]], [[4, 0, 0], [0, 4, 0], [1, 0, 3]]]})
    looks = [12 / 12, 11 / 12]
    motions = [(2 + 3 + 4) / 12, 12 / 12]  # of a true and a predicted class: both up, or both down
    assert inspection.part_accuracy(found, "rgb", 0).startswith(f"{50 * sum(looks):.1f} ±")
    assert inspection.part_accuracy(found, "rgb", 1).startswith(f"{50 * sum(motions):.1f} ±")
    assert inspection.part_accuracy(found, "flow", 0) == NOT_RUN
    found.data["classes"] = ["a", "b", "c"]
    assert inspection.part_accuracy(found, "rgb", 0) == NOT_RUN


def test_searched_weights_are_shown_as_their_mean():
    eye = np.eye(3, dtype=int).tolist()
    found = record({"rgb": [eye], "rgb+flow": [eye, eye]})
    for seed, share in enumerate((0.25, 0.75)):
        metrics = next(r for r in found.results if (r["job"], r["seed"]) == ("rgb+flow", seed))["metrics"]
        metrics["rgb+flow"]["weights"] = {"rgb-x rgb": share, "flow-x flow": 1 - share}
    assert inspection.weights(found, "rgb") == ""
    assert inspection.weights(found, "rgb+flow") == "0.50, 0.50"
    table = inspection.known(found, ["rgb", "rgb+flow", "none"])
    assert len(table.splitlines()) == 4


def test_tracks_are_drawn_where_they_are_at_that_time():
    points = np.array([[[2, 3], [6, 3], [6, 7]]], np.float32)
    empty = np.zeros((1, 1), np.float32)
    tracks = Tracks(points, np.array([1]), np.array([0]), *(empty for _ in range(5)))
    frame = np.zeros((16, 16, 3), np.uint8)
    drawn = {t: inspection.with_tracks(frame, tracks, t) for t in range(5)}
    assert not drawn[0].any()
    assert not drawn[4].any()
    factor = len(drawn[1]) // 16
    assert factor * 16 >= inspection.SIDE
    for t, (x, y) in ((1, (2, 3)), (2, (6, 3)), (3, (6, 7))):
        assert drawn[t][int((y + 0.5) * factor), int((x + 0.5) * factor)].tolist() == list(inspection.TIP)
    assert not drawn[2][8 * factor :].any()  # where it goes later
    assert drawn[2][int(3.5 * factor), int(4.5 * factor)].tolist() == list(inspection.LINE)


@pytest.mark.parametrize(("gain", "word"), [((0.1, 0.12, 0.11), "holds"), ((-0.1, -0.12, -0.11), "does not hold")])
def test_claims_compare_with_the_best_stream(gain, word):
    rows = {"rgb": [0.3] * 3, "flow": [0.2] * 3, "warped": [0.2 + g for g in gain], "idt": [0.1] * 3}
    rows["rgb+flow+warped+idt"] = [max(0.3, 0.2 + g) + g for g in gain]
    results = [
        {"job": row, "seed": seed, "metrics": {row: {"top1": top1}}}
        for row, values in rows.items()
        for seed, top1 in enumerate(values)
    ]
    found = Record(paper="istpa", profile="cpu", digest="0", parameters={}, recipe={}, data={}, results=results)
    verdicts = {claim.claim: claim.verdict for claim in claims(None, found)}
    assert verdicts["Where the camera moves, flow without its motion is better than plain flow"].startswith(word)
    alone = "warped" if word == "holds" else "rgb"
    assert verdicts["A late fusion is better than the best of all streams"].startswith(
        f"rgb+flow+warped+idt over {alone}: {word}"
    )
    assert verdicts["Trajectories help the two streams"] == NOT_RUN


def test_a_video_without_tracks_stops_a_study_before_it_trains(tmp_path, monkeypatch):
    videos = SimpleNamespace(samples=(Sample("a.mp4", tmp_path / "a.mp4", 0),))
    report = SimpleNamespace(unreadable=(UnreadableVideo(tmp_path / "a.mp4", "out of memory"),))
    monkeypatch.setattr(TrackCache, "build", lambda self, sources, **_: report)
    monkeypatch.setattr(StreamsData, "_set", lambda self, variant: SimpleNamespace(lists=(videos, videos)))
    with pytest.raises(RunError, match=r"1 videos give no tracks.*a\.mp4.*out of memory"):
        StreamsData(CHECK, None).description()
