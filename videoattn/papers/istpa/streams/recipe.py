r"""What is trained and compared where appearance and motion come together; the one place that shrinks anything.

Values of the profile `paper` are those of W. Hu et al., section 5, cited beside them; iDT's are those of its authors.
"""

import dataclasses
from dataclasses import dataclass, replace

from videoattn.data.clips.augment import CENTRE
from videoattn.data.clips.snippets import SnippetSettings
from videoattn.data.probes.clutter import ClutterProbe
from videoattn.data.tracks.settings import IDTSettings
from videoattn.engine.recipe import Recipe
from videoattn.engine.rgb_study import RGBProfile
from videoattn.papers.istpa import recipe as attention
from videoattn.papers.istpa.recipe import NetworkProfile


@dataclass(frozen=True, kw_only=True)
class Profile(RGBProfile, NetworkProfile):
    """One size of the study; its jobs are names from `VARIANTS`.

    Args:
        attention: of the streams that are fused, one of `attention.VARIANTS`.
        recipe, flow_recipe: of streams of RGB and of flow. joint_recipe: of networks of both, which start from these.
        flow_dropout: as `dropout`, of streams of flow.
        snippets: what is taken from a video.
        flow: algorithm where the user names none. short_side: of frames and flow in pixels. bound: of flow in pixels.
        held_out: share of the training videos on which weights of late fusion are searched, and no network is trained.
        idt: settings of improved dense trajectories; the seed is that of the row.
    """

    attention: str
    recipe: Recipe
    flow_recipe: Recipe
    joint_recipe: Recipe
    flow_dropout: float
    snippets: SnippetSettings
    flow: str
    short_side: int
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
    snippets=SnippetSettings(segments=3, test_segments=25, length=5, size=299, test_crops=1),  # 5 fields: TSN's
    flow="tvl1",
    short_side=340,
    bound=20.0,  # TSN's
    held_out=0.1,  # for the weights of late fusion, of which the paper says nothing
    idt=IDTSettings(),
    probe=ClutterProbe(size=340, smallest=40.0, largest=70.0, swing=14.0, motions=3, looks=4, ground=2.0, camera=4.0),
    workers=8,
    test_batch=2,
)

SIZE = 64  # pixels; in smaller frames too few points are found to tell the camera's motion
QUICK = replace(attention.QUICK, epochs=8)
CPU = replace(
    PAPER,
    **(networks(attention.CPU) | {"backbone": "small-pooled"}),
    jobs=jobs("scales-1", WITHOUT, *ABLATION),
    seeds=3,
    attention="scales-1",
    recipe=replace(QUICK, epochs=10),
    flow_recipe=QUICK,
    joint_recipe=replace(QUICK, epochs=4),
    flow_dropout=0.0,
    snippets=SnippetSettings(segments=3, test_segments=12, length=5, size=SIZE, scales=CENTRE, test_crops=1),
    flow="dis",
    short_side=SIZE,
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
    workers=0,
    test_batch=32,
    lanes=0,
)
GPU = replace(
    CPU,
    seeds=5,
    recipe=replace(QUICK, epochs=15),
    flow_recipe=replace(QUICK, epochs=15),
    probe=replace(CPU.probe, train=3200, test=1200),
    lanes=8,  # the networks are small: several at a time fill the GPU
)
CHECK = replace(
    CPU,
    jobs=jobs("scales-1", WITHOUT),
    seeds=1,
    lanes=1,
    recipe=replace(QUICK, epochs=1, batch_size=8),
    flow_recipe=replace(QUICK, epochs=1, batch_size=8),
    joint_recipe=replace(QUICK, epochs=1, batch_size=8),
    probe=replace(CPU.probe, train=36, test=12),
)
PROFILES = {"check": CHECK, "cpu": CPU, "gpu": GPU, "paper": PAPER}

# A user's own videos are larger than the probe's clips; one attention, since it takes flow, warped flow and tracks too.
VIDEO = {
    "jobs": jobs("scales-1"),
    "snippets": replace(PAPER.snippets, size=112),
    "short_side": 128,
    "bound": PAPER.bound,
    "idt": IDTSettings(short_side=128, gaussians=64, sampled=64_000),
    "test_batch": 8,
}
VIDEOS = {
    "check": VIDEO
    | {
        "snippets": replace(PAPER.snippets, size=56, test_segments=8),
        "short_side": 64,
        "idt": IDTSettings(short_side=64, window=16, gaussians=16, sampled=20_000),
    },
    "cpu": VIDEO,
    "gpu": VIDEO
    | networks(attention.PAPER)
    | {
        "backbone": "resnet",
        "snippets": replace(PAPER.snippets, size=224),
        "short_side": 256,
        "flow": "tvl1",
        "idt": IDTSettings(),
        "workers": 8,
        "test_batch": PAPER.test_batch,
        "lanes": 1,
    },
    "paper": {},
}
