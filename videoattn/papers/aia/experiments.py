r"""What is trained and compared for attention in attention; the one place that shrinks anything.

Values of the profile `paper` are those of Y. Hao et al., section IV-B, cited beside them; weight decay, the bound on
the gradient, dropout and flips, which the paper does not print, are those of its authors' code, and the spread of the
last layer at the start is TSM's.
"""

from dataclasses import dataclass, replace

import torch
from torch import nn

from videoattn.backbones.inflated import ClipNetwork
from videoattn.backbones.resnet import ResNetSizes, resnet
from videoattn.backbones.tsn import tsn
from videoattn.backbones.video_network import VideoNetwork
from videoattn.data.clips.augment import CENTRE, SCALES
from videoattn.data.clips.settings import ClipSettings
from videoattn.data.probes.order import OrderProbe
from videoattn.engine.experiment import Job, Row, TestSet, Weights, no_weights
from videoattn.engine.experiment import Profile as BaseProfile
from videoattn.engine.protocol import FROM_SCRATCH, IMAGENET, Cells, Protocol, Start
from videoattn.engine.recipe import Recipe
from videoattn.papers.aia import inspection
from videoattn.papers.aia.attention import NAMES
from videoattn.papers.aia.network import RIVALS, gated

CROPS = {"centre": CENTRE, "multi-scale": SCALES}  # in training: section IV-B, and the authors' code


@dataclass(frozen=True, kw_only=True)
class Profile(BaseProfile, ResNetSizes):
    """One size of the study; its jobs are names from `VARIANTS`.

    Args:
        backbone: name of the ResNet, or of another host of TSN and TSM, in timm.
        zero_init: whether residual branches start at zero, as those of timm's ResNets do.
        dropout: before the last layer. last: standard deviation of its weights at the start.
        recipe: optimisation.
        clips: what is taken from a video, in training at the scales of one of `CROPS`; a variant says how many frames.
        views: other ones of testing, of table II: crops and clips of a video.
    """

    backbone: str
    zero_init: bool
    dropout: float
    last: float
    recipe: Recipe
    clips: ClipSettings
    views: tuple[tuple[int, int], ...]
    probe: OrderProbe


@dataclass(frozen=True, kw_only=True)
class Variant:
    """What a job trains.

    Args:
        kind: of network, "tsn", "tsm", "c3d" or "gst".
        gate: in every residual block of TSN or TSM, a name of table I; None for no gate.
        kernel: of the convolutions of the paper's own modules.
        frames: of a clip.
    """

    kind: str
    gate: str | None = None
    kernel: tuple[int, int, int] = (3, 3, 3)
    frames: int = 8


def views_name(crops: int, clips: int) -> str:
    """The name of the views of testing, as in table II behind the number of frames: "3x2"."""
    return f"{crops}x{clips}"


def plain(gate: str) -> str:
    """A gate's name as part of a file's name: "CinST->STinC" becomes "CinST_STinC"."""
    return gate.replace("->", "_")


SPATIAL, TEMPORAL = (1, 3, 3), (3, 1, 1)
KERNELS = {"133": SPATIAL, "311": TEMPORAL}  # the ablation that the paper lacks
ABLATED = ("C", "ST", "CinST")
BEST = "CinST->STinC"  # section IV-C: "the ultimate AIA version"
VARIANTS = {
    "tsn-none": Variant(kind="tsn"),
    **{f"tsn-{plain(gate)}": Variant(kind="tsn", gate=gate) for gate in (*RIVALS, *NAMES)},
    **{
        f"tsn-{plain(gate)}-{label}": Variant(kind="tsn", gate=gate, kernel=kernel)
        for gate in ABLATED
        for label, kernel in KERNELS.items()
    },
    "tsm-none": Variant(kind="tsm"),
    **{f"tsm-{plain(gate)}": Variant(kind="tsm", gate=gate) for gate in NAMES},
    "c3d": Variant(kind="c3d"),
    "gst": Variant(kind="gst"),
    **{
        f"{kind}-{plain(BEST)}-{frames}f": Variant(kind=kind, gate=BEST, frames=frames)
        for kind in ("tsn", "tsm")
        for frames in (12, 16)
    },
}
LONGER = tuple(name for name, variant in VARIANTS.items() if variant.frames > 8)
EIGHT = tuple(name for name in VARIANTS if name not in LONGER)  # what a clip of eight frames is enough for
CENTRAL = ("tsn-none", "tsn-CinST_STinC", "tsm-none", "tsm-CinST_STinC")  # on a user's videos, in the small profiles

