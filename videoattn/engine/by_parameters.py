"""Studies by the parameters of a notebook, which other processes can be given."""

import functools
import importlib
from typing import TYPE_CHECKING

from videoattn.engine.parameters import Parameters

if TYPE_CHECKING:
    from videoattn.engine.study import Study

Task = tuple[Parameters, str, str, int]  # parameters, part, job, seed


def study_of(parameters: Parameters, part: str = "") -> "Study | None":
    """The study of a paper, or another part of it, that the parameters ask for; None where they ask for none."""
    module = ".".join(filter(None, ("videoattn.papers", parameters.paper, part, "study")))
    return importlib.import_module(module).study(parameters)


_kept = functools.cache(study_of)


def train(task: Task) -> dict:
    """In a process of its own: one job of the study that the parameters ask for."""
    parameters, part, name, seed = task
    study = _kept(parameters, part)
    return study.train(study.job(name), seed)
