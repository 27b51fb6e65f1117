"""Rows of the results."""

from videoattn.engine.experiment import Row
from videoattn.papers.istpa.streams.recipe import IDT, JOINT, STREAMS, VARIANTS, Profile

HELD = "held"  # what the held-out videos are called
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
