"""Studies as tests ask for them, the networks of a profile without their numbers, and a folder of empty videos."""

import functools
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from videoattn.engine.experiment import Profile, module_of, with_needed
from videoattn.engine.parameters import check
from videoattn.engine.protocol import FROM_SCRATCH
from videoattn.engine.study import Study, make_study
from videoattn.papers import data_sets
from videoattn.papers.cma.attention import CMABlock


@pytest.fixture
def study_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Study | None]:
    """`make_study` with parameters by name; caches and runs lie in the folder of the test, which is empty before."""
    monkeypatch.setenv("VIDEOATTN_CACHE", str(tmp_path / "cache"))

    def made(paper: str, name: str = "", **values: object) -> Study | None:
        return make_study(check(paper, {"RUNS": str(tmp_path / "runs")} | values, data_sets(paper)), name)

    return made


@pytest.fixture
def videos(tmp_path: Path) -> dict[str, str]:
    """The parameters that name a folder with two classes of two empty files for training and one for testing."""
    for name in ("a", "b"):
        for file in (f"train/{name}/1.mp4", f"train/{name}/2.mp4", f"test/{name}/3.mp4"):
            (tmp_path / "videos" / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "videos" / file).touch()
    return {"DATASET": "folder", "DATA": str(tmp_path / "videos")}


@pytest.fixture(scope="session")
def networks() -> Callable[..., dict[str, nn.Module]]:
    """(paper, study, profile) -> the networks of its jobs for three classes, by name, on the meta device."""
    return functools.cache(_networks)


def _networks(paper: str, study: str, profile: Profile) -> dict[str, nn.Module]:
    experiments, built = module_of(paper, study), {}
    with pytest.MonkeyPatch.context() as patch, torch.device("meta"):
        patch.setattr(CMABlock, "is_identity", lambda block: True)  # there are no numbers to look at
        for name in with_needed(profile.jobs, profile, FROM_SCRATCH, experiments):
            if experiments.job(name, profile, FROM_SCRATCH).recipe:
                state = lambda earlier: built[earlier].state_dict()  # noqa: E731
                built[name] = experiments.build(experiments.VARIANTS[name], profile, classes=3, weights=state)
    return built
