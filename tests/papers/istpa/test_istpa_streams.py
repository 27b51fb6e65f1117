"""The study of streams: its networks and what they start from, rows and tables, what they know, what was asked for."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from measured import measured

from videoattn.data.flow.cache import FlowSettings
from videoattn.data.tracks.tracks import Tracks
from videoattn.engine.protocol import FROM_SCRATCH
from videoattn.engine.record import Record
from videoattn.errors import InputError
from videoattn.papers.istpa.attention import PyramidAttention
from videoattn.papers.istpa.claims import claims
from videoattn.papers.istpa.experiments import VARIANTS as ATTENTION
from videoattn.papers.istpa.fusion import FusedBackbone, JoinedNetwork
from videoattn.papers.istpa.reinforcement import ReinforcedResNet
from videoattn.papers.istpa.streams import inspection
from videoattn.papers.istpa.streams.experiments import (
    CHECK,
    FULL,
    IDT,
    PAPER,
    PROFILES,
    VARIANTS,
    every_row,
    job,
    jobs,
    network_of,
)
from videoattn.reporting.claims import FAILS, HOLDS, UNKNOWN
from videoattn.reporting.tables import NOT_RUN

CLASSES = 4


def network(name: str, states: dict | None = None):
    torch.manual_seed(0)
    weights = (states or {}).__getitem__
    return network_of(VARIANTS[name], CHECK, size=CHECK.snippets.size, classes=CLASSES, weights=weights)


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
        net = network_of(VARIANTS[name], profile, size=size, classes=CLASSES, weights=states.__getitem__)
        backbone = net.network.backbone
        streams = backbone.streams.values() if isinstance(backbone, FusedBackbone) else [backbone]
        rates[name] = [own.network.drop_rate for own in streams]
    assert rates == {
        "rgb-scales-1": [0.5],
        "flow-scales-1": [0.7],
        "warped-scales-1": [0.7],
        "fused-scales-1": [0.5, 0.7],
    }


def test_the_paper_profile_is_the_papers():
    flow = PAPER.flow_recipe
    assert (flow.lr, PAPER.recipe.lr, PAPER.flow_dropout, PAPER.dropout) == (0.005, 0.001, 0.7, 0.5)
    assert (PAPER.flow, PAPER.attention, PAPER.snippets.test_frames, PAPER.idt.gaussians) == ("tvl1", "both", 25, 256)


def test_rows_fuse_by_search():
    found = {row.name: row for row in every_row(FULL)}
    assert found["rgb"].parts == (("rgb-scales-1", "rgb", 1),)
    assert found["warped"].parts == (("warped-scales-1", "flow", 1),)
    assert found["rgb+flow+idt"].parts == (("rgb-scales-1", "rgb", 1), ("flow-scales-1", "flow", 1), ("idt", "idt", 1))
    assert {row.searched for row in found.values() if len(row.parts) > 1} == {"held out"}
    assert {row.searched for row in found.values() if len(row.parts) == 1} == {""}
    few = replace(CHECK, jobs=jobs("scales-1")[:2])
    assert [row.name for row in every_row(few)][:3] == ["rgb", "flow", "rgb+flow"]


def test_what_is_asked_for(study_of, tmp_path):
    assert study_of("istpa", "streams", FLOW="none") is None
    (tmp_path / "data").mkdir()
    assert study_of("istpa", "streams", DATASET="cifar100", DATA=str(tmp_path / "data")) is None
    assert study_of("istpa", "streams", JOBS="mean") is None
    own = study_of("istpa", "streams", JOBS="mean,fused-both")
    assert [job.name for job in own.jobs] == ["rgb-both", "flow-both", "fused-both"]
    json.dumps(own.plan)
    with pytest.raises(InputError):
        study_of("istpa", "streams", DATASET="ucf101", DATA=str(tmp_path / "data"))


def test_what_each_kind_of_job_reads_and_how_it_is_trained():
    found = {
        name: job(name, PAPER, FROM_SCRATCH) for name in ("rgb-both", "flow-both", "warped-both", "fused-both", IDT)
    }
    assert {name: (own.stream, own.streams, own.recipe) for name, own in found.items()} == {
        "rgb-both": ("rgb", ("rgb",), PAPER.recipe),
        "flow-both": ("flow", ("flow",), PAPER.flow_recipe),
        "warped-both": ("flow", ("warped",), PAPER.flow_recipe),
        "fused-both": ("fused", ("rgb", "flow"), PAPER.joint_recipe),
        IDT: (IDT, ("rgb", "flow"), None),
    }
    assert found["fused-both"].after == ("rgb-both", "flow-both")
    for own in (*found.values(), job("flow-vgg-both", PAPER, FROM_SCRATCH)):
        size, short_side = (224, 256) if own.name == "flow-vgg-both" else (299, 340)
        assert own.train == own.test == replace(PAPER.snippets, size=size, short_side=short_side)
        assert own.flow == FlowSettings(algorithm="tvl1", short_side=short_side, bound=20.0)
        assert [(test.name, test.subset, test.settings) for test in own.extra_tests] == [
            ("held out", "held_out", own.test)
        ]
        assert own.held_out == 0.1


@pytest.mark.parametrize("name", ["full", "paper"])
def test_networks_have_one_layer_of_attention_or_none(name, networks):
    for label, network in networks("istpa", "streams", PROFILES[name]).items():
        attended = [layer for layer in network.modules() if isinstance(layer, PyramidAttention)]
        assert len(attended) == (ATTENTION[VARIANTS[label].attention].scales > 0), label
    assert f"warped-{PROFILES[name].attention}" in PROFILES[name].jobs


def record(confusions: dict[str, list], **weights: dict) -> Record:
    results = [
        {"job": row, "seed": seed, "metrics": {row: {"top1": 0.5, "confusion": found} | weights.get(row, {})}}
        for row, seeds in confusions.items()
        for seed, found in enumerate(seeds)
    ]
    data = {"classes": ["red-up", "red-down", "blue-up"], "test": 12}
    return Record(paper="istpa", profile="quick", digest="0", parameters={}, recipe={}, data=data, results=results)


def test_look_and_motion_are_counted_apart():
    found = record({"rgb": [[[2, 2, 0], [1, 3, 0], [0, 0, 4]], [[4, 0, 0], [0, 4, 0], [1, 0, 3]]]})
    looks = [12 / 12, 11 / 12]
    motions = [(2 + 3 + 4) / 12, 12 / 12]  # of a true and a predicted class: both up, or both down
    assert inspection.part_accuracy(found, "rgb", 0).startswith(f"{50 * sum(looks):.1f} (")
    assert inspection.part_accuracy(found, "rgb", 1).startswith(f"{50 * sum(motions):.1f} (")
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


@pytest.mark.parametrize(("gain", "word"), [(0.1, HOLDS), (-0.06, FAILS)])
def test_claims_compare_with_the_best_stream(gain, word):
    gains = [gain + jitter for jitter in (0.0, 0.02, 0.01, -0.01, 0.0)]
    rows = {"rgb": [0.3] * 5, "flow": [0.2] * 5, "warped": [0.2 + 2 * g for g in gains], "idt": [0.1] * 5}
    rows["rgb+flow+warped+idt"] = [max(0.3, 0.2 + 2 * g) + g for g in gains]
    rows["warped"] = [max(0.0, value) for value in rows["warped"]]
    verdicts = {claim.claim: claim.verdict for claim in claims(None, measured("istpa", rows))}
    assert verdicts["Where the camera moves, flow without its motion is better than plain flow"].word == word
    alone = "warped" if word == HOLDS else "rgb"
    over_all = verdicts["A late fusion is better than the best of all streams"]
    assert (over_all.word, over_all.said.startswith(f"rgb+flow+warped+idt over {alone}: ")) == (word, True)
    assert verdicts["Trajectories help the two streams"] == UNKNOWN
