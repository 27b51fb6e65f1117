"""`videoattn data flow --paper` computes the flow that the paper's studies look for, and no other."""

import pytest

from videoattn import cli
from videoattn.data.content_cache import CacheReport
from videoattn.data.flow.cache import FlowCache, FlowSettings
from videoattn.engine.parameters import check
from videoattn.papers import flow_settings
from videoattn.papers.cma import study as cma
from videoattn.papers.istpa.streams import study as streams


@pytest.fixture
def root(tmp_path):
    for name in ("train/a/1.mp4", "train/a/2.mp4", "train/b/3.mp4", "train/b/4.mp4", "test/a/5.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


@pytest.fixture
def built(monkeypatch, root):
    """The settings of all flow that is asked for."""
    asked = []

    def build(self, videos, **_):
        asked.append(self.settings)
        return CacheReport(0, len(videos), ())

    monkeypatch.setattr(FlowCache, "build", build)
    monkeypatch.setenv("VIDEOATTN_CACHE", str(root / "cache"))
    return asked


def sets(module, parameters):
    """Prepares the clips of all jobs of a study."""
    made = module.study(parameters)
    for job in made.jobs:
        made.data._set(module.VARIANTS[job.name])


@pytest.mark.parametrize("algorithm", ["auto", "dis"])
@pytest.mark.parametrize(("paper", "module"), [("cma", cma), ("istpa", streams)])
def test_the_command_computes_what_the_study_reads(root, built, paper, module, algorithm):
    values = {"PROFILE": "paper", "DATASET": "folder", "DATA": str(root), "FLOW": algorithm}
    sets(module, check(paper, values, ("folder",)))
    wanted = set(built)
    built.clear()
    more = [] if algorithm == "auto" else ["--algorithm", algorithm]
    assert cli.main(["data", "flow", "folder", str(root), "--paper", paper, *more]) == 0
    assert set(built) == wanted
    assert {own.algorithm for own in wanted} == {"tvl1" if algorithm == "auto" else algorithm}


@pytest.mark.parametrize("profile", ["check", "cpu", "gpu"])
@pytest.mark.parametrize(("paper", "module"), [("cma", cma), ("istpa", streams)])
def test_other_profiles_say_what_they_read_too(root, built, paper, module, profile):
    parameters = check(paper, {"PROFILE": profile, "DATASET": "folder", "DATA": str(root)}, ("folder",))
    sets(module, parameters)
    assert set(flow_settings(parameters)) == set(built)


def test_what_the_papers_say():
    values = {"PROFILE": "paper", "DATASET": "folder", "DATA": "."}
    assert flow_settings(check("cma", values, ("folder",))) == (
        FlowSettings(algorithm="tvl1", short_side=256, aspect=1.0),
    )
    found = [(own.short_side, own.warped) for own in flow_settings(check("istpa", values, ("folder",)))]
    assert found == [(340, False), (340, True), (256, False), (256, True)]
