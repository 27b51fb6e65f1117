"""Which network computes which complexity figure of the paper, and what the figure is worth.

The paper counts by the rules of the thop package of 2020: 1 for each multiply-add of convolutions and linear layers, 2
for each element of a batch norm, and average pools that are modules. Functions, so the means and maxima of AIA, and max
pools count nothing. Plain multiply-adds stand beside it.
"""

import functools
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import torch

from videoattn.papers.aia.attention import Context, aia
from videoattn.papers.aia.experiments import BEST, PROFILES, VARIANTS, Variant, build, jobs, of_frames, plain
from videoattn.papers.aia.network import norms
from videoattn.reporting.audit import GIGA, MEGA, MISPRINT, AuditRow, compared, counted
from videoattn.reporting.cost import count, parameters
from videoattn.reporting.printed import lines

CLASSES = 174  # Something-Something
_row, _count = (functools.partial(f, "aia") for f in (compared, counted))


def built(variant: Variant, convention: str = "multiply-adds") -> tuple[int, int]:
    """(parameters, cost of one clip at 224 x 224) of a network with 174 classes; shifts, so TSM, add nothing to TSN."""
    size, costs = _counted(replace(variant, kind="tsn") if variant.kind == "tsm" else variant)
    return size, costs[convention]


@functools.cache
def _counted(variant: Variant) -> tuple[int, dict[str, int]]:
    with torch.device("meta"):
        network = build(variant, PROFILES["paper"], classes=CLASSES)
        clip = {"rgb": torch.empty(1, 3, variant.frames, 224, 224)}
    costs = {name: count(network, clip, convention=name) for name in ("multiply-adds", "thop-2020")}
    return parameters(network), costs


def added(gate: str, convention: str = "multiply-adds") -> tuple[int, int]:
    """(parameters, cost) that a module in every block adds to TSN over eight frames."""
    with_gate, without = (built(VARIANTS[f"tsn-{name}"], convention) for name in (plain(gate), "none"))
    return with_gate[0] - without[0], with_gate[1] - without[1]


def rows() -> list[AuditRow]:
    """Every complexity figure that the paper prints of networks it ran itself, in tables and in sentences.

    Of table II these are AIA, and TSN, TSM and GST, which the paper quotes.
    """
    return [*table_1(), *table_2(), *sentences()]


def table_1() -> Iterator[AuditRow]:
    """Parameters and FLOPs of every module in TSN and TSM, eight frames."""
    for row, _, _, name, _ in lines("aia", "I", columns=("Top-1",)):
        variant = VARIANTS[name]
        (size, cost), (_, ruled) = built(variant), built(variant, "thop-2020")
        notes = {"Params": "174 classes", "FLOPs": f"by thop's rules {ruled / GIGA:.3f}G"}
        otherwise = {}
        if variant.gate == "SE3D":
            ruled += 7 * layers(variant)
            notes["FLOPs"] += f"; with the two layers applied to each of the 8 frames {ruled / GIGA:.3f}G"
        if variant.gate == "CBAM3D-177":
            notes["Params"] += f"; built {size / MEGA:.3f}M, of which the printed figure is the whole cents"
        if variant.kind == "tsm" and variant.gate == BEST:
            notes["FLOPs"] += "; TSN with the same module is printed 33.15, and so is the text of section IV-F"
            otherwise = {"otherwise": MISPRINT}
        yield _count("I", row, "Params", size, notes["Params"])
        yield _count("I", row, "FLOPs", cost, notes["FLOPs"], ruled, cost, **otherwise)


