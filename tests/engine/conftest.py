"""What the tests of the engine share: the paper `demo`, its studies, and a note of what was trained."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import demo as paper
import pytest
from demo_paper import install, installed

from videoattn.engine import task
from videoattn.engine.parameters import check
from videoattn.engine.study import Study, make_study


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