PAPER = Profile(
    jobs=tuple(VARIANTS),
    seeds=1,
    backbone="resnet50",  # section IV-B
    zero_init=True,
    dropout=0.5,
    last=0.001,
    # Section IV-B: 8 videos on each of 4 GPUs.
    recipe=Recipe(epochs=50, batch_size=32, lr=0.01, weight_decay=1e-4, schedule="steps 20 40", clip_norm=20.0),
    # Elsewhere "240 x 320"; frames as its authors' code takes them, which is that of TSM.
    clips=ClipSettings(frames=8, sampling="tsn", size=224, short_side=256, scales=CROPS["centre"]),
    views=((1, 2), (3, 2)),
    probe=OrderProbe(size=224, object_size=64.0, travel=80.0),
)

# Levels of the profile cpu, by what the networks reach. In section IV-D C and ST fail on short and on small motions.
EASY = ("direction", "short")
HARD = ("small",)
# A clip of the probe is taken whole, as it is.
WHOLE = ClipSettings(frames=8, sampling="dense", size=28, short_side=28, scales=CENTRE, flip=0.0)
QUICK = replace(
    PAPER,
    jobs=("tsn-none", "tsn-C", "tsn-ST", "tsn-CinST"),
    seeds=3,
    backbone="resnet18",
    channels=(16, 16, 32, 32),
    stem_width=4,
    layers=(1, 1, 1, 1),
    zero_init=False,  # the modules stand in the branches
    dropout=0.0,
    last=0.2,  # with 0.001 a training found a level at once or never: the two classes of a level start as one
    recipe=Recipe(epochs=5, batch_size=4, lr=0.002, optimizer="adamw", weight_decay=0.01, schedule="steps 4"),
    clips=WHOLE,
    views=(),
    probe=OrderProbe(
        train=1500,
        test=600,
        levels=("direction", "small", "short"),
        size=28,
        object_size=8.0,
        travel=18.0,
        small=0.5,
    ),
)
FULL = replace(
    QUICK,
    jobs=EIGHT,
    seeds=5,
)
CHECK = replace(
    QUICK,
    jobs=("tsn-none", "tsn-SE3D", "tsn-C", "tsn-CinST_STinC", "tsn-C-311", "tsm-none", "tsm-ST", "c3d", "gst"),
    seeds=1,
    recipe=replace(QUICK.recipe, epochs=1, schedule="linear"),
    probe=replace(QUICK.probe, train=24, test=24),
)
PROFILES = {"check": CHECK, "quick": QUICK, "full": FULL, "paper": PAPER}
# A user's own videos are larger and longer than the probe's clips.
VIDEO_CLIPS = replace(PAPER.clips, size=112, short_side=128)
VIDEOS = {
    "check": {"jobs": CENTRAL, "clips": replace(VIDEO_CLIPS, size=56, short_side=64)},
    "quick": {"jobs": CENTRAL, "clips": VIDEO_CLIPS},
    "full": {
        "jobs": EIGHT,
        "clips": PAPER.clips,
        "views": PAPER.views,
    },
    "paper": {},
}


# Table II: networks over 8, 12 and 16 frames, and the last rows: their scores, added.
KINDS = ("tsn", "tsm")
FRAMES = (8, 12, 16)
VIEWS = tuple(views_name(*of) for of in PAPER.views)  # of testing
ENSEMBLES = {"8+16": (8, 16), "8+12+16": (8, 12, 16)}


def of_frames(kind: str, frames: int) -> str:
    """The job of the paper's best module over so many frames."""
    return f"{kind}-{plain(BEST)}" + ("" if frames == 8 else f"-{frames}f")


def every_row(tested: tuple[str, ...]) -> tuple[Row, ...]:
    """The rows of the results.

    Args:
        tested: other views of testing, such as "3x2", for the paper's best module and its ensembles.
    """
    found = [Row(name, ((name, "rgb", 1),)) for name in VARIANTS]
    for kind in KINDS:
        for way in ("", *(f" {name}" for name in tested)):
            if way:
                found += [Row(f"{job}{way}", ((job, f"rgb{way}", 1),)) for job in (of_frames(kind, n) for n in FRAMES)]
            for label, lengths in ENSEMBLES.items():
                parts = tuple((of_frames(kind, n), f"rgb{way}", 1) for n in lengths)
                found.append(Row(f"{kind}-{plain(BEST)} {label}{way}", parts))
    return tuple(found)


ALL = every_row(VIEWS)


def jobs(row: str) -> tuple[str, ...]:
    """The jobs whose scores make a row of the results."""
    return next(tuple(name for name, _, _ in found.parts) for found in ALL if found.name == row)


