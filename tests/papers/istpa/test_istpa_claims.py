"""Verdicts of pyramid attention, from records made by hand; and what the bench measures."""

from dataclasses import replace

import pytest
import torch

from videoattn.engine.record import Record
from videoattn.papers.istpa import bench
from videoattn.papers.istpa.claims import claims
from videoattn.papers.istpa.experiments import CHECK
from videoattn.reporting import speed
from videoattn.reporting.tables import NOT_RUN


def verdict(claim: str, accuracies: dict[str, list[float]]) -> str:
    """Of a record with a top-1 accuracy for each row and seed."""
    results = [
        {"job": row, "seed": seed, "metrics": {row: {"top1": top1}}, "wall_s": 1.0}
        for row, values in accuracies.items()
        for seed, top1 in enumerate(values)
    ]
    recipe = {"clips": {"frames": 3}, "test_frames": 25}
    record = Record(paper="istpa", profile="quick", digest="0", parameters={}, recipe=recipe, data={}, results=results)
    (found,) = [c.verdict for c in claims(record) if c.claim.startswith(claim)]
    return found


def test_claims_stand_without_a_record():
    found = {claim.claim: claim.verdict for claim in claims(None)}
    assert found["The interaction-aware loss helps"] == found["The order of table 2"] == NOT_RUN
    assert found["Multiplication is the best fusion"] == found["More frames in testing raise the accuracy"] == NOT_RUN
    shares = found["It adds only a few parameters"]
    assert shares.startswith("holds: VGGNet-16 0.")
    assert shares.endswith("Inception-ResNet-V2 0.41%")


@pytest.mark.parametrize(
    ("gain", "word"), [([0.1, 0.12, 0.11], "holds"), ([-0.1, -0.1, -0.11], "does not hold"), ([0.1, -0.1, 0], "undec")]
)
def test_attention_against_the_mean(gain, word):
    found = {"mean": [0.5, 0.5, 0.5], "scales-3": [0.5 + g for g in gain]}
    assert verdict("Pyramid attention raises", found).startswith(f"3 scales: {word}")


@pytest.mark.parametrize(
    ("gain", "text"),
    [
        ([0.1, 0.12, 0.11], "costs accuracy, +11.0 ± 2.5 points without it"),
        ([-0.1, -0.12, -0.11], "helps, -11.0 ± 2.5 points without it"),
        ([0.1, -0.1, 0.0], "undecided, +0.0 ± 24.8 points without it"),
    ],
)
def test_what_growth_costs(gain, text):
    found = {"scales-1": [0.5, 0.5, 0.5], "scales-1 rescaled": [0.5 + g for g in gain]}
    assert verdict("The layer takes more frames", found).endswith(f"that growth: 1 scale: {text}")
    assert verdict("The layer takes more frames", {"mean": [0.5, 0.5]}) == NOT_RUN


def test_more_frames_are_judged_for_each_network_that_was_run():
    found = verdict("More frames", {"mean": [0.5, 0.51], "mean K=3": [0.4, 0.41]})
    assert found.startswith("K = 25 against K=3: mean: holds on the probe: +10.0")
    assert "scales-3" not in found


def test_fusions_that_were_run_are_named():
    found = verdict("Multiplication", {"scales-3": [0.9, 0.91], "fusion-sum": [0.5, 0.52]})
    assert found.startswith("over the sum: holds")
    assert "maximum" not in found


def test_bench_has_a_first_row_of_one():
    torch.manual_seed(0)
    device = torch.device("cpu")
    layers = speed.bench(lambda: bench.layers(2), device=device, seconds=1e-3)
    assert [row.what for row in layers] == ["mean over frames", "1 scale", "2 scales", "3 scales", "3 scales, shared"]
    assert layers[0].ratio == 1
    profile = replace(CHECK, clips=replace(CHECK.clips, size=32))
    networks = speed.bench(lambda: bench.networks(2, profile), device=device, seconds=1e-3)
    assert [row.what for row in networks] == ["mean", "mean-maps", "scales-1", "scales-3"]
    assert networks[0].ratio == 1
    assert all(row.memory > 0 for row in networks)
