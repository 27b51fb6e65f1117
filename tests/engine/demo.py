"""A paper of small trainings on points in memory, in the form that `videoattn.engine.experiment` describes.

    a, b          start from nothing
    c             starts from a
    d             has scores without a network
    transfer      starts from a, on a second probe; from a run it starts from that run's a

The fixture `demo` installs it, with `Data` in place of videos.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from videoattn.data.clips.settings import ClipSettings
from videoattn.data.clips.targets import target
from videoattn.data.datasets.videos import Sample, VideoList
from videoattn.data.probes.settings import ProbeSettings
from videoattn.engine.experiment import Job, Row, TestSet, no_weights
from videoattn.engine.experiment import Profile as BaseProfile
from videoattn.engine.protocol import FROM_SCRATCH, IMAGENET, Protocol
from videoattn.engine.recipe import Recipe

SETS = ("folder", "ucf101", "kinetics400", "charades", "cifar100")
FRAMES = ClipSettings(frames=1, size=16, short_side=16, fields=1)
RECIPE = Recipe(epochs=2, batch_size=8, lr=0.1)


@dataclass(frozen=True)
class Points(ProbeSettings):
    """The probe: so many points, of three classes in turn."""

    train: int = 16
    test: int = 12
    seed: int = 0
    names: ClassVar = ("x", "y", "z")

    def generate(self, root: Path) -> Path:
        return root / f"points-{self.train}-{self.test}-{self.seed}"


@dataclass(frozen=True, kw_only=True)
class Profile(BaseProfile):
    """With one recipe for all, and a size that nothing needs."""

    recipe: Recipe = RECIPE
    size: int = 1
    clips: ClipSettings = FRAMES
    extra_tests: tuple[TestSet, ...] = ()
    held_out: float = 0.0


@dataclass(frozen=True)
class Variant:
    """after: as in `Job`. network: whether there is one. transfer: on a second probe."""

    after: tuple[str, ...] = ()
    network: bool = True
    transfer: bool = False


CHECK = Profile(jobs=("a", "b", "c"), seeds=2, probe=Points())
PROFILES = {"check": CHECK, "quick": CHECK, "full": replace(CHECK, jobs=("a", "b", "c", "d")), "paper": CHECK}
VIDEOS = {name: {"size": 3} for name in PROFILES}
IMAGES = {name: {"size": 4} for name in PROFILES}
VARIANTS = {
    "a": Variant(),
    "b": Variant(),
    "c": Variant(after=("a",)),
    "d": Variant(network=False),
    "transfer": Variant(after=("a",), transfer=True),
}
SMALL = Protocol(data_set="ucf101", start=IMAGENET, where="section 1", changes={"size": 7})
TUNED = replace(SMALL, start="kinetics400", where="section 2", changes={"jobs": ("transfer",)})
CHAIN = Protocol(data_set="charades", start="kinetics400", where="section 3", changes={"jobs": ("transfer",)})
PROTOCOLS = (SMALL, TUNED, CHAIN)
ROWS = (
    Row("A", (("a", "rgb", 1),)),
    Row("A+B", (("a", "rgb", 5), ("b", "rgb", 1))),
    Row("C+A", (("c", "rgb", 1), ("a", "rgb", 1))),
    Row("A+D", (("a", "rgb", 1), ("d", "flow", 1))),
)


def job(name: str, profile: Profile, start) -> Job:
    variant = VARIANTS[name]
    after = () if start.path and variant.transfer else variant.after
    return Job(
        name=name,
        recipe=profile.recipe if variant.network else None,
        stream="rgb" if variant.network else "flow",
        train=profile.clips,
        test=profile.clips,
        extra_tests=profile.extra_tests,
        probe=replace(profile.probe, seed=1) if variant.transfer else profile.probe,
        held_out=profile.held_out,
        after=after,
        initial="" if variant.after else name,
    )


class Net(nn.Module):
    """Two layers, or one, by the names of timm's ResNets; without batch norm and dropout."""

    def __init__(self, classes: int):
        super().__init__()
        self.conv1 = nn.Linear(4, 4)
        self.fc = nn.Linear(4, classes)

    def forward(self, clip: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"rgb": self.fc(self.conv1(clip["rgb"].flatten(1)))}


def build(variant: Variant, profile: Profile, *, classes: int, start=FROM_SCRATCH, weights=no_weights) -> Net:
    net = Net(classes)
    for earlier in variant.after:
        net.load_state_dict(weights(earlier))
    return net


def rows(profile: Profile) -> tuple[Row, ...]:
    return ROWS


def scores(task, data) -> dict[str, Tensor]:
    """Of the seed, so that each has its own."""
    labels = torch.tensor([sample.label for sample in data.of(task.job).lists[1].samples])
    return {"flow": torch.eye(3)[(labels + task.seed) % 3], "labels": labels}


def lists(name: str, train: int, test: int, **more: object) -> tuple[VideoList, VideoList]:
    """Lists of points, whose files are this one; several labels where `more` says multilabel."""

    def samples(count: int) -> tuple[Sample, ...]:
        several = bool(more)
        return tuple(
            Sample(f"{i}", Path(__file__), None if several else i % 3, ((i % 3, (i + 1) % 3) if several else ()))
            for i in range(count)
        )

    classes = ("x", "y", "z")
    return tuple(VideoList(name, s, classes, samples(n), **more) for s, n in (("train", train), ("test", test)))


class Clips(Dataset):
    """Points near those of their class, drawn from (seed, epoch, i) in training, from i in testing."""

    def __init__(self, videos: VideoList, settings: ClipSettings, streams: tuple[str, ...], seed: int, *, train: bool):
        self.videos, self.settings, self.streams, self.seed, self.train = videos, settings, streams, seed, train

    def __len__(self) -> int:
        return len(self.videos.samples)

    def __getitem__(self, item: int | tuple[int, int]) -> tuple[dict[str, Tensor], int | Tensor]:
        epoch, i = item if self.train else (99, item)
        rng = torch.Generator().manual_seed(100_000 * self.seed + 1000 * epoch + i)
        point = torch.randn(4, generator=rng) + i % 3
        views = torch.arange(self.settings.test_crops)[:, None] + point  # each view is the point plus its number
        return {"rgb": point if self.train else views}, target(self.videos, self.videos.samples[i])


class Data:
    """In place of `VideoData`; `made` holds all that were made."""

    made: ClassVar[list["Data"]] = []

    def __init__(self, listed, *, flow=None, max_unreadable=None, held_out=0.0, pixels=None, extra=None):
        self.lists = listed()
        self.flow, self.max_unreadable, self.held_out, self.pixels = flow, max_unreadable, held_out, pixels
        self.extra = extra
        self.made.append(self)

    def clips(
        self, subset: str, settings: ClipSettings, *, streams: tuple[str, ...] = ("rgb",), seed: int = 0
    ) -> Clips:
        videos = self.lists[subset == "test"]
        if subset == "held_out":
            videos = replace(videos, samples=videos.samples[:5])
        return Clips(videos, settings, streams, seed, train=subset == "train")

    def description(self) -> dict:
        return {"name": self.lists[0].data_set}
