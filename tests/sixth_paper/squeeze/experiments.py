r"""What is trained and compared for squeeze-and-excitation over video.

Values of the profile `paper` are those of J. Hu et al., section 6.1, cited beside them.
"""

from dataclasses import dataclass, replace

from torch import nn
from videoattn.papers.squeeze import inspection
from videoattn.papers.squeeze.network import squeezed

from videoattn.backbones.resnet import ResNetSizes
from videoattn.backbones.tsn import tsn
from videoattn.backbones.video_network import VideoNetwork
from videoattn.data.clips.augment import CENTRE
from videoattn.data.clips.settings import ClipSettings
from videoattn.data.probes.order import OrderProbe
from videoattn.engine.experiment import Job, Row, Weights, no_weights
from videoattn.engine.experiment import Profile as BaseProfile
from videoattn.engine.protocol import FROM_SCRATCH, Start
from videoattn.engine.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Profile(BaseProfile, ResNetSizes):
    """How much of the study is run. backbone: name of the ResNet in timm. clips: what is taken from a video."""

    backbone: str
    recipe: Recipe
    clips: ClipSettings


@dataclass(frozen=True, kw_only=True)
class Variant:
    """What a job trains: TSN, or TSM with `shift`, with gates behind its blocks if `gated`."""

    gated: bool = False
    shift: bool = False


VARIANTS = {"none": Variant(), "se": Variant(gated=True), "tsm": Variant(shift=True)}

PAPER = Profile(
    jobs=tuple(VARIANTS),
    seeds=1,
    backbone="resnet50",  # section 6.1
    # Section 6.1; epochs 30, 60 and 90 of 100.
    recipe=Recipe(epochs=100, batch_size=256, lr=0.6, weight_decay=1e-4, schedule="steps 30 60 90"),
    clips=ClipSettings(size=224, short_side=256),
    probe=OrderProbe(size=224, object_size=64.0, travel=80.0),
)
QUICK = replace(
    PAPER,
    seeds=3,
    backbone="resnet18",
    channels=(16, 16, 32, 32),
    layers=(1, 1, 1, 1),
    recipe=Recipe(epochs=5, batch_size=4, lr=0.002, optimizer="adamw", weight_decay=0.01, schedule="linear"),
    clips=ClipSettings(sampling="dense", size=28, short_side=28, scales=CENTRE, flip=0.0),
    probe=OrderProbe(train=1500, test=600, levels=("direction",), size=28, object_size=8.0, travel=18.0),
)
CHECK = replace(QUICK, seeds=1, recipe=replace(QUICK.recipe, epochs=1), probe=replace(QUICK.probe, train=8, test=8))
PROFILES = {"check": CHECK, "quick": QUICK, "full": replace(QUICK, seeds=5), "paper": PAPER}
VIDEO_CLIPS = replace(PAPER.clips, size=112, short_side=128)
VIDEOS = {
    "check": {"clips": replace(VIDEO_CLIPS, size=56, short_side=64)},
    "quick": {"clips": VIDEO_CLIPS},
    "full": {"clips": PAPER.clips},
    "paper": {},
}
PROTOCOLS = ()
HEADLINE = (("TSN", "none"), ("TSN, gates", "se"), ("TSM", "tsm"))
inspect = inspection.gates


def job(name: str, profile: Profile, start: Start) -> Job:
    """How a variant is trained and tested."""
    clips = profile.clips
    return Job(name=name, recipe=profile.recipe, train=clips, test=clips, probe=profile.probe, initial=name)


def rows(profile: Profile) -> tuple[Row, ...]:
    """The rows of the results."""
    return tuple(Row(name, ((name, "rgb", 1),)) for name in VARIANTS)


def build(
    variant: Variant, profile: Profile, *, classes: int, start: Start = FROM_SCRATCH, weights: Weights = no_weights
) -> nn.Module:
    """The network of one variant."""
    network = tsn(
        profile.backbone,
        classes=classes,
        frames=profile.clips.frames,
        shift=variant.shift,
        pretrained=start.pretrained,
        **profile.sizes,
    )
    return VideoNetwork(squeezed(network) if variant.gated else network)
