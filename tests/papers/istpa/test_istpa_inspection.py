"""What is measured on trained pyramids, against sums by hand; class gains, from records made by hand."""

from dataclasses import replace

import pytest
import torch
from einops import rearrange

from videoattn.engine.parameters import check
from videoattn.engine.protocol import FROM_SCRATCH
from videoattn.engine.record import Record
from videoattn.engine.study_data import StudyData
from videoattn.papers.istpa.experiments import PROFILES, VARIANTS, build, job
from videoattn.papers.istpa.inspection import attended, confusion_change, gains, inspected
from videoattn.reporting.tables import NOT_RUN


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> StudyData:
    small = replace(PROFILES["check"], probe=replace(PROFILES["check"].probe, train=8, test=8))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIDEOATTN_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield StudyData(check("istpa", {}, ()), small)


def inspected_by(name: str, data: StudyData):
    """The rows of an untrained network, itself, the test clips (N, 3, K, H, W) and their labels."""
    torch.manual_seed(0)
    network = build(VARIANTS[name], data.profile, classes=8).eval()
    one = job(name, data.profile, FROM_SCRATCH)
    items = [data.test(one)[i] for i in range(8)]
    clips, labels = torch.stack([clip["rgb"][0] for clip, _ in items]), torch.tensor([label for _, label in items])
    return inspected(data, one, network, {}, labels), network, clips, labels


def test_a_mean_has_no_attention_to_measure(data):
    assert inspected_by("mean-maps", data)[0] == {}


def test_maps_without_their_growth(data, monkeypatch):
    metrics = "videoattn.papers.istpa.inspection.classification_metrics"
    monkeypatch.setattr(metrics, lambda scores, labels: {"scores": scores, "labels": labels})
    rows, network, clips, labels = inspected_by("scales-1", data)
    with torch.no_grad():
        own = network.network
        images = rearrange(clips, "b c k h w -> (b k) c h w")
        maps = [rearrange(x, "(b k) c h w -> b c k h w", b=8) for x in own.backbone.maps(images, frames=25)]
        logits = own.backbone.head(own.attention(maps)[:, :, 0] * (3 / 25) ** 0.5)
        assert not torch.allclose(own(clips), logits)  # it is taken off again
    torch.testing.assert_close(rows["scales-1 rescaled"], {"scores": logits, "labels": labels})
    torch.testing.assert_close(attended(network, clips).logits, own(clips))


def test_attention_that_is_even_has_the_share_of_chance(data, monkeypatch):
    monkeypatch.setattr(torch.nn.init, "uniform_", lambda weight, *_: torch.nn.init.zeros_(weight))
    rows, *_ = inspected_by("scales-1", data)
    share = rows["scales-1 on the object"]
    assert share["mass"] == pytest.approx(share["chance"], rel=1e-4)
    assert share["frames"] == pytest.approx(6 / 25, rel=1e-4)  # of the frames show the action


def test_shares_are_of_one(data):
    rows, *_ = inspected_by("scales-3", data)
    share = rows["scales-3 on the object"]
    assert 0 < share["mass"] <= share["frames"] < 1


def record(**confusions: list[list[list[int]]]) -> Record:
    """Of rows with a confusion matrix for each seed."""
    results = [
        {"job": row, "seed": seed, "metrics": {row: {"confusion": counts}}, "wall_s": 1.0}
        for row, found in confusions.items()
        for seed, counts in enumerate(found)
    ]
    data = {"classes": ["a", "b"]}
    return Record(paper="istpa", profile="quick", digest="0", parameters={}, recipe={}, data=data, results=results)


def test_classes_that_gain_and_lose_over_all_seeds():
    found = record(ours=[[[4, 0], [1, 3]], [[2, 2], [0, 4]]], mean=[[[1, 3], [0, 4]], [[2, 2], [0, 4]]])
    assert confusion_change(found, "ours", "mean").tolist() == [[3, -3], [1, -1]]
    lines = gains(found, "ours", "mean").splitlines()
    assert [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:]] == [
        ["a", "+37.5", "b"],
        ["b", "-12.5", "a"],
    ]
    assert confusion_change(found, "ours", "other") is None
    assert gains(found, "other", "mean") == NOT_RUN
