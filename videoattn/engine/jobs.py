"""What a study is made of: trainings, rows of tables, and the clips for them."""

from dataclasses import dataclass
from typing import Protocol

from torch.utils.data import Dataset

from videoattn.engine.recipe import Recipe


@dataclass(frozen=True)
class Job:
    """One training, or scores that are had without one.

    recipe: None where no network is trained. stream: which score it trains. after: jobs whose weights it starts from.
    data: which set. initial: the job of the run INIT that it starts from; "" for none.
    """

    name: str
    recipe: Recipe | None
    stream: str
    after: tuple[str, ...] = ()
    data: str = "main"
    initial: str = ""


@dataclass(frozen=True)
class Row:
    """One row of a table: scores of (job, stream), several of them fused with weights.

    searched: name of further test videos, of none that a network was trained on, on which the weights are searched;
    those of `parts` are not used then.
    """

    name: str
    parts: tuple[tuple[str, str, float], ...]
    searched: str = ""


class Data(Protocol):
    """The clips of a study, prepared when they are first asked for."""

    def train(self, job: Job, seed: int) -> Dataset: ...
    def test(self, job: Job) -> Dataset: ...
    def description(self) -> dict: ...
