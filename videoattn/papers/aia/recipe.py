r"""What is trained and compared for attention in attention; the one place that shrinks anything.

Values of the profile `paper` are those of Y. Hao et al., section IV-B, cited beside them; weight decay, the bound on
the gradient, dropout and flips, which the paper does not print, are those of its authors' code, and the spread of the
last layer at the start is TSM's.
"""

from dataclasses import dataclass, replace

from videoattn.data.clips.augment import CENTRE, SCALES
from videoattn.data.clips.settings import ClipSettings
from videoattn.data.probes.order import OrderProbe
from videoattn.engine.experiment import Profile as BaseProfile
from videoattn.engine.recipe import Recipe
from videoattn.papers.aia.attention import NAMES
from videoattn.papers.aia.network import RIVALS

CROPS = {"centre": CENTRE, "multi-scale": SCALES}  # in training: section IV-B, and the authors' code


@dataclass(frozen=True, kw_only=True)
class Profile(BaseProfile):
    """One size of the study; its jobs are names from `VARIANTS`.

    Args:
        backbone, channels, stem_width, layers: timm's ResNet and, for small ones, widths and blocks of its stages.
        zero_init: whether residual branches start at zero, as those of timm's ResNets do.
        dropout: before the last layer. last: standard deviation of its weights at the start.
        recipe: optimisation.
        clips: what is taken from a video, in training at the scales of one of `CROPS`; a variant says how many frames.
        views: other ones of testing, of table II: crops and clips of a video.
    """

    backbone: str
    channels: tuple[int, ...] | None
    stem_width: int | None
    layers: tuple[int, ...] | None
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
    channels=None,
    stem_width=None,
    layers=None,
    zero_init=True,
    dropout=0.5,
    last=0.001,
    # Section IV-B: 8 videos on each of 4 GPUs.
    recipe=Recipe(epochs=50, batch_size=32, lr=0.01, weight_decay=1e-4, schedule="steps 20 40", clip_norm=20.0),
    clips=ClipSettings(frames=8, size=224, short_side=256, scales=CROPS["centre"]),  # elsewhere "240 x 320"
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
