"""Ways of testing besides a job's own: kept as streams, fused into rows of several networks, named by a data set."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from tiny import Clips, Net
from torch import Tensor
from videoattn.engine.rgb_study import RGBData

from videoattn.data.clips.settings import ClipSettings
from videoattn.data.datasets.videos import Sample, VideoList
from videoattn.engine import rgb_study, run_job
from videoattn.engine.experiment import Job, Row
from videoattn.engine.parameters import check
from videoattn.engine.recipe import Recipe
from videoattn.engine.study import Study


class Views(Clips):
    """Test clips of so many views, each the clip plus its number."""

    def __init__(self, views: int, length: int = 12):
        super().__init__(length)
        self.views = views

    def __getitem__(self, i: int) -> tuple[dict[str, Tensor], int]:
        clip, label = super().__getitem__((99, i))
        return {"rgb": clip["rgb"] + torch.arange(self.views)[:, None]}, label


def test_each_way_is_a_stream_that_rows_can_take(tmp_path, monkeypatch):
    monkeypatch.setattr(run_job, "environment", lambda device: {"device": str(device)})
    jobs = tuple(Job(name, Recipe(epochs=1, batch_size=8, lr=0.1), "rgb") for name in "ab")
    rows = (
        Row("a", (("a", "rgb", 1),)),
        Row("a 3x2", (("a", "rgb 3x2", 1),)),
        Row("a+b 3x2", (("a", "rgb 3x2", 1), ("b", "rgb 3x2", 1))),
        Row("a fewer", (("a", "rgb fewer", 1),)),
    )
    study = Study(
        paper="aia",
        parameters=replace(check("aia", {}, ()), runs=tmp_path),
        plan={},
        jobs=jobs,
        rows=rows,
        seeds=(0,),
        build=lambda job, weights: Net(random=False),
        data=SimpleNamespace(train=lambda j, s: Clips(), test=lambda j: Views(1), description=dict),
        further=lambda job: {"3x2": Views(6), "fewer": Views(1, length=5)},
    )
    metrics = {name: value for result in study.run().results for name, value in result["metrics"].items()}
    scores = {name: study.scores(name, 0) for name in "ab"}
    for name in "ab":
        network = study.network(name, 0)
        own, six = (
            torch.stack([network(views[i][0])["rgb"].mean(0) for i in range(12)]).detach()
            for views in (Views(1), Views(6))
        )
        torch.testing.assert_close(scores[name]["rgb"], own)
        torch.testing.assert_close(scores[name]["rgb 3x2"], six)
        assert not torch.allclose(own, six)
    labels = scores["a"]["labels"]
    fused = scores["a"]["rgb 3x2"] + scores["b"]["rgb 3x2"]
    expected = {"a": scores["a"]["rgb"], "a 3x2": scores["a"]["rgb 3x2"], "a+b 3x2": fused}
    for row, score in expected.items():
        assert metrics[row]["top1"] == pytest.approx((score.argmax(1) == labels).float().mean().item())
    fewer = scores["a"]["rgb fewer"], scores["a"]["labels fewer"]  # other videos, with labels of their own
    torch.testing.assert_close(fewer[0], scores["a"]["rgb"][:5])
    assert (len(fewer[1]), metrics["a fewer"]["videos"]) == (5, 5)
    assert metrics["a fewer"]["top1"] == pytest.approx((fewer[0].argmax(1) == fewer[1]).float().mean().item())


def test_a_data_set_gives_the_test_clips_of_its_protocols(tmp_path, monkeypatch):
    videos = [VideoList("folder", s, ("x",), (Sample("v", tmp_path / "v.mp4", 0),)) for s in ("train", "test")]
    monkeypatch.setattr(rgb_study, "user_lists", lambda *_, **__: videos)
    own = ClipSettings(frames=4, size=32, short_side=32)
    parameters = replace(check("aia", {"DATASET": "folder", "DATA": str(tmp_path)}, ("folder",)))
    several = {"4": own, "4 3x2": replace(own, test_crops=3, test_clips=2)}
    data = RGBData(
        parameters,
        SimpleNamespace(max_unreadable=None),
        settings=several,
        use=lambda name: "4",
        protocols=("3x2",),
    )
    job = Job("a", Recipe(epochs=1, batch_size=1, lr=1), "rgb")
    assert data.test(job).settings == own
    assert {name: clips.settings for name, clips in data.further(job).items()} == {"3x2": several["4 3x2"]}
