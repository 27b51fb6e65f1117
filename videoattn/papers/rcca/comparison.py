"""Rows of the results."""

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
