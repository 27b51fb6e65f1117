"""Time and memory of several ways to compute, measured side by side in one run and compared by ratio.

    rows = measure({"block": lambda: block(x), "other": lambda: other(x)}, device=device)
    print(machine(device), as_markdown(rows), sep="\n\n")

The first case is what the others are compared with. The cases take turns, so that what else the machine does meets all
of them alike; times and their spread are PyTorch's (`torch.utils.benchmark`).

A paper's `bench.tables(kind)` gives its tables for a kind of device, "cpu" or "cuda": what makes the cases of each, by
title, the first case the one that its ratios refer to.
"""

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pandas as pd
import torch
from torch import nn
from torch.autograd.profiler import profile
from torch.utils._pytree import tree_leaves

from videoattn.engine.record import environment
from videoattn.errors import InputError

# Where a CUDA toolkit lies but no GPU is, this import warns on stderr, which a notebook would keep.
logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
from torch.utils.benchmark import Measurement, Timer  # noqa: E402

MIB = 2**20
Cases = Callable[[], Mapping[str, Callable[[], object]]]  # makes cases, by name, on PyTorch's default device


@dataclass(frozen=True)
class Speed:
    """One case.

    Args:
        what: its name.
        forward, backward: medians in milliseconds of the forward pass, and of forward and backward pass together; None
            where the backward pass was not asked for. The spreads are the distances between their quartiles.
        memory: most bytes held at one moment of a pass, beyond weights, their gradients and inputs; with the backward
            pass where it was asked for.
        ratio, backward_ratio: `forward` and `backward` over those of the first case.
    """

    what: str
    forward: float
    forward_spread: float
    backward: float | None
    backward_spread: float | None
    memory: int
    ratio: float
    backward_ratio: float | None = None


def measure(
    cases: Mapping[str, Callable[[], object]],
    *,
    device: torch.device,
    backward: bool = True,
    seconds: float = 0.2,
    rounds: int = 3,
) -> list[Speed]:
    """Measure all cases on `device`, after a warm-up of each.

    Args:
        cases: by name, what computes; it gives a tensor, or tensors in lists, tuples and dicts, on `device`.
        backward: measure forward and backward pass as well.
        seconds: of measuring for each case and kind of pass, in `rounds` turns (a slow case takes longer: one pass a
            turn at least).

    Raises:
        InputError: no case, or times that are not positive.
    """
    if not cases or seconds <= 0 or rounds < 1:
        raise InputError(f"{len(cases)} cases, {seconds} seconds, {rounds} rounds: all must be positive")
    forwards = {name: _forward(case) for name, case in cases.items()}
    there = {name: _backward(case) for name, case in cases.items()} if backward else {}
    times = _times(forwards, seconds, rounds)
    both = _times(there, seconds, rounds)
    first = next(iter(cases))
    return [
        Speed(
            what=name,
            forward=1e3 * times[name].median,
            forward_spread=1e3 * times[name].iqr,
            backward=1e3 * both[name].median if backward else None,
            backward_spread=1e3 * both[name].iqr if backward else None,
            memory=peak_memory(there.get(name, forwards[name]), device),
            ratio=times[name].median / times[first].median,
            backward_ratio=both[name].median / both[first].median if backward else None,
        )
        for name in cases
    ]


def bench(make: Cases, *, device: torch.device, seconds: float = 0.2) -> list[Speed]:
    """Make cases on `device` and measure them; the backward pass too where the output of the first needs gradients."""
    with device:
        cases = make()
    first = next(iter(cases.values()))
    backward = all(tensor.requires_grad for tensor in tree_leaves(first()))
    return measure(cases, device=device, backward=backward, seconds=seconds)


def scoring(network: nn.Module) -> nn.Module:
    """The network as it gives scores: in evaluation, without gradients."""
    return network.eval().requires_grad_(False)


def several(number: int, noun: str) -> str:
    """A number of things in words: "1 clip" or "8 clips"."""
    return f"{number} {noun}{'s' if number > 1 else ''}"


def main_bench(tables: Callable[[str], Mapping[str, Cases]]) -> None:
    """Measure the tables that a paper's `bench.tables` has for this machine's kind of device, and print them."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    print(machine(device))
    print("ms: median ± half the distance between the quartiles; memory: beyond weights, their gradients and inputs")
    for title, make in tables(device.type).items():
        print(f"\n{title}\n\n{as_markdown(bench(make, device=device))}", flush=True)


def peak_memory(run: Callable[[], object], device: torch.device) -> int:
    """Most bytes of tensors and work space that PyTorch holds at one moment of `run`, beyond those held before it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        run()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    with _without_messages(), profile(profile_memory=True) as profiler:
        run()
    held = peak = 0
    for event in sorted(profiler.kineto_results.events(), key=lambda event: event.start_ns()):
        if event.name() == "[memory]":  # nbytes: taken, or given back where negative
            held += event.nbytes()
            peak = max(peak, held)
    return peak


def machine(device: torch.device) -> str:
    """One line: hardware, threads, number format and versions that a measurement belongs to."""
    found = environment(device)
    hardware, versions = found["hardware"], found["versions"]
    name = hardware.get("gpu", hardware["cpu"])
    tf32 = "on" if torch.backends.cuda.matmul.allow_tf32 else "off"
    form = f"float32, TF32 {tf32}, CUDA {torch.version.cuda}" if device.type == "cuda" else "float32"
    threads = torch.get_num_threads()
    return (
        f"{name}; {hardware['cores']} CPU cores, {threads} thread{'s' if threads > 1 else ''}; {form}; "
        f"torch {versions['torch']}, Python {versions['python']}"
    )


def as_markdown(rows: Sequence[Speed]) -> str:
    """A Markdown table: medians with the distance between their quartiles, memory, ratios to the first row."""
    table = pd.DataFrame(
        {
            "what": [row.what for row in rows],
            "ms forward": [_ms(row.forward, row.forward_spread) for row in rows],
            "ms forward+backward": [_ms(row.backward, row.backward_spread) for row in rows],
            "peak memory MiB": [f"{row.memory / MIB:.1f}" for row in rows],
            "ratio to the first row": [f"{row.ratio:.2f}" for row in rows],
            "ratio forward+backward": ["" if row.backward is None else f"{row.backward_ratio:.2f}" for row in rows],
        }
    )
    return table.to_markdown(index=False, disable_numparse=True)


def _ms(median: float | None, spread: float | None) -> str:
    return "" if median is None else f"{median:.2f} ± {spread / 2:.2f}"


def _forward(case: Callable[[], object]) -> Callable[[], None]:
    def run() -> None:
        with torch.no_grad():
            case()

    return run


def _backward(case: Callable[[], object]) -> Callable[[], None]:
    def run() -> None:
        torch.autograd.backward([tensor.sum() for tensor in tree_leaves(case())])

    return run


def _times(runs: Mapping[str, Callable[[], None]], seconds: float, rounds: int) -> dict[str, Measurement]:
    timers = {}
    for name, run in runs.items():
        timers[name] = Timer("run()", globals={"run": run}, num_threads=torch.get_num_threads())
        run()
    turns: dict[str, list[Measurement]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, timer in timers.items():
            turns[name].append(timer.blocked_autorange(min_run_time=seconds / rounds))
    return {name: Measurement.merge(measured)[0] for name, measured in turns.items()}


@contextmanager
def _without_messages() -> Iterator[None]:
    """The profiler writes its state and, where there is no GPU, an error into the file of stderr."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
