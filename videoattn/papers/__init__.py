"""The papers: one folder each, which holds a `recipe.py`. Only light imports, so that a wrong name is refused at once.

A paper's `__init__.py` names the data sets that its notebook takes besides the probe, and imports nothing heavy:

    DATA_SETS = VIDEOS

A study of a paper besides its first is a folder in the paper's, which holds a `recipe.py`, too.
"""

import importlib
from pathlib import Path

from videoattn.engine.parameters import Parameters
from videoattn.errors import InputError, unknown

PAPERS = tuple(sorted(path.parent.name for path in Path(__file__).parent.glob("*/recipe.py")))


def parts(paper: str) -> tuple[str, ...]:
    """The names of a paper's studies: "" is the first, the others are folders of the paper's."""
    return ("", *sorted(path.parent.name for path in (Path(__file__).parent / paper).glob("*/recipe.py")))


def check_paper(name: str | None) -> str:
    """The name of a paper; InputError, with the list of good ones, where it is none."""
    if not name:
        raise InputError(f"no paper is named: give PAPER=...; choose from {', '.join(PAPERS)}")
    if name not in PAPERS:
        raise unknown("paper", name, PAPERS)
    return name


def data_sets(paper: str) -> tuple[str, ...]:
    """The data sets on which a paper's notebook can run, besides the probe."""
    return importlib.import_module(f"videoattn.papers.{paper}").DATA_SETS


def flow_settings(parameters: Parameters) -> tuple:
    """The `FlowSettings` of all flow that the studies of a paper read; InputError where they read none."""
    names = [".".join(filter(None, (__name__, parameters.paper, part, "study"))) for part in parts(parameters.paper)]
    studies = [study for study in map(importlib.import_module, names) if hasattr(study, "flow_settings")]
    found = tuple(settings for study in studies for settings in study.flow_settings(parameters))
    if not found:
        raise InputError(
            f"the studies of {parameters.paper} look at RGB alone on {parameters.dataset}: they need no flow"
        )
    return found
