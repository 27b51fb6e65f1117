r"""What is trained and compared for pyramid attention; the one place that shrinks anything.

Values of the profile `paper` are those of W. Hu et al., section 5, cited beside them.
"""

from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import nn

from videoattn.backbones.hosts import host, is_resnet
from videoattn.backbones.hosts import steps as in_order
from videoattn.backbones.resnet import ResNetSizes
from videoattn.backbones.scaled_host import scaled_host
from videoattn.backbones.scaled_inception import scaled_bn_inception, scaled_inception_resnet_v2
from videoattn.backbones.scaled_vgg import scaled_vgg16
from videoattn.backbones.scales import ScaledBackbone, scaled_resnet
from videoattn.data.clips.augment import CENTRE
from videoattn.data.clips.settings import ClipSettings
from videoattn.data.probes.clutter import ClutterProbe
from videoattn.engine.experiment import Job, Row, TestSet, Weights, no_weights
from videoattn.engine.experiment import Profile as BaseProfile
from videoattn.engine.protocol import FROM_SCRATCH, IMAGENET, SCRATCH, Cells, Protocol, Start
from videoattn.engine.recipe import Recipe
from videoattn.errors import InputError
from videoattn.locations import cache_root
from videoattn.papers.istpa import inspection
from videoattn.papers.istpa.attention import DOWNSAMPLING, FUSIONS
from videoattn.papers.istpa.network import MeanNetwork, PyramidNetwork, StreamNetwork
from videoattn.weights.bn_inception import WEIGHTS

# Places of each network that can be scales, the lowest first; the last one is the top scale.
PLACES = {
    "vgg16": ("conv3_3", "conv4_3", "conv5_3"),  # section 5.1.6
    "bn_inception": ("inception-3b", "inception-4d", "inception-5b"),
    "inception_resnet_v2": ("Conv2d_4a_3x3", "Block A", "Block B", "Block C"),  # section 5.1.2
    "resnet": ("layer1", "layer2", "layer3", "layer4"),
    "small": ("layer1", "layer2", "layer3"),  # of a ResNet for the probe: a fourth stage stands behind the layer
    "small-pooled": ("layer1", "layer2", "layer3"),
    "host": ("conv2", "conv3", "conv4", "conv5"),  # of any other network of timm
}
POOLED = "Fully Connected"  # section 5.1.1: what Inception-ResNet-V2 gives its last layer, and timm's ResNets have not
SIDES = {"vgg16": (224, 256), "bn_inception": (224, 256)}  # size and short side of the frames of table 9's networks
SIDE, SHORT_SIDE = 224, 256  # likewise of section 5's ResNet-50, and of other networks of timm
MOST = 3  # scales, where nothing else is said: section 5.1.2


@dataclass(frozen=True, kw_only=True)
class NetworkProfile(ResNetSizes):
    """What networks are like where their variant does not say.

    Args:
        backbone: of variants that name none: one of `PLACES`, of which "resnet" is ResNet-50, and "small" a ResNet-18
            without max-pool whose stages have these `channels` and `layers`, behind a stem of `stem_width`;
            "small-pooled" has its max-pool. Or the name of any of timm's networks, see `hosted`.
        dropout: before the last layer. last: standard deviation of its weights at the start.
        beta, gamma: weights of the interaction-aware loss and of the pyramid attention loss, in variants with them.
        form: of both, of `videoattn.papers.istpa.losses.FORMS`.
    """

    backbone: str
    dropout: float
    last: float
    beta: float
    gamma: float
    form: str


@dataclass(frozen=True, kw_only=True)
class Profile(BaseProfile, NetworkProfile):
    """One size of the study; its jobs are names from `VARIANTS`.

    Args:
        recipe: optimisation.
        clips: what is taken from a video; `frames` is K in training.
        test_frames: K in testing. tested: further K with which networks are tested.
        dense: what networks with temporal shifts take from a video; None for the same as the others.
    """

    recipe: Recipe
    clips: ClipSettings
    test_frames: int
    tested: tuple[int, ...]
    dense: ClipSettings | None = None
    probe: ClutterProbe


