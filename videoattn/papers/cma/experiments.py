r"""What is trained and compared for cross-modality attention; the one place that shrinks anything.

Values of the profile `paper` are those of L. Chi et al., sections 4.1 to 5.7, cited beside them. The paper prints
neither the momentum (0.9, as TSN) nor when a plateau is one (here 3 epochs without a better training accuracy, so that
no test video steers a training). Its weight decay "5^-4" is read as 5e-4.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from videoattn.backbones.hosts import host, is_resnet
from videoattn.backbones.p3d import P3D
from videoattn.backbones.resnet import PADDINGS, ResNetSizes, resnet
from videoattn.data.clips.settings import ClipSettings
from videoattn.data.flow.cache import FlowSettings
from videoattn.data.probes.binding import BindingProbe
from videoattn.engine.experiment import Job, Row, Weights, no_weights
from videoattn.engine.experiment import Profile as BaseProfile
from videoattn.engine.protocol import FROM_SCRATCH, IMAGENET, Cells, Protocol, Start
from videoattn.engine.recipe import Recipe
from videoattn.engine.study_data import StudyData
from videoattn.layers.non_local import NonLocalBlock
from videoattn.papers.cma import inspection
from videoattn.papers.cma.network import (
    CMANetwork,
    SingleStream,
    StackedStreams,
    add_non_local,
    every_other_block,
    feature_path,
)
from videoattn.papers.cma.rivals import ADD, ATTENTION, UNIFORM
from videoattn.weights.initial import load_weights


@dataclass(frozen=True, kw_only=True)
class Profile(BaseProfile, ResNetSizes):
    """How much of the study is run; its jobs are names from `VARIANTS`.

    Args:
        backbone: name of the ResNet, or of another host of 2D branches, in timm.
        stages: behind every other residual block of which CMA or non-local blocks stand.
        p3d_layers, p3d_width: blocks a stage and width of the P3D network.
        recipe: optimisation of all networks but these: stacked, transfer.
        warm_start: without ImageNet weights 2D branches with blocks start from `Variant.warm`.
        snippets, dense: what 2D and 3D networks take from a video.
        flow: algorithm where the user names none.
    """

    backbone: str
    stages: tuple[int, ...]
    p3d_layers: tuple[int, ...]
    p3d_width: int
    dropout: float
    recipe: Recipe
    stacked: Recipe
    transfer: Recipe
    warm_start: bool
    snippets: ClipSettings
    dense: ClipSettings
    flow: str
    probe: BindingProbe


@dataclass(frozen=True)
class Variant:
    """What a job trains: `kind` of network, the stream that learns, and the jobs whose weights it starts from."""

    kind: str  # single, stacked, cma, p3d-single or p3d-cma
    stream: str
    after: tuple[str, ...] = ()
    non_local: bool = False
    padding: str = "zeros"
    transfer: bool = False
    frames: int | None = None  # of a 3D network's clip, where it is not the profile's
    first: bool = False  # the first iteration, which starts from a flow branch alone
    warm: str | None = None  # the stream that stands in for ImageNet weights in the branch that learns
    exchanged: str = ATTENTION  # by what the branches see each other


P3D_JOBS = {
    "p3d-rgb": Variant("p3d-single", "rgb"),
    "p3d-flow": Variant("p3d-single", "flow"),
    "p3d-cma-1": Variant("p3d-cma", "rgb", after=("p3d-rgb", "p3d-flow")),  # section 5.6
}
VARIANTS = {
    "rgb": Variant("single", "rgb"),
    "flow": Variant("single", "flow"),
    "rgb-nl": Variant("single", "rgb", non_local=True, warm="rgb"),
    "flow-nl": Variant("single", "flow", non_local=True, warm="flow"),
    # Section 4.3: the flow branch is trained first.
    "cma-1": Variant("cma", "rgb", after=("flow",), first=True, warm="rgb"),
    "cma-2": Variant("cma", "flow", after=("cma-1",)),
    "cma-3": Variant("cma", "rgb", after=("cma-2",)),
    # Section 5.5: non-local blocks in the RGB branch only.
    "cma-1-nl": Variant("cma", "rgb", after=("flow",), non_local=True, first=True, warm="rgb"),
    "rgb-circular": Variant("single", "rgb", padding="circular"),
    "flow-circular": Variant("single", "flow", padding="circular"),
    "cma-1-circular": Variant(
        "cma", "rgb", after=("flow-circular",), padding="circular", first=True, warm="rgb-circular"
    ),
    **P3D_JOBS,
    **{
        f"{name}-12": replace(variant, after=tuple(f"{job}-12" for job in variant.after), frames=12)  # table 5
        for name, variant in P3D_JOBS.items()
    },
    # What attention has to beat: one network on both streams stacked, and exchanges without attention.
    "stacked": Variant("stacked", "rgb"),
    "add-1": Variant("cma", "rgb", after=("flow",), first=True, warm="rgb", exchanged=ADD),
    "uniform-1": Variant("cma", "rgb", after=("flow",), first=True, warm="rgb", exchanged=UNIFORM),
    "transfer-rgb": Variant("single", "rgb", after=("rgb",), transfer=True),  # section 5.7: the last layer only
    "transfer-flow": Variant("single", "flow", after=("flow",), transfer=True),
    "transfer-cma-1": Variant("cma", "rgb", after=("cma-1",), transfer=True),
}
CENTRAL = ("rgb", "flow", "rgb-nl", "flow-nl", "cma-1")

RIVALS = ("stacked", "add-1", "uniform-1")
ITERATIONS = ("cma-2", "cma-3")
NON_LOCAL_BESIDE = ("cma-1-nl",)
OTHER_LENGTHS = tuple(name for name, variant in VARIANTS.items() if variant.frames)

RECIPE = Recipe(epochs=30, batch_size=128, lr=0.01, weight_decay=5e-4)  # sections 4.3 (of each turn), 4.4
PAPER = Profile(
    jobs=(*CENTRAL, *ITERATIONS, *NON_LOCAL_BESIDE, *P3D_JOBS, *OTHER_LENGTHS),
    seeds=1,
    backbone="resnet50",  # section 4.1
    stages=(2, 3),  # section 4.1: res3 and res4
    p3d_layers=(3, 8, 36, 3),  # section 5.6: ResNet-152
    p3d_width=64,
    dropout=0.7,  # section 4.4
    recipe=RECIPE,
    stacked=RECIPE,
    transfer=RECIPE,
    warm_start=False,
    # Sections 4.2 and 4.4: K = 3, in testing 25, of TSN's segments; frames are "scaled to size 256 x 256".
    snippets=ClipSettings(
        frames=3, test_frames=25, sampling="tsn", fields=5, size=224, short_side=256, aspect=1.0, test_crops=10
    ),
    # Table 5; the views of testing and their side are as above, of one clip.
    dense=ClipSettings(frames=16, sampling="dense", fields=1, size=224, short_side=256, aspect=1.0, test_crops=10),
    flow="tvl1",  # section 4.4
    probe=BindingProbe(size=256, object_size=56.0, radius=16.0, speed=(8.0, 12.0)),
)

# A probe clip is one snippet and shows its objects at the size that the network sees: one segment, no crops.
# No flips either: the probe draws every mirror image of a scene as often as the scene.
ONE_VIEW = ClipSettings(frames=1, fields=5, size=44, short_side=44, scales=(1.0,), flip=0.0)
SMALL = Recipe(epochs=16, batch_size=16, lr=0.003, optimizer="adamw", weight_decay=0.01, schedule="linear")
QUICK = replace(
    PAPER,
    jobs=("rgb", "flow", "cma-1", "stacked", "add-1"),
    seeds=5,
    backbone="resnet18",
    channels=(32, 48, 64, 128),
    stem_width=8,
    layers=(1, 1, 1, 1),
    stages=(1, 2, 3),  # a finer grid too: of 44 pixels 11 x 11, 6 x 6 and 3 x 3 places
    p3d_layers=(1, 1, 1, 1),
    p3d_width=8,
    dropout=0.0,
    recipe=SMALL,
    stacked=replace(SMALL, epochs=48),  # as many as attention and the streams that it starts from have together
    transfer=replace(SMALL, lr=0.01),
    warm_start=True,
    snippets=ONE_VIEW,
    dense=replace(ONE_VIEW, frames=5, sampling="dense", fields=1),
    flow="dis",
    probe=BindingProbe(
        train=3600,
        test=2000,
        classes=4,
        turns=True,
        size=44,
        object_size=11.0,
        radius=3.0,
        levels=(0.1, 0.2, 0.4, 0.8, 1.6),
        seed=1,
    ),
)
FULL = replace(
    QUICK,
    jobs=tuple(name for name in VARIANTS if name not in OTHER_LENGTHS),
    central=("cma-1", *RIVALS),
)
BRIEF = replace(SMALL, epochs=1, batch_size=8)
CHECK = replace(
    QUICK,
    jobs=FULL.jobs,
    seeds=1,
    channels=(8, 8, 8, 8),
    stem_width=4,
    recipe=BRIEF,
    stacked=BRIEF,
    transfer=BRIEF,
    probe=replace(QUICK.probe, train=16, test=16),
)
PROFILES = {"check": CHECK, "quick": QUICK, "full": FULL, "paper": PAPER}
# A user's own videos are larger and longer than the probe's clips.
VIDEO_VIEW = ClipSettings(frames=3, test_frames=5, sampling="tsn", fields=5, size=112, short_side=128)
VIDEO_DENSE = replace(VIDEO_VIEW, frames=5, test_frames=None, sampling="dense", fields=1)
VIDEOS = {
    "check": {
        "jobs": CENTRAL,
        "snippets": replace(VIDEO_VIEW, frames=1, test_frames=1, size=56, short_side=64),
        "dense": replace(VIDEO_DENSE, size=56, short_side=64),
        "stages": PAPER.stages,
    },
    "quick": {
        "snippets": VIDEO_VIEW,
        "dense": VIDEO_DENSE,
        "jobs": ("rgb", "flow", "cma-1", "stacked"),
        "stages": PAPER.stages,
    },
    "full": {
        "jobs": CENTRAL,
        "snippets": PAPER.snippets,
        "dense": replace(PAPER.dense, frames=5),
        "stages": PAPER.stages,
    },
    "paper": {"jobs": CENTRAL},
}


# Section 5.2: equal weights for two streams; 5 : 1 for the branch trained last.
ROWS = (
    Row("rgb", (("rgb", "rgb", 1),)),
    Row("flow", (("flow", "flow", 1),)),
    Row("two-stream", (("rgb", "rgb", 1), ("flow", "flow", 1))),
    Row("rgb-nl", (("rgb-nl", "rgb", 1),)),
    Row("rgb-nl-S", (("rgb-nl", "rgb", 1), ("flow", "flow", 1))),
    Row("flow-nl", (("flow-nl", "flow", 1),)),
    Row("two-stream-nl", (("rgb-nl", "rgb", 1), ("flow-nl", "flow", 1))),
    Row("cma-1-R", (("cma-1", "rgb", 1),)),
    Row("cma-1-F", (("cma-1", "flow", 1),)),
    Row("cma-1-S", (("cma-1", "rgb", 5), ("cma-1", "flow", 1))),
    Row("cma-2-R", (("cma-2", "rgb", 1),)),
    Row("cma-2-F", (("cma-2", "flow", 1),)),
    Row("cma-2-S", (("cma-2", "rgb", 1), ("cma-2", "flow", 5))),
    Row("cma-3-R", (("cma-3", "rgb", 1),)),
    Row("cma-3-F", (("cma-3", "flow", 1),)),
    Row("cma-3-S", (("cma-3", "rgb", 5), ("cma-3", "flow", 1))),
    Row("cma-1-nl-R", (("cma-1-nl", "rgb", 1),)),
    Row("cma-1-nl-S", (("cma-1-nl", "rgb", 5), ("cma-1-nl", "flow", 1))),
    Row("stacked", (("stacked", "rgb", 1),)),
    Row("add-1-R", (("add-1", "rgb", 1),)),
    Row("uniform-1-R", (("uniform-1", "rgb", 1),)),
    Row("cma-1-circular-R", (("cma-1-circular", "rgb", 1),)),
    Row("p3d-R", (("p3d-rgb", "rgb", 1),)),
    Row("p3d-F", (("p3d-flow", "flow", 1),)),
    Row("p3d-S", (("p3d-rgb", "rgb", 1), ("p3d-flow", "flow", 1))),
    Row("p3d-cma-1-R", (("p3d-cma-1", "rgb", 1),)),
    Row("p3d-cma-1-S", (("p3d-cma-1", "rgb", 5), ("p3d-cma-1", "flow", 1))),
    Row("p3d-12-R", (("p3d-rgb-12", "rgb", 1),)),
    Row("p3d-12-F", (("p3d-flow-12", "flow", 1),)),
    Row("p3d-12-S", (("p3d-rgb-12", "rgb", 1), ("p3d-flow-12", "flow", 1))),
    Row("p3d-12-cma-1-R", (("p3d-cma-1-12", "rgb", 1),)),
    Row("p3d-12-cma-1-S", (("p3d-cma-1-12", "rgb", 5), ("p3d-cma-1-12", "flow", 1))),
    Row("transfer-R", (("transfer-rgb", "rgb", 1),)),
    Row("transfer-F", (("transfer-flow", "flow", 1),)),
    Row("transfer-S", (("transfer-rgb", "rgb", 1), ("transfer-flow", "flow", 1))),
    Row("transfer-cma-1-R", (("transfer-cma-1", "rgb", 1),)),
    Row("transfer-cma-1-S", (("transfer-cma-1", "rgb", 5), ("transfer-flow", "flow", 1))),
)

# What the README shows: (label, row of the results).
HEADLINE = (
    ("RGB alone", "rgb"),
    ("flow alone", "flow"),
    ("two-stream", "two-stream"),
    ("two-stream, non-local blocks in both", "two-stream-nl"),
    ("one network on both streams, stacked", "stacked"),
    ("the other stream added at the same place", "add-1-R"),
    ("the mean of the other stream added", "uniform-1-R"),
    ("CMA, RGB scores", "cma-1-R"),
    ("CMA, both scores", "cma-1-S"),
    ("CMA, RGB scores, flow moved by half a frame", "cma-1-R-moved-flow"),
    ("CMA, RGB scores, circular padding", "cma-1-circular-R"),
)


CHANNELS = {"segments": {"rgb": 3, "flow": 10}, "dense": {"rgb": 3, "flow": 2}}  # of a snippet


def build(
    variant: Variant,
    profile: Profile,
    *,
    classes: int,
    start: Start = FROM_SCRATCH,
    weights: Weights = no_weights,
) -> nn.Module:
    """The network of one variant, with the weights of the jobs that it starts from, frozen as the paper says.

    Args:
        weights: state of an earlier job's network, by the job's name.
    """
    dims = 3 if variant.kind.startswith("p3d") else 2
    started = warm_job(variant, profile, start)
    pretrained = start.pretrained
    if variant.kind in ("single", "p3d-single"):
        network = SingleStream(
            _backbone(variant, profile, variant.stream, classes, pretrained), stream=variant.stream, dims=dims
        )
        if started:
            _load_all_but_blocks(network, weights(started))
        if variant.transfer:
            _load_all_but_last(network, weights(variant.after[0]), start.source)
            network.train_last_layer()
        return network
    if variant.kind == "stacked":
        both = sum(CHANNELS["segments"].values())
        return StackedStreams(_fast(_host(variant, profile, both, classes, pretrained)))
    branches = {s: _backbone(variant, profile, s, classes, pretrained) for s in ("rgb", "flow")}
    positions = (
        (f"layer3.{len(branches['rgb'].layer3) - 1}",)
        if dims == 3
        else every_other_block(branches["rgb"], profile.stages)
    )
    network = CMANetwork(**branches, positions=positions, dims=dims, exchanged=variant.exchanged)
    if variant.transfer:
        _load_all_but_last(network, weights(variant.after[0]), start.source)
        network.train_last_layer(variant.stream)
    elif variant.kind == "p3d-cma":
        for s, name in (("rgb", variant.after[0]), ("flow", variant.after[1])):
            network.streams[s].load_state_dict(_branch(weights(name)))
        network.train_behind(variant.stream)
    elif variant.first:
        if started:
            _load_all_but_blocks(network.streams[variant.stream], _branch(weights(started)))
        network.streams["flow"].load_state_dict(_branch(weights(variant.after[0])))
        network.train_only(variant.stream)
    else:
        network.load_state_dict(weights(variant.after[0]))
        network.train_only(variant.stream)
    return network


def _backbone(variant: Variant, profile: Profile, stream: str, classes: int, pretrained: bool) -> nn.Module:
    if variant.kind.startswith("p3d"):
        return P3D(
            classes=classes,
            in_channels=CHANNELS["dense"][stream],
            dropout=profile.dropout,
            layers=profile.p3d_layers,
            width=profile.p3d_width,
        )
    backbone = _host(variant, profile, CHANNELS["segments"][stream], classes, pretrained)
    if variant.non_local and stream == variant.stream:  # section 5.5: in the branch that is trained, not in the other
        add_non_local(backbone, every_other_block(backbone, profile.stages))
    return _fast(backbone)


def _fast(backbone: nn.Module) -> nn.Module:
    return backbone.to(memory_format=torch.channels_last)  # a quarter faster on CPUs, more under tensor cores


def _host(variant: Variant, profile: Profile, in_channels: int, classes: int, pretrained: bool) -> nn.Module:
    options = {
        "classes": classes,
        "in_channels": in_channels,
        "dropout": profile.dropout,
        "pretrained": pretrained,
    }
    if is_resnet(profile.backbone):
        return resnet(profile.backbone, **options, **profile.sizes, padding=variant.padding)
    return host(profile.backbone, **options)


def _branch(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The backbone's state out of a single stream's."""
    return {name.removeprefix("backbone."): value for name, value in state.items()}


