"""Verdicts of AIA, from records made by hand; and what the bench measures."""

import pytest
import torch
from measured import measured

from videoattn.data.probes.order import LEVELS
from videoattn.papers.aia import bench
from videoattn.papers.aia.claims import BLIND, claims
from videoattn.reporting import speed
from videoattn.reporting.claims import FAILS, HOLDS, UNKNOWN, Verdict
from videoattn.reporting.printed import lines


def verdict(claim: str, accuracies: dict[str, list[float]]) -> Verdict:
    (found,) = [c.verdict for c in claims(measured("aia", accuracies)) if c.claim.startswith(claim)]
    return found


def test_claims_stand_without_a_record():
    found = {claim.claim: claim.verdict for claim in claims(None)}
    assert found["The order of table I"] == found["CinST->STinC is best"] == UNKNOWN
    assert str(found["Modules without a local spatio-temporal convolution do not"]).startswith("holds (exactly): they")
    assert str(found["Less than 0.02% more FLOPs"]) == (
        "does not hold: ST 0.39%, CinST->STinC 0.82%; it does for C 0.019%"
    )
    assert "44.2 against ST 43.7" in found["GE3D-DW333 and CBAM3D-377 are still worse than all AIA modules"].said


def test_units_are_compared_with_the_plain_network():
    told = verdict("C and ST improve", {"tsn-none": [0.5] * 5, "tsn-C": [0.9] * 5, "tsn-ST": [0.5, 0.6, 0.4, 0.5, 0.5]})
    assert str(told).startswith("cannot tell here: C: holds: +40.0 [")
    assert "; ST: cannot tell here (both rows are at chance, 50%): +0.0 [" in told.said


@pytest.mark.parametrize(("value", "word"), [(0.5, HOLDS), (0.8, FAILS)])
def test_modules_without_a_kernel_along_time(value, word):
    told = verdict("Modules without a local", {BLIND[0]: [0.5] * 5, BLIND[1]: [value] * 5})
    assert told.word == word
    assert "; where guessing is 50: SE3D 50.0 [" in told.said
    assert f", GE3D-G {100 * value:.1f} [" in told.said


def test_the_order_of_table_1_over_the_rows_that_were_run():
    chosen = {line.ours: float(line.value) for line in lines("aia", "I", columns=("Top-1",))[1:6]}
    told = verdict("The order of table I", {row: [value / 100] * 5 for row, value in chosen.items()})
    assert str(told) == "holds: Kendall's tau of 5 rows 1.00, p = 0.0083"
    told = verdict("The order of table I", {row: [1 - value / 100] * 5 for row, value in chosen.items()})
    assert str(told).startswith("does not hold: Kendall's tau of 5 rows -1.00")


def test_kernels_and_small_motions():
    values = {"tsn-none": [0.5] * 5, "tsn-CinST-133": [0.5] * 5, "tsn-C-311": [0.9] * 5}
    told = verdict("Attention in attention brings", values)
    assert str(told).startswith("does not hold (exactly): with kernels of one frame they give all orders of the frames")
    assert "CinST with kernels (1, 3, 3) over TSN alone +0.0 [" in told.said
    assert "C with kernels (3, 1, 1) over TSN alone +40.0 [" in told.said
    values = {
        f"tsn-{name} {level}": [top1] * 5
        for name, top1 in (("C", 0.6), ("ST", 0.9), ("CinST", 0.8))
        for level in LEVELS
    }
    told = verdict("Short and small", values)
    assert told.word == FAILS
    assert "short, over C: holds: +20.0 [" in told.said
    assert "small, over ST: does not hold: -10.0 [" in told.said


def test_what_the_bench_measures():
    cpu = torch.device("cpu")
    modules = speed.bench(lambda: bench.modules((16, 2, 4, 4)), device=cpu, seconds=0.001)
    assert [row.what for row in modules[:3]] == ["3x3 convolution", "C", "ST"]
    assert len(modules) == 13
    assert modules[0].ratio == modules[0].backward_ratio == 1
    networks = speed.bench(lambda: bench.networks("resnet10t", 32, gates=("C", "SE3D")), device=cpu, seconds=0.001)
    assert [row.what for row in networks] == ["TSN", "TSN + C", "TSN + SE3D"]
    assert networks[1].memory > networks[0].memory  # gated maps are kept for the backward pass
