"""Verdicts of AIA, from records made by hand; and what the bench measures."""

import pytest
import torch

from videoattn.data.probes.order import LEVELS
from videoattn.engine.record import Record
from videoattn.papers.aia import bench
from videoattn.papers.aia.claims import BLIND, claims
from videoattn.reporting import speed
from videoattn.reporting.printed import lines
from videoattn.reporting.tables import NOT_RUN


def record(accuracies: dict[str, list[float]]) -> Record:
    """A record with a top-1 accuracy for each row and seed."""
    results = [
        {"job": row, "seed": seed, "metrics": {row: {"top1": top1}}, "wall_s": 1.0}
        for row, values in accuracies.items()
        for seed, top1 in enumerate(values)
    ]
    return Record(paper="aia", profile="quick", digest="0", parameters={}, recipe={}, data={}, results=results)


def verdict(claim: str, accuracies: dict[str, list[float]]) -> str:
    (found,) = [c.verdict for c in claims(record(accuracies)) if c.claim.startswith(claim)]
    return found


def test_claims_stand_without_a_record():
    found = {claim.claim: claim.verdict for claim in claims(None)}
    assert found["The order of table I"] == NOT_RUN
    assert found["CinST->STinC is best"] == NOT_RUN
    assert found["Modules without a local spatio-temporal convolution do not"].startswith(
        "holds on the probe, exactly:"
    )
    assert found["Less than 0.02% more FLOPs"].startswith("holds for C alone: C 0.019%, ST 0.39%, CinST->STinC 0.8")
    assert "44.2 against ST 43.7" in found["GE3D-DW333 and CBAM3D-377 are still worse than all AIA modules"]


def test_units_are_compared_with_the_plain_network():
    told = verdict("C and ST improve", {"tsn-none": [0.5] * 3, "tsn-C": [0.9] * 3, "tsn-ST": [0.5, 0.6, 0.4]})
    assert told == "C: holds on the probe: +40.0 ± 0.0 points; ST: undecided on the probe: +0.0 ± 24.8 points"


@pytest.mark.parametrize(("value", "word"), [(0.5, "holds"), (0.8, "does not hold")])
def test_modules_without_a_kernel_along_time(value, word):
    told = verdict("Modules without a local", {BLIND[0]: [0.5] * 3, BLIND[1]: [value] * 3})
    assert told.startswith(
        f"{word} on the probe, where guessing is 50: SE3D 50.0 ± 0.0, GE3D-G {100 * value:.1f} ± 0.0"
    )


def test_the_order_of_table_1_over_the_rows_that_were_run():
    chosen = {line.ours: float(line.value) for line in lines("aia", "I", columns=("Top-1",))[1:6]}
    told = verdict("The order of table I", {row: [value / 100] * 3 for row, value in chosen.items()})
    assert told == "agrees on the probe: Kendall's tau of 5 rows 1.00 ± 0.00"
    told = verdict("The order of table I", {row: [1 - value / 100] * 3 for row, value in chosen.items()})
    assert told.startswith("does not agree on the probe: Kendall's tau of 5 rows -1.00")


def test_kernels_and_small_motions():
    values = {"tsn-none": [0.5] * 3, "tsn-CinST-133": [0.5] * 3, "tsn-C-311": [0.9] * 3}
    assert verdict("Attention in attention brings", values) == (
        "does not hold on the probe: CinST with kernels (1, 3, 3) +0.0 ± 0.0 points over TSN alone; "
        "C with kernels (3, 1, 1) +40.0 ± 0.0 points over TSN alone"
    )
    values["tsn-CinST-133"] = [0.7] * 3
    assert verdict("Attention in attention brings", values).startswith("holds on the probe: CinST with kernels (1, 3")
    told = verdict("Attention in attention brings", {"tsn-none": [0.5] * 3, "tsn-C-311": [0.9] * 3})
    assert told.startswith("does not hold, exactly: with kernels of one frame they give all orders of the frames")
    assert told.endswith("the same scores; C with kernels (3, 1, 1) +40.0 ± 0.0 points over TSN alone")
    values = {
        f"tsn-{name} {level}": [top1] * 3
        for name, top1 in (("C", 0.6), ("ST", 0.9), ("CinST", 0.8))
        for level in LEVELS
    }
    told = verdict("Short and small", values)
    assert told == (
        "on the probe CinST: short, over C +20.0 ± 0.0; short, over ST -10.0 ± 0.0; small, over C +20.0 ± 0.0; "
        "small, over ST -10.0 ± 0.0 points"
    )


def test_what_the_bench_measures():
    cpu = torch.device("cpu")
    modules = speed.bench(lambda: bench.modules((16, 2, 4, 4)), device=cpu, seconds=0.001)
    assert [row.what for row in modules[:3]] == ["3x3 convolution", "C", "ST"]
    assert len(modules) == 13
    assert modules[0].ratio == modules[0].backward_ratio == 1
    networks = speed.bench(lambda: bench.networks("resnet10t", 32, gates=("C", "SE3D")), device=cpu, seconds=0.001)
    assert [row.what for row in networks] == ["TSN", "TSN + C", "TSN + SE3D"]
    assert networks[1].memory > networks[0].memory  # gated maps are kept for the backward pass
