r"""What is trained and compared for recurrent criss-cross attention; the one place that shrinks anything.

Values of the profile `paper` are those of C. Cao et al., sections 4.1 to 4.4, cited beside them.
"""

from dataclasses import dataclass, replace

from videoattn.data.clips.settings import ClipSettings
from videoattn.data.probes.relation import RelationProbe
from videoattn.engine.experiment import Profile as BaseProfile
from videoattn.engine.recipe import Recipe

FIVE = ("conv3_1", "conv3_3", "conv4_1", "conv4_3", "conv4_5")  # section 4.1


@dataclass(frozen=True, kw_only=True)
class Profile(BaseProfile):
    """One size of the study; its jobs are names from `VARIANTS`.

    Args:
        backbone, channels, stem_width, layers: TSM's ResNet and, for small ones, widths and blocks of its stages.
        mf_width, mf_stem, mf_groups: channels of MF-Net's stages and stem, and its groups.
        dropout: of TSM.
        cells: channels of the networks of cells (on the probe only).
        recipe, dense_recipe, cells_recipe: optimisation of TSM, of MF-Net, and of the networks of cells.
        uniform, dense: what TSM and MF-Net take from a video. crops: further numbers of crops with which is tested.
    """

    backbone: str
    channels: tuple[int, ...] | None
    stem_width: int | None
    layers: tuple[int, ...] | None
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
}
CELLS = tuple(name for name, variant in VARIANTS.items() if variant.kind == "cells")
STEPS = tuple(f"{p}{name}" for p in ("cells-", "place-") for name in ("none", "nl", "r1", "r2", "r3", "r4"))
BACKBONES = tuple(name for name in VARIANTS if name not in CELLS)
CENTRAL = ("tsm-none", "tsm-nl", "tsm-r3")  # on a user's videos, in the small profiles

SMALL = Recipe(epochs=24, batch_size=64, lr=0.006, optimizer="adamw", weight_decay=0.01, schedule="linear")
SMALL_CELLS = replace(SMALL, epochs=16, lr=0.003)
PAPER = Profile(
    jobs=BACKBONES,
    seeds=1,
    backbone="resnet50",  # section 4.1
    channels=None,
    stem_width=None,
    layers=None,
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
    # Section 4.2, but for the shorter side, which is TSM's. It has 1 and 10 crops on Kinetics, and 10 by default.
    uniform=ClipSettings(frames=8, size=224, short_side=256, test_crops=10),
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
    jobs=tuple(VARIANTS),
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
