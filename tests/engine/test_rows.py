"""Rows by searched weights, jobs that train no network, and studies besides a paper's first."""

from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from tiny import Clips, Net
from videoattn.engine.log import add_to_log

from videoattn.engine import run_job
from videoattn.engine.experiment import Job, Row
from videoattn.engine.parameters import check
from videoattn.engine.recipe import Recipe
from videoattn.engine.rows import row_metrics
from videoattn.engine.study import Study
from videoattn.evaluation.fusion import fused_by_search

LABELS = torch.tensor([0, 1, 2, 0])
HELD = torch.tensor([0, 1, 2, 2, 1])


def scores(stream: str, seed: int) -> dict[str, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return {
        stream: torch.randn(4, 3, generator=rng),
        f"{stream} held_out": torch.randn(5, 3, generator=rng),
        "labels": LABELS,
        "labels held_out": HELD,
    }


def test_weights_are_searched_on_other_videos_than_those_of_the_row():
    found = {"a": scores("rgb", 0), "b": scores("flow", 1)}
    row = Row("a+b", (("a", "rgb", 1), ("b", "flow", 1)), searched="held_out")
    metrics = row_metrics(row, found)["a+b"]
    test = {"a rgb": found["a"]["rgb"], "b flow": found["b"]["flow"]}
    held = {"a rgb": found["a"]["rgb held_out"], "b flow": found["b"]["flow held_out"]}
    fused, weights = fused_by_search(test, held, HELD)
    assert metrics["weights"] == weights
    assert metrics["top1"] == pytest.approx((fused.argmax(1) == LABELS).float().mean().item())
    assert "sweep" not in metrics
    found["a"]["labels"] = LABELS.flip(0)  # what is right on the test set has no say
    found["b"]["labels"] = LABELS.flip(0)
    assert row_metrics(row, found)["a+b"]["weights"] == weights


def study(root, **changes) -> Study:
    recipe = Recipe(epochs=1, batch_size=8, lr=0.1)
    values = {
        "paper": "aia",
        "part": "second",
        "parameters": replace(check("aia", {}, ()), runs=root),
        "plan": {"version": 1},
        "jobs": (Job("a", recipe, "rgb"), Job("b", None, "flow")),
        "rows": (Row("a", (("a", "rgb", 1),)), Row("a+b", (("a", "rgb", 1), ("b", "flow", 1)))),
        "seeds": (0, 1),
        "build": lambda job, weights: Net(random=False),
        "data": SimpleNamespace(train=lambda j, s: Clips(), test=lambda j: TestClips(4), description=dict),
        "scored": lambda job, seed: {"flow": torch.eye(3)[LABELS] * 100, "labels": TestClips.labels(4)},
    }
    return Study(**values | changes)


class TestClips(Clips):
    """One view of each."""

    __test__ = False

    def __getitem__(self, i):
        clip, label = super().__getitem__((99, i))
        return {"rgb": clip["rgb"][None]}, label

    @staticmethod
    def labels(number: int) -> torch.Tensor:
        return torch.tensor([TestClips(number)[i][1] for i in range(number)])


def test_a_job_without_a_network_is_scored_once(tmp_path, monkeypatch):
    monkeypatch.setattr(run_job, "environment", lambda device: {"device": str(device)})
    asked = []

    def scored(job: Job, seed: int) -> dict[str, torch.Tensor]:
        asked.append((job.name, seed))
        return {"flow": torch.full((4, 3), float(seed)), "labels": TestClips.labels(4)}

    own = study(tmp_path, scored=scored)
    record = own.run()
    assert record.complete
    assert record.study == "second"
    assert own.folder.name == f"second-check-probe-{own.digest}"
    assert asked == [("b", 0), ("b", 1)]
    assert own.scores("b", 1)["flow"].unique().tolist() == [1.0]
    assert not (own.folder / "checkpoints" / "b-seed0.pt").exists()
    log = pd.read_csv(own.folder / "log.csv")
    assert set(log["job"]) == {"a"}
    again = study(tmp_path, scored=scored)
    assert again.run().complete
    assert len(asked) == 2
    (again.folder / "scores" / "b-seed0.npz").unlink()
    assert again.run().complete
    assert asked[2:] == [("b", 0)]


def test_a_training_that_is_done_again_replaces_its_rows(tmp_path):
    path = tmp_path / "log.csv"
    add_to_log(path, [], job="none", seed=0)
    assert not path.exists()
    add_to_log(path, [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.0}], job="a", seed=0)
    add_to_log(path, [{"epoch": 1, "loss": 5.0}], job="a", seed=1)
    add_to_log(path, [{"epoch": 1, "loss": 3.0}], job="a", seed=0)
    assert pd.read_csv(path).to_dict("list") == {"job": ["a", "a"], "seed": [1, 0], "epoch": [1, 1], "loss": [5.0, 3.0]}
