r"""What is trained and compared for recurrent criss-cross attention; the one place that shrinks anything.

Values of the profile `paper` are those of C. Cao et al., sections 4.1 to 4.4, cited beside them.
"""

from dataclasses import dataclass, replace

import torch
from torch import nn

from videoattn.backbones.cells import CellNetwork
from videoattn.backbones.hosts import facts
from videoattn.backbones.mfnet import MFNet
from videoattn.backbones.positions import conv_channels, conv_path, nearest
from videoattn.backbones.resnet import ResNetSizes
from videoattn.backbones.tsn import tsn
from videoattn.backbones.video_network import VideoNetwork
from videoattn.data.clips.settings import ClipSettings
from videoattn.data.probes.relation import RelationProbe
from videoattn.engine.experiment import Job, Row, TestSet, Weights, no_weights
from videoattn.engine.experiment import Profile as BaseProfile
from videoattn.engine.protocol import FROM_SCRATCH, IMAGENET, Cells, Protocol, Start
from videoattn.engine.recipe import Recipe
from videoattn.engine.rows import by_distance
from videoattn.layers.attach import attach
from videoattn.layers.non_local import NonLocalBlock
from videoattn.papers.rcca.attention import RCCA3D
from videoattn.reporting.printed import lines

FIVE = ("conv3_1", "conv3_3", "conv4_1", "conv4_3", "conv4_5")  # section 4.1


@dataclass(frozen=True, kw_only=True)
class Profile(BaseProfile, ResNetSizes):
    """One size of the study; its jobs are names from `VARIANTS`.

    Args:
        backbone: name of TSM's ResNet, or another host, in timm.
        mf_width, mf_stem, mf_groups: channels of MF-Net's stages and stem, and its groups.
        dropout: of TSM.
        cells: channels of the networks of cells (on the probe only).
        recipe, dense_recipe, cells_recipe: optimisation of TSM, of MF-Net, and of the networks of cells.
        uniform, dense: what TSM and MF-Net take from a video. crops: further numbers of crops with which is tested.
    """

    backbone: str
    mf_width: int
    mf_stem: int
    mf_groups: int
    dropout: float
    cells: int
    recipe: Recipe
    dense_recipe: Recipe
    cells_recipe: Recipe
    uniform: ClipSettings
    dense: ClipSettings
    crops: tuple[int, ...] = ()
    probe: RelationProbe


@dataclass(frozen=True, kw_only=True)
class Variant:
    """What a job trains.

    Args:
        kind: of network, "tsm", "mfnet" or "cells".
        block: "rcca", "nl" (non-local), "nl-pool" (non-local with max-pool) or None.
        recurrence, reduction, structure: of RCCA. positions: of the blocks in TSM and MF-Net.
        readout: of a network of cells.
    """

    kind: str
    block: str | None = None
    recurrence: int = 3
    reduction: int = 4
    structure: str = "a"
    positions: tuple[str, ...] = ("conv3_3",)
    readout: str = "pooled"


def _rows(kind: str, prefix: str) -> dict[str, Variant]:
    """The rows of tables 1, 3 and 4 for one kind of network."""
    rcca = Variant(kind=kind, block="rcca")
    return {
        f"{prefix}none": Variant(kind=kind),
        f"{prefix}nl": Variant(kind=kind, block="nl"),
        **{f"{prefix}r{r}": replace(rcca, recurrence=r) for r in (1, 2, 3, 4)},
        **{f"{prefix}{s}": replace(rcca, structure=s) for s in "bcd"},
        **{f"{prefix}cd{c}": replace(rcca, reduction=c) for c in (2, 8, 16)},
    }


