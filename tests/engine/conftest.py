"""What the tests of the engine share: the paper `demo`, its studies, and a note of what was trained."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import demo as paper
import pytest

from videoattn.engine import study_data, task
from videoattn.engine.parameters import check
from videoattn.engine.study import Study, make_study


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


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ModuleType]:
    """The module `experiments` of the paper "demo", which a test may change."""
    (tmp_path / "demo").mkdir()
    yield install(monkeypatch, tmp_path / "demo")
    task._data.clear()


@pytest.fixture
def add_study(demo: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., ModuleType]:
    """Adds a further study of the paper: its name, and what differs from the first."""
    return lambda name, **changes: installed(monkeypatch, tmp_path / "demo", name, **changes)


@pytest.fixture
def make(demo: ModuleType, tmp_path: Path) -> Callable[..., Study]:
    """Makes the study of the paper "demo" that parameters ask for; other processes do not know the paper."""

    def made(name: str = "", **values: object) -> Study | None:
        return make_study(replace(check("demo", {"PARALLEL": 1} | values, paper.SETS), runs=tmp_path / "runs"), name)

    return made


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The trainings that were begun, as "a-seed0"."""
    begun: list[str] = []
    fit = task.fit

    def noted(*arguments: object, path: Path, **named: object) -> list:
        begun.append(path.stem)
        return fit(*arguments, path=path, **named)

    monkeypatch.setattr(task, "fit", noted)
    return begun
