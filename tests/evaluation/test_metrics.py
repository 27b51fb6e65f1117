"""Metrics against values worked out by hand."""

import pytest
import torch

from videoattn.evaluation.metrics import class_gains, classification_metrics


def test_accuracies_and_confusion_by_hand():
    # Seven classes, so that the five best are not all; class 6 has no video.
    scores = torch.tensor(
        [
            [9.0, 8, 7, 6, 5, 4, 3],  # 0, right
            [9.0, 8, 7, 6, 5, 4, 3],  # 4, among five
            [9.0, 8, 7, 6, 5, 4, 3],  # 5, sixth
            [0.0, 1, 2, 3, 4, 5, 6],  # 2, taken for 6, fifth
        ]
    )
    found = classification_metrics(scores, torch.tensor([0, 4, 5, 2]))
    assert found["top1"] == pytest.approx(1 / 4)
    assert found["top5"] == pytest.approx(3 / 4)
    assert found["videos"] == 4
    expected = [[0] * 7 for _ in range(7)]
    expected[0][0] = expected[4][0] = expected[5][0] = expected[2][6] = 1
    assert found["confusion"] == expected


def test_fewer_than_five_classes_and_negative_scores():
    scores = torch.tensor([[-3.0, -1.0], [-1.0, -3.0], [-0.5, -0.2]])
    found = classification_metrics(scores, torch.tensor([1, 1, 0]))
    assert (found["top1"], found["top5"]) == (pytest.approx(1 / 3), 1.0)
    assert found["confusion"] == [[0, 1], [1, 1]]


def test_a_tie_goes_to_the_first_class_in_accuracy_and_confusion_alike():
    scores = torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.5, 0.5]])
    found = classification_metrics(scores, torch.tensor([0, 2]))
    assert found["top1"] == pytest.approx(1 / 2)
    assert found["confusion"] == [[1, 0, 0], [0, 0, 0], [0, 1, 0]]


def test_gains_of_classes_by_hand():
    baseline = [[2, 2, 0], [0, 4, 0], [1, 3, 0]]
    ours = [[3, 1, 0], [0, 3, 1], [0, 1, 3]]
    assert class_gains(ours, baseline) == [(2, 0.75, 1), (0, 0.25, 1), (1, -0.25, 0)]


def test_a_class_without_videos_gains_nothing():
    assert class_gains([[1, 0], [0, 0]], [[0, 1], [0, 0]]) == [(0, 1.0, 1), (1, 0.0, 0)]
