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
from videoattn.reporting.audit import MISPRINT, AuditRow, compared
from videoattn.reporting.cost import count, parameters
from videoattn.reporting.printed import lines

CLASSES = 174  # Something-Something
GIGA, MEGA = Decimal(10**9), Decimal(10**6)
_row = functools.partial(compared, "aia")


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
        yield _row("I", row, "Params", size, f"{size / MEGA:.2f}M", notes["Params"], size / MEGA)
        yield _row(
            "I", row, "FLOPs", cost, f"{cost / GIGA:.2f}G", notes["FLOPs"], ruled / GIGA, cost / GIGA, **otherwise
        )


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
            size = built(networks[0])[0]
            yield _row("II", row, "Params", size, f"{size / MEGA:.1f}M", "174 classes", size / MEGA)
        value = ruled / GIGA if len(networks) == 1 and networks[0].frames == 8 else scaled
        yield _row("II", row, "FLOPs", costs, f"{costs / GIGA:.1f}G", reading, value, costs / GIGA)
        views = int(row[-3]) * int(row[-1])
        yield _row("II", row, "views", views, str(views), "crops times clips", views)
    others = (("TSN 8x1x1", "tsn-none", 8, 1), ("TSM 8x1x2", "tsm-none", 8, 2), ("TSM 16x1x2", "tsm-none", 16, 2))
    for row, name, frames, views in (*others, ("GST 16x1x1", "gst", 16, 1)):
        variant = Variant(kind=VARIANTS[name].kind, frames=frames)
        (size, cost), (_, ruled) = built(variant), built(variant, "thop-2020")
        reading = "quoted from another paper; 174 classes"
        yield _row("II", row, "Params", size, f"{size / MEGA:.1f}M", reading, size / MEGA)
        reading = f"{reading}; by thop's rules {ruled / GIGA:.2f}G"
        yield _row("II", row, "FLOPs", cost, f"{cost / GIGA:.1f}G", reading, ruled / GIGA, cost / GIGA)
        yield _row("II", row, "views", views, str(views), "crops times clips", views)
    both = [Variant(kind="tsm", frames=n) for n in (8, 16)]
    cost, ruled = (sum(built(v, c)[1] for v in both) for c in ("multiply-adds", "thop-2020"))
    rounded = sum(round(built(v, "thop-2020")[1] / GIGA, 1) for v in both)
    reading = f"quoted from another paper; by thop's rules {ruled / GIGA:.2f}G, of two rounded numbers {rounded}G"
    yield _row("II", "TSM (8+16)x1x2", "FLOPs", cost, f"{cost / GIGA:.1f}G", reading, rounded, cost / GIGA)
    yield _row("II", "TSM (8+16)x1x2", "views", 2, "2", "crops times clips", 2)


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
    yield _row("section I", "pooled dimension", "size", 2, "2", "mean and maximum", 2)
    kernel, (least, most) = parameters(Context("C").conv), (parameters(aia(name)) for name in ("C", BEST))
    yield _row("section III-A", "3D convolution", "parameters", kernel, str(kernel), "3 x 3 x 3 x 2, no bias", kernel)
    reading = f"one module, C to {BEST}, batch norms among them"
    yield _row("section III-D", "unit", "parameters", most, f"{least} to {most}", reading, 10 <= least < most < 1000)
    row = functools.partial(_row, "section IV-C", "C and ST")
    reading = f"of ST; C {extra['C'][0] / MEGA:.4f}M"
    yield row("extra parameters", size, f"{size / MEGA:.3f}M", reading, size / MEGA)
    reading = f"of C; ST {cost / GIGA:.3f}G by the same rules"
    yield row("extra FLOPs", cost, f"{cost / GIGA:.3f}G", reading, extra["C"][1] / GIGA, cost / GIGA)
    for place in ("section IV-C", "section V"):
        row = functools.partial(_row, place, "C and ST")
        shown = f"{shares['ST'][0]:.4f}%", f"{shares['ST'][1]:.2f}%"
        yield row("extra parameters share", size, shown[0], few, bool(shares["ST"][0] < small))
        reading = f"of unit C; {cheap} by the same rules"
        yield row("extra FLOPs share", cost, shown[1], reading, bool(shares["C"][1] < limit), False)
    (size, cost), (_, ruled) = (built(VARIANTS[of_frames("tsn", 8)], c) for c in ("multiply-adds", "thop-2020"))
    yield _row("section IV-F", "AIA", "parameters", size, f"{size / MEGA:.2f}M", BEST, size / MEGA)
    reading = f"{BEST}, by thop's rules"
    yield _row("section IV-F", "AIA", "FLOPs", cost, f"{cost / GIGA:.2f}G", reading, ruled / GIGA, cost / GIGA)


def layers(variant: Variant) -> int:
    """Multiply-adds of the two layers of SE3D in all blocks, once a clip."""
    with torch.device("meta"):
        network = build(variant, PROFILES["paper"], classes=CLASSES)
    hosts = norms(network.backbone, "behind").values()
    return sum(parameters(host.attached.block) for host in hosts)
