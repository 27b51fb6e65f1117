"""`videoattn data flow --paper` computes the flow that the paper's studies look for, and no other."""

import pytest

from videoattn import cli
from videoattn.data.clips import video_data
from videoattn.data.content_cache import CacheReport
from videoattn.data.decode.decoder import VideoInfo
from videoattn.data.flow.cache import FlowCache, FlowSettings
from videoattn.data.verify.inspect import Finding
from videoattn.engine.experiment import flow_settings
from videoattn.engine.parameters import check
from videoattn.errors import InputError


@pytest.fixture
def built(monkeypatch):
    """The settings of all flow that is asked for."""
    asked = []

    def build(self, videos, **_):
        asked.append(self.settings)
        return CacheReport(0, len(videos), ())

    def inspect(lists, **_):
        info = VideoInfo(frames=9, height=64, width=64, fps=25.0, decoder="pyav")
        return {sample.source: Finding(whole=True, limit=1.0, info=info) for own in lists for sample in own.samples}

    monkeypatch.setattr(FlowCache, "build", build)
    monkeypatch.setattr(video_data, "inspect_videos", inspect)
    return asked


def read(study):
    """Asks for the training clips of all jobs."""
    for job in study.jobs:
        study.data.train(job, 0)


STUDIES = pytest.mark.parametrize(("paper", "study"), [("cma", ""), ("istpa", "streams")])


@pytest.mark.parametrize("algorithm", ["auto", "dis"])
@STUDIES
def test_the_command_computes_what_the_study_reads(study_of, videos, built, paper, study, algorithm):
    read(study_of(paper, study, PROFILE="paper", **videos, FLOW=algorithm, PRETRAINED="false"))
    wanted = set(built)
    built.clear()
    more = [] if algorithm == "auto" else ["--algorithm", algorithm]
    assert cli.main(["data", "flow", "folder", videos["DATA"], "--paper", paper, *more]) == 0
    assert set(built) == wanted
    assert {own.algorithm for own in wanted} == {"tvl1" if algorithm == "auto" else algorithm}


@pytest.mark.parametrize("profile", ["check", "quick", "full"])
@STUDIES
def test_other_profiles_say_what_they_read_too(study_of, videos, built, paper, study, profile):
    one = study_of(paper, study, PROFILE=profile, **videos)
    read(one)
    assert set(flow_settings(one.parameters)) == set(built)


def test_jobs_of_rgb_alone_have_no_flow_computed(study_of, videos, built):
    read(study_of("cma", **videos, JOBS="rgb,rgb-nl"))
    assert built == []


def test_what_the_papers_say():
    values = {"PROFILE": "paper", "DATASET": "folder", "DATA": "."}
    assert flow_settings(check("cma", values, ("folder",))) == (
        FlowSettings(algorithm="tvl1", short_side=256, aspect=1.0),
    )
    found = [(own.short_side, own.warped) for own in flow_settings(check("istpa", values, ("folder",)))]
    assert sorted(found) == [(256, False), (340, False), (340, True)]
    rgb = check("cma", values | {"JOBS": "rgb"}, ("folder",))
    with pytest.raises(InputError, match="the studies of cma look at RGB alone on folder: they need no flow"):
        flow_settings(rgb)
