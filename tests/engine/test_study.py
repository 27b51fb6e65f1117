"""Studies: trained once, continued after a kill, complete in their record."""

import shutil
from dataclasses import replace
from pathlib import Path

import demo as paper
import demo_paper
import pandas as pd
import pytest
import torch

from videoattn.data.flow.cache import FlowSettings
from videoattn.engine import study as studies
from videoattn.engine import study_data, task
from videoattn.engine.experiment import Row, TestSet
from videoattn.engine.experiment import studies as names_of
from videoattn.engine.parameters import check
from videoattn.engine.run_folder import RunFolder
from videoattn.engine.study import Study, make_study
from videoattn.errors import InputError, RunError
from videoattn.io import locked

ORDER = [f"{name}-seed{seed}" for seed in (0, 1) for name in "abc"]


def measured(record) -> list:
    """All of a record's results that do not depend on the clock."""
    return [(r["job"], r["seed"], r["metrics"]) for r in record.results]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all runs of the paper, with that of a finished study in it."""
    root = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        demo_paper.install(patch, root)
        make_study(replace(check("demo", {}, paper.SETS), runs=root / "runs")).run()
    return root / "runs"


@pytest.fixture
def copied(finished: Path, make, tmp_path: Path) -> Study:
    """The finished study in a folder of its own."""
    shutil.copytree(finished, tmp_path / "runs")
    return make()


def test_the_record_of_a_study_is_complete(copied):
    record = copied.record()
    assert record.complete
    assert [(r["job"], r["seed"], list(r["metrics"])) for r in record.results] == [
        (job, seed, rows) for seed in (0, 1) for job, rows in (("a", ["A"]), ("b", ["A+B"]), ("c", ["C+A"]))
    ]
    assert (record.paper, record.study, record.profile, record.digest) == ("demo", "", "check", copied.digest)
    assert (record.data, record.environment) == ({"name": "folder"}, {"device": "cpu"})
    assert list(record.parameters) == ["RUNS"]
    assert (record.recipe["seeds"], record.recipe["data"]) == ([0, 1], "probe")
    assert record.recipe["variants"]["c"]["after"] == ["a"]
    assert record.wall_s == pytest.approx(sum(r["wall_s"] for r in record.results))
    assert min(r["wall_s"] for r in record.results) > 0
    log = (copied.folder / "log.csv").read_text().splitlines()
    assert log[0] == "job,seed,epoch,loss,accuracy,lr"
    assert [line.split(",")[:3] for line in log[1:]] == [
        [job, seed, epoch] for seed in "01" for job in "abc" for epoch in "12"
    ]
    assert copied.folder == copied.parameters.runs / "demo" / f"check-probe-{copied.digest}"
    assert copied.main.description() == {"name": "folder"}
    ends = {(r["job"], r["seed"]): r["training"] for r in record.results}
    first = next(r for r in record.results if r["job"] == "a")
    assert ends["a", 0]["accuracy"] == pytest.approx(float(log[2].split(",")[4]), abs=1e-4)
    assert ends["a", 0]["test"] == first["metrics"]["A"]["top1"]  # what it trained, alone in a row
    assert "test" not in ends["b", 0]  # its only row is a fusion


def test_rows_are_scores_of_their_jobs_fused(copied):
    a, b = (copied.scores(name, 1) for name in "ab")
    assert torch.equal(a["labels"], b["labels"])
    fused = (5 * a["rgb"] + b["rgb"]) / 6
    row = next(r for r in copied.record().results if (r["job"], r["seed"]) == ("b", 1))["metrics"]["A+B"]
    assert row["top1"] == pytest.approx((fused.argmax(1) == a["labels"]).float().mean().item())
    assert row["videos"] == 12
    assert row["sweep"][-1] == pytest.approx((a["rgb"].argmax(1) == a["labels"]).float().mean().item())
    assert row["sweep"][0] == pytest.approx((b["rgb"].argmax(1) == a["labels"]).float().mean().item())
    net = copied.network("a", 1)
    assert not net.training
    clips = torch.stack([copied.data.test(copied.job("a"))[i][0]["rgb"][0] for i in range(12)])
    torch.testing.assert_close(net({"rgb": clips})["rgb"], a["rgb"])


def test_a_job_starts_from_the_one_that_it_comes_after(copied, monkeypatch):
    begun = {}
    monkeypatch.setattr(task, "fit", lambda net, *_, path, **__: begun.update({path.stem: net.state_dict()}) or [])
    monkeypatch.setattr(task, "predict", lambda *_, **__: ({}, torch.zeros(0)))
    for name in "ac":
        task.run_task(copied.task(name, 0))
    assert torch.equal(begun["c-seed0"]["fc.weight"], copied.network("a", 0).state_dict()["fc.weight"])
    assert not torch.equal(begun["a-seed0"]["fc.weight"], begun["c-seed0"]["fc.weight"])


def test_each_job_and_seed_draws_numbers_of_its_own(make):
    study = make()
    drawn = {(job, seed): task.fresh_network(study.task(job, seed))[0].fc.weight for job in "ab" for seed in (0, 1)}
    assert len({tuple(weight.flatten().tolist()) for weight in drawn.values()}) == 4
    again, told = task.fresh_network(study.task("a", 1))
    assert torch.equal(again.fc.weight, drawn["a", 1])
    assert told == ""
    first = [study.data.train(study.job("a"), seed)[0, 0][0]["rgb"] for seed in (0, 1)]
    assert not torch.equal(*first)


def test_a_study_that_is_complete_is_not_trained_again(finished, copied, trained):
    before = copied.record()
    assert copied.run() == before
    assert trained == []


@pytest.mark.parametrize("kind", ["checkpoints", "scores"])
def test_a_job_whose_file_is_gone_is_trained_again_and_each_row_stands_once(copied, trained, kind):
    before = copied.record()
    next((copied.folder / kind).glob("a-seed1.*")).unlink()
    record = copied.run()
    assert trained == ["a-seed1"]
    assert record.complete
    assert measured(record) == measured(before)
    assert record.seeds("A+B") == [0, 1]


def test_a_lost_record_is_made_again(copied):
    before = copied.record()
    (copied.folder / "record.json").unlink()
    assert measured(copied.run()) == measured(before)


class Killed(BaseException):
    """As a kill does, it leaves at once."""


@pytest.mark.parametrize("when", ["a-seed0", "c-seed0", "b-seed1"])
def test_a_killed_study_goes_on(finished, make, trained, monkeypatch, when):
    def kill(*_: object, path: Path, **named: object) -> list:
        if path.stem == when:
            raise Killed
        return fit(*_, path=path, **named)

    fit = task.fit
    with monkeypatch.context() as patched:
        patched.setattr(task, "fit", kill)
        with pytest.raises(Killed):
            make().run()
    trained.clear()
    again = make()
    assert not again.record().complete
    record = again.run()
    assert trained == ORDER[ORDER.index(when) :]
    assert record.complete
    whole = finished / again.folder.relative_to(again.folder.parents[1])
    assert measured(record) == measured(studies.read(whole))
    assert (again.folder / "log.csv").read_text() == (whole / "log.csv").read_text()


def test_killed_between_scores_and_record_a_job_is_tested_again(finished, make, monkeypatch):
    def kill(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(RunFolder, "add_to_log", kill)
        with pytest.raises(Killed):
            make().run()
    (folder,) = (finished / "demo").iterdir()
    assert measured(make().run()) == measured(studies.read(folder))


def test_a_job_that_begins_again_has_no_scores_of_before(copied, monkeypatch):
    """A task that needs it would else start too early."""
    (copied.folder / "checkpoints" / "a-seed0.pt").unlink()
    there = []

    def kill(*_: object) -> None:
        there.append(copied.run_folder.scores_path("a", 0).exists())
        raise Killed

    monkeypatch.setattr(studies, "run_task", kill)
    with pytest.raises(Killed):
        copied.run()
    assert there == [False]
    assert copied.run_folder.scores_path("b", 0).exists()


def test_progress_is_told(copied, capsys, monkeypatch):
    closed = []
    monkeypatch.setattr(studies.Progress, "close", lambda self: closed.append(self.name))
    (copied.folder / "scores" / "b-seed0.npz").unlink()
    (copied.folder / "scores" / "c-seed1.npz").unlink()
    copied.run()
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("trainings")] == [
        "trainings: training 1 of 2  b seed 0",
        "trainings: training 2 of 2  c seed 1",
    ]
    assert closed[-1] == "trainings"


def test_what_changes_results_changes_the_digest_and_nothing_else_does(make, demo, monkeypatch, tmp_path):
    first = make()
    video = {"DATASET": "ucf101", "DATA": "/"}
    other = [
        make(SEEDS=1),
        make(PRETRAINED=True),
        make(STEPS=2),
        make(JOBS="a"),
        make(PROFILE="full"),
        make(**video),
        make(**video, PRETRAINED=True),
    ]
    assert len({study.digest for study in (first, *other)}) == 1 + len(other)
    assert other[0].seeds == (0,)
    assert other[0].folder != first.folder
    assert make(FLOW="none").digest == make(RUNS=str(tmp_path)).digest == first.digest
    listed = other[5].plan
    assert listed["data"] == [videos.fingerprint() for videos in paper.lists("ucf101", 18, 9)]
    assert ("probe" in first.plan, "probe" in listed, "max_unreadable" in first.plan) == (True, False, False)
    before = other[5].digest
    profiles = {
        name: replace(own, max_unreadable=0.5, probe=paper.Points(seed=3)) for name, own in paper.PROFILES.items()
    }
    monkeypatch.setattr(demo, "PROFILES", profiles)
    assert make(**video).digest == before
    assert make().digest != first.digest
    monkeypatch.setattr(demo, "VARIANTS", paper.VARIANTS | {"a": paper.Variant(transfer=True)})
    assert make(**video, INIT=str(Path(__file__)), JOBS="b").digest != before


def test_runs_lie_in_the_checkout_where_nothing_else_is_said(demo, monkeypatch, tmp_path):
    monkeypatch.setattr(studies, "runs_root", lambda: tmp_path)
    assert make_study(check("demo", {}, paper.SETS)).folder.parent == tmp_path / "demo"


def test_auto_is_replaced_before_a_study_is_made(make, monkeypatch):
    for cuda, profile in ((True, "full"), (False, "quick")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda cuda=cuda: cuda)
        assert make(PROFILE="auto").folder.name.startswith(f"{profile}-probe-")


def test_networks_may_be_inspected_on_the_probe_alone(make, demo):
    def inspect(data, job, net, scores, labels) -> dict:
        assert data is task.study_data(data.parameters, "", data.profile)
        top1 = (scores[job.stream].argmax(1) == labels).float().mean().item()
        return {f"weight-{job.name}": {"first": net.fc.weight[0, 0].item()}, "again": {"top1": top1}}

    demo.inspect = inspect
    study = make(JOBS="a")
    record = study.run()
    assert record.values("weight-a", "first") == [study.network("a", s).fc.weight[0, 0].item() for s in (0, 1)]
    assert record.values("again") == pytest.approx(record.values("A"))
    elsewhere = make(JOBS="a", DATASET="ucf101", DATA="/").run()
    assert (elsewhere.seeds("A"), elsewhere.seeds("again")) == ([0, 1], [])


def test_rows_are_those_whose_jobs_are_run(make):
    assert [row.name for row in make().rows] == ["A", "A+B", "C+A"]
    assert [row.name for row in make(JOBS="c").rows] == ["A", "C+A"]
    assert [row.name for row in make(PROFILE="full").rows] == ["A", "A+B", "C+A", "A+D"]


def test_a_job_without_a_network_is_scored_once(make, demo, trained):
    asked = []
    scores = demo.scores

    def noted(task, data) -> dict:
        asked.append((task.job.name, task.seed))
        return scores(task, data)

    demo.scores = noted
    own = make(JOBS="a,d")
    record = own.run()
    assert record.complete
    assert asked == [("d", 0), ("d", 1)]
    assert own.scores("d", 1)["flow"][0].tolist() == [0, 1, 0]
    assert record.values("A+D") != []
    assert not own.run_folder.weights_path("d", 0).exists()
    assert set(pd.read_csv(own.folder / "log.csv")["job"]) == {"a"}
    assert make(JOBS="a,d").run().complete
    assert len(asked) == 2
    own.run_folder.scores_path("d", 0).unlink()
    assert make(JOBS="a,d").run().complete
    assert asked[2:] == [("d", 0)]
    assert trained == ["a-seed0", "a-seed1"]


def test_a_training_that_is_done_again_replaces_its_rows(tmp_path):
    folder = RunFolder(tmp_path)
    folder.add_to_log("none", 0, [])
    assert not (tmp_path / "log.csv").exists()
    folder.add_to_log("a", 0, [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.0}])
    folder.add_to_log("a", 1, [{"epoch": 1, "loss": 5.0}])
    folder.add_to_log("a", 0, [{"epoch": 1, "loss": 3.0}])
    log = pd.read_csv(tmp_path / "log.csv")
    assert log.to_dict("list") == {"job": ["a", "a"], "seed": [1, 0], "epoch": [1, 1], "loss": [5.0, 3.0]}


def test_weights_that_are_not_there_are_told(tmp_path):
    with pytest.raises(RunError, match=r"a-seed3.pt is missing: run the study first, which trains a with seed 3"):
        RunFolder(tmp_path).weights("a", 3)


def test_a_run_that_another_process_has_is_not_begun(make, trained):
    study = make()
    told = f"another process works on this run, {study.folder}: wait for it, then the same command goes on"
    with locked(study.folder / ".lock", busy=""), pytest.raises(RunError) as error:
        make().run()
    assert str(error.value) == told
    assert trained == []
    assert [path.name for path in study.folder.iterdir()] == [".lock"]


def test_each_test_is_a_stream_that_rows_can_take(make, demo, monkeypatch):
    six = replace(paper.FRAMES, test_crops=3, test_clips=1)
    tests = (TestSet(name="3x1", settings=six), TestSet(name="held", settings=paper.FRAMES, subset="held_out"))
    other = TestSet(name="other", settings=paper.FRAMES, probe=paper.Points(test=4))
    profile = replace(paper.CHECK, jobs=("a", "b"), seeds=1, extra_tests=(*tests, other))
    monkeypatch.setattr(demo, "PROFILES", {"check": profile, "paper": profile})
    rows = (
        Row("a 3x1", (("a", "rgb 3x1", 1),)),
        Row("a+b 3x1", (("a", "rgb 3x1", 1), ("b", "rgb 3x1", 1))),
        Row("a held", (("a", "rgb held", 1),)),
    )
    monkeypatch.setattr(demo, "rows", lambda profile: rows)
    study = make()
    metrics = {name: value for result in study.run().results for name, value in result["metrics"].items()}
    scores = {name: study.scores(name, 0) for name in "ab"}
    for name in "ab":
        network, clips = study.network(name, 0), study.data.tests(study.job(name))
        assert list(clips) == ["", "3x1", "held", "other"]
        for test, own in clips.items():
            expected = torch.stack([network(own[i][0])["rgb"].mean(0) for i in range(len(own))]).detach()
            torch.testing.assert_close(scores[name][f"rgb {test}".strip()], expected)
        assert not torch.allclose(scores[name]["rgb"], scores[name]["rgb 3x1"])
    labels = scores["a"]["labels"]
    fused = scores["a"]["rgb 3x1"] + scores["b"]["rgb 3x1"]
    for row, score in {"a 3x1": scores["a"]["rgb 3x1"], "a+b 3x1": fused}.items():
        assert metrics[row]["top1"] == pytest.approx((score.argmax(1) == labels).float().mean().item())
    held = scores["a"]["rgb held"], scores["a"]["labels held"]  # other videos, with labels of their own
    assert (len(held[1]), metrics["a held"]["videos"]) == (5, 5)
    assert metrics["a held"]["top1"] == pytest.approx((held[0].argmax(1) == held[1]).float().mean().item())
    assert len(scores["a"]["labels other"]) == 4


def test_videos_of_jobs_are_made_once_for_what_they_have_in_common(make, demo, monkeypatch, tmp_path):
    monkeypatch.setenv("VIDEOATTN_CACHE", str(tmp_path / "cache"))
    demo.inputs = lambda clips: {"places": clips}
    study = make(JOBS="a,b,transfer")
    a, b, transfer = (study.job(name) for name in ("a", "b", "transfer"))
    data = study.data
    assert data.of(a) is data.of(b) is study.main
    assert data.of(transfer) is not data.of(a)
    assert paper.Data.made == [data.of(a), data.of(transfer)]
    assert data.of(a).extra == {"places": {"0": {"folder": "points-16-12-0"}}}
    assert data.of(transfer).extra == {"places": {"0": {"folder": "points-16-12-1"}}}
    assert data.truth == {"clips": {"0": {"folder": "points-16-12-0"}}}
    assert (data.outputs, data.training_videos, data.lists) == (3, 16, None)
    assert data.of(a).max_unreadable is None
    assert data.of(replace(a, held_out=0.25)).held_out == 0.25
    flow = FlowSettings(algorithm="dis", short_side=16)
    assert data.of(replace(a, flow=flow)).flow == flow
    other = replace(paper.FRAMES, frames=2)
    clips = data.train(replace(a, train=other, streams=("flow",)), 7)
    assert (clips.settings, clips.streams, clips.seed, clips.train, len(clips)) == (other, ("flow",), 7, True, 16)
    clips = data.test(replace(a, test=other, streams=("flow",)))
    assert (clips.settings, clips.streams, clips.train, len(clips)) == (other, ("flow",), False, 12)
    extra = (TestSet(name="more", settings=other),)
    assert data.tests(replace(a, extra_tests=extra, streams=("flow",)))["more"].streams == ("flow",)


def test_videos_of_the_user_are_the_same_for_all_jobs(make, monkeypatch):
    asked = []

    def listed(name, root, **more):
        asked.append((name, root, more))
        return paper.lists(name, 18, 9)

    monkeypatch.setattr(study_data, "load_splits", listed)
    study = make(DATASET="ucf101", DATA="/", SPLIT=2, ALLOW_MISSING=True, JOBS="a,b")
    data = study.data
    assert data.of(study.job("a")) is data.of(study.job("b"))
    assert asked == [("ucf101", Path("/"), {"split": 2, "allow_missing": True})]
    assert (data.of(study.job("a")).max_unreadable, data.of(study.job("a")).pixels) == (0.05, None)
    assert data.of(study.job("a")).extra is None
    assert (data.outputs, data.training_videos) == (3, 18)
    images = make(DATASET="cifar100", DATA="/")
    monkeypatch.setattr(study_data.cifar100, "pixels", lambda root, subset: (root, subset))
    assert images.main.pixels("test") == (Path("/"), "test")
    assert images.profile.size == 4


def test_ten_crops_of_classes_that_left_and_right_tell_apart_are_refused(make, demo, monkeypatch):
    def classes(name, root, **_):
        return tuple(replace(own, classes=("left", "right", "z")) for own in paper.lists(name, 18, 9))

    monkeypatch.setattr(study_data, "load_splits", classes)
    ten = replace(paper.FRAMES, test_crops=10)
    given = {"DATASET": "ucf101", "DATA": "/"}
    assert make(**given).jobs
    for changes in ({"clips": ten}, {"extra_tests": (TestSet(name="ten", settings=ten),)}):
        monkeypatch.setattr(demo, "PROFILES", dict.fromkeys(paper.PROFILES, replace(paper.CHECK, **changes)))
        with pytest.raises(InputError, match="left"):
            make(**given)
        assert make().jobs  # a probe draws every mirror image


def test_a_second_study_has_a_folder_and_a_record_of_its_own(make, add_study, trained):
    assert names_of("demo") == ("",)
    add_study("second", DATA_SETS=("ucf101",), rows=lambda profile: (Row("only A", (("a", "rgb", 1),)),))
    assert names_of("demo") == ("", "second")
    first, second = make(JOBS="a", SEEDS=1), make("second", JOBS="a", SEEDS=1)
    assert second.folder == first.folder.with_name(f"second-check-probe-{second.digest}")
    record = second.run()
    assert (record.study, record.values("only A") != []) == ("second", True)
    assert trained == ["a-seed0"]
    assert not first.folder.exists()
    assert first.run().study == ""
    assert studies.read(second.folder).study == "second"
    assert make("second", DATASET="folder", DATA="/") is None


def test_a_study_that_is_made_again_looks_for_its_clips_anew(make):
    first = make(JOBS="a")
    before = first.data
    assert first.data is before
    again = make(JOBS="a")
    assert again.data is not before
    assert first.data is again.data


def test_seeds_begin_with_the_first(make):
    assert make(FIRST_SEED=7, SEEDS=2).seeds == (7, 8)


def test_central_jobs_have_as_many_seeds_more(make, demo, monkeypatch, trained):
    monkeypatch.setitem(demo.PROFILES, "check", replace(demo.PROFILES["check"], central=("c",)))
    one = make()
    assert (one.seeds, one.central) == ((0, 1), ("a", "c"))  # c starts from a
    record = one.run()
    assert record.complete
    seeds = {job: [r["seed"] for r in record.results if r["job"] == job] for job in "abc"}
    assert seeds == {"a": [0, 1, 2, 3], "b": [0, 1], "c": [0, 1, 2, 3]}
    assert record.seeds("C+A") == [0, 1, 2, 3]
    assert record.seeds("A+B") == [0, 1]
    assert one.digest != make(JOBS="b").digest
    assert make(JOBS="b").central == ()
    assert make(SEEDS=2).central == ()
    monkeypatch.setitem(demo.PROFILES, "check", replace(demo.PROFILES["check"], central=()))
    assert make().digest != one.digest
