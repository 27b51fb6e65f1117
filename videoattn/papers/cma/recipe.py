r"""What is trained and compared for cross-modality attention; the one place that shrinks anything.

Values of the profile `paper` are those of L. Chi et al., sections 4.1 to 5.7, cited beside them. The paper does not print
momentum (0.9, as TSN) nor when a plateau is one (patience 3 on the training accuracy: no test video steers a training).
Its weight decay "5^-4" is read as 5e-4.
"""

from dataclasses import dataclass

from videoattn.data.probes.binding import BindingProbe
from videoattn.data.snippets import SnippetSettings
from videoattn.training.recipe import Recipe
from videoattn.training.study import Row


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One size of the study.

    Args:
        jobs: names from `VARIANTS`.
        backbone, channels, stem_width: timm's ResNet and, for small ones, the widths of its stages and stem.
        p3d_layers, p3d_width: blocks a stage and width of the P3D network.
        recipe: optimisation of every job but the transfer's; `transfer` is that one's.
        snippets, dense: what 2D and 3D networks take from a video.
        short_side: of frames and flow in pixels. flow: algorithm where the user names none.
        probe: the generated clips. max_unreadable: share of unreadable videos at which a run stops.
        workers: processes that load clips. test_batch: videos at a time in testing.
    """

    jobs: tuple[str, ...]
    seeds: int
    backbone: str
    channels: tuple[int, ...] | None
    stem_width: int | None
    p3d_layers: tuple[int, ...]
    p3d_width: int
    dropout: float
    recipe: Recipe
    transfer: Recipe
    snippets: SnippetSettings
    dense: SnippetSettings
    short_side: int
    flow: str
    probe: BindingProbe
    max_unreadable: float = 0.05
    workers: int = 0
    test_batch: int = 64


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


VARIANTS = {
    "rgb": Variant("single", "rgb"),
    "flow": Variant("single", "flow"),
    "rgb-nl": Variant("single", "rgb", non_local=True),
    "flow-nl": Variant("single", "flow", non_local=True),
    "cma-1": Variant("cma", "rgb", after=("flow",), first=True),  # section 4.3: the flow branch is trained first
    "cma-2": Variant("cma", "flow", after=("cma-1",)),
    "cma-3": Variant("cma", "rgb", after=("cma-2",)),
    "cma-1-nl": Variant(
        "cma", "rgb", after=("flow",), non_local=True, first=True
    ),  # section 5.5: non-local in the RGB branch only
    "flow-circular": Variant("single", "flow", padding="circular"),
    "cma-1-circular": Variant("cma", "rgb", after=("flow-circular",), padding="circular", first=True),
    "p3d-rgb": Variant("p3d-single", "rgb"),
    "p3d-flow": Variant("p3d-single", "flow"),
    "p3d-cma-1": Variant("p3d-cma", "rgb", after=("p3d-rgb", "p3d-flow")),  # section 5.6
    "transfer-rgb": Variant("single", "rgb", after=("rgb",), transfer=True),  # section 5.7: the last layer only
    "transfer-flow": Variant("single", "flow", after=("flow",), transfer=True),
    "transfer-cma-1": Variant("cma", "rgb", after=("cma-1",), transfer=True),
}
CENTRAL = ("rgb", "flow", "rgb-nl", "flow-nl", "cma-1")

# Section 5.2: equal weights for two streams; 5 : 1 for the branch trained last.
ROWS = (
    Row("rgb", (("rgb", "rgb", 1),)),
    Row("flow", (("flow", "flow", 1),)),
    Row("two-stream", (("rgb", "rgb", 1), ("flow", "flow", 1))),
    Row("rgb-nl", (("rgb-nl", "rgb", 1),)),
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
    Row("cma-1-circular-R", (("cma-1-circular", "rgb", 1),)),
    Row("p3d-R", (("p3d-rgb", "rgb", 1),)),
    Row("p3d-F", (("p3d-flow", "flow", 1),)),
    Row("p3d-S", (("p3d-rgb", "rgb", 1), ("p3d-flow", "flow", 1))),
    Row("p3d-cma-1-R", (("p3d-cma-1", "rgb", 1),)),
    Row("p3d-cma-1-S", (("p3d-cma-1", "rgb", 5), ("p3d-cma-1", "flow", 1))),
    Row("transfer-R", (("transfer-rgb", "rgb", 1),)),
    Row("transfer-F", (("transfer-flow", "flow", 1),)),
    Row("transfer-S", (("transfer-rgb", "rgb", 1), ("transfer-flow", "flow", 1))),
    Row("transfer-cma-1-R", (("transfer-cma-1", "rgb", 1),)),
    Row("transfer-cma-1-S", (("transfer-cma-1", "rgb", 5), ("transfer-flow", "flow", 1))),
)


PAPER = Profile(
    jobs=tuple(name for name in VARIANTS if "circular" not in name and not name.startswith("transfer")),
    seeds=1,
    backbone="resnet50",  # section 4.1
    channels=None,
    stem_width=None,
    p3d_layers=(3, 8, 36, 3),  # section 5.6: ResNet-152
    p3d_width=64,
    dropout=0.7,  # section 4.4
    recipe=Recipe(epochs=30, batch_size=128, lr=0.01, weight_decay=5e-4),  # sections 4.3, 4.4
    transfer=Recipe(epochs=30, batch_size=128, lr=0.01, weight_decay=5e-4),
    snippets=SnippetSettings(length=5, segments=3, test_segments=25, size=224, test_crops=10),  # sections 4.2, 4.4
    dense=SnippetSettings(layout="dense", length=16, segments=1, test_segments=1, size=224, test_crops=10),
    short_side=256,  # section 4.4: "256 x 256"; the aspect ratio is kept
    flow="tvl1",  # section 4.4
    probe=BindingProbe(),
    workers=8,
)
