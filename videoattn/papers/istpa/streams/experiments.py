r"""What is trained and compared where appearance and motion come together; the one place that shrinks anything.

Values of the profile `paper` are those of W. Hu et al., section 5, cited beside them; iDT's are those of its authors.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import chain

import torch
from torch import Tensor

from videoattn.backbones.hosts import is_resnet
from videoattn.backbones.resnet import ResNetSizes
from videoattn.data.clips.augment import CENTRE
from videoattn.data.clips.settings import ClipSettings
from videoattn.data.datasets import VIDEOS as ALL_VIDEOS
from videoattn.data.flow.cache import FlowSettings
from videoattn.data.probes.clutter import ClutterProbe
from videoattn.data.tracks.classify import idt_scores
from videoattn.data.tracks.settings import IDTSettings
from videoattn.engine.experiment import Job, Row, TestSet, Weights, no_weights
from videoattn.engine.experiment import Profile as BaseProfile
from videoattn.engine.protocol import FROM_SCRATCH, IMAGENET, Cells, Protocol, Start
from videoattn.engine.recipe import Recipe
from videoattn.locations import cache_root
from videoattn.papers.istpa import experiments as attention
from videoattn.papers.istpa.experiments import SIDES, NetworkProfile, backbone, losses, merging, stream_network
from videoattn.papers.istpa.experiments import VARIANTS as ATTENTION
from videoattn.papers.istpa.fusion import FusedBackbone, JoinedNetwork, load_stream
from videoattn.papers.istpa.network import PyramidNetwork, StreamNetwork
from videoattn.papers.istpa.reinforcement import ReinforcedResNet
from videoattn.parallel import cores


@dataclass(frozen=True, kw_only=True)
class Profile(BaseProfile, NetworkProfile):
    """One size of the study; its jobs are names from `VARIANTS`.

    Args:
        attention: of the streams that are fused, one of `attention.VARIANTS`.
        recipe, flow_recipe: of streams of RGB and of flow. joint_recipe: of networks of both, which start from these.
        flow_dropout: as `dropout`, of streams of flow.
        snippets: what is taken from a video.
        flow: algorithm where the user names none. bound: of flow in pixels.
        held_out: share of the training videos on which weights of late fusion are searched, and no network is trained.
        idt: settings of improved dense trajectories; the seed is that of the row.
    """

    attention: str
    recipe: Recipe
    flow_recipe: Recipe
    joint_recipe: Recipe
    flow_dropout: float
    snippets: ClipSettings
    flow: str
    bound: float
    held_out: float
    idt: IDTSettings
    probe: ClutterProbe


@dataclass(frozen=True, kw_only=True)
class Variant:
    """What a job has scores of.

    Args:
        kind: "single", a network of one stream; "fused", fusion by the attention layer; "reinforced", RGB by motion;
            "idt", no network.
        stream: which one a single network reads, "rgb" or "flow". warped: flow without the camera's motion.
        attention: one of `attention.VARIANTS`.
    """

    kind: str
    stream: str = ""
    warped: bool = False
    attention: str = ""

    @property
    def after(self) -> tuple[str, ...]:
        """The jobs whose weights it starts from."""
        joint = self.kind in ("fused", "reinforced")
        return (f"rgb-{self.attention}", f"flow-{self.attention}") if joint else ()


IDT = "idt"
STREAMS = {
    "rgb": Variant(kind="single", stream="rgb"),
    "flow": Variant(kind="single", stream="flow"),
    "warped": Variant(kind="single", stream="flow", warped=True),
}
JOINT = {"fused": Variant(kind="fused"), "reinforced": Variant(kind="reinforced")}
VARIANTS = {
    f"{name}-{merge}": replace(variant, attention=merge)
    for name, variant in (STREAMS | JOINT).items()
    for merge in attention.VARIANTS
} | {IDT: Variant(kind="idt")}

ABLATION = ("scales-3", "interaction", "pyramid", "both")  # table 4
TABLE_9 = ("vgg-mean", "vgg-both", "bn-mean", "bn-both")  # besides the profile's network
WITHOUT = "mean"


def jobs(merge: str, *others: str, joint: tuple[str, ...] = tuple(JOINT)) -> tuple[str, ...]:
    """Streams, networks of several and iDT with one attention, and RGB and flow with others."""
    pairs = [f"{name}-{other}" for other in others for name in ("rgb", "flow") if other != merge]
    return (*(f"{name}-{merge}" for name in (*STREAMS, *joint)), *pairs, IDT)


def networks(of: attention.Profile) -> dict[str, object]:
    """What the networks of a profile of the first study are like."""
    return {field.name: getattr(of, field.name) for field in dataclasses.fields(NetworkProfile)}


def recipe(fitted: int) -> dict:
    """The recipes for so many training videos that are not held out; section 5 counts steps of 64 videos."""
    look = replace(attention.PAPER.recipe, **attention.epochs(fitted, 12_000, 4_000, 8_000))
    return {
        "recipe": look,
        "joint_recipe": look,
        "flow_recipe": replace(look, lr=0.005, **attention.epochs(fitted, 30_000, 12_000, 24_000)),
    }


PAPER = Profile(
    jobs=jobs("both", WITHOUT, *ABLATION, *TABLE_9, joint=("fused",)),  # reinforced are ResNets alone
    seeds=1,
    attention="both",
    **networks(attention.PAPER),
    **recipe(8583),  # nine tenths of UCF101's split 1
    flow_dropout=0.7,  # section 5
    # 5 fields and the rule of the segments: TSN's.
    snippets=ClipSettings(frames=3, test_frames=25, sampling="tsn", fields=5, size=299, short_side=340),
    flow="tvl1",
    bound=20.0,  # TSN's
    held_out=0.1,  # for the weights of late fusion, of which the paper says nothing
    idt=IDTSettings(),
    probe=ClutterProbe(size=340, smallest=40.0, largest=70.0, swing=14.0, motions=3, looks=4, ground=2.0, camera=4.0),
)

SIZE = 64  # pixels; in smaller frames too few points are found to tell the camera's motion
SMALL = replace(attention.SMALL, epochs=8)
QUICK = replace(
    PAPER,
    **(networks(attention.QUICK) | {"backbone": "small-pooled"}),
    jobs=("rgb-scales-1", "flow-scales-1", "fused-scales-1"),
    seeds=3,
    attention="scales-1",
    recipe=replace(SMALL, epochs=10),
    flow_recipe=SMALL,
    joint_recipe=replace(SMALL, epochs=4),
    flow_dropout=0.0,
    snippets=ClipSettings(frames=3, test_frames=12, fields=5, size=SIZE, short_side=SIZE, scales=CENTRE),
    flow="dis",
    bound=8.0,
    held_out=0.2,
    idt=IDTSettings(window=16, length=7, scales=2, gaussians=16, sampled=20_000),
    probe=ClutterProbe(
        train=1250,
        test=300,
        frames=13,
        acting=0.48,
        looks=4,
        motions=3,
        size=SIZE,
        smallest=8.0,
        largest=14.0,
        swing=3.0,
        camera=1.0,
    ),
)
FULL = replace(
    QUICK,
    jobs=jobs("scales-1", WITHOUT, *ABLATION),
    seeds=5,
)
CHECK = replace(
    QUICK,
    jobs=jobs("scales-1", WITHOUT),
    seeds=1,
    recipe=replace(SMALL, epochs=1, batch_size=8),
    flow_recipe=replace(SMALL, epochs=1, batch_size=8),
    joint_recipe=replace(SMALL, epochs=1, batch_size=8),
    probe=replace(QUICK.probe, train=36, test=12),
)
PROFILES = {"check": CHECK, "quick": QUICK, "full": FULL, "paper": PAPER}

# A user's own videos are larger than the probe's clips; one attention, since it takes flow, warped flow and tracks too.
VIDEO = {
    "jobs": jobs("scales-1"),
    "snippets": replace(PAPER.snippets, size=112, short_side=128),
    "bound": PAPER.bound,
    "idt": IDTSettings(short_side=128, gaussians=64, sampled=64_000),
}
VIDEOS = {
    "check": VIDEO
    | {
        "snippets": replace(PAPER.snippets, size=56, short_side=64, test_frames=8),
        "idt": IDTSettings(short_side=64, window=16, gaussians=16, sampled=20_000),
    },
    "quick": VIDEO,
    "full": VIDEO
    | networks(attention.PAPER)
    | {
        "backbone": "resnet",
        "snippets": replace(PAPER.snippets, size=224, short_side=256),
        "flow": "tvl1",
        "idt": IDTSettings(),
    },
    "paper": {},
}


HELD_OUT = "held out"  # what the held-out videos are called
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


def every_row(profile: Profile) -> tuple[Row, ...]:
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
    return Row(name, tuple((job, score(job), 1) for job in parts), searched=HELD_OUT)


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


ATTENDED = "network.attention."  # in a network's state


def channels(profile: Profile) -> dict[str, int]:
    """Of an image of each stream."""
    return {"rgb": 3, "flow": 2 * profile.snippets.fields}


def network_of(
    variant: Variant,
    profile: Profile,
    *,
    size: int,
    classes: int,
    weights: Callable[[str], Mapping[str, Tensor]],
    pretrained: bool = False,
) -> StreamNetwork:
    """The network of one variant.

    One of both streams starts from the networks of each, a reinforced one from the attention of RGB, too. Its flow
    multiplies RGB as 1 + s m with s from 0, so that it starts as the network of RGB.

    Args:
        size: side of the frames. weights: state of an earlier job's network, by the job's name.

    Raises:
        InputError: impossible values, such as a reinforced network that is no ResNet.
    """
    merge = ATTENTION[variant.attention]
    given = channels(profile)
    of_flow = replace(profile, dropout=profile.flow_dropout)
    if variant.kind == "single":
        return stream_network(
            merge,
            of_flow if variant.stream == "flow" else profile,
            size=size,
            classes=classes,
            pretrained=pretrained,
            stream=variant.stream,
            in_channels=given[variant.stream],
        )
    states = {stream: weights(name) for stream, name in zip(given, variant.after, strict=True)}
    streams = {}
    for stream, count in given.items():
        own = of_flow if stream == "flow" else profile
        streams[stream] = backbone(merge, own, classes=classes, pretrained=False, in_channels=count)
        load_stream(streams[stream], states[stream])
    reinforced = variant.kind == "reinforced"
    joint = ReinforcedResNet(streams, form="stable") if reinforced else FusedBackbone(streams)
    network = merging(joint, merge, size=size)
    if reinforced and isinstance(network, PyramidNetwork):
        own = {key.removeprefix(ATTENDED): w for key, w in states["rgb"].items() if key.startswith(ATTENDED)}
        network.attention.load_state_dict(own)
    return JoinedNetwork(network, **losses(merge, profile)).to(memory_format=torch.channels_last)


def hosted(profile: Profile, name: str) -> Profile:
    """The profile with timm's network of that name in both streams, and the jobs that can have it.

    The first convolution of flow takes the mean of the three kernels of RGB. Motion reinforces residual branches of
    ResNets alone (`ReinforcedResNet`). Errors as in the first study.
    """
    attention.check_host(name)

    def fits(variant: Variant) -> bool:
        if variant.kind == IDT:
            return True
        resnet = variant.kind != "reinforced" or is_resnet(name)
        return resnet and attention.can_have(ATTENTION[variant.attention], name)

    jobs = tuple(job for job in profile.jobs if fits(VARIANTS[job]))
    snippets = attention.resized(profile.snippets, name)
    return replace(profile, jobs=jobs, snippets=snippets, backbone=name, **ResNetSizes().sizes)


# Without flow in sections 5.7.2 and 5.7.3, where trajectories would also need one label a video.
WITHOUT_FLOW = ("kinetics400", "charades", "epic55")
DATA_SETS = tuple(name for name in ALL_VIDEOS if name not in WITHOUT_FLOW)


def job(name: str, profile: Profile, start: Start) -> Job:
    """How a variant is trained and tested, also on the held-out videos, for the weights of late fusion."""
    variant = VARIANTS[name]
    size, short_side = side(variant, profile)
    clips = replace(profile.snippets, size=size, short_side=short_side)
    if variant.kind == IDT:
        recipe, stream = None, IDT
    elif variant.after:
        recipe, stream = profile.joint_recipe, "fused"
    else:
        recipe, stream = (profile.flow_recipe, "flow") if variant.stream == "flow" else (profile.recipe, "rgb")
    return Job(
        name=name,
        recipe=recipe,
        stream=stream,
        streams=streams(variant),
        train=clips,
        test=clips,
        extra_tests=(TestSet(name=HELD_OUT, settings=clips, subset="held_out"),),
        probe=profile.probe,
        flow=FlowSettings(algorithm=profile.flow, short_side=short_side, bound=profile.bound),
        held_out=profile.held_out,
        after=variant.after,
        initial=name if variant.kind == "single" else "",
    )


def side(variant: Variant, profile: Profile) -> tuple[int, int]:
    """Side of the frames that a variant takes, and their shorter side before they are cropped."""
    backbone = ATTENTION[variant.attention].backbone if variant.attention else None
    return SIDES.get(backbone, (profile.snippets.size, profile.snippets.short_side))


def streams(variant: Variant) -> tuple[str, ...]:
    """The streams of a clip that a variant reads."""
    if variant.warped:
        return ("warped",)
    return (variant.stream,) if variant.stream else ("rgb", "flow")


def rows(profile: Profile) -> tuple[Row, ...]:
    """The rows of the results."""
    return every_row(profile)


def build(
    variant: Variant, profile: Profile, *, classes: int, start: Start = FROM_SCRATCH, weights: Weights = no_weights
) -> StreamNetwork:
    """The network of one variant; raises `InputError` as `network.build` does."""
    size, _ = side(variant, profile)
    return network_of(variant, profile, size=size, classes=classes, weights=weights, pretrained=start.pretrained)


def scores(task, data) -> Mapping[str, Tensor]:
    """Scores of improved dense trajectories, learnt from the videos that networks are trained on.

    Args:
        task: whose seed the mixtures are fitted with. data: of the study.
    """
    videos = data.of(task.job)
    names = {"": videos.subsets["test"].samples, f" {HELD_OUT}": videos.subsets["held_out"].samples}
    asked = replace(videos.subsets["test"], samples=tuple(chain(*names.values())))  # the SVMs are fitted once for both
    found = idt_scores(
        videos.subsets["train"],
        asked,
        root=cache_root() / "idt",
        settings=replace(task.profile.idt, seed=task.seed),
        workers=cores(),
    ).scores
    split = torch.from_numpy(found.values).float().split([len(samples) for samples in names.values()])
    result = {f"{IDT}{suffix}": own for suffix, own in zip(names, split, strict=True)}
    for suffix, samples in names.items():
        result[f"labels{suffix}"] = torch.tensor([sample.label for sample in samples])
    return result


# The protocols of the streams and their fusions on real data sets: W. Hu et al., sections 5.1.6, 5.5 and 5.7.1.
#
# Steps are counted as in `videoattn.papers.istpa.experiments`, of the videos that are not held out; flow takes 30,000,
# its rate falls after 12,000 and 24,000. The rows of tables 12 and 13 with 30 frames are not run.
DEPARTS = (
    f"{PAPER.held_out:.0%} of the training videos are held out, to search the weights of late fusion on them, where "
    "the paper trains on all and prints no weights"
)


def _of(column: str) -> tuple[Cells, ...]:
    """Tables 12 and 13, the means of three splits, without the rows that are not run."""
    return tuple(Cells(table=table, columns=(column,), splits=(1, 2, 3)) for table in ("12", "13"))


PROTOCOLS = (
    Protocol(
        data_set="ucf101",
        start=IMAGENET,
        where="sections 5.1.6, 5.5 and 5.7.1, tables 4, 9 and 11 to 13",
        cells=(*(Cells(table=table) for table in ("4", "9", "11")), *_of("UCF101")),
        departs=DEPARTS,
    ),
    Protocol(
        data_set="hmdb51",
        start=IMAGENET,
        where="section 5.7.1, tables 12 and 13",
        changes={"jobs": jobs("both", "bn-both", joint=()), **recipe(3213)},  # nine tenths of a split
        cells=_of("HMDB51"),
        departs=DEPARTS,
    ),
)
