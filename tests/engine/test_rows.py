"""Rows: scores of one test, of several networks, by given or searched weights."""

from types import SimpleNamespace

import pytest
import torch

from videoattn.engine.experiment import Row
from videoattn.engine.objective import Objective
from videoattn.engine.rows import by_distance, row_metrics
from videoattn.errors import InputError
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


def test_weights_are_not_searched_for_several_labels():
    row = Row("a", (("a", "rgb", 1),), searched="held_out")
    for objective in (Objective(multilabel=True), Objective((("verb", 3), ("noun", 2)))):
        with pytest.raises(InputError, match="row a: weights are searched for one class a video, not several"):
            row_metrics(row, {"a": scores("rgb", 0)}, objective)


def test_rows_of_another_test_have_its_labels():
    found = scores("rgb", 0)
    metrics = row_metrics(Row("a", (("a", "rgb held_out", 1),)), {"a": found})["a"]
    assert metrics["videos"] == 5
    assert metrics["top1"] == pytest.approx((found["rgb held_out"].argmax(1) == HELD).float().mean().item())


def test_two_streams_are_also_fused_by_every_share():
    found = {"a": scores("rgb", 0), "b": scores("flow", 1)}
    metrics = row_metrics(Row("a+b", (("a", "rgb", 3), ("b", "flow", 1))), found)["a+b"]
    a, b = found["a"]["rgb"], found["b"]["flow"]
    expected = [((i * a + (20 - i) * b).argmax(1) == LABELS).float().mean().item() for i in range(21)]
    assert metrics["sweep"] == pytest.approx(expected)
    assert metrics["top1"] == pytest.approx(expected[15])
    three = row_metrics(Row("x", (("a", "rgb", 1), ("b", "flow", 1), ("c", "rgb", 1))), found | {"c": scores("rgb", 2)})
    assert "sweep" not in three["x"]


def test_clips_with_levels_are_counted_by_level():
    found = scores("rgb", 0) | {"levels": torch.tensor([0.5, 2.0, 0.5, 2.0])}
    metrics = row_metrics(Row("a", (("a", "rgb", 1),)), {"a": found})["a"]
    right = found["rgb"].argmax(1) == LABELS
    assert metrics["levels"] == [(0.5, int(right[0]) + int(right[2]), 2), (2.0, int(right[1]) + int(right[3]), 2)]
    assert "levels" not in row_metrics(Row("a", (("a", "rgb held_out", 1),)), {"a": found})["a"]
    several = found | {"labels": torch.eye(3)[LABELS]}
    assert "levels" not in row_metrics(Row("a", (("a", "rgb", 1),)), {"a": several}, Objective(multilabel=True))["a"]


def test_metrics_are_split_by_distance():
    names = ["a", "b", "c", "d"]
    videos = SimpleNamespace(samples=[SimpleNamespace(name=name) for name in names])
    data = SimpleNamespace(
        truth={"clips": {name: {"distance": d} for name, d in zip(names, (1, 3, 1, 3), strict=True)}},
        test=lambda job: SimpleNamespace(videos=videos),
    )
    scores = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    found = by_distance(data, SimpleNamespace(name="job"), None, {"rgb": scores}, torch.tensor([0, 1, 1, 1]))
    assert {row: metrics["top1"] for row, metrics in found.items()} == {"job at 1": 0.5, "job at 3": 1.0}
