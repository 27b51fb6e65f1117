"""Verdicts of pyramid attention, from records made by hand; and what the bench measures."""

from dataclasses import replace

import pytest
import torch
from measured import measured

from videoattn.papers.istpa import bench
from videoattn.papers.istpa.claims import claims
from videoattn.papers.istpa.experiments import CHECK
from videoattn.reporting import speed
from videoattn.reporting.claims import FAILS, HOLDS, OPEN, UNKNOWN, Verdict


def verdict(claim: str, accuracies: dict[str, list[float]]) -> Verdict:
    recipe = {"clips": {"frames": 3}, "test_frames": 25}
    (found,) = [c.verdict for c in claims(measured("istpa", accuracies, recipe=recipe)) if c.claim.startswith(claim)]
    return found


def test_claims_stand_without_a_record():
    found = {claim.claim: claim.verdict for claim in claims(None)}
    assert found["The interaction-aware loss helps"] == found["The order of table 2"] == UNKNOWN
    assert found["Multiplication is the best fusion"] == found["More frames in testing raise the accuracy"] == UNKNOWN
    shares = str(found["It adds only a few parameters"])
    assert shares.startswith("holds: VGGNet-16 0.")
    assert shares.endswith("Inception-ResNet-V2 0.41%")


GAINS = [([0.1, 0.12, 0.11, 0.1, 0.1], HOLDS), ([-0.1, -0.1, -0.11, -0.1, -0.1], FAILS), ([0.1, -0.1, 0, 0, 0], OPEN)]


@pytest.mark.parametrize(("gain", "word"), GAINS)
def test_attention_against_the_mean(gain, word):
    found = verdict("Pyramid attention raises", {"mean": [0.6] * 5, "scales-3": [0.6 + g for g in gain]})
    assert found.word == word
    assert found.said.endswith("seeds; not run: 1 scale")


@pytest.mark.parametrize(("gain", "word"), [(0.1, FAILS), (-0.1, FAILS), (0.0, HOLDS)])
def test_what_growth_costs(gain, word):
    found = verdict("The layer takes more frames", {"scales-1": [0.7] * 5, "scales-1 rescaled": [0.7 + gain] * 5})
    assert found.word == word
    assert f"without that growth: 1 scale: {100 * gain:+.1f} [" in found.said
    assert verdict("The layer takes more frames", {"mean": [0.5, 0.5]}) == UNKNOWN


def test_more_frames_are_judged_for_each_network_that_was_run():
    found = verdict("More frames", {"mean": [0.7] * 5, "mean K=3": [0.6] * 5})
    assert str(found).startswith("holds: K = 25 against K=3: mean: +10.0 [")
    assert found.said.endswith("not run: scales-1, scales-3")


def test_fusions_that_were_run_are_named():
    found = verdict("Multiplication", {"scales-3": [0.9] * 5, "fusion-sum": [0.5] * 5})
    assert str(found).startswith("holds: over the sum: +40.0 [")
    assert found.said.endswith("not run: over the maximum")


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
