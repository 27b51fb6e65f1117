"""A task as it is run: what of recipe, runtime and labels reaches the training, by value."""

import pickle
from dataclasses import replace

import accelerate
import demo as paper
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from videoattn.engine import checkpoint, study_data, task
from videoattn.engine.experiment import no_weights, studies
from videoattn.engine.parameters import check
from videoattn.engine.protocol import Start
from videoattn.engine.study import Study, make_study
from videoattn.errors import InputError, RunError
from videoattn.evaluation.multilabel import charades_metrics
from videoattn.papers import PAPERS


def weights(study: Study, name: str = "a") -> dict[str, Tensor]:
    return study.run_folder.weights(name, 0)


def with_recipe(monkeypatch, demo, **changes: object) -> None:
    profile = replace(paper.CHECK, jobs=("a",), seeds=1, recipe=replace(paper.RECIPE, **changes))
    monkeypatch.setattr(demo, "PROFILES", {"check": profile, "paper": profile})


def batches(monkeypatch) -> list[int]:
    """How many videos the loss is of, whenever it is computed."""
    sizes = []
    loss = study_data.Objective.loss

    def noted(self, scores: Tensor, labels: Tensor) -> Tensor:
        sizes.append(len(labels))
        return loss(self, scores, labels)

    monkeypatch.setattr(study_data.Objective, "loss", noted)
    return sizes


def stop_after_an_epoch(path, state: dict) -> None:
    checkpoint_save(path, state)
    raise KeyboardInterrupt


checkpoint_save = checkpoint.save


@pytest.mark.parametrize("accumulation", [2, 4])
def test_accumulated_batches_make_the_same_steps(make, tmp_path, accumulation):
    one = make(JOBS="a", SEEDS=1)
    one.run()
    several = make(JOBS="a", SEEDS=1, ACCUMULATION=accumulation, RUNS="/")
    assert several.digest == one.digest
    assert several.runtime.accumulation == accumulation
    several = replace(several, parameters=replace(several.parameters, runs=tmp_path / "other"))
    several.run()
    torch.testing.assert_close(weights(several), weights(one))
    start, _ = task.fresh_network(one.task("a", 0))
    assert not torch.allclose(weights(one)["fc.weight"], start.fc.weight)


def test_the_recipe_says_how_many_batches_make_a_step(make, demo, monkeypatch):
    whole = make(JOBS="a", SEEDS=1)
    whole.run()
    with_recipe(monkeypatch, demo, accumulation=2)
    parts = make()
    assert parts.folder != whole.folder
    sizes = batches(monkeypatch)
    parts.run()
    assert sizes == [4] * 8
    torch.testing.assert_close(weights(parts), weights(whole))


def test_a_run_goes_on_with_smaller_batches(make, demo, monkeypatch, trained):
    """As after its message that memory is exhausted: the same run, from the epoch before."""
    whole = make(JOBS="a", SEEDS=1)
    whole.run()
    expected = weights(whole)
    whole.run_folder.scores_path("a", 0).unlink()
    whole.run_folder.weights_path("a", 0).unlink()
    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "save", stop_after_an_epoch)
        with pytest.raises(KeyboardInterrupt):
            make(JOBS="a", SEEDS=1).run()
    again = make(JOBS="a", SEEDS=1, ACCUMULATION=4)
    assert again.folder == whole.folder
    sizes = batches(monkeypatch)
    again.run()
    assert sizes == [2] * 8  # one epoch
    torch.testing.assert_close(weights(again), expected)


def test_a_step_that_cannot_be_parted_is_refused(make):
    with pytest.raises(InputError, match="ACCUMULATION is 3, but a step of a has 8 videos: choose a divisor of that"):
        make(ACCUMULATION=3)
    assert make(PROFILE="full", JOBS="d", ACCUMULATION=3).jobs  # trains no network