def _load_all_but_last(network: nn.Module, state: dict[str, Tensor], source: str) -> None:
    """Take over all but the last layers, which stay as they are initialised; `source` as in `load_weights`."""
    load_weights(network, state, head=False, source=source)


def _load_all_but_blocks(network: nn.Module, state: dict[str, Tensor]) -> None:
    """Take over the weights of a network without blocks; the blocks stay as they are initialised."""
    blocks = tuple(name for name, module in network.named_modules() if isinstance(module, NonLocalBlock))
    own = {name: value for name, value in network.state_dict().items() if name.startswith(blocks)}
    network.load_state_dict(state | own)


def hosted(profile: Profile, name: str) -> Profile:
    """The profile with timm's network of that name in both 2D branches, and the jobs that can have it.

    Raises:
        InputError: a network that does more than apply its modules in order, so that nothing can stand between them.
    """
    padded = PADDINGS if is_resnet(name) else ("zeros",)
    if not is_resnet(name):
        feature_path(host(name, classes=2))
    jobs = tuple(
        job for job in profile.jobs if not VARIANTS[job].kind.startswith("p3d") and VARIANTS[job].padding in padded
    )
    return replace(profile, jobs=jobs, backbone=name, **ResNetSizes().sizes)


def warm_job(variant: Variant, profile: Profile, start: Start) -> str | None:
    """The job whose weights stand in for ImageNet's, where networks start from scratch and the profile says so."""
    return variant.warm if profile.warm_start and not (start.pretrained or start.path) else None


