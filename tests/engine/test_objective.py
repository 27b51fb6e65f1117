"""One label, several heads, several labels: loss and metrics, index by index."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from videoattn.data.datasets.videos import VideoList
from videoattn.engine.experiment import Row
from videoattn.engine.objective import ONE_CLASS, Objective
from videoattn.engine.rows import row_metrics
from videoattn.evaluation.metrics import classification_metrics

HEADS = Objective((("verb", 3), ("noun", 2)))
MANY = Objective(multilabel=True)
ONE = VideoList("folder", "train", ("a", "b", "c"), ())


def cross_entropy(scores: list[float], label: int) -> float:
    return math.log(sum(math.exp(s) for s in scores)) - scores[label]


@given(st.integers(1, 5), st.integers(0, 2**31))
def test_losses_by_loops(videos, seed):
    rng = torch.Generator().manual_seed(seed)
    scores = torch.randn(videos, 5, generator=rng, dtype=torch.float64)
    one = torch.randint(5, (videos,), generator=rng)
    heads = torch.stack([torch.randint(3, (videos,), generator=rng), torch.randint(2, (videos,), generator=rng)], 1)
    many = torch.randint(2, (videos, 5), generator=rng).double()
    expected = {"one": 0.0, "heads": 0.0, "many": 0.0}
    for b, row in enumerate(scores.tolist()):
        expected["one"] += cross_entropy(row, one[b].item()) / videos
        expected["heads"] += (cross_entropy(row[:3], heads[b, 0]) + cross_entropy(row[3:], heads[b, 1])) / videos
        for c in range(5):
            p = 1 / (1 + math.exp(-row[c]))
            expected["many"] -= math.log(p if many[b, c] else 1 - p) / (5 * videos)
    found = {
        "one": ONE_CLASS.loss(scores, one),
        "heads": HEADS.loss(scores, heads),
        "many": MANY.loss(scores, many),
    }
    assert {name: loss.item() for name, loss in found.items()} == pytest.approx(expected)


def test_how_right_scores_are():
    scores = torch.tensor([[0.0, 2.0, 1.0, 5.0, 4.0], [3.0, 2.0, 1.0, 0.0, 9.0]])
    assert ONE_CLASS.correct(scores, torch.tensor([3, 0])).tolist() == [1, 0]
    assert HEADS.correct(scores, torch.tensor([[1, 1], [0, 1]])).tolist() == [0.5, 1]
    assert MANY.correct(scores, torch.tensor([[0, 1, 0, 1, 0], [1, 0, 0, 0, 0.0]])).tolist() == [1, 0]


def test_outputs_and_objectives_of_data_sets():
    heads = replace(ONE, heads=(("verb", ("x", "y", "z")), ("noun", ("p", "q"))))
    assert Objective.of(ONE) == ONE_CLASS
    assert Objective.of(heads) == HEADS
    assert Objective.of(replace(ONE, multilabel=True)) == MANY
    assert (ONE_CLASS.outputs(3), HEADS.outputs(3), MANY.outputs(3)) == (3, 5, 3)


def test_rows_of_heads_are_those_of_their_own_scores():
    rng = torch.Generator().manual_seed(0)
    scores, labels = torch.randn(6, 5, generator=rng), torch.tensor([[0, 1], [1, 0], [2, 1], [0, 0], [1, 1], [2, 0]])
    found = row_metrics(Row("net", (("net", "rgb", 1),)), {"net": {"rgb": scores, "labels": labels}}, HEADS)
    assert found == {
        "net verb": classification_metrics(scores[:, :3], labels[:, 0]),
        "net noun": classification_metrics(scores[:, 3:], labels[:, 1]),
    }


def test_rows_of_several_labels_have_average_precisions():
    labels = torch.tensor([[1, 0], [0, 1], [1, 1.0]])
    scores = torch.tensor([[3.0, 0.0], [2.0, 1.0], [1.0, 2.0]])
    (metrics,) = row_metrics(
        Row("net", (("net", "rgb", 1),)), {"net": {"rgb": scores, "labels": labels}}, MANY
    ).values()
    assert metrics["map"] == pytest.approx(((1 + 2 / 3) / 2 + 1) / 2)
    assert "sweep" not in metrics


def test_mean_class_accuracy_leaves_out_classes_without_videos():
    scores, labels = torch.eye(4)[[0, 0, 1, 3]], torch.tensor([0, 0, 0, 1])
    assert classification_metrics(scores, labels)["mean_class"] == pytest.approx((2 / 3 + 0) / 2)
