r"""What is trained and compared for attention before and after; the one place that shrinks anything.

Values of the profile `paper` are those of Z. Zhou et al., section IV, cited beside them.
"""

import re
from dataclasses import dataclass, fields, replace

from torch import nn

from videoattn.backbones.eco import ECO, eco, eco_lite, load_bn_inception, small_eco
from videoattn.backbones.eco_host import MAPS, eco_host
from videoattn.backbones.hosts import host, steps
from videoattn.backbones.resnet3d import WIDTHS
from videoattn.data.clips.augment import CENTRE
from videoattn.data.clips.settings import ClipSettings
from videoattn.data.probes.interruption import InterruptionProbe
from videoattn.engine.experiment import Job, Row, TestSet, Weights, no_weights
from videoattn.engine.experiment import Profile as BaseProfile
from videoattn.engine.protocol import FILE, FROM_SCRATCH, IMAGENET, Cells, Protocol, Start
from videoattn.engine.recipe import Recipe
from videoattn.engine.record import Record
from videoattn.errors import InputError
from videoattn.layers.non_local import NonLocalBlock
from videoattn.locations import cache_root
from videoattn.papers.banet import inspection
from videoattn.papers.banet.cascade import CascadedAttention
from videoattn.papers.banet.network import BANet
from videoattn.papers.banet.selection import selection
from videoattn.reporting.printed import lines
from videoattn.weights.bn_inception import WEIGHTS

IN_TURN = ("HW", "TW", "TH")


