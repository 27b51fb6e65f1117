"""Studies: trained once, continued after a kill, complete in their record; trainings side by side."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch
from tasks import die_at_three, square
from tiny import CLASSES, Clips
from torch import Tensor, nn
from videoattn.engine.lanes import in_lanes

from videoattn.engine import run_job
from videoattn.engine import study as studies
from videoattn.engine.experiment import Job, Row
from videoattn.engine.parameters import check
from videoattn.engine.recipe import Recipe
from videoattn.engine.study import Study
from videoattn.errors import RunError

RECIPE = Recipe(epochs=2, batch_size=8, lr=0.1)
JOBS = (Job("a", RECIPE, "rgb"), Job("b", RECIPE, "rgb"), Job("c", RECIPE, "rgb", after=("a",)))
ROWS = (
    Row("A", (("a", "rgb", 1),)),
    Row("A+B", (("a", "rgb", 5), ("b", "rgb", 1))),
    Row("C+A", (("c", "rgb", 1), ("a", "rgb", 1))),
)


class Net(nn.Module):
    """One layer, and a note of the job that it was made from."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, CLASSES)

    def forward(self, clip: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"rgb": self.layer(clip["rgb"].flatten(1))}


class TestClips(Clips):
    """Each with one crop in front; frames of shape (1, 1, 1, 4)."""

    __test__ = False

    def __getitem__(self, i: int) -> tuple[dict[str, Tensor], int]:
        clip, label = super().__getitem__((99, i))
        return {"rgb": clip["rgb"].view(1, 1, 1, 1, 4)}, label


@dataclass
class Data:
    """In memory; notes which trainings asked for it, and may stop one of them."""

    asked: list[tuple[str, int]] = field(default_factory=list)
    stop: Callable[[str, int], None] = lambda name, seed: None

    def train(self, job: Job, seed: int) -> Clips:
        self.asked.append((job.name, seed))
        self.stop(job.name, seed)
        return Clips()

    def test(self, job: Job) -> TestClips:
        return TestClips(12)

    def description(self) -> dict:
        return {"name": "points"}


def make(root: Path, **changes: object) -> Study:
    def build(job: Job, weights: Callable[[str], dict[str, Tensor]]) -> Net:
        net = Net()
        for earlier in job.after:
            net.load_state_dict(weights(earlier))
        return net

    parameters = replace(check("cma", {}, ()), runs=root)
    first = {"plan": {"version": 1}, "jobs": JOBS, "rows": ROWS, "seeds": (0, 1), "data": Data()} | changes
    return Study(paper="cma", parameters=parameters, build=build, **first)


def measured(record) -> list:
    """All of a record's results that do not depend on the clock."""
    return [(r["job"], r["seed"], r["metrics"]) for r in record.results]


