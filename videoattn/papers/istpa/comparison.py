"""Rows of the results, and where they stand in the paper's tables."""

from videoattn.engine.experiment import Row
from videoattn.papers.istpa.recipe import NETWORKS, VARIANTS


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

# (row, column of the paper's table, row of the results)
COLUMN = "RGB"
TABLE_1 = (
    ("Block A", COLUMN, "place-3"),
    ("Block B", COLUMN, "place-2"),
    ("Block C", COLUMN, "scales-1"),
    ("Fully Connected", COLUMN, "place-0"),
)
TABLE_2 = (
    ("0 scales", COLUMN, "mean"),
    ("1 scale", COLUMN, "scales-1"),
    *((f"{n} scales", COLUMN, f"scales-{n}") for n in (2, 3, 4)),
)
TABLE_3 = (
    ("maximum", COLUMN, "fusion-max"),
    ("sum", COLUMN, "fusion-sum"),
    ("multiplication", COLUMN, "scales-3"),
)
TABLE_4 = (
    ("without both", COLUMN, "scales-3"),
    ("interaction-aware attention", COLUMN, "interaction"),
    ("spatial pyramid attention", COLUMN, "pyramid"),
    ("both", COLUMN, "both"),
)
TABLE_5 = (("Our method", "Accuracy", "both"), ("1x1 convolutions shared", "Accuracy", "shared"))
IMAGES = "CIFAR-100+"
TABLE_6 = (("interaction-aware pyramid attention", IMAGES, "both"), ("Inception-ResNet-V2", IMAGES, "mean"))
PRINTED = {"vgg": "VGGNet-16", "bn": "BN-Inception", "residual": "Inception-ResNet-V2"}
TABLE_9 = tuple(
    (f"{PRINTED[short]} {word} attention", COLUMN, f"{short}-{row}")
    for short in NETWORKS
    for word, row in (("without", "mean"), ("with", "both"))
)