@dataclass(frozen=True, kw_only=True)
class Profile(BaseProfile):
    """One size of the study; its jobs are names from `VARIANTS`.

    Args:
        small: the small ECO of the probe, whose 2D part is `widths`, whose 3D part `temporal_widths` and whose side, of
            the full ECO, `side_widths`; otherwise ECO of BN-Inception, and these are empty.
        frames: T that the 3D network sees. keep: share of the sampled frames that a rule keeps, so that it chooses T of
            N = T / keep. every: frames that a variant without a rule takes, all of them.
        pooled: side of the pooled differences.
        warm_up: clips of the training from which frames are chosen at random before the scores choose.
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
    warm_up: int
    dropout: float
    recipe: Recipe
    clips: ClipSettings
    shares: tuple[tuple[float, float], ...]
    further: int
    probe: InterruptionProbe


@dataclass(frozen=True, kw_only=True)
class HostedProfile(Profile):
    """A profile with another 2D network; of `widths` the last is the channels of the stacked maps.

    Args:
        backbone: its name in timm.
    """

    backbone: str


@dataclass(frozen=True, kw_only=True)
class Variant:
    """What a job trains.

    Args:
        full: ECO, with its 2D side; otherwise ECO-Lite.
        rule: that chooses frames, of `videoattn.papers.banet.selection.RULES`.
        reading, gradient: of frame attention. cold: without the profile's warm-up, as the paper has it.
        order: of the planes of self-attention; none for none. parallel: their sum instead. project: see
            `CascadedAttention`.
        non_local: a non-local block in its place.
        frames: T, where it is not the profile's.
    """

    full: bool = False
    rule: str = "all"
    reading: str = "consistent"
    gradient: str = "straight-through"
    cold: bool = False
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
        "smallest": replace(base, rule="smallest"),
        "learned": learned,
        "learned-cold": replace(learned, cold=True),
        **{name: replace(learned, reading=name) for name in ("literal", "centred", "direct")},
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
# On the interruption probe; how self-attention's planes are ordered and joined is decided on the relation probe.
CHOICES = ("all", "uniform", "random", "largest", "smallest", "learned", "learned-cold", "learned-none")
OF_LITE = (
    *(f"lite-{name}" for name in (*CHOICES, "literal", "centred", "direct", "learned-weight", "learned-perturbed")),
    *("lite-nl", "lite-cs", "lite-both"),
)
OF_ECO = (
    *(f"eco-{name}" for name in ("all", "uniform", "random", "learned", "nl", "cs", "both")),
    *("eco-cs-tw-hw-th", "eco-cs-th-tw-hw"),  # table V
)
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
    warm_up=0,
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
SMALL = Recipe(epochs=112, batch_size=16, lr=0.003, optimizer="adamw", weight_decay=0.01, schedule="linear")
QUICK = replace(
    PAPER,
    jobs=tuple(f"lite-{name}" for name in (*CHOICES, "centred", "direct")),
    seeds=5,
    small=True,
    widths=(16, 32, 32),
    temporal_widths=(16, 16, 16),
    side_widths=(32,),
    frames=4,
    every=8,
    pooled=8,
    # A twelfth of the training; of 25 trainings without it, and without redundant frames, 7 ended worse than chance.
    warm_up=1500,
    dropout=0.0,
    recipe=SMALL,
    clips=WHOLE,
    shares=((0.5, 0.0), (0.375, 0.25), (0.25, 0.25), (0.0, 0.5)),
    further=200,
    # As many relevant as irrelevant frames; the frames most alike to a neighbour are redundant and show nothing. Few
    # clips, since from 1,500 a network learns in time to find the relevant frames by itself, whatever it is given.
    probe=InterruptionProbe(train=160, test=600, irrelevant=0.25, redundant=0.5),
)
FULL = replace(
    QUICK,
    jobs=(*OF_LITE, *OF_ECO),
    # What table VII compares, the rules that learn nothing, and what section III-B rejects.
    central=tuple(
        f"lite-{name}" for name in ("all", "uniform", "random", "largest", "learned", "centred", "direct", "cs", "both")
    ),
)
CHECK = replace(
    QUICK,
    jobs=(
        *("lite-all", "lite-uniform", "lite-learned", "lite-learned-weight", "lite-nl", "lite-both"),
        *("eco-learned-perturbed", "eco-cs"),
    ),
    seeds=1,
    recipe=replace(SMALL, epochs=1, batch_size=8),
    shares=((0.5, 0.0), (0.375, 0.25)),
    further=8,
    probe=replace(QUICK.probe, train=24, test=24),
)
PROFILES = {"check": CHECK, "quick": QUICK, "full": FULL, "paper": PAPER}
# A user's own videos are larger and longer than the probe's clips, and more.
VIDEO_CLIPS = replace(PAPER.clips, size=112, short_side=128)
FEWER = replace(SMALL, epochs=12)
VIDEOS = {
    "check": {"jobs": CENTRAL, "shares": (), "clips": replace(VIDEO_CLIPS, size=56, short_side=64), "pooled": 14},
    "quick": {"jobs": CENTRAL, "shares": (), "clips": VIDEO_CLIPS, "pooled": 28, "recipe": FEWER},
    "full": {
        "jobs": LITE,
        "shares": (),
        "recipe": FEWER,
        "clips": PAPER.clips,
        "pooled": PAPER.pooled,
    },
    "paper": {},
}


def shares_name(irrelevant: float, redundant: float) -> str:
    """What a test set with such frames is called: "25% irrelevant", or "25% irrelevant, 50% redundant"."""
    return f"{100 * irrelevant:g}% irrelevant" + (f", {100 * redundant:g}% redundant" if redundant else "")


def every_row(shares: tuple[tuple[float, float], ...]) -> tuple[Row, ...]:
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
    ("ECO-Lite, 4 random frames", "lite-random"),
    ("ECO-Lite, the 4 frames that differ most from their neighbours", "lite-largest"),
    ("ECO-Lite, the 4 frames most alike to a neighbour", "lite-smallest"),
    ("ECO-Lite, 4 frames by frame attention", "lite-learned"),
    ("ECO-Lite, 4 frames by frame attention, without warm-up", "lite-learned-cold"),
    ("ECO-Lite, 4 frames by frame attention, untrained", "lite-learned-none"),
    ("ECO-Lite, 4 frames by frame attention, an offset of 3.5", "lite-centred"),
    ("ECO-Lite, 4 frames by frame attention, without F and clamp", "lite-direct"),
    ("ECO-Lite, all 8 frames, non-local block", "lite-nl"),
    ("ECO-Lite, all 8 frames, cascaded self-attention", "lite-cs"),
    ("BANet-Lite: both, 4 frames", "lite-both"),
    ("ECO, all 8 frames", "eco-all"),
    ("ECO, 4 uniform frames", "eco-uniform"),
    ("ECO, 4 random frames", "eco-random"),
    ("ECO, 4 frames by frame attention", "eco-learned"),
    ("ECO, all 8 frames, non-local block", "eco-nl"),
    ("ECO, all 8 frames, cascaded self-attention", "eco-cs"),
    ("ECO, all 8 frames, cascade TW-HW-TH", "eco-cs-tw-hw-th"),
    ("ECO, all 8 frames, cascade TH-TW-HW", "eco-cs-th-tw-hw"),
    ("BANet: both, 4 frames", "eco-both"),
)


inspect = inspection.by_kind


def hosted(profile: Profile, name: str) -> HostedProfile:
    """The profile with timm's network of that name as 2D part; all jobs can have it.

    Raises:
        InputError: a network that does more than apply its modules in order, so that it cannot be cut at conv3.
    """
    steps(host(name, classes=2))
    return HostedProfile(**{field.name: getattr(profile, field.name) for field in fields(Profile)}, backbone=name)


def job(name: str, profile: Profile, start: Start) -> Job:
    """How a variant is trained and tested, also on probes with other shares of irrelevant and redundant frames."""
    clips = replace(profile.clips, frames=sampled(VARIANTS[name], profile))
    tests = []
    for irrelevant, redundant in profile.shares:
        probe = replace(
            profile.probe,
            irrelevant=irrelevant,
            redundant=redundant,
            train=profile.probe.classes,
            test=profile.further,
        )
        tests.append(TestSet(name=shares_name(irrelevant, redundant), settings=clips, probe=probe))
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
    return every_row(profile.shares)


def sampled(variant: Variant, profile: Profile) -> int:
    """N: how many frames a variant takes from a video, of which its rule keeps a share."""
    if variant.rule == "all":
        return variant.frames or profile.every
    return round((variant.frames or profile.frames) / profile.keep)


def build(
    variant: Variant, profile: Profile, *, classes: int, start: Start = FROM_SCRATCH, weights: Weights = no_weights
) -> nn.Module:
    """The network of one variant.

    Raises:
        InputError: a number of frames that the rule or the 3D network cannot take.
    """
    length = variant.frames or (profile.every if variant.rule == "all" else profile.frames)
    if length % 4:
        raise InputError(f"{length} frames would go into the 3D network; a multiple of 4 is expected")
    count = sampled(variant, profile)
    select = selection(
        variant.rule,
        frames=count,
        keep=profile.keep,
        size=profile.pooled,
        reading=variant.reading,
        gradient=variant.gradient,
        warm_up=0 if variant.cold else profile.warm_up,
    )
    network = backbone(variant, profile, classes=classes, pretrained=start.pretrained)
    if start.pretrained and not isinstance(profile, HostedProfile):
        if profile.small:
            raise InputError(
                "there are no weights for the small ECO: leave PRETRAINED off, name a BACKBONE that has some, or take "
                "PROFILE='paper'"
            )
        load_bn_inception(network, cache_root() / WEIGHTS)
    channels = profile.widths[-1] if profile.small else MAPS
    if variant.non_local:
        network.attention = NonLocalBlock(channels=channels, dims=3, pool=False)
    elif variant.order:
        network.attention = CascadedAttention(
            channels=channels, order=variant.order, parallel=variant.parallel, project=variant.project
        )
    return BANet(select=select, eco=network)


def backbone(variant: Variant, profile: Profile, *, classes: int, pretrained: bool = False) -> ECO:
    """ECO or ECO-Lite, small or as the paper has it, or around another host; `pretrained` is for that alone."""
    if isinstance(profile, HostedProfile):
        return eco_host(
            profile.backbone,
            classes=classes,
            full=variant.full,
            channels=profile.widths[-1] if profile.small else MAPS,
            temporal_widths=profile.temporal_widths if profile.small else WIDTHS,
            dropout=profile.dropout,
            pretrained=pretrained,
        )
    if profile.small:
        return small_eco(
            classes=classes,
            widths=profile.widths,
            temporal_widths=profile.temporal_widths,
            side_widths=profile.side_widths if variant.full else (),
            dropout=profile.dropout,
        )
    return (eco if variant.full else eco_lite)(classes=classes, dropout=profile.dropout)


# The protocols of attention before and after on real data sets: Z. Zhou et al., section IV.
#
# Training is that of section IV-A on all of them (the profile `paper`). "imagenet" stands here for weights of the
# user's file: the paper's 2D part starts from those that TSN's authors trained on Kinetics-400, which lie in the same
# place; "file" for a file of all of ECO, as of its public PyTorch port, or the two that ECO starts from. Table III, of
# one split, and the rows of other papers are left out. Dropout and epochs of fine-tuning are "adjusted according to the
# size of data sets", to what is not printed: here they stay. Frames stand in the middle of segments, exactly; the paper
# has no public code, and ECO's cuts segments to whole numbers of frames.
TESTED = "what is tested on Kinetics-400 is its validation set, where table IV says test set"
BEFORE = (
    "the 3D part starts at random, where the paper takes a 3D ResNet-18 trained on Kinetics-400; the weights of the 2D "
    "part are the paper's only if your file holds those of BN-Inception trained on Kinetics-400 (section IV-A); "
    + TESTED
)
PARTS = {"spatial": "the 2D part", "side": "ECO's 2D side", "temporal": "the 3D part"}
ACCURACIES = tuple(line.ours for line in lines("banet", "II", columns=("UCF101",)))


def started(record: Record) -> str:
    """In what networks that start from a file of weights cannot be the paper's, by what the file gave."""
    told = "\n".join(result.get("initial", "") for result in record.results)
    fresh = " ".join(re.findall("^as initialised: (.*)$", told, re.MULTILINE))
    parts = [name for part, name in PARTS.items() if f"{part} (" in fresh]
    if record.recipe.get("init", {}).get("files") == 2 and not parts:
        return (
            "the networks start from two files, the paper's only if they hold BN-Inception and a 3D ResNet-18, each "
            f"trained on Kinetics-400 (section IV-A); {TESTED}"
        )
    what = f"{' and '.join(parts)} of some networks start at random" if parts else "the networks start from a whole ECO"
    return (
        f"{what}, where the paper takes BN-Inception and a 3D ResNet-18, each trained on Kinetics-400 (section IV-A); "
        f"{TESTED}"
    )


def _tuned(data_set: str, column: str) -> Protocol:
    """From the networks of a run on Kinetics-400, of which its own protocol says in what they are not the paper's."""
    return Protocol(
        data_set=data_set,
        start="kinetics400",
        where="section IV-A, table II",
        changes={"jobs": ACCURACIES},
        cells=(Cells(table="II", columns=(column,), splits=(1, 2, 3)),),
    )


PROTOCOLS = (
    Protocol(
        data_set="kinetics400",
        start=IMAGENET,
        where="section IV-A, tables IV to VII",
        cells=tuple(Cells(table=table) for table in ("IV", "V", "VI", "VII")),
        departs=BEFORE,
    ),
    Protocol(
        data_set="kinetics400",
        start=FILE,
        where="section IV-A, tables IV to VII",
        cells=tuple(Cells(table=table) for table in ("IV", "V", "VI", "VII")),
        departs=started,
    ),
    _tuned("ucf101", "UCF101"),
    _tuned("hmdb51", "HMDB51"),
)