def job(name: str, profile: Profile, start: Start) -> Job:
    """How a variant is trained and tested; transfers on a second probe."""
    variant = VARIANTS[name]
    clips = profile.dense if variant.kind.startswith("p3d") else profile.snippets
    clips = replace(clips, frames=variant.frames or clips.frames)
    recipe = profile.transfer if variant.transfer else profile.stacked if variant.kind == "stacked" else profile.recipe
    warm = warm_job(variant, profile, start)
    # A transfer from a run starts from that run's networks.
    after = () if start.path and variant.transfer else (*variant.after, *([warm] if warm else ()))
    return Job(
        name=name,
        recipe=recipe,
        stream=variant.stream,
        streams=(variant.stream,) if variant.kind.endswith("single") else ("rgb", "flow"),
        train=clips,
        test=clips,
        probe=profile.probe.second() if variant.transfer else profile.probe,
        flow=FlowSettings(algorithm=profile.flow, short_side=clips.short_side, aspect=clips.aspect),
        after=after,
        initial=variant.warm if variant.first else "" if variant.after else name,
        part=f"streams.{variant.stream}" if variant.first else "",
    )


def rows(profile: Profile) -> tuple[Row, ...]:
    """The rows of the results."""
    return ROWS


def inspect(
    data: StudyData, job: Job, network: nn.Module, scores: dict[str, Tensor], labels: Tensor
) -> dict[str, dict]:
    """Rows about the first iteration: is it the place of the motion that counts, and does attention go there?"""
    if job.name != "cma-1":
        return {}
    test = data.test(job)
    return {
        "cma-1-R-moved-flow": inspection.with_moved_flow(network, test),
        **{f"attention {at}": found for at, found in inspection.on_the_mover(network, test).items()},
    }


# The protocols of cross-modality attention on real data sets: L. Chi et al., sections 4.3 to 5.7.
#
# All of section 4.4 holds on both (the profile `paper`). P3D's rows of table 5 stand nowhere beside the paper's: its
# authors' Caffe model, from which it starts, is not read here, so that it starts at random. How long the flow branch
# and what is not trained in turns are trained is not printed; it is as long as one turn. Which splits of UCF101 table
# 6 is about is not printed either; it is taken for the mean of the three.
PROTOCOLS = (
    Protocol(
        data_set="kinetics400",
        start=IMAGENET,
        where="sections 5.3 to 5.5, tables 1, 2 and 4",
        changes={"jobs": PAPER.jobs},
        cells=tuple(Cells(table=table) for table in ("1", "2", "4")),
    ),
    Protocol(
        data_set="ucf101",
        start="kinetics400",
        where="section 5.7, table 6",
        changes={"jobs": ("transfer-rgb", "transfer-flow", "transfer-cma-1")},
        cells=(Cells(table="6", splits=(1, 2, 3)),),
    ),
)
