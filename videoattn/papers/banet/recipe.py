r"""What is trained and compared for attention before and after; the one place that shrinks anything.

Values of the profile `paper` are those of Z. Zhou et al., section IV, cited beside them.
"""

from dataclasses import dataclass, replace

from videoattn.data.clips.augment import CENTRE
from videoattn.data.clips.settings import ClipSettings
from videoattn.data.probes.interruption import InterruptionProbe
from videoattn.engine.experiment import Profile as BaseProfile
from videoattn.engine.recipe import Recipe

IN_TURN = ("HW", "TW", "TH")
READINGS = ("learned-weight", "learned-perturbed", "learned-none")  # besides the default


@dataclass(frozen=True, kw_only=True)
class Profile(BaseProfile):
    """One size of the study; its jobs are names from `VARIANTS`.

    Args:
        small: the small ECO of the probe, whose 2D part is `widths`, whose 3D part `temporal_widths` and whose side, of
            the full ECO, `side_widths`; otherwise ECO of BN-Inception, and these are empty.
        frames: T that the 3D network sees. keep: share of the sampled frames that a rule keeps, so that it chooses T of
            N = T / keep. every: frames that a variant without a rule takes, all of them.
        pooled: side of the pooled differences.
        dropout: before the last layer.
        recipe: optimisation.
        clips: what is taken from a video; the number of frames follows from the above.
        shares: further shares of irrelevant and redundant frames with which networks are tested.
        further: clips of the test set for each of them.
    """

    small: bool
    widths: tuple[int, ...]
    temporal_widths: tuple[int, ...]
    side_widths: tuple[int, ...]
    frames: int
    keep: float
    every: int
    pooled: int
    dropout: float
    recipe: Recipe
    clips: ClipSettings
    shares: tuple[tuple[float, float], ...]
    further: int
    probe: InterruptionProbe


@dataclass(frozen=True, kw_only=True)
class Variant:
    """What a job trains.

    Args:
        full: ECO, with its 2D side; otherwise ECO-Lite.
        rule: that chooses frames, of `videoattn.papers.banet.selection.RULES`.
        reading, gradient: of frame attention.
        order: of the planes of self-attention; none for none. parallel: their sum instead. project: see
            `CascadedAttention`.
        non_local: a non-local block in its place.
        frames: T, where it is not the profile's.
    """

    full: bool = False
    rule: str = "all"
    reading: str = "consistent"
    gradient: str = "straight-through"
    order: tuple[str, ...] = ()
    parallel: bool = False
    project: bool = True
    non_local: bool = False
    frames: int | None = None


def _rows(full: bool) -> dict[str, Variant]:
    """Rows of tables V to VII, and what the paper lacks, for one kind of network."""
    base = Variant(full=full)
    learned, cascade = replace(base, rule="learned"), replace(base, order=IN_TURN)
    return {
        "all": base,
        "uniform": replace(base, rule="uniform"),
        "random": replace(base, rule="random"),
        "largest": replace(base, rule="largest"),
        "learned": learned,
        "literal": replace(learned, reading="literal"),
        **{f"learned-{name}": replace(learned, gradient=name) for name in ("weight", "perturbed", "none")},
        "nl": replace(base, non_local=True),
        "cs": cascade,
        "cs-tw-hw-th": replace(cascade, order=("TW", "HW", "TH")),
        "cs-th-tw-hw": replace(cascade, order=("TH", "TW", "HW")),
        "cs-hw-tw": replace(cascade, order=("HW", "TW")),
        "cs-tw-th": replace(cascade, order=("TW", "TH")),
        "cs-plain": replace(cascade, project=False),
        "cs-sum": replace(cascade, parallel=True),
        "both": replace(learned, order=IN_TURN),
    }


VARIANTS = {
    **{f"lite-{name}": variant for name, variant in _rows(False).items()},
    **{f"eco-{name}": variant for name, variant in _rows(True).items()},
    # Tables II to IV: other numbers of frames.
    **{f"lite-both-{n}f": replace(_rows(False)["both"], frames=n) for n in (4, 8, 20)},
    "eco-both-8f": replace(_rows(True)["both"], frames=8),
}
OTHER_LENGTHS = tuple(name for name, variant in VARIANTS.items() if variant.frames)
LITE = tuple(name for name in VARIANTS if name.startswith("lite-") and name not in OTHER_LENGTHS)
CENTRAL = ("lite-uniform", "lite-learned", "lite-cs", "lite-both")  # on a user's videos, in the small profiles

PAPER = Profile(
    jobs=tuple(VARIANTS),
    seeds=1,
    small=False,
    widths=(),
    temporal_widths=(),
    side_widths=(),
    frames=16,  # kept, of 32: the 69.7 of table VII is that of 16F in table IV
    keep=0.5,  # section IV
    every=16,
    pooled=56,  # section III-B
    dropout=0.5,  # section IV-A names no rate
    # Section IV-A; "about 90 epochs".
    recipe=Recipe(epochs=90, batch_size=16, lr=0.001, optimizer="nesterov", weight_decay=5e-4, schedule="steps 30 60"),
    clips=ClipSettings(size=224, short_side=240, aspect=4 / 3),  # "240 x 320", fixed corners, scale jitter, flips
    shares=(),
    further=0,
    probe=InterruptionProbe(size=224, object_size=64.0, speed=8.0),
)

# A clip of the probe is taken whole, as it is.
WHOLE = ClipSettings(sampling="dense", size=32, short_side=32, scales=CENTRE, flip=0.0)
SMALL = Recipe(epochs=5, batch_size=16, lr=0.003, optimizer="adamw", weight_decay=0.01, schedule="linear")
QUICK = replace(
    PAPER,
    jobs=tuple(
        f"lite-{name}" for name in ("all", "uniform", "random", "largest", "learned", *READINGS, "nl", "cs", "both")
    ),
    seeds=3,
    small=True,
    widths=(16, 32, 32),
    temporal_widths=(16, 16, 16),
    side_widths=(32,),
    frames=4,
    every=8,
    pooled=8,
    dropout=0.0,
    recipe=SMALL,
    clips=WHOLE,
    shares=((0.0, 0.0), (0.25, 0.0), (0.75, 0.0), (0.375, 0.25), (0.25, 0.5)),
    further=200,
    probe=InterruptionProbe(train=1500, test=600),
)
FULL = replace(
    QUICK,
    jobs=tuple(name for name in VARIANTS if name not in OTHER_LENGTHS),
    seeds=5,
)
CHECK = replace(
    QUICK,
    jobs=(
        *("lite-all", "lite-uniform", "lite-learned", "lite-learned-weight", "lite-nl", "lite-both"),
        *("eco-learned-perturbed", "eco-cs"),
    ),
    seeds=1,
    recipe=replace(SMALL, epochs=1, batch_size=8),
    shares=((0.25, 0.0), (0.375, 0.25)),
    further=8,
    probe=replace(QUICK.probe, train=24, test=24),
)
PROFILES = {"check": CHECK, "quick": QUICK, "full": FULL, "paper": PAPER}
# A user's own videos are larger and longer than the probe's clips.
VIDEO_CLIPS = replace(PAPER.clips, size=112, short_side=128)
VIDEOS = {
    "check": {"jobs": CENTRAL, "shares": (), "clips": replace(VIDEO_CLIPS, size=56, short_side=64), "pooled": 14},
    "quick": {"jobs": CENTRAL, "shares": (), "clips": VIDEO_CLIPS, "pooled": 28},
    "full": {
        "jobs": LITE,
        "shares": (),
        "clips": PAPER.clips,
        "pooled": PAPER.pooled,
    },
    "paper": {},
}
