"""Rows of the results, and where they stand in the paper's tables."""

from videoattn.engine.experiment import Row
from videoattn.papers.rcca.recipe import VARIANTS


def crops_name(crops: int) -> str:
    """What testing with so many crops of a video is called, where it is not the profile's own: "1-crop"."""
    return f"{crops}-crop"


def rows(tested: tuple[str, ...] = ()) -> tuple[Row, ...]:
    """The rows of the results: each job as the profile tests, and as the names in `tested` say."""
    ways = ("", *(f" {name}" for name in tested))
    return tuple(Row(f"{name}{way}", ((name, f"rgb{way}", 1),)) for name in VARIANTS for way in ways)


# What the README shows: (label, row of the results).
HEADLINE = tuple(
    (f"{label}, pairs at distance {d}, read out {how}", f"{prefix}-{name} at {d}")
    for prefix, how in (("cells", "pooled"), ("place", "at the place"))
    for label, name, d in (
        ("no attention", "none", 1),
        ("R = 1", "r1", 1),
        ("R = 1", "r1", 2),
        ("R = 2", "r2", 2),
        ("R = 2", "r2", 3),
        ("R = 3", "r3", 3),
        ("non-local block", "nl", 3),
    )
)

# (row, column of the paper's table, row of the results): `tables(prefix)` for networks of cells or TSM.
COLUMN = "Top-1"


def tables(prefix: str) -> dict[str, tuple[tuple[str, str, str], ...]]:
    """Tables 1, 3 and 4 with the rows of one kind of network: "cells-" or "tsm-"; for TSM table 2 as well."""
    base = ("TSM", COLUMN, f"{prefix}none")
    found = {
        "1": (base, ("a", COLUMN, f"{prefix}r3"), *((s, COLUMN, f"{prefix}{s}") for s in "bcd")),
        "3": (base, *((f"R = {r}", COLUMN, f"{prefix}r{r}") for r in (1, 2, 3, 4))),
        "4": (
            base,
            *((f"C_d = 1/{c}", COLUMN, f"{prefix}{'r3' if c == 4 else f'cd{c}'}") for c in (2, 4, 8, 16)),
        ),
    }
    if prefix == "tsm-":
        found["2"] = (
            base,
            ("conv3_3", COLUMN, "tsm-r3"),
            ("conv4_5", COLUMN, "tsm-conv4_5"),
            ("conv5_2", COLUMN, "tsm-conv5_2"),
        )
    return found


TABLE_5 = (
    ("TSM", "UCF101", "tsm-none"),
    ("TSM+NL*1", "UCF101", "tsm-nl"),
    ("TSM+RCCA*1", "UCF101", "tsm-r3"),
    ("MF-Net", "UCF101", "mfnet-none"),
    ("MF-Net+NL*5", "UCF101", "mfnet-nl"),
    ("MF-Net+RCCA*5", "UCF101", "mfnet-rcca"),
)
