"""Rows of the results, and where they stand in the paper's tables."""

from videoattn.engine.jobs import Row
from videoattn.papers.istpa.comparison import PRINTED
from videoattn.papers.istpa.streams.recipe import ABLATION, IDT, JOINT, STREAMS, VARIANTS, WITHOUT, Profile

HELD = "held_out"  # what the held-out videos are called
# Late fusions of the streams with the profile's attention; their weights are searched on the held-out videos.
FUSIONS = (
    ("rgb", "flow"),
    ("rgb", "warped"),
    ("flow", "warped"),
    ("rgb", "flow", "warped"),
    ("reinforced", "flow", "warped"),
    ("rgb", "flow", IDT),
    ("rgb", "flow", "warped", IDT),
    ("reinforced", "flow", "warped", IDT),
)


def score(job: str) -> str:
    """What the scores of a job are called."""
    variant = VARIANTS[job]
    return variant.stream or (IDT if variant.kind == IDT else "fused")


def pair(attention: str) -> str:
    """The row of late fusion of RGB and flow with an attention by name."""
    return f"rgb-{attention}+flow-{attention}"


def rows(profile: Profile) -> tuple[Row, ...]:
    """The rows of the results of a profile's jobs; "rgb" has the profile's attention, "rgb-mean" the one it names."""
    own = {name: f"{name}-{profile.attention}" for name in (*STREAMS, *JOINT)} | {IDT: IDT}
    found = [Row(name, ((job, score(job), 1),)) for name, job in own.items()]
    found += [_late("+".join(names), [own[name] for name in names]) for names in FUSIONS]
    singles = [job for job in profile.jobs if VARIANTS[job].kind == "single"]
    found += [Row(job, ((job, score(job), 1),)) for job in singles]
    merges = dict.fromkeys(VARIANTS[job].attention for job in singles)
    found += [_late(pair(merge), [f"rgb-{merge}", f"flow-{merge}"]) for merge in merges]
    return tuple(row for row in found if {job for job, _, _ in row.parts} <= set(profile.jobs))


def _late(name: str, parts: list[str]) -> Row:
    return Row(name, tuple((job, score(job), 1) for job in parts), searched=HELD)


# What the README shows: (label, row of the results).
HEADLINE = (
    ("RGB", "rgb"),
    ("flow", "flow"),
    ("flow without the camera's motion", "warped"),
    ("RGB reinforced by motion", "reinforced"),
    ("RGB and flow, attention-layer fusion", "fused"),
    ("improved dense trajectories", IDT),
    ("RGB + flow, late fusion", "rgb+flow"),
    ("RGB + flow + warped flow", "rgb+flow+warped"),
    ("reinforced RGB + flow + warped flow", "reinforced+flow+warped"),
    ("RGB + flow + trajectories", "rgb+flow+idt"),
)

# (row, column of the paper's table, row of the results)
LATE = "Late fusion"
COLUMNS = ("without both", "interaction-aware attention", "spatial pyramid attention", "both")
TABLE_4 = tuple((name, LATE, pair(merge)) for name, merge in zip(COLUMNS, ABLATION, strict=True))
# None is the profile's own attention.
MERGES = {"residual": (WITHOUT, None), "vgg": ("vgg-mean", "vgg-both"), "bn": ("bn-mean", "bn-both")}
TABLE_9 = tuple(
    (f"{PRINTED[short]} {word} attention", column, row)
    for short, merges in MERGES.items()
    for word, merge in zip(("without", "with"), merges, strict=True)
    for column, row in (
        ("RGB", f"rgb-{merge}" if merge else "rgb"),
        ("Flow", f"flow-{merge}" if merge else "flow"),
        (LATE, pair(merge) if merge else "rgb+flow"),
    )
)
THREE, REINFORCED = "RGB + flow + compensated flow", "reinforced RGB + flow + compensated flow"
TABLE_11 = (
    ("Attention fusion", "Accuracy", "fused"),
    ("Late fusion", "Accuracy", "rgb+flow"),
    (THREE, "Accuracy", "rgb+flow+warped"),
    (REINFORCED, "Accuracy", "reinforced+flow+warped"),
)
TABLE_12 = tuple(
    (name, data_set, row)
    for data_set in ("UCF101", "HMDB51")
    for name, row in (
        ("BN-Inception 25 frames", pair("bn-both")),
        ("Inception-ResNet-V2 25 frames", "rgb+flow"),
        (THREE, "rgb+flow+warped"),
        (REINFORCED, "reinforced+flow+warped"),
    )
)
TABLE_13 = tuple(
    (name, data_set, row)
    for data_set in ("UCF101", "HMDB51")
    for name, row in (("iDT+FV", IDT), ("Inception-ResNet-V2+iDT 25 frames", "rgb+flow+idt"))
)
