"""Average precisions by hand, by loops and by torchmetrics: ties, empty classes, videos without a label."""

import math
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchmetrics.functional.classification import multilabel_average_precision

from videoattn.errors import InputError
from videoattn.evaluation.multilabel import average_precision, charades_metrics, multilabel_loss


def by_loops(scores: list[list[float]], labels: list[list[int]], column: int) -> float:
    """Average precision of a class, video by video."""
    ranked = [(-math.inf if not any(row) else s[column], row[column]) for s, row in zip(scores, labels, strict=True)]
    found, hits = 0.0, 0
    for rank, (_, positive) in enumerate(sorted(ranked, key=lambda pair: -pair[0]), 1):  # a stable sort
        hits += positive
        found += hits / rank if positive else 0.0
    return found / hits if hits else math.nan


def column(*values: float) -> Tensor:
    return torch.tensor(values)[:, None]


def test_one_class_by_hand():
    scores = column(0.9, 0.8, 0.7, 0.6, 0.5)
    labels = torch.tensor([[1, 0], [0, 1], [1, 0], [0, 1], [1, 0]])
    found = average_precision(scores.expand(-1, 2), labels)
    # Positives at the ranks 1, 3, 5, and at 2, 4.
    assert found.tolist() == pytest.approx([(1 / 1 + 2 / 3 + 3 / 5) / 3, (1 / 2 + 2 / 4) / 2])
    metrics = charades_metrics(scores.expand(-1, 2), labels)
    assert metrics["map"] == pytest.approx((34 / 45 + 1 / 2) / 2)
    assert metrics["wap"] == pytest.approx((34 / 45 * 3 + 1 / 2 * 2) / 5)
    assert metrics["ap"] == pytest.approx([34 / 45, 1 / 2])
    assert (metrics["positives"], metrics["videos"]) == ([3, 2], 5)


def test_of_equal_scores_the_first_video_comes_first():
    labels = torch.tensor([[1, 0], [0, 1], [0, 1], [1, 0]])
    found = average_precision(torch.zeros(4, 2), labels)
    assert found.tolist() == pytest.approx([(1 + 2 / 4) / 2, (1 / 2 + 2 / 3) / 2])
    large = torch.tensor([[0, 1]] * 40 + [[1, 0]])
    assert average_precision(torch.zeros(41, 2), large).tolist() == pytest.approx([1 / 41, 1])
    some = column(0.2, 0.7, 0.7, 0.2, 0.2)
    truth = torch.tensor([[1, 0], [0, 1], [1, 0], [0, 1], [1, 0]])
    assert average_precision(some.expand(-1, 2), truth)[0].item() == pytest.approx((1 / 2 + 2 / 3 + 3 / 5) / 3)


def test_a_video_without_a_label_comes_last():
    scores = torch.tensor([[0.9, 0.9], [0.5, 0.4], [0.4, 0.6]])
    labels = torch.tensor([[0, 0], [1, 0], [0, 1]])
    found = charades_metrics(scores, labels)
    assert (found["map"], found["wap"], found["videos"]) == (1.0, 1.0, 3)
    assert average_precision(scores, torch.tensor([[0, 1], [1, 0], [0, 1]]))[0].item() == pytest.approx(1 / 2)
    assert scores[0].tolist() == pytest.approx([0.9, 0.9])  # the caller's scores stay


def test_a_video_without_a_prediction_is_ranked_last_and_counts():
    scores = torch.tensor([[-torch.inf, -torch.inf], [-2.0, 5.0], [-3.0, 4.0]])
    labels = torch.tensor([[1, 0], [0, 1], [1, 0]])
    assert average_precision(scores, labels).tolist() == pytest.approx([(1 / 2 + 2 / 3) / 2, 1])


def test_a_class_without_a_positive_is_left_out():
    scores = torch.tensor([[0.9, 0.3, 0.8], [0.8, 0.2, 0.9]])
    labels = torch.tensor([[0, 0, 1], [1, 0, 1]])
    assert average_precision(scores, labels).isnan().tolist() == [False, True, False]
    found = charades_metrics(scores, labels)
    assert found["ap"] == [0.5, None, 1.0]
    assert (found["map"], found["positives"]) == (0.75, [1, 0, 2])
    assert found["wap"] == pytest.approx((0.5 + 2) / 3)


