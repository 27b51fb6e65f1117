"""Rows of the results."""

from videoattn.engine.experiment import Row
from videoattn.papers.istpa.recipe import VARIANTS


def frames_name(frames: int) -> str:
    """What a test set with so many frames of each video is called: "K=10"."""
    return f"K={frames}"


def rows(tested: tuple[str, ...]) -> tuple[Row, ...]:
    """The rows of the results: each job on the test clips, and on those with other numbers of frames."""
    found = []
    for name in VARIANTS:
        found.append(Row(name, ((name, "rgb", 1),)))
        found += [Row(f"{name} {test}", ((name, f"rgb {test}", 1),)) for test in tested]
    return tuple(found)


# What the README shows: (label, row of the results).
HEADLINE = (
    ("mean over the scores of the frames", "mean"),
    ("mean over the top maps of the frames", "mean-maps"),
    ("pyramid attention, 1 scale", "scales-1"),
    ("pyramid attention, 3 scales", "scales-3"),
    ("3 scales, columns that sum to 1", "l1"),
    ("3 scales, interaction-aware loss", "interaction"),
    ("3 scales, pyramid attention loss", "pyramid"),
    ("3 scales, both losses", "both"),
)