@pytest.fixture(scope="module", autouse=True)
def _quick() -> Iterator[None]:
    """The environment is described once, not for each training."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_job, "environment", lambda device: {"device": str(device)})
        patch.setattr(run_job.Accelerator, "free_memory", lambda self: None)  # collects garbage, which takes longest
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Study:
    study = make(tmp_path_factory.mktemp("runs"))
    study.run()
    return study


@pytest.fixture
def copied(whole: Study, tmp_path: Path) -> Study:
    """The finished study in a folder of its own."""
    study = make(tmp_path)
    shutil.copytree(whole.folder, study.folder)
    return study


def test_the_record_of_a_study_is_complete(whole):
    record = whole.record()
    assert record.complete
    assert whole.data.asked == [(name, seed) for seed in (0, 1) for name in "abc"]
    assert [(r["job"], r["seed"], list(r["metrics"])) for r in record.results] == [
        (job, seed, rows) for seed in (0, 1) for job, rows in (("a", ["A"]), ("b", ["A+B"]), ("c", ["C+A"]))
    ]
    assert (record.paper, record.digest, record.recipe, record.data) == (
        "cma",
        whole.digest,
        {"version": 1},
        {"name": "points"},
    )
    assert record.wall_s == pytest.approx(sum(r["wall_s"] for r in record.results))
    log = (whole.folder / "log.csv").read_text().splitlines()
    assert log[0] == "job,seed,epoch,loss,accuracy,lr"
    assert [line.split(",")[:3] for line in log[1:]] == [
        [job, seed, epoch] for seed in "01" for job in "abc" for epoch in "12"
    ]


def test_rows_are_scores_of_their_jobs_fused(whole):
    a, b = (whole.scores(name, 1) for name in "ab")
    assert torch.equal(a["labels"], b["labels"])
    fused = (5 * a["rgb"] + b["rgb"]) / 6
    row = next(r for r in whole.record().results if (r["job"], r["seed"]) == ("b", 1))["metrics"]["A+B"]
    assert row["top1"] == pytest.approx((fused.argmax(1) == a["labels"]).float().mean().item())
    assert row["videos"] == 12
    assert row["sweep"][-1] == pytest.approx((a["rgb"].argmax(1) == a["labels"]).float().mean().item())
    assert row["sweep"][0] == pytest.approx((b["rgb"].argmax(1) == a["labels"]).float().mean().item())
    net = whole.network("a", 1)
    clips = torch.stack([TestClips(12)[i][0]["rgb"] for i in range(12)])
    torch.testing.assert_close(net({"rgb": clips})["rgb"], a["rgb"])


def test_a_job_starts_from_the_one_that_it_comes_after(whole, monkeypatch):
    begun = {}
    monkeypatch.setattr(run_job, "fit", lambda net, *_, path, **__: begun.update({path.stem: net.state_dict()}) or [])
    monkeypatch.setattr(run_job, "predict", lambda *_, **__: ({}, torch.zeros(0)))
    for name in "ac":
        make(whole.parameters.runs).train(whole.job(name), 0)
    assert torch.equal(begun["c-seed0"]["layer.weight"], whole.network("a", 0).state_dict()["layer.weight"])
    assert not torch.equal(begun["a-seed0"]["layer.weight"], begun["c-seed0"]["layer.weight"])


def test_a_study_that_is_complete_is_not_trained_again(whole, copied):
    assert copied.run() == whole.record()
    assert copied.data.asked == []


@pytest.mark.parametrize("kind", ["checkpoints", "scores"])
def test_a_job_whose_file_is_gone_is_trained_again_and_each_row_stands_once(whole, copied, kind):
    next((copied.folder / kind).glob("a-seed1.*")).unlink()
    record = copied.run()
    assert copied.data.asked == [("a", 1)]
    assert record.complete
    assert measured(record) == measured(whole.record())
    assert record.seeds("A+B") == [0, 1]


def test_a_lost_record_is_made_again(whole, copied):
    (copied.folder / "record.json").unlink()
    assert measured(copied.run()) == measured(whole.record())


class Killed(BaseException):
    """As a kill does, it leaves at once."""


@pytest.mark.parametrize("when", [("a", 0), ("c", 0), ("b", 1)])
def test_a_killed_study_goes_on(tmp_path, whole, when):
    def kill(name: str, seed: int) -> None:
        if (name, seed) == when:
            raise Killed

    with pytest.raises(Killed):
        make(tmp_path, data=Data(stop=kill)).run()
    order = [(name, seed) for seed in (0, 1) for name in "abc"]
    again = make(tmp_path)
    assert not again.record().complete
    record = again.run()
    assert again.data.asked == order[order.index(when) :]
    assert record.complete
    assert measured(record) == measured(whole.record())
    assert (again.folder / "log.csv").read_text() == (whole.folder / "log.csv").read_text()


def test_killed_between_scores_and_record_a_job_is_tested_again(tmp_path, whole, monkeypatch):
    def kill(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(studies, "add_to_log", kill)
        with pytest.raises(Killed):
            make(tmp_path).run()
    assert measured(make(tmp_path).run()) == measured(whole.record())


def test_another_plan_has_another_folder(tmp_path):
    one, other = make(tmp_path), make(tmp_path, plan={"version": 2})
    assert one.folder != other.folder
    assert one.folder.parent == tmp_path / "cma"
    assert one.folder.name == f"check-probe-{one.digest}"


def test_rows_may_be_inspected_further(tmp_path):
    def look(job: Job, net: Net, scores: dict, labels: torch.Tensor) -> dict:
        top1 = (scores[job.stream].argmax(1) == labels).float().mean().item()
        return {f"weight-{job.name}": {"first": net.layer.weight[0, 0].item()}, "again": {"top1": top1}}

    study = make(tmp_path, inspect=look, jobs=JOBS[:1], rows=ROWS[:1])
    record = study.run()
    assert record.values("weight-a", "first") == [study.network("a", s).layer.weight[0, 0].item() for s in (0, 1)]
    assert record.values("again") == pytest.approx(record.values(ROWS[0].name))


def test_tasks_start_when_what_they_need_is_there():
    done: list[int] = []
    needs = {1: {3}, 2: set(), 3: {2}, 4: {1, 2}}
    for task, (result, pid) in in_lanes(square, [1, 2, 3, 4], lanes=2, ready=lambda t: needs[t] <= set(done)):
        assert result == task**2
        assert pid != os.getpid()
        done.append(task)
    assert done == [2, 3, 1, 4]


def test_a_dead_process_and_a_need_that_is_never_met_are_told():
    seen = []
    with pytest.raises(RunError, match="a training process died"):
        seen.extend(in_lanes(die_at_three, [1, 2, 3], lanes=1, ready=lambda _: True))
    with pytest.raises(RunError, match="nothing can start: 7 needs what no training gives"):
        list(in_lanes(square, [7], lanes=1, ready=lambda _: False))