@dataclass(frozen=True, kw_only=True)
class Variant:
    """What a job trains.

    Args:
        scales: of the pyramid; 0 merges the frames by a mean.
        top: which of the network's places is the top scale, counted from the last, 1; 0 is `POOLED`.
        merge: what the mean is of, without a pyramid: see `MeanNetwork`.
        interaction, pyramid: whether the losses of these names are added.
        downsample, fusion, normalise, shared: as in `PyramidAttention`.
        backbone: one of `NETWORKS`, where it is not the profile's. shift: temporal shifts in its blocks.
        frames: K in training, where it is not the profile's.
    """

    scales: int = 0
    top: int = 1
    merge: str = "scores"
    interaction: bool = False
    pyramid: bool = False
    downsample: str = "max"
    fusion: str = "product"
    normalise: str = "l2"
    shared: bool = False
    backbone: str | None = None
    shift: bool = False
    frames: int | None = None


MEAN, THREE = Variant(), Variant(scales=MOST)
BOTH = replace(THREE, interaction=True, pyramid=True)
NETWORKS = {"vgg": "vgg16", "bn": "bn_inception", "residual": "inception_resnet_v2"}  # table 9
VARIANTS = {
    "mean": MEAN,
    "mean-maps": replace(MEAN, merge="maps"),
    **{f"scales-{n}": Variant(scales=n) for n in (1, 2, 3, 4)},
    **{f"place-{top}": Variant(scales=1, top=top) for top in (0, 2, 3)},
    **{f"fusion-{fusion}": replace(THREE, fusion=fusion) for fusion in FUSIONS[1:]},
    **{f"down-{kind}": replace(THREE, downsample=kind) for kind in DOWNSAMPLING[1:]},
    "l1": replace(THREE, normalise="l1"),
    "shared": replace(BOTH, shared=True),
    "interaction": replace(THREE, interaction=True),
    "pyramid": replace(THREE, pyramid=True),
    "both": BOTH,
    "mean-1f": replace(MEAN, frames=1),
    "both-1f": replace(BOTH, frames=1),
    "mean-tsm": replace(MEAN, shift=True),
    "both-tsm": replace(BOTH, shift=True),
    **{f"{short}-mean": replace(MEAN, backbone=name) for short, name in NETWORKS.items()},
    **{f"{short}-both": replace(BOTH, backbone=name) for short, name in NETWORKS.items()},
    "bn-scales-3": replace(THREE, backbone=NETWORKS["bn"]),  # table 15
    "bn-interaction": replace(THREE, backbone=NETWORKS["bn"], interaction=True),
    "bn-pyramid": replace(THREE, backbone=NETWORKS["bn"], pyramid=True),
}
OTHERS = tuple(name for name, variant in VARIANTS.items() if variant.backbone)
SHIFTED = tuple(name for name, variant in VARIANTS.items() if variant.shift)
CHARADES = ("bn-mean", "bn-scales-3", "bn-interaction", "bn-pyramid", "bn-both")
POOLED_ONLY = ("place-0",)
FOUR = ("scales-4",)
CENTRAL = ("mean", "scales-1", "scales-3", "both")  # on a user's videos, in the small profiles