# What the README shows: (label, row of the results).
HEADLINE = tuple(
    (f"{label}, {level}", f"{name} {level}")
    for level in (*EASY, *HARD)
    for label, name in (
        ("TSN", "tsn-none"),
        ("TSN + C", "tsn-C"),
        ("TSN + ST", "tsn-ST"),
        ("TSN + CinST", "tsn-CinST"),
    )
)


inspect = inspection.by_level


def hosted(profile: Profile, name: str) -> Profile:
    """The profile with timm's network of that name in TSN and TSM, and the jobs that have one."""
    jobs = tuple(job for job in profile.jobs if VARIANTS[job].kind in KINDS)
    return replace(profile, jobs=jobs, backbone=name, **ResNetSizes().sizes)


def job(name: str, profile: Profile, start: Start) -> Job:
    """How a variant is trained and tested."""
    clips = replace(profile.clips, frames=VARIANTS[name].frames)
    tests = (
        TestSet(name=views_name(crops, count), settings=replace(clips, test_crops=crops, test_clips=count))
        for crops, count in profile.views
    )
    return Job(
        name=name,
        recipe=profile.recipe,
        train=clips,
        test=clips,
        extra_tests=tuple(tests),
        probe=profile.probe,
        initial=name,
    )


def rows(profile: Profile) -> tuple[Row, ...]:
    """The rows of the results."""
    return every_row(tuple(views_name(*of) for of in profile.views))


def build(
    variant: Variant, profile: Profile, *, classes: int, start: Start = FROM_SCRATCH, weights: Weights = no_weights
) -> nn.Module:
    """The network of one variant."""
    options = {
        "dropout": profile.dropout,
        "pretrained": start.pretrained,
        **profile.sizes,
        "zero_init": profile.zero_init,
    }
    if variant.kind in ("c3d", "gst"):
        backbone = ClipNetwork(resnet(profile.backbone, classes=classes, **options), kind=variant.kind)
    else:
        shift = variant.kind == "tsm"
        backbone = tsn(profile.backbone, classes=classes, frames=variant.frames, shift=shift, **options)
        if variant.gate:
            gated(backbone, variant.gate, kernel=variant.kernel)
        for module in backbone.modules():
            if isinstance(module, nn.Conv2d):  # small maps take a quarter less time in this layout
                module.to(memory_format=torch.channels_last)
    nn.init.normal_(backbone.fc.weight, std=profile.last)
    return VideoNetwork(backbone)


# The protocols of attention in attention on real data sets: Y. Hao et al., section IV.
#
# Training is that of section IV-B on all of them (the profile `paper`). Rows that the paper cites are left out.
COMPARED = ("tsn-none", "c3d", "gst", "tsm-none", of_frames("tsn", 8), of_frames("tsm", 8))  # tables III to V
# Section IV-B: "resized with 240 x 320 for SSV1/V2 and with the short-size as 256 for others".
STRETCHED = replace(PAPER.clips, short_side=240, aspect=4 / 3)

PROTOCOLS = (
    Protocol(
        data_set="something_v1",
        start=IMAGENET,
        where="sections IV-B, IV-C and IV-F, tables I and II",
        changes={"clips": STRETCHED},
        cells=(Cells(table="I"), Cells(table="II", columns=("V1 Top-1", "V1 Top-5"))),
    ),
    Protocol(
        data_set="something_v2",
        start=IMAGENET,
        where="section IV-F, table II",
        changes={
            "clips": STRETCHED,
            "jobs": ("tsn-none", *(of_frames(k, n) for k in ("tsn", "tsm") for n in (8, 12, 16))),
        },
        cells=(Cells(table="II", columns=("V2 Top-1", "V2 Top-5")),),
    ),
    Protocol(
        data_set="diving48",
        start=IMAGENET,
        where="section IV-F, table III",
        changes={"jobs": COMPARED, "views": ()},
        cells=(Cells(table="III"),),
    ),
    Protocol(
        data_set="egtea",
        start=IMAGENET,
        where="section IV-F, table IV",
        changes={"jobs": COMPARED, "views": ()},
        cells=tuple(Cells(table="IV", columns=(f"Split{split}",), splits=(split,)) for split in (1, 2, 3)),
    ),
    Protocol(
        data_set="epic55",
        start=IMAGENET,
        where="section IV-F, table V",
        changes={"jobs": COMPARED, "views": ()},
        departs="the split of table V is the authors' own and not public; here P01 to P25 train, P26 to P31 test",
    ),
)