VARIANTS = {
    **_rows("cells", "cells-"),
    **{
        f"place-{name}": replace(_rows("cells", "")[name], readout="place")
        for name in ("none", "nl", "r1", "r2", "r3", "r4")
    },
    **_rows("tsm", "tsm-"),
    "tsm-conv4_5": Variant(kind="tsm", block="rcca", positions=("conv4_5",)),  # table 2
    "tsm-conv5_2": Variant(kind="tsm", block="rcca", positions=("conv5_2",)),
    "tsm-nl-conv4_5": Variant(kind="tsm", block="nl", positions=("conv4_5",)),  # table 6
    "mfnet-none": Variant(kind="mfnet"),  # table 5
    "mfnet-nl": Variant(kind="mfnet", block="nl-pool", positions=FIVE),
    "mfnet-rcca": Variant(kind="mfnet", block="rcca", positions=FIVE),
    "tsm-nl-five": Variant(kind="tsm", block="nl-pool", positions=FIVE),  # as TSM's authors have it, for INIT
}
OF_OTHERS = ("tsm-nl-five",)  # in no table and no profile
CELLS = tuple(name for name, variant in VARIANTS.items() if variant.kind == "cells")
STEPS = tuple(f"{p}{name}" for p in ("cells-", "place-") for name in ("none", "nl", "r1", "r2", "r3", "r4"))
BACKBONES = tuple(name for name in VARIANTS if name not in (*CELLS, *OF_OTHERS))
CENTRAL = ("tsm-none", "tsm-nl", "tsm-r3")  # on a user's videos, in the small profiles

SMALL = Recipe(epochs=24, batch_size=64, lr=0.006, optimizer="adamw", weight_decay=0.01, schedule="linear")
SMALL_CELLS = replace(SMALL, epochs=16, lr=0.003)
PAPER = Profile(
    jobs=BACKBONES,
    seeds=1,
    backbone="resnet50",  # section 4.1
    mf_width=96,
    mf_stem=16,
    mf_groups=16,
    dropout=0.5,  # TSM
    cells=32,
    # Section 4.2: batches of 16, accumulated to 128, to be "equivalent to a larger batch". The authors divide lr by 8
    # and sum the gradients of 8 batches; they are averaged here and lr keeps its value. Taken literally weight decay,
    # which is not summed, would be an eighth of that of the larger batch.
    recipe=Recipe(epochs=100, batch_size=128, accumulation=8, lr=0.02, weight_decay=5e-4, schedule="steps 40 80"),
    dense_recipe=Recipe(
        epochs=120,
        batch_size=128,
        accumulation=8,
        lr=0.05,
        weight_decay=1e-4,
        schedule="steps 60 90 110",
    ),
    cells_recipe=SMALL_CELLS,
    # Section 4.2, but for the shorter side and the rule of the segments, which are TSM's. It has 1 and 10 crops on
    # Kinetics, and 10 by default.
    uniform=ClipSettings(frames=8, sampling="tsn", size=224, short_side=256, test_crops=10),
    dense=ClipSettings(frames=16, sampling="dense", size=224, short_side=256, test_crops=10),
    probe=RelationProbe(frames=16, rows=8, columns=8, cell=32),
)

# A clip of the probe is taken whole, as it is.
WHOLE = ClipSettings(frames=3, sampling="dense", size=30, short_side=30, scales=(1.0,), flip=0.0)
QUICK = replace(
    PAPER,
    jobs=STEPS,
    seeds=3,
    channels=(8, 16, 32, 64),
    stem_width=8,
    mf_width=16,
    mf_stem=8,
    mf_groups=4,
    dropout=0.0,
    recipe=SMALL,
    dense_recipe=SMALL,
    uniform=WHOLE,
    dense=WHOLE,
    probe=RelationProbe(train=3000, test=600, frames=3, rows=3, columns=3, cell=10, colours=3),
)
FULL = replace(
    QUICK,
    jobs=tuple(name for name in VARIANTS if name not in OF_OTHERS),
    seeds=5,
)
BRIEF = replace(SMALL, epochs=1, batch_size=8)
CHECK = replace(
    QUICK,
    jobs=(
        *("cells-none", "cells-nl", "cells-r1", "cells-r3", "cells-c", "place-none", "place-r3"),
        *("tsm-none", "tsm-r3", "mfnet-none", "mfnet-rcca"),
    ),
    seeds=1,
    recipe=BRIEF,
    dense_recipe=BRIEF,
    cells_recipe=BRIEF,
    probe=replace(QUICK.probe, train=24, test=24),
)
PROFILES = {"check": CHECK, "quick": QUICK, "full": FULL, "paper": PAPER}
# A user's own videos are larger and longer than the probe's clips.
UNIFORM = replace(PAPER.uniform, size=112, short_side=128, test_crops=1)
DENSE = replace(PAPER.dense, size=112, short_side=128, test_crops=1)
TINY = {name: replace(s, size=56, short_side=64) for name, s in (("uniform", UNIFORM), ("dense", DENSE))}
VIDEOS = {
    "check": {"jobs": CENTRAL, **TINY},
    "quick": {"jobs": CENTRAL, "uniform": UNIFORM, "dense": DENSE},
    "full": {
        "jobs": BACKBONES,
        "uniform": PAPER.uniform,
        "dense": PAPER.dense,
    },
    "paper": {},
}


