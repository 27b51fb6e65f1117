"""Rows of the results, and where they stand in the paper's tables."""

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

# (row, column of the paper's table, row of the results)
COLUMN = "Top-1"
LENGTHS = {4: "lite-both-4f", 8: "lite-both-8f", 16: "lite-both", 20: "lite-both-20f"}
TABLE_2 = (
    ("ECO-Lite(16F)", "UCF101", "lite-all"),
    ("ECO(16F)", "UCF101", "eco-all"),
    *((f"BANet-Lite({n}F)", "UCF101", name) for n, name in LENGTHS.items()),
    ("BANet(8F)", "UCF101", "eco-both-8f"),
    ("BANet(16F)", "UCF101", "eco-both"),
)
TABLE_5 = (
    ("ECO", COLUMN, "eco-all"),
    ("BANet(HW-TW-TH)", COLUMN, "eco-cs"),
    ("BANet(TW-HW-TH)", COLUMN, "eco-cs-tw-hw-th"),
    ("BANet(TH-TW-HW)", COLUMN, "eco-cs-th-tw-hw"),
)
TABLE_6 = (
    ("ECO(baseline)", COLUMN, "eco-all"),
    ("ECO(with 1 NL)", COLUMN, "eco-nl"),
    ("ECO(with 1 CS)", COLUMN, "eco-cs"),
)
TABLE_7 = tuple(
    row
    for backbone, prefix in (("-Lite", "lite"), ("", "eco"))
    for row in (
        (f"ECO{backbone}", COLUMN, f"{prefix}-all"),
        (f"BANet{backbone}(frame attention only)", COLUMN, f"{prefix}-learned"),
        (f"BANet{backbone}(cascaded self-attention only)", COLUMN, f"{prefix}-cs"),
        (f"BANet{backbone}(both)", COLUMN, f"{prefix}-both"),
    )
)
