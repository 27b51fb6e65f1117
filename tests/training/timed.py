"""A study whose clips and networks take as long as they say, by a clock of its own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from videoattn.training import loading, measure
from videoattn.training.jobs import Job
from videoattn.training.parameters import check
from videoattn.training.recipe import Recipe
from videoattn.training.study import Study

RECIPE = Recipe(epochs=3, batch_size=8, lr=0.1)
CLASSES = 3


class Clock:
    """Seconds that pass only where something says so."""

    def __init__(self):
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


CLOCK = Clock()


@contextmanager
def by_the_clock() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for module in (loading, measure):
            patch.setattr(module, "time", SimpleNamespace(perf_counter=CLOCK))
        yield


@dataclass
class Points(Dataset):
    """`length` items, each of which takes so many seconds to read, the first half of them a tenth longer.

    Training items of shape (4,), test items with an axis of `views` in front. read: what happens besides.
    """

    length: int
    seconds: float = 0.0
    views: int = 0
    label: object = None
    read: Callable[[object], None] = lambda item: None

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, item: int | tuple[int, int]) -> tuple[dict[str, Tensor], object]:
        epoch, index = (-1, item) if self.views else item
        if not 0 <= index < self.length:
            raise IndexError(index)
        self.read(item)
        CLOCK.pass_by(self.seconds)
        generator = torch.Generator().manual_seed(1000 * epoch + index + 1000)
        clip = torch.randn(*([self.views] if self.views else []), 4, generator=generator)
        return {"rgb": clip}, index % CLASSES if self.label is None else self.label


class Net(nn.Module):
    """A step takes `fixed` seconds and `each` for each clip; testing takes `view` for each view of a clip."""

    def __init__(self, fixed: float = 0.0, each: float = 0.0, view: float = 0.0, classes: int = CLASSES):
        super().__init__()
        self.fixed, self.each, self.view = fixed, each, view
        self.layer = nn.Linear(4, classes)

    def forward(self, clip: dict[str, Tensor]) -> dict[str, Tensor]:
        clips = len(clip["rgb"])
        CLOCK.pass_by(self.fixed + self.each * clips if self.training else self.view * clips)
        return {"rgb": self.layer(clip["rgb"])}


@dataclass
class Data:
    training: Dataset
    testing: Dataset

    def train(self, job: Job, seed: int) -> Dataset:
        return self.training

    def test(self, job: Job) -> Dataset:
        return self.testing

    def description(self) -> dict:
        return {"name": "points"}


def study_of(
    folder: Path,
    net: Callable[[], nn.Module] = Net,
    *,
    training: Dataset | None = None,
    testing: Dataset | None = None,
    jobs: tuple[Job, ...] = (Job("a", RECIPE, "rgb"),),
    loss: Callable[[Tensor, Tensor], Tensor] | None = None,
    **fields: object,
) -> Study:
    """A study of one seed; `fields` of it may be given."""
    first = {"build": lambda job, weights: net(), "rows": (), "plan": {}, "seeds": (0,)} | fields
    data = Data(training or Points(16), testing or Points(12, views=1))
    study = Study(paper="cma", parameters=replace(check("cma", {}, ()), runs=folder), jobs=jobs, data=data, **first)
    if loss:
        study.objective = SimpleNamespace(loss=loss)
    return study


def pending(study: Study) -> list[tuple[Job, int]]:
    return [(job, seed) for seed in study.seeds for job in study.jobs]
