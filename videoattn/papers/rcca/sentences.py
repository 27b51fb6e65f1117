"""The complexity figures in the paper's sentences; those of the tables are in `audit`."""

import functools
from collections.abc import Iterator
from dataclasses import replace
from math import prod

import torch

from videoattn.backbones.positions import places
from videoattn.papers.rcca.closed_forms import computed_keys, needed_keys
from videoattn.papers.rcca.complexity import (
    PLACE,
    added_as_printed,
    added_multiply_adds,
    added_parameters,
    bare,
    built,
    quoted,
    saved,
)
from videoattn.papers.rcca.experiments import PROFILES, VARIANTS, build
from videoattn.papers.rcca.reach import known, meeting
from videoattn.reporting.audit import GIGA, MEGA, MISPRINT, AuditRow, compared, counted

_row, _count = (functools.partial(f, "rcca") for f in (compared, counted))
UNITS = "2 a multiply-add with T + H + W - 2 keys a query"


def sentences() -> list[AuditRow]:
    """One row for each figure, in the paper's order within each subject."""
    return [*_against_non_local(), *_orders(), *_structure(), *_added(), *_relations()]


def _against_non_local() -> Iterator[AuditRow]:
    """What RCCA-3D saves against the non-local block: of the module, and of the network in section 4.4."""
    share = {name: 100 * s for name, s in saved().items()}
    rcca, block = VARIANTS["tsm-r3"], VARIANTS["tsm-nl"]
    pooled = replace(block, block="nl-pool")
    size, cost = (100 * (1 - a / b) for a, b in zip(built(rcca), built(block), strict=True))
    two = (
        f"only between two units: {UNITS} for RCCA-3D, 1 for the non-local block without its max-pool, is "
        f"{share['between units']:.1f}% less. In one unit, as built: {share['no max-pool']:.1f}% less than without the "
        f"max-pool, {share['max-pool']:.1f}% less than with it; of the network {cost:.1f}% and "
        f"{100 * (1 - built(rcca)[1] / built(pooled)[1]):.1f}%"
    )
    sizes = f"of the module {share['parameters']:.1f}%, of the network {size:.1f}%, at conv3_3"
    module = (added_parameters(rcca), share["parameters"], added_multiply_adds(rcca), share["no max-pool"])
    network = (built(rcca)[0], size, built(rcca)[1], cost)
    cells = {"abstract": module, "section 1": module, "section 4.4": network}
    for table, (parameters, fewer, multiply_adds, less) in cells.items():
        row = functools.partial(_row, table, "RCCA-3D against non-local")
        yield row("fewer parameters", parameters, f"{fewer:.1f}%", sizes, share["parameters"], fewer)
        yield row("fewer FLOPs", multiply_adds, f"{less:.1f}%", two, share["between units"], less)


def _orders() -> Iterator[AuditRow]:
    """The expressions in T, H, W and C."""
    c, *lengths = PLACE
    n, plane = prod(lengths), prod(lengths[1:])
    twice = (
        "C stands there twice: products of N queries with N keys, twice at width C / 2, are N N C multiply-adds, N ="
    )
    yield _row(
        "section 1", "non-local", "complexity", n * n * c, "(T H W) (T H W) C", f"{twice} T H W", False,
        otherwise=MISPRINT,
    )  # fmt: skip
    yield _row(
        "section 1", "non-local in 2D", "complexity", plane**2 * c, "(H W) (H W) C", f"{twice} H W", False,
        otherwise=MISPRINT,
    )  # fmt: skip
    keys, inner = needed_keys(PLACE), c // 4
    for row, positions, seen, form in (
        ("CCA in 2D", plane, sum(lengths[1:]) - 1, "(H W) (H + W - 1)"),
        ("RCCA-3D", n, keys, "(T H W) (T + H + W - 2)"),
    ):
        products, convolutions = positions * seen * (inner + c), positions * c * (2 * inner + c)
        reading = (
            f"the products of one step; its convolutions, {convolutions:,} multiply-adds of the order of C C a "
            f"position, are left out and are {convolutions / (products + convolutions):.0%} of it at {lengths}"
        )
        yield _row("section 1", row, "complexity", products, f"{form} (C' + C)", reading, True, False)
    reading = (
        f"weights of a query that are not masked, at {' x '.join(map(str, lengths))}; the module computes "
        f"T + H + W = {computed_keys(PLACE)} products and masks the query itself on two of its lines"
    )
    for table in ("section 1", "section 3.1.1"):
        yield _row(table, "CCA-3D", "connections of a position", keys, f"{keys} = T + H + W - 2", reading, True)