@pytest.mark.parametrize(("precision", "kind"), [("no", torch.float32), ("bf16", torch.bfloat16)])
def test_networks_compute_in_the_precision_of_the_recipe(make, demo, monkeypatch, precision, kind):
    accelerate.state.AcceleratorState._reset_state()  # one process has one precision
    with_recipe(monkeypatch, demo, precision=precision)
    seen = set()

    class Noted(paper.Net):
        def forward(self, clip):
            hidden = self.conv1(clip["rgb"].flatten(1))
            seen.add((self.training, hidden.dtype))
            return {"rgb": self.fc(hidden)}

    monkeypatch.setattr(demo, "build", lambda *_, classes, **__: Noted(classes))
    study = make()
    study.run()
    accelerate.state.AcceleratorState._reset_state()
    assert seen == {(True, kind), (False, kind)}
    assert study.scores("a", 0)["rgb"].dtype == torch.float32
    assert weights(study)["fc.weight"].dtype == torch.float32


def test_several_labels_are_trained_by_their_own_loss(make, demo, monkeypatch):
    """One step by hand: the loss is that of a sigmoid for each class."""
    with_recipe(monkeypatch, demo, epochs=1, momentum=0.0, batch_size=16)
    monkeypatch.setattr(study_data, "load_splits", lambda name, root, **_: paper.lists(name, 16, 9, multilabel=True))
    study = make(DATASET="charades", DATA="/", JOBS="a", PRETRAINED=False)
    net, _ = task.fresh_network(study.task("a", 0))
    clips = study.data.train(study.job("a"), 0)
    points, labels = zip(*(clips[0, i] for i in range(16)), strict=True)
    scores = net({"rgb": torch.stack([point["rgb"] for point in points])})["rgb"]
    labels = torch.stack(labels)
    probabilities = scores.sigmoid()
    loss = -(labels * probabilities.log() + (1 - labels) * (1 - probabilities).log()).mean()
    loss.backward()
    record = study.run()
    expected = {name: (p - 0.1 * p.grad).detach() for name, p in net.named_parameters()}
    torch.testing.assert_close(weights(study), expected)
    log = (study.folder / "log.csv").read_text().splitlines()[1].split(",")
    assert float(log[3]) == pytest.approx(loss.item(), rel=1e-5)
    found = study.scores("a", 0)
    assert record.values("A", "map") == [charades_metrics(found["rgb"], found["labels"])["map"]]


@pytest.mark.parametrize("name", PAPERS)
def test_jobs_of_all_papers_go_to_another_process_as_data(name):
    for study in studies(name):
        own = make_study(check(name, {}, ()), study)
        for job in own.jobs:
            sent = own.task(job.name, 1)
            assert pickle.loads(pickle.dumps(sent)) == sent


def test_runtime_reaches_training_and_testing(make, monkeypatch):
    seen = {}
    fit, predict = task.fit, task.predict
    monkeypatch.setattr(task, "fit", lambda *a, **named: seen.update(fit=named) or fit(*a, **named | {"workers": 0}))
    monkeypatch.setattr(
        task, "predict", lambda *a, **named: seen.update(test=named) or predict(*a, **named | {"workers": 0})
    )
    study = make(JOBS="a", SEEDS=1, WORKERS=3, TEST_BATCH=5)
    study.run()
    assert (seen["fit"]["workers"], seen["test"]["workers"], seen["test"]["batch_size"]) == (3, 3, 5)
    assert seen["fit"]["identity"] == f"{study.digest} a 0"
    assert seen["fit"]["stream"] == "rgb"


def test_epochs_are_told_but_in_the_profile_of_tests(make, capsys):
    make(JOBS="a", SEEDS=1).run()
    assert "epoch" not in capsys.readouterr().out
    make(JOBS="a", SEEDS=1, PROFILE="quick").run()
    lines = [line for line in capsys.readouterr().out.splitlines() if "epoch" in line]
    assert [line.split("  ")[0] for line in lines] == ["a seed 0: epoch 1 of 2", "a seed 0: epoch 2 of 2"]
    assert not any("testing" in line for line in lines)