def crops_name(crops: int) -> str:
    """What testing with so many crops of a video is called, where it is not the profile's own: "1-crop"."""
    return f"{crops}-crop"


def every_row(tested: tuple[str, ...] = ()) -> tuple[Row, ...]:
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


inspect = by_distance


def hosted(profile: Profile, name: str) -> Profile:
    """The profile with timm's network of that name in TSM, and the jobs that can have it."""
    stages = facts(name).stages

    def fits(variant: Variant) -> bool:
        divided = [stages[place.partition("_")[0]].channels % variant.reduction for place in variant.positions]
        return variant.kind == "tsm" and (variant.block != "rcca" or not any(divided))

    jobs = tuple(job for job in profile.jobs if fits(VARIANTS[job]))
    return replace(profile, jobs=jobs, backbone=name, **ResNetSizes().sizes)


def job(name: str, profile: Profile, start: Start) -> Job:
    """How a variant is trained and tested."""
    recipe, clips = {
        "tsm": (profile.recipe, profile.uniform),
        "mfnet": (profile.dense_recipe, profile.dense),
        "cells": (profile.cells_recipe, profile.dense),
    }[VARIANTS[name].kind]
    tests = (TestSet(name=crops_name(crops), settings=replace(clips, test_crops=crops)) for crops in profile.crops)
    return Job(
        name=name,
        recipe=recipe,
        train=clips,
        test=clips,
        extra_tests=tuple(tests),
        probe=profile.probe,
        initial=name,
    )


def rows(profile: Profile) -> tuple[Row, ...]:
    """The rows of the results."""
    return every_row(tuple(map(crops_name, profile.crops)))


def inputs(clips: dict) -> dict[str, dict[str, torch.Tensor]]:
    """Where the two marks of each clip of the probe stand, which the read-out at the place looks at."""
    return {"places": {name: torch.tensor(about["places"]) for name, about in clips.items()}}


def build(
    variant: Variant, profile: Profile, *, classes: int, start: Start = FROM_SCRATCH, weights: Weights = no_weights
) -> nn.Module:
    """The network of one variant."""
    if variant.kind == "cells":
        return CellNetwork(
            block(variant, profile.cells),
            classes=classes,
            width=profile.cells,
            cell=profile.probe.cell,
            readout=variant.readout,
        )
    if variant.kind == "mfnet":
        frames = None  # MF-Net's maps have an axis of time
        backbone = MFNet(classes=classes, width=profile.mf_width, stem=profile.mf_stem, groups=profile.mf_groups)
    else:
        frames = profile.uniform.frames
        backbone = tsn(
            profile.backbone,
            classes=classes,
            frames=frames,
            shift=True,
            dropout=profile.dropout,
            pretrained=start.pretrained,
            **profile.sizes,
        )
    if variant.block:
        there = dict.fromkeys(nearest(backbone, p) for p in variant.positions)  # of another host
        blocks = {conv_path(backbone, p): block(variant, conv_channels(backbone, p)) for p in there}
        attach(backbone, blocks, frames=frames)
    return VideoNetwork(backbone)


def block(variant: Variant, channels: int) -> nn.Module:
    """The module that a variant puts behind maps of so many channels; the identity where it puts none."""
    if variant.block is None:
        return nn.Identity()
    if variant.block == "rcca":
        return RCCA3D(
            channels=channels,
            reduction=variant.reduction,
            recurrence=variant.recurrence,
            structure=variant.structure,
            recompute=variant.kind != "cells",  # their maps are small
        )
    return NonLocalBlock(channels=channels, dims=3, pool=variant.block == "nl-pool")


