r"""What is trained and compared for cross-modality attention; the one place that shrinks anything.

Values of the profile `paper` are those of L. Chi et al., sections 4.1 to 5.7, cited beside them. The paper prints
neither the momentum (0.9, as TSN) nor when a plateau is one (here 3 epochs without a better training accuracy, so that
no test video steers a training). Its weight decay "5^-4" is read as 5e-4.
"""

from dataclasses import dataclass, replace

from videoattn.data.clips.settings import ClipSettings
from videoattn.data.probes.binding import BindingProbe
from videoattn.engine.experiment import Profile as BaseProfile
from videoattn.engine.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Profile(BaseProfile):
    """How much of the study is run; its jobs are names from `VARIANTS`.

    Args:
        backbone, channels, stem_width, layers: timm's ResNet and, for small ones, widths and blocks of its stages.
        stages: behind every other residual block of which CMA or non-local blocks stand.
        p3d_layers, p3d_width: blocks a stage and width of the P3D network.
        recipe: optimisation of networks with blocks. rgb_recipe, flow_recipe: of streams alone; transfer: of that.
        warm_start: without ImageNet weights 2D branches with blocks start from `Variant.warm`.
        snippets, dense: what 2D and 3D networks take from a video.
        flow: algorithm where the user names none.
    """

    backbone: str
    channels: tuple[int, ...] | None
    stem_width: int | None
    layers: tuple[int, ...] | None
    stages: tuple[int, ...]
    p3d_layers: tuple[int, ...]
    p3d_width: int
    dropout: float
    recipe: Recipe
    rgb_recipe: Recipe
    flow_recipe: Recipe
    transfer: Recipe
    warm_start: bool
    snippets: ClipSettings
    dense: ClipSettings
    flow: str
    probe: BindingProbe


@dataclass(frozen=True)
class Variant:
    """What a job trains: `kind` of network, the stream that learns, and the jobs whose weights it starts from."""

    kind: str  # single, cma, p3d-single or p3d-cma
    stream: str
    after: tuple[str, ...] = ()
    non_local: bool = False
    padding: str = "zeros"
    transfer: bool = False
    first: bool = False  # the first iteration, which starts from a flow branch alone
    warm: str | None = None  # the stream that stands in for ImageNet weights in the branch that learns


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
    "p3d-rgb": Variant("p3d-single", "rgb"),
    "p3d-flow": Variant("p3d-single", "flow"),
    "p3d-cma-1": Variant("p3d-cma", "rgb", after=("p3d-rgb", "p3d-flow")),  # section 5.6
    "transfer-rgb": Variant("single", "rgb", after=("rgb",), transfer=True),  # section 5.7: the last layer only
    "transfer-flow": Variant("single", "flow", after=("flow",), transfer=True),
    "transfer-cma-1": Variant("cma", "rgb", after=("cma-1",), transfer=True),
}
CENTRAL = ("rgb", "flow", "rgb-nl", "flow-nl", "cma-1")

ITERATIONS = ("cma-2", "cma-3")
NON_LOCAL_BESIDE = ("cma-1-nl",)
P3D_JOBS = ("p3d-rgb", "p3d-flow", "p3d-cma-1")

RECIPE = Recipe(epochs=30, batch_size=128, lr=0.01, weight_decay=5e-4)  # sections 4.3 (of each turn), 4.4
PAPER = Profile(
    jobs=(*CENTRAL, *ITERATIONS, *NON_LOCAL_BESIDE, *P3D_JOBS),
    seeds=1,
    backbone="resnet50",  # section 4.1
    channels=None,
    stem_width=None,
    layers=None,
    stages=(2, 3),  # section 4.1: res3 and res4
    p3d_layers=(3, 8, 36, 3),  # section 5.6: ResNet-152
    p3d_width=64,
    dropout=0.7,  # section 4.4
    recipe=RECIPE,
    rgb_recipe=RECIPE,
    flow_recipe=RECIPE,
    transfer=RECIPE,
    warm_start=False,
    # Sections 4.2 and 4.4: K = 3, in testing 25; frames are "scaled to size 256 x 256".
    snippets=ClipSettings(frames=3, test_frames=25, fields=5, size=224, short_side=256, aspect=1.0, test_crops=10),
    # Table 5; the views of testing and their side are as above, of one clip.
    dense=ClipSettings(frames=16, sampling="dense", fields=1, size=224, short_side=256, aspect=1.0, test_crops=10),
    flow="tvl1",  # section 4.4
    probe=BindingProbe(size=256, object_size=56.0, radius=16.0, speed=(8.0, 12.0)),
)

# A probe clip is one snippet and shows its objects at the size that the network sees: one segment, no crops.
# No flips either: the probe draws every mirror image of a scene as often as the scene.
ONE_VIEW = ClipSettings(frames=1, fields=5, size=44, short_side=44, scales=(1.0,), flip=0.0)
SMALL = Recipe(epochs=8, batch_size=16, lr=0.003, optimizer="adamw", weight_decay=0.01, schedule="linear")
QUICK = replace(
    PAPER,
    jobs=("rgb", "flow", "cma-1", "rgb-nl"),
    seeds=3,
    backbone="resnet18",
    channels=(32, 48, 64, 128),
    stem_width=8,
    layers=(1, 1, 1, 1),
    stages=(1, 2, 3),  # a finer grid too: of 44 pixels 11 x 11, 6 x 6 and 3 x 3 places
    p3d_layers=(1, 1, 1, 1),
    p3d_width=8,
    dropout=0.0,
    recipe=SMALL,
    rgb_recipe=replace(SMALL, epochs=4),  # alone it can but guess, and learns the training clips by heart if left to it
    flow_recipe=replace(SMALL, epochs=5),  # section 4.3: "the Flow models converge much slowly than RGB models"
    transfer=replace(SMALL, epochs=4),
    warm_start=True,
    snippets=ONE_VIEW,
    dense=replace(ONE_VIEW, frames=5, sampling="dense", fields=1),
    flow="dis",
    probe=BindingProbe(train=3600, test=500, classes=4, size=44, object_size=11.0, radius=3.0),
)
FULL = replace(
    QUICK,
    jobs=tuple(VARIANTS),
    seeds=5,
)
BRIEF = replace(SMALL, epochs=1, batch_size=8)
CHECK = replace(
    QUICK,
    jobs=tuple(VARIANTS),
    seeds=1,
    channels=(8, 8, 8, 8),
    stem_width=4,
    recipe=BRIEF,
    rgb_recipe=BRIEF,
    flow_recipe=BRIEF,
    transfer=BRIEF,
    probe=replace(QUICK.probe, train=16, test=16),
)
PROFILES = {"check": CHECK, "quick": QUICK, "full": FULL, "paper": PAPER}
# A user's own videos are larger and longer than the probe's clips.
VIDEO_VIEW = ClipSettings(frames=3, test_frames=5, fields=5, size=112, short_side=128)
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
        "rgb_recipe": QUICK.recipe,
        "flow_recipe": QUICK.recipe,
        "stages": PAPER.stages,
    },
    "full": {
        "jobs": CENTRAL,
        "snippets": PAPER.snippets,
        "dense": replace(PAPER.dense, frames=5),
        "rgb_recipe": FULL.recipe,
        "flow_recipe": FULL.recipe,
        "stages": PAPER.stages,
    },
    "paper": {"jobs": CENTRAL},
}