def test_progress_of_training_and_testing_is_shown_and_taken_away(make, monkeypatch):
    made, closed, told = [], [], []

    class Noted(task.Progress):
        def advance(self, done: int, note: str = "") -> None:
            told.append((self.name, done))
            super().advance(done, note)

        def __init__(self, name: str, total: int, **more: object):
            made.append((name, total, more))
            super().__init__(name, total, **more)

        def close(self) -> None:
            closed.append(self.name)
            super().close()

    monkeypatch.setattr(task, "Progress", Noted)
    make(JOBS="a", SEEDS=1).run()
    assert made == [
        ("a seed 0", 2, {"lines": False}),
        ("a seed 0, testing", 12, {"what": "video", "lines": False}),
    ]
    assert closed == ["a seed 0", "a seed 0, testing"]
    assert told == [("a seed 0", 1), ("a seed 0", 2), ("a seed 0, testing", 12)]


def test_networks_are_built_for_classes_profile_and_start(make, demo, monkeypatch):
    seen = []

    def build(variant: paper.Variant, profile: paper.Profile, **named: object) -> paper.Net:
        seen.append((variant, profile, named["classes"], named["start"]))
        return paper.build(variant, profile, **named)

    monkeypatch.setattr(demo, "build", build)
    study = make(JOBS="a", PRETRAINED=True)
    task.fresh_network(study.task("a", 0))
    assert seen == [(paper.VARIANTS["a"], study.profile, 3, Start("imagenet"))]


def test_the_results_say_what_ran_where(make):
    study = make(JOBS="a,d", SEEDS=1)
    result = task.run_task(study.task("a", 0))
    assert [row["epoch"] for row in result["log"]] == [1, 2]
    assert (result["job"], result["seed"], result["metrics"]) == ("a", 0, {})
    assert result["environment"] == {"device": "cpu"}
    assert 0 < result["wall_s"] < 60
    assert "initial" not in result
    result = task.run_task(study.task("d", 0))
    assert (result["log"], result["environment"], result["job"]) == ([], {"device": "cpu"}, "d")


def test_a_dry_run_tests_as_many_videos_as_it_makes_steps(make, demo, monkeypatch):
    whole, dry = make(JOBS="a,d", SEEDS=1), make(JOBS="a,d", SEEDS=1, STEPS=2)
    assert [study.run().results[-1]["metrics"]["A+D"]["videos"] for study in (whole, dry)] == [12, 2]
    assert whole.folder != dry.folder
    assert dry.job("a").recipe == replace(paper.RECIPE, epochs=1, max_steps=2)
    assert torch.equal(dry.scores("d", 0)["flow"], whole.scores("d", 0)["flow"][:2])
    assert torch.equal(dry.scores("a", 0)["labels"], whole.scores("a", 0)["labels"][:2])
    assert len(whole.data.test(whole.job("a"))) == 12
    assert len(dry.data.train(dry.job("a"), 0)) == 16


# Starts from the networks of a run, or from a file.


def started(make, first: Study, **values: object) -> Study:
    return make(INIT=str(first.folder), **values)


def test_networks_start_from_those_of_a_run(make, capsys):
    first = make(JOBS="a,d", SEEDS=1)
    first.run()
    capsys.readouterr()
    second = started(make, first, JOBS="a,d", SEEDS=2)
    assert second.start == Start("probe", first.folder, first.digest)
    for seed in (0, 1):  # the run has the first seed alone, from which both start
        network, told = task.fresh_network(second.task("a", seed))
        trained = weights(first)
        assert all(value.equal(trained[name]) for name, value in network.state_dict().items())
        assert told.startswith("a-seed0.pt: 4 of 4 tensors loaded")
    record = second.run()
    said = capsys.readouterr().out
    assert said.startswith(f"a: {told}\na seed 0: ")  # nothing of d, which trains no network
    assert [r.get("initial") for r in record.results] == [told, None, told, None]
    assert record.recipe["init"] == {"name": "probe", "of": first.digest}


def test_a_job_without_a_place_in_the_run_is_told_before_anything_is_trained(make, trained):
    first = make(JOBS="a", SEEDS=1)
    first.run()
    trained.clear()
    other = started(make, first, JOBS="a,b")
    with pytest.raises(InputError, match="holds no network 'b'; it holds a"):
        other.run()
    assert trained == []