# The protocols of recurrent criss-cross attention on real data sets: C. Cao et al., sections 4.1 to 4.6.
#
# All of section 4.2 holds on each of them (the profile `paper`). MF-Net's rows of table 5 stand nowhere beside the
# paper's: no file of its ImageNet weights is read here, so that it starts at random. How many clips of a video test it
# is not printed; here it is one, in the middle, where MF-Net's own code adds up clips drawn at random. Rows that the
# paper cites are left out; TSM and TSM + NL of table 9 are the means of three splits of what section 4.2 calls "our own
# implementation". How many epochs fine-tuning takes is not printed; it is as long as any training here.
NAMES = {"ucf101": "UCF101", "hmdb51": "HMDB51"}
COMPARED = tuple(line.ours for line in lines("rcca", "5", columns=("UCF101",)))
PRE_TRAINED = tuple(line.ours for line in lines("rcca", "6", columns=("Mini-Kinetics",)))  # section 4.5
KINETICS = ("tsm-none", "tsm-r3")  # tables 7 and 8
SPLITS = {"S1": (1,), "S2": (2,), "S3": (3,), "Avg": (1, 2, 3)}


def _table_8(data_set: str, start: str) -> tuple[Cells, ...]:
    """The columns of a data set: its splits and their mean."""
    row = f"TSM + RCCA-3D {start}"
    return tuple(
        Cells(table="8", columns=(f"{data_set} {name}",), rows=(row,), splits=splits) for name, splits in SPLITS.items()
    )


def _small(data_set: str) -> tuple[Protocol, ...]:
    """UCF101 or HMDB51: from ImageNet weights, or fine-tuned from a run on Kinetics."""
    name = NAMES[data_set]
    ablated = data_set == "ucf101"  # section 4.1: on its first split
    return (
        Protocol(
            data_set=data_set,
            start=IMAGENET,
            where=f"sections 4.2 to {'4.4, tables 1 to 5' if ablated else '4.6, tables 5'}, 8 and 9",
            changes={} if ablated else {"jobs": COMPARED},
            cells=(
                *(Cells(table=table) for table in ("1", "2", "3", "4") if ablated),
                Cells(table="5", columns=(name,), rows=("TSM", "TSM+NL*1", "TSM+RCCA*1")),
                *_table_8(name, "ImageNet"),
                Cells(table="9", columns=(name,), rows=("TSM", "TSM + NL", "TSM + RCCA-3D"), splits=(1, 2, 3)),
            ),
        ),
        Protocol(
            data_set=data_set,
            start="mini_kinetics",
            where="section 4.5, table 6",
            changes={"jobs": PRE_TRAINED},
            cells=(Cells(table="6", columns=(name,)),),
        ),
        Protocol(
            data_set=data_set,
            start="kinetics400",
            where="section 4.5, tables 8 and 9",
            changes={"jobs": KINETICS},
            cells=(
                *_table_8(name, "Kinetics-400"),
                Cells(table="9", columns=(name,), rows=("TSM + RCCA-3D*",)),
            ),
        ),
    )


PROTOCOLS = (
    *_small("ucf101"),
    *_small("hmdb51"),
    Protocol(
        data_set="mini_kinetics",
        start=IMAGENET,
        where="section 4.5, table 6",
        changes={"jobs": PRE_TRAINED},
        cells=(Cells(table="6", columns=("Mini-Kinetics",)),),
    ),
    Protocol(
        data_set="kinetics400",
        start=IMAGENET,
        where="section 4.5, table 7",
        changes={
            "jobs": KINETICS,
            # "The maximum batch size of our experiments is 32"; accumulated to 128, as section 4.2 has it for all.
            "recipe": replace(PAPER.recipe, accumulation=4),
            "crops": (1,),  # tested with 1 crop besides 10
        },
        cells=(Cells(table="7"), Cells(table="9", columns=("Kinetics",))),
    ),
)