def table_2() -> Iterator[AuditRow]:
    """AIA over 8, 12 and 16 frames and its ensembles; of the others TSN, TSM and GST."""
    eight = built(VARIANTS[of_frames("tsn", 8)], "thop-2020")[1] / GIGA
    for row, _, _, name, _ in lines("aia", "II", columns=("V1 Top-1",)):
        if not row.startswith("AIA"):
            continue
        networks = [VARIANTS[job] for job in jobs(name)]
        costs, ruled = (sum(built(v, c)[1] for v in networks) for c in ("multiply-adds", "thop-2020"))
        scaled = sum(round(eight * v.frames / 8, 1) for v in networks)
        reading = (
            f"by thop's rules {ruled / GIGA:.3f}G; {eight:.3f}G of 8 frames, times frames / 8 and rounded: {scaled}G, "
            "though a convolution over channels, rows and columns (axis T) costs the same for any number of frames"
        )
        if len(networks) == 1:
            yield _count("II", row, "Params", built(networks[0])[0], "174 classes")
        value = ruled if len(networks) == 1 and networks[0].frames == 8 else scaled * GIGA
        yield _count("II", row, "FLOPs", costs, reading, value, costs)
        yield _count("II", row, "views", int(row[-3]) * int(row[-1]), "crops times clips")
    others = (("TSN 8x1x1", "tsn-none", 8, 1), ("TSM 8x1x2", "tsm-none", 8, 2), ("TSM 16x1x2", "tsm-none", 16, 2))
    for row, name, frames, views in (*others, ("GST 16x1x1", "gst", 16, 1)):
        variant = Variant(kind=VARIANTS[name].kind, frames=frames)
        (size, cost), (_, ruled) = built(variant), built(variant, "thop-2020")
        reading = "quoted from another paper; 174 classes"
        yield _count("II", row, "Params", size, reading)
        yield _count("II", row, "FLOPs", cost, f"{reading}; by thop's rules {ruled / GIGA:.2f}G", ruled, cost)
        yield _count("II", row, "views", views, "crops times clips")
    both = [Variant(kind="tsm", frames=n) for n in (8, 16)]
    cost, ruled = (sum(built(v, c)[1] for v in both) for c in ("multiply-adds", "thop-2020"))
    rounded = sum(round(built(v, "thop-2020")[1] / GIGA, 1) for v in both)
    reading = f"quoted from another paper; by thop's rules {ruled / GIGA:.2f}G, of two rounded numbers {rounded}G"
    yield _count("II", "TSM (8+16)x1x2", "FLOPs", cost, reading, rounded * GIGA, cost)
    yield _count("II", "TSM (8+16)x1x2", "views", 2, "crops times clips")


def sentences() -> Iterator[AuditRow]:
    """The figures in the running text."""
    whole = built(VARIANTS["tsn-none"], "thop-2020")
    extra = {gate: added(gate, "thop-2020") for gate in ("C", "ST", BEST)}
    shares = {gate: [100 * Decimal(n) / of for n, of in zip(extra[gate], whole, strict=True)] for gate in extra}
    size, cost = extra["ST"]
    few, cheap = ["; ".join(f"{g} {shares[g][i]:.{n}f}%" for g in extra) for i, n in ((0, 4), (1, 3))]
    limit, small = Decimal("0.02"), Decimal("0.012")
    for place in ("abstract", "section I"):
        shown = f"{shares[BEST][1]:.2f}%"
        reading = f"of unit C; {cheap} by the same rules"
        yield _row(
            place, "AIA", "extra FLOPs share", extra[BEST][1], shown, reading, bool(shares["C"][1] < limit), False
        )
    yield _count("section I", "pooled dimension", "size", 2, "mean and maximum")
    kernel, (least, most) = parameters(Context("C").conv), (parameters(aia(name)) for name in ("C", BEST))
    yield _count("section III-A", "3D convolution", "parameters", kernel, "3 x 3 x 3 x 2, no bias")
    reading = f"one module, C to {BEST}, batch norms among them"
    yield _row("section III-D", "unit", "parameters", most, f"{least} to {most}", reading, 10 <= least < most < 1000)
    row = functools.partial(_count, "section IV-C", "C and ST")
    yield row("extra parameters", size, f"of ST; C {extra['C'][0] / MEGA:.4f}M")
    yield row("extra FLOPs", cost, f"of C; ST {cost / GIGA:.3f}G by the same rules", extra["C"][1], cost)
    for place in ("section IV-C", "section V"):
        row = functools.partial(_row, place, "C and ST")
        shown = f"{shares['ST'][0]:.4f}%", f"{shares['ST'][1]:.2f}%"
        yield row("extra parameters share", size, shown[0], few, bool(shares["ST"][0] < small))
        reading = f"of unit C; {cheap} by the same rules"
        yield row("extra FLOPs share", cost, shown[1], reading, bool(shares["C"][1] < limit), False)
    (size, cost), (_, ruled) = (built(VARIANTS[of_frames("tsn", 8)], c) for c in ("multiply-adds", "thop-2020"))
    yield _count("section IV-F", "AIA", "parameters", size, BEST)
    yield _count("section IV-F", "AIA", "FLOPs", cost, f"{BEST}, by thop's rules", ruled, cost)


def layers(variant: Variant) -> int:
    """Multiply-adds of the two layers of SE3D in all blocks, once a clip."""
    with torch.device("meta"):
        network = build(variant, PROFILES["paper"], classes=CLASSES)
    hosts = norms(network.backbone, "behind").values()
    return sum(parameters(host.attached.block) for host in hosts)