def test_earlier_jobs_may_be_those_of_the_run_alone(make):
    first = make(JOBS="a", SEEDS=1)
    first.run()
    own = started(make, first, JOBS="transfer", SEEDS=1)
    assert [(job.name, job.after) for job in own.jobs] == [("transfer", ())]
    network, told = task.fresh_network(own.task("transfer", 0))
    assert told == ""
    assert network.state_dict()["fc.weight"].equal(weights(first)["fc.weight"])
    both = started(make, first, JOBS="a,transfer", SEEDS=1)  # though one of that name is trained here too
    network, _ = task.fresh_network(both.task("transfer", 0))
    assert network.state_dict()["fc.weight"].equal(weights(first)["fc.weight"])


def test_where_a_job_starts_is_told_once_where_it_is_known(make, capsys):
    first = make(JOBS="a", SEEDS=1)
    first.run()
    capsys.readouterr()
    own = started(make, first, JOBS="a,c,transfer", SEEDS=2)
    own.run()  # c starts from a job that is to be trained first
    told = [line for line in capsys.readouterr().out.splitlines() if line[:3] in ("a: ", "c: ", "tra")]
    assert told[:3] == [
        "a: a-seed0.pt: 4 of 4 tensors loaded",
        "transfer: starts from no weights of INIT by its own name",
        "trainings: training 1 of 6  a seed 0",
    ]
    begun, _ = task.fresh_network(own.task("c", 1))
    assert torch.equal(begun.fc.weight, own.run_folder.weights("a", 1)["fc.weight"])


def test_the_last_layer_comes_along_on_the_same_data_set_alone(make, tmp_path):
    path = tmp_path / "net.pt"
    checkpoint.save(path, {"model": paper.Net(3).state_dict()})
    own = make(INIT=str(path), JOBS="a").task("a", 0)
    for name, whole in (("file", True), ("probe", True), ("kinetics400", False)):
        _, told = task.fresh_network(replace(own, start=Start(name, path)))
        assert told.startswith("net.pt: 4 of 4" if whole else "net.pt: 2 of 4")


def test_whose_file_it_is_may_be_said(make, tmp_path):
    path = tmp_path / "net.pt"
    checkpoint.save(path, {"model": paper.Net(3).state_dict()})
    told = [
        task.fresh_network(make(INIT=f"{path}{named}", JOBS="a").task("a", 0))[1].splitlines()[1]
        for named in ("", ":own", ":tsn")
    ]
    assert ["own" in line for line in told] == [False, True, False]
    assert told[2].endswith(" (tsn)")


def test_a_file_that_init_names_is_named_where_it_does_not_fit(make, tmp_path):
    path = tmp_path / "net.pt"
    path.touch()
    own = make(INIT=str(path), JOBS="a").task("a", 0)
    checkpoint.save(path, {"model": {name: torch.zeros(1, 2, 3) for name in paper.Net(3).state_dict()}})
    with pytest.raises(InputError, match=rf"^INIT is {path}: weights of the file have other shapes than the network"):
        task.fresh_network(own)
    checkpoint.save(path, {"model": {"other": torch.zeros(2)}})
    with pytest.raises(InputError, match=rf"^INIT is {path}: the file has 0% of the network's weights"):
        task.fresh_network(own)


def test_weights_may_go_into_a_part_of_the_network(make, demo, monkeypatch, tmp_path):
    path, net = tmp_path / "net.pt", paper.Net(3)
    nn.init.ones_(net.conv1.weight)
    checkpoint.save(path, {"model": net.state_dict()})
    own = make(INIT=str(path), JOBS="a").task("a", 0)
    own = replace(own, job=replace(own.job, part="inner.net"))
    monkeypatch.setattr(
        demo,
        "build",
        lambda *_, **__: nn.ModuleDict({"inner": nn.ModuleDict({"net": paper.Net(3)}), "fc": paper.Net(3)}),
    )
    network, told = task.fresh_network(own)
    assert told.startswith("net.pt: 4 of 4 tensors loaded")
    assert all(value.equal(net.state_dict()[name]) for name, value in network["inner"]["net"].state_dict().items())
    assert not network["fc"].conv1.weight.equal(net.conv1.weight)


