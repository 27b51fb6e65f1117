"""Measuring: what is called, how it is compared and told. No times are asserted."""

import functools

import pytest
import torch
from torch import nn

from videoattn.errors import InputError
from videoattn.papers.cma import bench
from videoattn.reporting import speed
from videoattn.reporting.speed import MIB, Speed, as_markdown, machine, measure, peak_memory

CPU = torch.device("cpu")


def test_the_first_case_is_the_reference():
    x = torch.randn(64, requires_grad=True)
    rows = measure({"a": lambda: x * 2, "b": lambda: {"y": (x + 1, [x * 3])}}, device=CPU, seconds=0.002, rounds=2)
    assert [row.what for row in rows] == ["a", "b"]
    assert rows[0].ratio == 1
    assert rows[1].ratio == pytest.approx(rows[1].forward / rows[0].forward)
    assert rows[0].backward_ratio == 1
    assert rows[1].backward_ratio == pytest.approx(rows[1].backward / rows[0].backward)
    assert all(min(row.forward, row.backward) > 0 <= min(row.forward_spread, row.backward_spread) for row in rows)
    count = x.grad / torch.where(x.grad == 0, 1, x.grad)
    torch.testing.assert_close(count, torch.ones(64))  # the backward pass of both reached x


def test_without_a_backward_pass_nothing_is_recorded_for_it():
    x = torch.randn(8, requires_grad=True)
    seen = []
    (row,) = measure(
        {"a": lambda: seen.append(torch.is_grad_enabled()) or x * 2},
        device=CPU,
        backward=False,
        seconds=0.001,
        rounds=1,
    )
    assert set(seen) == {False}
    assert (row.backward, row.backward_spread, row.backward_ratio, x.grad) == (None, None, None, None)


def test_peak_memory_is_of_one_moment_and_beyond_what_was_there(capfd):
    there = torch.zeros(2**20)

    def work():
        one = there + 1
        two = one * 2
        del one
        three = two + 1
        del two, three

    assert peak_memory(work, CPU) == pytest.approx(8 * MIB, rel=0.01)
    assert peak_memory(lambda: None, CPU) == 0
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("wrong", [{"cases": {}}, {"seconds": 0}, {"rounds": 0}])
def test_what_cannot_be_measured_is_refused(wrong):
    with pytest.raises(InputError, match="must be positive"):
        measure(wrong.pop("cases", {"a": lambda: torch.zeros(1)}), device=CPU, **wrong)


def test_the_table():
    rows = [Speed("a", 2.0, 0.2, 5.0, 1.0, 3 * MIB, 1.0, 1.0), Speed("b", 3.0, 0.02, None, None, MIB // 2, 1.5)]
    head, _, *lines = as_markdown(rows).splitlines()
    assert [cell.strip() for cell in head.strip("|").split("|")] == [
        "what",
        "ms forward",
        "ms forward+backward",
        "peak memory MiB",
        "ratio to the first row",
        "ratio forward+backward",
    ]
    assert [[cell.strip() for cell in line.strip("|").split("|")] for line in lines] == [
        ["a", "2.00 ± 0.10", "5.00 ± 0.50", "3.0", "1.00", "1.00"],
        ["b", "3.00 ± 0.01", "", "0.5", "1.50", ""],
    ]


def test_the_machine_is_named():
    told = machine(CPU)
    assert "\n" not in told
    assert f"torch {torch.__version__.split('+')[0]}" in told
    assert f"{torch.get_num_threads()} thread" in told
    assert "float32" in told


def test_a_bench_measures_the_backward_pass_where_there_are_gradients():
    def cases(network):
        return lambda: {"one": functools.partial(network(nn.Linear(3, 2)), torch.randn(1, 3))}

    trained, scores = (speed.bench(cases(of), device=CPU, seconds=0.001)[0] for of in (nn.Module.train, speed.scoring))
    assert trained.backward is not None
    assert scores.backward is None
    assert (speed.several(1, "clip"), speed.several(8, "clip")) == ("1 clip", "8 clips")


def test_the_rows_of_cma():
    blocks = speed.bench(lambda: bench.blocks((8, 6, 6)), device=CPU, seconds=0.001)
    assert [row.what for row in blocks] == [
        "non-local, fused, max-pool",
        "CMA, fused, max-pool",
        "CMA, explicit softmax, max-pool",
        "CMA, fused, no max-pool",
        "CMA, explicit softmax, no max-pool",
    ]
    assert all(row.backward is not None for row in blocks)
    networks = speed.bench(lambda: bench.networks("resnet10t", 32), device=CPU, seconds=0.001)
    assert len({row.what for row in networks}) == len(networks) == 5
    assert (networks[0].what, networks[0].ratio) == ("RGB alone", 1)
    assert all(row.backward is None for row in networks)


def test_the_explicit_softmax_holds_the_map():
    found = speed.bench(lambda: bench.blocks((4, 32, 32)), device=CPU, seconds=0.001)
    blocks = {row.what: row for row in found}
    fused, explicit = (blocks[f"CMA, {how}, no max-pool"].memory for how in ("fused", "explicit softmax"))
    assert explicit > fused + 2 * (32 * 32) ** 2  # at least half of the map's four bytes a weight