def epochs(videos: int, *steps: int, batch: int = 64) -> dict:
    """As a `Recipe` takes them, the whole epochs that are nearest to numbers of steps: of all, then those after which
    the learning rate falls. The videos that fill no batch are left out of an epoch."""
    whole, *falls = (round(count / (videos // batch)) for count in steps)
    return {"epochs": whole, "schedule": " ".join(("steps", *map(str, falls)))}


PAPER = Profile(
    jobs=tuple(name for name in VARIANTS if name not in ("residual-mean", "residual-both", *SHIFTED, *CHARADES[1:-1])),
    seeds=1,
    backbone="inception_resnet_v2",  # section 5.1
    dropout=0.5,  # section 5, as beta and gamma
    last=0.001,  # TSN
    beta=1e-4,
    gamma=1e-4,
    form="literal",
    # Section 5: 12,000 steps of 64 videos, here of UCF101's split 1, and a tenth of the learning rate after each 4,000.
    # Its weight decay, 4e-5, is a factor of the squared norm, of which PyTorch takes the half.
    recipe=Recipe(
        **epochs(9537, 12_000, 4_000, 8_000),
        batch_size=64,
        lr=0.001,
        weight_decay=8e-5,
        accumulation=8,  # batch norm sees 8 videos; the paper does not say how many a GPU takes
    ),
    clips=ClipSettings(frames=3, sampling="tsn", size=299, short_side=340),  # side and crops: TSN's, for this network
    test_frames=25,
    tested=(1, 5, 10, 15, 20, 30),  # figure 4
    probe=ClutterProbe(size=224, smallest=20.0, largest=50.0, swing=10.0, ground=2.0),
)

# Of 64 consecutive frames 8, in testing 10 clips with the 3 crops of table 14, which it has for Kinetics alone. Three
# crops are of the whole shorter side, and pyramid attention takes no other side than in training: so frames are of 224.
# A tenth of a video of Kinetics has 30 frames, no run of 64: the 10 runs are spread over the video instead, as in the
# code of TSM, whose networks these are.
DENSE = ClipSettings(frames=8, sampling="tsm-dense", stride=8, size=224, short_side=224, test_clips=10, test_crops=3)
# A clip of the probe is taken whole, as it is.
WHOLE = ClipSettings(frames=3, size=32, short_side=32, scales=CENTRE)
SMALL = Recipe(epochs=5, batch_size=16, lr=0.002, optimizer="adamw", weight_decay=0.01, schedule="linear")
QUICK = replace(
    PAPER,
    jobs=("mean", "scales-1", "scales-3", "both"),
    seeds=3,
    backbone="small",
    channels=(16, 32, 64, 64),
    stem_width=8,
    layers=(1, 1, 1, 1),
    dropout=0.0,
    last=0.2,
    beta=0.1,
    gamma=0.01,
    form="stable",
    recipe=SMALL,
    clips=WHOLE,
    test_frames=25,
    tested=(1, 3, 10),
    probe=ClutterProbe(train=2400, test=400, acting=0.24, smallest=4.5, largest=10.0),
)
OWN = tuple(name for name in VARIANTS if name not in (*OTHERS, *SHIFTED, *POOLED_ONLY, *FOUR))
FULL = replace(
    QUICK,
    jobs=OWN,
    seeds=5,
)
CHECK = replace(
    QUICK,
    jobs=("mean", "mean-maps", "scales-1", "scales-3", "place-2", "down-conv", "shared", "both", "both-1f"),
    seeds=1,
    recipe=replace(SMALL, epochs=1, batch_size=8),
    tested=(1, 3),
    probe=replace(QUICK.probe, train=24, test=24),
)
PROFILES = {"check": CHECK, "quick": QUICK, "full": FULL, "paper": PAPER}
# A user's own videos are larger than the probe's clips.
VIDEO_CLIPS = replace(PAPER.clips, size=112, short_side=128)
VIDEOS = {
    "check": {
        "jobs": CENTRAL,
        "clips": replace(VIDEO_CLIPS, size=56, short_side=64),
        "test_frames": 8,
    },
    "quick": {"jobs": CENTRAL, "clips": VIDEO_CLIPS},
    "full": {
        "jobs": OWN,
        "backbone": "resnet",
        "channels": None,
        "stem_width": None,
        "layers": None,
        "dropout": PAPER.dropout,
        "clips": replace(PAPER.clips, size=SIDE, short_side=SHORT_SIDE),
    },
    "paper": {},
}
# Table 6: images are clips of one frame, so that nothing is merged over time.
IMAGE = {"jobs": ("mean", "both"), "clips": replace(WHOLE, frames=1, flip=0.5), "test_frames": 1, "tested": ()}
IMAGES = {
    "check": IMAGE,
    "quick": IMAGE | {"recipe": replace(SMALL, batch_size=64)},
    "full": IMAGE | {"recipe": replace(SMALL, epochs=40, batch_size=64)},
    "paper": IMAGE | {"clips": replace(PAPER.clips, frames=1)},  # scaled to what the network takes
}


def frames_name(frames: int) -> str:
    """What a test set with so many frames of each video is called: "K=10"."""
    return f"K={frames}"


def every_row(tested: tuple[str, ...]) -> tuple[Row, ...]:
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


def stream_network(
    variant: Variant,
    profile: NetworkProfile,
    *,
    size: int,
    classes: int,
    pretrained: bool = False,
    stream: str = "rgb",
    in_channels: int = 3,
) -> StreamNetwork:
    """The network of one variant, its maps laid out channels last, in which convolutions run faster.

    Args:
        size: side of the frames. stream: what it reads, and its channels.

    Raises:
        InputError: a pyramid of more scales than the network has places.
    """
    network = backbone(variant, profile, classes=classes, pretrained=pretrained, in_channels=in_channels)
    nn.init.normal_(network.fc.weight, std=profile.last)
    merged = merging(network, variant, size=size)
    return StreamNetwork(merged, stream=stream, **losses(variant, profile)).to(memory_format=torch.channels_last)


def merging(network: nn.Module, variant: Variant, *, size: int) -> PyramidNetwork | MeanNetwork:
    """What merges the frames of a clip in a backbone, for frames of this side."""
    if not variant.scales:
        return MeanNetwork(network, merge=variant.merge)
    return PyramidNetwork(
        network,
        size=(size, size),
        downsample=variant.downsample,
        fusion=variant.fusion,
        normalise=variant.normalise,
        shared=variant.shared,
    )


def losses(variant: Variant, profile: NetworkProfile) -> dict[str, float | str]:
    """The losses of the attention that a variant learns with, as `StreamNetwork` takes them."""
    return {
        "beta": profile.beta if variant.interaction else 0.0,
        "gamma": profile.gamma if variant.pyramid else 0.0,
        "form": profile.form,
    }


def backbone(
    variant: Variant, profile: NetworkProfile, *, classes: int, pretrained: bool, in_channels: int
) -> ScaledBackbone:
    """The network of a variant, cut at its scales; without a pyramid at its last place."""
    name = variant.backbone or profile.backbone
    options = {"classes": classes, "in_channels": in_channels, "dropout": profile.dropout}
    places = places_of(name)
    end = len(places) + 1 - variant.top
    scales = (POOLED,) if not variant.top else places[max(0, end - max(1, variant.scales)) : end]
    if len(scales) < variant.scales:
        raise InputError(f"{variant.scales} scales, the last at {scales[-1]}; {name} has {', '.join(places)}")
    if name == "vgg16":
        return scaled_vgg16(scales=scales, pretrained=pretrained, **options)
    if name == "inception_resnet_v2":
        return scaled_inception_resnet_v2(scales=scales, pretrained=pretrained, **options)
    if name == "bn_inception":
        return scaled_bn_inception(scales=scales, weights=cache_root() / WEIGHTS if pretrained else None, **options)
    if name not in PLACES and not is_resnet(name):
        return scaled_host(name, scales=scales, pretrained=pretrained, shift=variant.shift, **options)
    return scaled_resnet(
        {"resnet": "resnet50", "small": "resnet18", "small-pooled": "resnet18"}.get(name, name),
        scales=scales,
        pretrained=pretrained,
        shift=variant.shift,
        **profile.sizes,
        zero_init=not name.startswith("small"),
        pool=name != "small",
        **options,
    )


inspect = inspection.inspected


def places_of(name: str) -> tuple[str, ...]:
    """The places of a network: of one of `PLACES` its own, of any other of timm the ends of its stages."""
    return PLACES[name if name in PLACES else "resnet" if is_resnet(name) else "host"]


def hosted(profile: Profile, name: str) -> Profile:
    """The profile with timm's network of that name where a variant names none, and the jobs that can have it.

    VGG-16 and Inception-ResNet-V2 are cut as in the paper, ResNets and others at the ends of their stages.

    Raises:
        InputError: a network that does more than apply its modules in order, so that no maps can be taken out.
    """
    check_host(name)
    jobs = tuple(job for job in profile.jobs if can_have(VARIANTS[job], name))
    return replace(profile, jobs=jobs, clips=resized(profile.clips, name), backbone=name, **ResNetSizes().sizes)


@cache
def check_host(name: str) -> None:
    """Raise `InputError` as `hosted` does."""
    if name not in PLACES and not is_resnet(name):
        in_order(host(name, classes=2))


def can_have(variant: Variant, name: str) -> bool:
    """Whether a variant's scales, and its shifts, can be in timm's network of that name."""
    if variant.backbone or (variant.shift and name in PLACES):
        return False
    if not variant.top:
        return name == PAPER.backbone
    return variant.top - 1 + max(1, variant.scales) <= len(places_of(name))


def resized(clips: ClipSettings, name: str) -> ClipSettings:
    """The clips, those of the size of the paper's first network in that of timm's network of this name."""
    if name == PAPER.backbone or clips.size != PAPER.clips.size:
        return clips
    size, short_side = SIDES.get(name, (SIDE, SHORT_SIDE))
    return replace(clips, size=size, short_side=short_side)


def job(name: str, profile: Profile, start: Start) -> Job:
    """How a variant is trained, and tested with more frames."""
    variant = VARIANTS[name]
    clips = taken(variant, profile)
    dense = clips is profile.dense
    tests = (
        TestSet(name=frames_name(frames), settings=clips if dense else replace(clips, frames=frames))
        for frames in profile.tested
    )
    return Job(
        name=name,
        recipe=profile.recipe,
        train=clips if dense else replace(clips, frames=variant.frames or clips.frames),
        test=clips if dense else replace(clips, frames=profile.test_frames),
        extra_tests=tuple(tests),
        probe=profile.probe,
        initial=name,
    )


def taken(variant: Variant, profile: Profile):
    """What a variant takes from a video, but for the number of frames: networks with temporal shifts take the profile's
    dense clips where it has any, VGG-16 and BN-Inception frames of their own size."""
    if variant.shift and profile.dense:
        return profile.dense
    size, short_side = SIDES.get(variant.backbone, (profile.clips.size, profile.clips.short_side))
    return replace(profile.clips, size=size, short_side=short_side)


def rows(profile: Profile) -> tuple[Row, ...]:
    """The rows of the results."""
    return every_row(tuple(map(frames_name, profile.tested)))


def build(
    variant: Variant, profile: Profile, *, classes: int, start: Start = FROM_SCRATCH, weights: Weights = no_weights
) -> StreamNetwork:
    """The network of one variant; raises `InputError` as `stream_network` does."""
    size = taken(variant, profile).size
    return stream_network(variant, profile, size=size, classes=classes, pretrained=start.pretrained)


# The protocols of pyramid attention on real data sets: W. Hu et al., section 5, RGB alone.
#
# The paper counts 12,000 steps of 64 videos, and lowers the learning rate every 4,000: so the epochs differ with the
# size of the data set. Rows that the paper cites are left out, and so are BN-Inception's "RGB stream" of table 15 and
# table 5, whose 95.1 is the late fusion of table 4.

# Section 5, ResNet-50: 0.01, a tenth of it from epochs 40 and 80 on, 100 epochs in all.
RESNET = {
    "backbone": "resnet",
    "recipe": replace(PAPER.recipe, epochs=100, lr=0.01, schedule="steps 40 80"),
    # The second strategy: a frame of each of 8 segments, tested with 25 frames and, by table 14, 10 crops.
    "clips": ClipSettings(frames=8, sampling="tsn", size=SIDE, short_side=SHORT_SIDE, test_crops=10),
    # The third strategy, of networks with temporal shifts.
    "dense": DENSE,
    "tested": (),
}
LOSSES = ("entire loss", "interaction-aware loss", "pyramid attention loss", "no loss")
BN_INCEPTION = tuple(f"BN-Inception 3 scales {loss}" for loss in LOSSES)  # of table 15


def steps(videos: int) -> dict:
    """The recipe for a data set with so many training videos: 12,000 steps, the rate lowered after 4,000 and 8,000."""
    return {"recipe": replace(PAPER.recipe, **epochs(videos, 12_000, 4_000, 8_000))}


PROTOCOLS = (
    Protocol(
        data_set="ucf101",
        start=IMAGENET,
        where="sections 5.1 and 5.2, tables 1 to 4 and 9",
        cells=tuple(Cells(table=table) for table in ("1", "2", "3", "4", "9")),
    ),
    Protocol(
        data_set="hmdb51",
        start=IMAGENET,
        where="section 5.7.1",
        changes={"jobs": ("mean", "both", "bn-mean", "bn-both"), **steps(3570)},
    ),
    Protocol(
        data_set="kinetics400",
        start=IMAGENET,
        where="section 5.7.2, table 14",
        changes={"jobs": ("mean", "both", *SHIFTED), **RESNET},
        cells=(Cells(table="14"),),
    ),
    Protocol(
        data_set="charades",
        start=SCRATCH,  # "BN-inception without pre-training"
        where="section 5.7.3, table 15",
        changes={"jobs": CHARADES, "tested": (), **steps(7985)},
        cells=(Cells(table="15", rows=BN_INCEPTION),),
    ),
    Protocol(
        data_set="charades",
        start="kinetics400",
        where="section 5.7.3, table 15",
        changes={"jobs": SHIFTED, **RESNET},
        cells=(Cells(table="15", rows=("ResNet-50",)),),
    ),
    Protocol(
        data_set="cifar100",
        start=IMAGENET,
        where="section 5.1.4, table 6",
        changes=IMAGES["paper"] | steps(50_000),
        cells=(Cells(table="6"),),
    ),
)