def test_states_may_stand_in_for_those_of_earlier_jobs(make):
    study, states = make(), {name: paper.Net(3).state_dict() for name in "ab"}
    network, _ = task.fresh_network(study.task("c", 0), states)
    assert network.conv1.weight.equal(states["a"]["conv1.weight"])
    with pytest.raises(RunError, match=r"a-seed0\.pt is missing: run the study first"):
        task.fresh_network(study.task("c", 0), {"b": states["b"]})


def test_weights_for_a_later_job_are_checked_before_anything_is_trained(make, demo, trained, monkeypatch, tmp_path):
    path = tmp_path / "net.pt"
    checkpoint.save(path, {"model": paper.Net(3).state_dict()})

    def build(variant: paper.Variant, profile: paper.Profile, **given: object) -> nn.Module:
        net = paper.build(variant, profile, **given)
        if variant.after:  # of a state that is there before it is trained
            net.conv1 = nn.Linear(5, 4)
        return net

    monkeypatch.setattr(demo, "job", lambda name, *rest: replace(paper.job(name, *rest), initial=name))
    make(INIT=str(path), JOBS="a,b,c", SEEDS=1).run()
    assert trained == ["a-seed0", "b-seed0", "c-seed0"]
    trained.clear()
    monkeypatch.setattr(demo, "build", build)
    other = make(INIT=str(path), JOBS="a,b,c", SEEDS=2)
    with pytest.raises(
        InputError, match=rf"^c: INIT is {path}: weights .* other shapes .*; JOBS=a,b runs the trainings"
    ):
        other.run()
    assert trained == []


def test_missing_imagenet_weights_are_told_before_anything_is_trained(make, demo, trained, monkeypatch):
    def build(variant: paper.Variant, profile: paper.Profile, *, start: Start, **given: object) -> nn.Module:
        if variant is paper.VARIANTS["c"] and start.pretrained:
            raise RunError("there is no file of weights")
        return paper.build(variant, profile, start=start, **given)

    monkeypatch.setattr(demo, "build", build)
    with pytest.raises(RunError, match="there is no file of weights"):
        make(PRETRAINED="true").run()
    assert trained == []
    assert make(JOBS="c", SEEDS=1).run().complete


def test_a_damaged_file_of_init_is_a_wrong_value(make, demo, tmp_path):
    path = tmp_path / "net.pt"
    path.write_bytes(b"PK")
    told = rf"^INIT: {path} is no file of tensors, or only a part of one"
    study = make(INIT=str(path), JOBS="a,transfer")
    with pytest.raises(InputError, match=told):
        task.fresh_network(study.task("a", 0))
    with pytest.raises(InputError, match=told):
        task.fresh_network(study.task("transfer", 0))
    with pytest.raises(InputError, match=told):  # of no job, since it fits none
        study.run()


def test_without_earlier_jobs_there_are_no_weights():
    with pytest.raises(LookupError, match="the weights of a are asked for, and none are there"):
        no_weights("a")


def test_scores_come_back_as_they_were_kept(make):
    folder = make().run_folder
    kept = {"rgb": torch.rand(4, 3), "labels": torch.tensor([0, 1, 2, 0])}
    folder.keep_scores("a", 1, kept)
    found = folder.scores("a", 1)
    assert found.keys() == kept.keys()
    assert all(torch.equal(found[name], kept[name]) for name in kept)
    with np.load(folder.scores_path("a", 1)) as saved:
        assert saved["labels"].tolist() == [0, 1, 2, 0]


@pytest.mark.parametrize(
    ("accuracies", "slope"),
    [
        ([0.5], 0.0),
        ([0.5, 0.6], 0.1),
        ([0.1, 0.2, 0.4, 0.6], 0.2),  # the last three
        ([*(0.02 * n for n in range(13)), 0.9, 0.9, 0.9], 0.198),  # the last four of 16, by hand
    ],
)
def test_how_a_training_ended(accuracies, slope):
    end = task.learning([{"accuracy": accuracy} for accuracy in accuracies])
    assert end["accuracy"] == accuracies[-1]
    assert end["slope"] == pytest.approx(slope)
