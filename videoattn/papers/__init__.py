"""The papers: a folder each, which holds an `experiments.py`.

Only light imports stand here, so that a wrong name is refused at once.

A paper's `__init__.py` names the data sets that its notebook takes besides the probe, and imports nothing heavy:

    DATA_SETS = VIDEOS

What such a folder holds: attention.py (the module), network.py (where it stands), experiments.py (what is trained and
compared, as `videoattn.engine.experiment` says), audit.py and printed.csv (the paper's figures), claims.py and
inspection.py (what is measured of trained networks, and drawn).
"""

import importlib
from pathlib import Path

from videoattn.errors import InputError, unknown

PAPERS = tuple(sorted(path.parent.name for path in Path(__file__).parent.glob("*/experiments.py")))


def check_paper(name: str | None) -> str:
    """The name of a paper; InputError, with the papers that there are, where it is none."""
    if not name:
        raise InputError(f"no paper is named: give PAPER=...; choose from {', '.join(PAPERS)}")
    if name not in PAPERS:
        raise unknown("paper", name, PAPERS)
    return name


def data_sets(paper: str) -> tuple[str, ...]:
    """The data sets on which a paper's notebook can run, besides the probe."""
    return importlib.import_module(f"videoattn.papers.{paper}").DATA_SETS
