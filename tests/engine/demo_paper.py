"""The paper `demo` put in the place of a real one."""

import sys
from pathlib import Path
from types import ModuleType

import demo as paper
import pytest

from videoattn.engine import study_data, task


def installed(patch: pytest.MonkeyPatch, folder: Path, study: str = "", **changes: object) -> ModuleType:
    """The module `experiments` of a study of the paper "demo", with what `changes` names in place of its own."""
    if study:
        (folder / study).mkdir()
        (folder / study / "experiments.py").touch()
    module = ModuleType(".".join(filter(None, ("videoattn.papers.demo", study, "experiments"))))
    names = ("PROFILES", "VIDEOS", "IMAGES", "VARIANTS", "PROTOCOLS", "job", "build", "rows", "scores")
    module.__dict__.update({name: getattr(paper, name) for name in names} | changes)
    patch.setitem(sys.modules, module.__name__, module)
    return module


def install(patch: pytest.MonkeyPatch, folder: Path) -> ModuleType:
    """The paper "demo" without a further study, points in place of videos, and the environment described once."""
    package = ModuleType("videoattn.papers.demo")
    package.__file__ = str(folder / "__init__.py")
    patch.setitem(sys.modules, package.__name__, package)

    def listed(name: str, root: Path, **_: object) -> tuple:
        return paper.lists(name, *(map(int, root.name.split("-")[1:3]) if name == "folder" else (18, 9)))

    patch.setattr(study_data, "VideoData", paper.Data)
    patch.setattr(study_data, "load_splits", listed)
    patch.setattr(study_data, "read_truth", lambda folder: {"clips": {"0": {"folder": folder.name}}})
    patch.setattr(task, "environment", lambda device: {"device": str(device)})
    patch.setattr(task.Accelerator, "free_memory", lambda self: None)  # collects garbage, which takes longest
    task._data.clear()
    paper.Data.made.clear()
    return installed(patch, folder)
