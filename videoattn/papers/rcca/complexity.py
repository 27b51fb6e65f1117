"""What networks and modules cost: as built, counted, and as the paper's tables add it up.

The tables mix units. Their baselines are quoted from other papers. To them is added, for RCCA-3D, 2 a multiply-add with
exactly T + H + W - 2 keys a query; for the non-local block in TSM 1 a multiply-add, without its max-pool; for the one
in MF-Net 2 a multiply-add, with it. `built` counts 1 a multiply-add throughout.
"""

import functools
from decimal import Decimal
from math import prod

import pandas as pd
import torch

from videoattn.papers.rcca.closed_forms import (
    Shape,
    needed_keys,
    non_local_multiply_adds,
    non_local_parameters,
    rcca_multiply_adds,
    rcca_parameters,
)
from videoattn.papers.rcca.experiments import PROFILES, Variant, build
from videoattn.reporting.audit import GIGA, MEGA
from videoattn.reporting.cost import count, parameters
from videoattn.reporting.printed import printed_value

CLASSES = 400  # Kinetics
PLACE: Shape = (512, 8, 28, 28)  # C, T, H, W at conv3_3 of TSM
SIDES = {"conv2": 56, "conv3": 28, "conv4": 14, "conv5": 7}
WIDTHS = {"tsm": (256, 512, 1024, 2048), "mfnet": (96, 192, 384, 768)}
FRAMES = {"tsm": 8, "mfnet": 16}
QUOTED = {"tsm": "TSM", "mfnet": "MF-Net"}  # rows of table 5


@functools.cache
def built(variant: Variant, convention: str = "multiply-adds") -> tuple[int, int]:
    """(parameters, cost of one clip at 224 x 224) of a network with 400 classes."""
    with torch.device("meta"):
        network = build(variant, PROFILES["paper"], classes=CLASSES)
        clip = {"rgb": torch.empty(1, 3, FRAMES[variant.kind], 224, 224)}
    return parameters(network), count(network, clip, convention=convention)


def bare(variant: Variant) -> Variant:
    """The network without modules."""
    return Variant(kind=variant.kind)


def shapes(variant: Variant) -> list[Shape]:
    """C, T, H, W of the maps that the modules of a network work on: eight frames at all places of both networks."""
    stages = [place.partition("_")[0] for place in variant.positions if variant.block]
    widths = dict(zip(SIDES, WIDTHS[variant.kind], strict=True))
    return [(widths[stage], 8, SIDES[stage], SIDES[stage]) for stage in stages]


def added_parameters(variant: Variant) -> int:
    """Parameters of the modules, by their closed forms."""
    if variant.block == "rcca":
        restore = variant.structure == "c"
        return sum(rcca_parameters(s[0], reduction=variant.reduction, restore=restore) for s in shapes(variant))
    return sum(non_local_parameters(s[0]) for s in shapes(variant))


def added_multiply_adds(variant: Variant, *, needed: bool = False) -> int:
    """Multiply-adds of the modules, by their closed forms.

    Args:
        needed: T + H + W - 2 keys a query, instead of the T + H + W that are computed.
    """
    if variant.block == "rcca":
        return sum(
            rcca_multiply_adds(
                s,
                reduction=variant.reduction,
                steps=variant.recurrence,
                keys=needed_keys(s) if needed else None,
                restore=variant.structure == "c",
            )
            for s in shapes(variant)
        )
    return sum(non_local_multiply_adds(s, pool=variant.block == "nl-pool") for s in shapes(variant))


def per_multiply_add(variant: Variant) -> int:
    """What the paper's tables count for a multiply-add of the modules."""
    return 1 if variant.block == "nl" else 2


def quoted(variant: Variant) -> tuple[Decimal, Decimal]:
    """(FLOPs in G, parameters in M) of the network without modules, as table 5 has them."""
    return tuple(Decimal(printed_value("rcca", "5", QUOTED[variant.kind], c)) for c in ("FLOPs", "Param"))


def added_as_printed(variant: Variant) -> Decimal:
    """FLOPs in G that the paper's tables add for the modules."""
    return per_multiply_add(variant) * added_multiply_adds(variant, needed=True) / GIGA


def structure_c() -> dict[str, tuple[Decimal, Decimal]]:
    """(FLOPs in G, parameters in M) of TSM with readings of structure c at conv3_3, added up as the tables do."""
    c, flops, size = PLACE[0], *quoted(Variant(kind="tsm"))
    half, quarter = c // 2, c // 4
    readings = {  # widths of queries and of values, convolutions
        "as described, all at C / 4 and back to C": (quarter, quarter, [(c, quarter)] * 3 + [(quarter, c)]),
        "all at C / 2 and back": (half, half, [(c, half)] * 3 + [(half, c)]),
        "q, k at C / 4, v at C / 2 and back": (quarter, half, [(c, quarter)] * 2 + [(c, half), (half, c)]),
        "all at C / 2 and back, one of the four convolutions left out": (half, half, [(c, half)] * 2 + [(half, c)]),
    }
    found = {}
    for name, (q, v, convolutions) in readings.items():
        cost = 3 * prod(PLACE[1:]) * (sum(a * b for a, b in convolutions) + needed_keys(PLACE) * (q + v))
        found[name] = flops + 2 * cost / GIGA, size + (sum(a * b + b for a, b in convolutions) + 1) / MEGA
    return found


def saved() -> dict[str, float]:
    """Shares that RCCA-3D, R = 3, saves against a non-local block at conv3_3 of TSM.

    In one unit both are as built; "between units" is what the tables add for the one and the other.
    """
    rcca = rcca_multiply_adds(PLACE)
    return {
        "parameters": 1 - rcca_parameters(PLACE[0]) / non_local_parameters(PLACE[0]),
        "no max-pool": 1 - rcca / non_local_multiply_adds(PLACE, pool=False),
        "max-pool": 1 - rcca / non_local_multiply_adds(PLACE, pool=True),
        "between units": 1
        - 2 * rcca_multiply_adds(PLACE, keys=needed_keys(PLACE)) / non_local_multiply_adds(PLACE, pool=False),
    }


def saving_table() -> pd.DataFrame:
    """What the modules cost at conv3_3 of TSM, and what RCCA-3D as built saves against each, in one unit."""
    block, module = non_local_parameters(PLACE[0]), rcca_parameters(PLACE[0])
    whole, pooled = (non_local_multiply_adds(PLACE, pool=pool) for pool in (False, True))
    needed, share = rcca_multiply_adds(PLACE, keys=needed_keys(PLACE)), saved()
    table = [
        ("non-local", block, whole, f"{whole / GIGA:.1f}G", f"{share['no max-pool']:.1%}"),
        ("non-local, max-pool", block, pooled, "", f"{share['max-pool']:.1%}"),
        ("RCCA-3D, R = 3, as built: T + H + W products", module, rcca_multiply_adds(PLACE), "", ""),
        ("RCCA-3D, R = 3, T + H + W - 2 products", module, needed, f"{2 * needed / GIGA:.1f}G", ""),
    ]
    return pd.DataFrame(
        {
            "module": [row[0] for row in table],
            "parameters": [f"{row[1]:,}" for row in table],
            "multiply-adds": [f"{row[2]:,}" for row in table],
            "at 2 a multiply-add": [f"{2 * row[2]:,}" for row in table],
            "FLOPs that the paper adds": [row[3] for row in table],
            "saved by RCCA-3D": [row[4] for row in table],
        }
    )
