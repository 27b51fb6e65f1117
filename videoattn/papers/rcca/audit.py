"""Which network computes which complexity figure of the paper, and what the figure is worth."""

import functools
from collections.abc import Iterator
from decimal import Decimal

from videoattn.papers.rcca.complexity import (
    added_as_printed,
    added_parameters,
    bare,
    built,
    per_multiply_add,
    quoted,
    saved,
    structure_c,
)
from videoattn.papers.rcca.experiments import VARIANTS, Variant
from videoattn.papers.rcca.sentences import sentences
from videoattn.reporting.audit import GIGA, MEGA, MISPRINT, AuditRow, compared, counted, millions
from videoattn.reporting.printed import lines

_row, _count = (functools.partial(f, "rcca") for f in (compared, counted))


def rows() -> list[AuditRow]:
    """Every complexity figure that the paper prints, in tables and in sentences."""
    cells = [(table, line) for table in "1234" for line in lines("rcca", table)]
    cells += [("5", line) for line in lines("rcca", "5", columns=("UCF101",))]
    of_tables = [found for table, line in cells for found in _cells(table, line.row, line.ours)]
    return [*of_tables, *sentences()]


def savings() -> dict[str, str]:
    """What became of the claims that RCCA-3D needs 30% fewer FLOPs and 25% fewer parameters than a non-local block."""
    share, whole = saved(), 1 - built(VARIANTS["tsm-r3"])[0] / built(VARIANTS["tsm-nl"])[0]
    return {
        "FLOPs": f"it does only between two units, {share['between units']:.0%}; in one, {share['no max-pool']:.0%} "
        f"against the block without its max-pool, {share['max-pool']:.0%} against the one with it",
        "parameters": f"for the module, {share['parameters']:.1%}; of the network it is {whole:.1%}",
    }


def _cells(table: str, row: str, name: str) -> Iterator[AuditRow]:
    """The four figures of one row of a table."""
    variant = VARIANTS[name]
    (size, cost), (base_size, base_cost) = built(variant), built(bare(variant))
    flops, quoted_size = quoted(variant)
    share, size_share = 100 * Decimal(cost) / base_cost, 100 * Decimal(size) / base_size
    shown = f"{share:.1f}%", f"{size_share:.1f}%"
    if variant.block is None:
        yield _count(table, row, "FLOPs", cost, *_baseline(variant), cost)
        yield _row(table, row, "FLOPs share", cost, shown[0], "the network without modules, over itself", share)
        reading = f"24.3M as its paper rounds it, printed with a decimal more; as built {millions(size)}, 400 classes"
        if variant.kind == "tsm":
            yield _count(table, row, "Param", size, reading, round(size / MEGA, 1) * MEGA, size)
        else:
            yield _count(table, row, "Param", size, "400 classes")
        yield _row(table, row, "Param share", size, shown[1], "the network without modules, over itself", size_share)
        return
    total, total_size = flops + added_as_printed(variant), quoted_size + added_parameters(variant) / MEGA
    tried = "; ".join(f"{reading}: {g:.1f}G, {m:.2f}M" for reading, (g, m) in structure_c().items())
    if variant.structure == "c":
        notes = dict.fromkeys(("FLOPs", "Param"), f"Tried, added up as in the other rows: {tried}")
        notes |= dict.fromkeys(("share", "Param share"), "follows from the printed figure, which is not reproduced")
    else:
        notes = {
            "FLOPs": f"{_what(variant)}. Printed: {flops}G quoted + {added_as_printed(variant):.2f}G = {total:.2f}G",
            "Param": f"400 classes. Printed: {quoted_size}M quoted + {added_parameters(variant):,} = {total_size:.3f}M",
            "share": f"the printed {total:.1f}G over the printed {flops}G",
            "Param share": f"as built; printed {total_size:.2f}M over printed {quoted_size}M",
        }
    of_printed, of_size = 100 * round(total, 1) / flops, 100 * round(total_size, 2) / quoted_size
    yield _count(table, row, "FLOPs", cost, notes["FLOPs"], total * GIGA, cost)
    wrong = {"otherwise": MISPRINT} if variant.structure != "c" else {}
    reading = notes["share"] + (f" is {of_printed:.1f}%" if wrong else "")
    yield _row(table, row, "FLOPs share", cost, shown[0], reading, of_printed, share, **wrong)
    yield _count(table, row, "Param", size, notes["Param"], total_size * MEGA, size)
    yield _row(table, row, "Param share", size, shown[1], notes["Param share"], of_size, size_share)


def _baseline(variant: Variant) -> tuple[str, Decimal]:
    """Reading of a baseline's FLOPs, and the figure under it."""
    cost, ruled = built(variant)[1], built(variant, "thop-2020")[1]
    if variant.kind == "tsm":
        reading = "33G as its paper rounds it, printed with a decimal more; the multiply-adds are"
        return f"{reading} {cost / GIGA:.2f}G", round(cost / GIGA) * GIGA
    norms = (ruled - cost) // 2  # thop adds 2 an element of a batch norm, and next to nothing else
    reading = f"quoted; the multiply-adds are {cost / GIGA:.2f}G, with 1 an element of each batch norm"
    return f"{reading} {(cost + norms) / GIGA:.2f}G", Decimal(cost + norms)


def _what(variant: Variant) -> str:
    """What is built, and what the printed FLOPs of a network's modules count."""
    if variant.block == "rcca":
        return (
            "built: T + H + W products a query, of which 2 are masked, 1 a multiply-add; "
            "printed: 2 a multiply-add, exactly T + H + W - 2 products"
        )
    pool = "with the max-pool" if variant.block == "nl-pool" else "without the max-pool"
    return f"built: {pool}, 1 a multiply-add; printed: {per_multiply_add(variant)} a multiply-add"