def _structure() -> Iterator[AuditRow]:
    """Numbers of modules, steps, blocks and channels."""
    rcca, mfnet = VARIANTS["tsm-r3"], VARIANTS["mfnet-rcca"]
    steps = {
        f.__name__: next(r for r in range(1, 4) if f((2, 2, 2), r).all()) for f in (known, meeting)
    }  # two lengths of two already hold all distances
    reading = (
        f"until every position knows of every other; until any two are known to a third, which is all that a pooled "
        f"read-out needs, {steps['meeting']}"
    )
    yield _count("section 1", "RCCA-3D", "CCA-3D modules", rcca.recurrence, "R")
    yield _count("section 3.2", "RCCA-3D", "steps for every pair", steps["known"], reading)
    with torch.device("meta"):
        networks = [build(bare(v), PROFILES["paper"], classes=2).backbone for v in (rcca, mfnet)]
    counts = {
        (1, *(sum(name.startswith(f"conv{n}_") for name in places(net)) for n in range(2, 6))) for net in networks
    }
    blocks = counts.pop()
    yield _row(
        "section 4.1", "TSM and MF-Net", "blocks of stages 1 to 5", sum(blocks), ", ".join(map(str, blocks)),
        "both networks; stage 1 is the stem", not counts and ", ".join(map(str, blocks)) == "1, 3, 4, 6, 3",
    )  # fmt: skip
    yield _count(
        "section 4.1", "non-local and RCCA-3D", "modules in a network", len(mfnet.positions),
        "as in table 5 for MF-Net; one alone in TSM", shown=", ".join(mfnet.positions),
    )  # fmt: skip
    inner = PLACE[0] // rcca.reduction
    yield _row(
        "section 4.3", "RCCA-3D", "inner channels", inner, f"{inner} of {PLACE[0]}", "C' at conv3_3",
        4 * inner == PLACE[0],
    )  # fmt: skip


def _added() -> Iterator[AuditRow]:
    """Section 4.3 and 4.2: what a module, a step, a stage or a way of sampling adds."""
    tsm, rcca = VARIANTS["tsm-none"], VARIANTS["tsm-r3"]
    row, count = (functools.partial(f, "section 4.3") for f in (_row, _count))
    size, cost = built(tsm)
    flops, _ = quoted(tsm)
    yield count("TSM", "FLOPs", cost, "ResNet-50, 8 frames, 400 classes", places=1)
    yield count("TSM", "parameters", size, "ResNet-50, 400 classes", places=2)
    added, more = added_multiply_adds(rcca), added_parameters(rcca)
    plain = f"built: T + H + W products a query, 1 a multiply-add. Printed: {UNITS}"
    printed = {r: added_as_printed(replace(rcca, recurrence=r)) for r in (1, 3, 4)}
    module = "one RCCA-3D module"
    yield count(module, "extra FLOPs", added, f"{plain}: {printed[3]:.2f}G", printed[3] * GIGA, added, places=1)
    yield row(
        module, "extra FLOPs share", added, f"{100 * added / cost:.0f}%", f"{plain}, over the quoted {flops}G",
        100 * printed[3] / flops, 100 * added / cost,
    )  # fmt: skip
    yield count(module, "extra parameters", more, "q, k, v with bias, and gamma")
    share = 100 * more / size
    yield row(module, "extra parameters share", more, f"{share:.1f}%", "of TSM as built", share)
    early = replace(rcca, positions=("conv2_2",))
    total, whole = built(early)[1], flops + added_as_printed(early)
    reading = f"{plain}, to the quoted {flops}G: {whole:.2f}G"
    yield count("RCCA-3D in stage 2", "FLOPs", total, reading, whole * GIGA, total)
    for name, r in (("one step more", 1), ("R = 4", 4), ("R = 3", 3)):
        own = added_multiply_adds(replace(rcca, recurrence=r))
        yield count(name, "extra FLOPs", own, f"{plain}: {printed[r]:.2f}G", printed[r] * GIGA, own)
    reading = (
        "in testing, if a video is taken as 10 clips instead of one, which the paper does not say; in training equal"
    )
    yield _row("section 4.2", "dense sampling", "FLOPs against uniform", 10 * cost, "10 times", reading, 10, 1)


def _relations() -> Iterator[AuditRow]:
    """What is said without a number."""
    a, c, mfnet, block = (VARIANTS[name] for name in ("tsm-r3", "tsm-c", "mfnet-rcca", "mfnet-nl"))
    row = functools.partial(_row, "section 4.3")
    costs = {name: added_multiply_adds(v) for name, v in (("a", a), ("c", c))}
    share = 1 - costs["c"] / costs["a"]
    reading = f"C' = C / 4: the module takes {share:.0%} less; the printed 49.0G leave 16.0G for it, 2% less than 16.3G"
    yield row("structure c against a", "FLOPs", costs["c"], f"{share:.0%} fewer", reading, costs["c"] < costs["a"])
    later = [replace(a, positions=(place,)) for place in ("conv4_5", "conv5_2")]
    name = "conv3_3 against conv4_5 and conv5_2"
    counts = [added_multiply_adds(v) for v in (a, *later)]
    shown = " against ".join(f"{n / GIGA:.2f}G" for n in counts)
    yield row(name, "extra FLOPs", counts[0], shown, "of the module, as built", counts[0] > max(counts[1:]))
    counts = [added_parameters(v) for v in (a, *later)]
    shown = " against ".join(f"{n / MEGA:.2f}M" for n in counts)
    yield row(name, "extra parameters", counts[0], shown, "of the module", counts[0] < min(counts[1:]))
    counts = [added_multiply_adds(replace(a, recurrence=r)) for r in (1, 2, 3, 4)]
    linear = all(n == r * counts[0] for r, n in enumerate(counts, start=1))
    yield row("steps", "extra FLOPs", counts[0], f"{counts[0] / GIGA:.2f}G a step", "of one step, R times", linear)
    row = functools.partial(_row, "section 4.4", "MF-Net+RCCA*5 against MF-Net+NL*5")
    (size, cost), (more, dearer) = built(mfnet), built(block)
    reading = "as built, against the block with its max-pool, in one unit"
    yield row("FLOPs", cost, f"{cost / GIGA:.1f}G against {dearer / GIGA:.1f}G", reading, cost < dearer)
    yield row("Param", size, f"{size / MEGA:.2f}M against {more / MEGA:.2f}M", "as built", size < more)
