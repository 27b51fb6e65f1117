"""Rows of the results."""

from videoattn.engine.experiment import Row
from videoattn.papers.banet.recipe import VARIANTS


def shares_name(irrelevant: float, redundant: float) -> str:
    """What a test set with such frames is called: "25% irrelevant", or "25% irrelevant, 50% redundant"."""
    return f"{100 * irrelevant:g}% irrelevant" + (f", {100 * redundant:g}% redundant" if redundant else "")


def rows(shares: tuple[tuple[float, float], ...]) -> tuple[Row, ...]:
    """The rows of the results: each job on the test clips, and on those with other shares of frames of each kind."""
    found = []
    for name in VARIANTS:
        found += [Row(name, ((name, "rgb", 1),))]
        for test in (shares_name(*both) for both in shares):
            found.append(Row(f"{name} {test}", ((name, f"rgb {test}", 1),)))
    return tuple(found)


# What the README shows: (label, row of the results).
HEADLINE = (
    ("ECO-Lite, all 8 frames", "lite-all"),
    ("ECO-Lite, 4 uniform frames", "lite-uniform"),
    ("ECO-Lite, 4 frames with the largest differences", "lite-largest"),
    ("ECO-Lite, 4 frames by frame attention", "lite-learned"),
    ("ECO-Lite, 4 frames by frame attention, untrained", "lite-learned-none"),
    ("ECO-Lite, all 8 frames, non-local block", "lite-nl"),
    ("ECO-Lite, all 8 frames, cascaded self-attention", "lite-cs"),
    ("BANet-Lite: both", "lite-both"),
)