@settings(max_examples=60, deadline=None)
@given(
    videos=st.integers(1, 12),
    classes=st.integers(1, 4),
    levels=st.integers(1, 5),
    share=st.floats(0.1, 0.9),
    seed=st.integers(0, 999),
    kind=st.sampled_from((torch.bool, torch.int64, torch.float32)),
)
def test_any_ties_by_loops(videos, classes, levels, share, seed, kind):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randint(levels, (videos, classes), generator=generator).float() - 2
    labels = (torch.rand(videos, classes, generator=generator) < share).to(kind)
    expected = [by_loops(scores.tolist(), labels.long().tolist(), c) for c in range(classes)]
    assert average_precision(scores, labels).tolist() == pytest.approx(expected, nan_ok=True)
    known = [ap for ap in expected if not math.isnan(ap)]
    if not known:
        with pytest.raises(InputError, match=f"none of {videos} videos has a label"):
            charades_metrics(scores, labels)
        return
    found, positives = charades_metrics(scores, labels), labels.long().sum(0).tolist()
    assert found["map"] == pytest.approx(sum(known) / len(known))
    weighted = sum(ap * n for ap, n in zip(expected, positives, strict=True) if n)
    assert found["wap"] == pytest.approx(weighted / sum(positives))


def test_where_torchmetrics_gives_the_same_and_where_not():
    generator = torch.Generator().manual_seed(0)
    scores = torch.rand(200, 7, generator=generator)
    labels = (torch.rand(200, 7, generator=generator) < 0.2).long()
    labels[:, 0] |= ~labels.any(1)  # all have a label
    theirs = {"num_labels": 7, "average": None}
    expected = multilabel_average_precision(scores, labels, **theirs)
    torch.testing.assert_close(average_precision(scores, labels), expected.double())
    tied = (4 * scores).round() / 4
    expected = multilabel_average_precision(tied, labels, **theirs).double()
    assert (average_precision(tied, labels) - expected).abs().max() > 0.01
    wide = 40 + 60 * scores  # all are 1 behind a sigmoid in float32
    torch.testing.assert_close(average_precision(wide, labels), average_precision(scores, labels))
    squeezed = multilabel_average_precision(wide, labels, **theirs).double()
    torch.testing.assert_close(squeezed, labels.double().mean(0))


def test_the_loss_by_hand():
    scores = torch.tensor([[0.0, 2.0], [-1.0, 3.0]], requires_grad=True)
    labels = torch.tensor([[1, 0], [0, 1]])
    terms = [math.log(2), math.log(1 + math.exp(2)), math.log(1 + math.exp(-1)), math.log(1 + math.exp(-3))]
    loss = multilabel_loss(scores, labels)
    assert loss.item() == pytest.approx(sum(terms) / 4)
    loss.backward()
    torch.testing.assert_close(scores.grad, (scores.detach().sigmoid() - labels) / 4)
    assert multilabel_loss(torch.tensor([[1e4, -1e4]]), torch.tensor([[True, False]])).item() == 0


def test_bad_input_is_refused():
    shapes = "scores have shape (2, 3), labels (2, 2): (N, classes) is expected of both"
    for call in (multilabel_loss, average_precision, charades_metrics):
        with pytest.raises(InputError, match=re.escape(shapes)):
            call(torch.zeros(2, 3), torch.zeros(2, 2))
        with pytest.raises(InputError, match=re.escape("scores have shape (3,), labels (3,)")):
            call(torch.zeros(3), torch.zeros(3))
        with pytest.raises(InputError, match=re.escape("scores have shape (0, 2)")):
            call(torch.zeros(0, 2), torch.zeros(0, 2))
    for call in (average_precision, charades_metrics):
        with pytest.raises(InputError, match="labels hold 4: 0 and 1 are expected"):
            call(torch.zeros(1, 2), torch.tensor([[0, 4]]))
        with pytest.raises(InputError, match="2 of the scores are not a number"):
            call(torch.tensor([[torch.nan, 0.0, torch.nan]]), torch.ones(1, 3))
