from dataclasses import replace

import numpy as np
import pytest
from moving import panned, with_object
from sklearn.svm import LinearSVC
from test_idt_features import forbid, write

from videoattn import parallel
from videoattn.data.datasets.videos import Sample, VideoList
from videoattn.data.tracks import classify
from videoattn.data.tracks.classify import idt_scores, svm_scores
from videoattn.data.tracks.settings import IDTSettings
from videoattn.errors import InputError, RunError

SETTINGS = IDTSettings(length=5, scales=1, camera=False, gaussians=1, sampled=400)
STEPS = {"down": (0, 2), "right": (2, 0)}
encode = classify.encode


@pytest.fixture(scope="module")
def lists(tmp_path_factory):
    """Videos of a square that moves to the right or down over a still ground: three a class to train, two to test; the
    last one is too short for a track."""
    root = tmp_path_factory.mktemp("moves")
    found = []
    for subset, count in (("train", 3), ("test", 2)):
        samples = []
        for label, (name, step) in enumerate(STEPS.items()):
            for n in range(count):
                clip = with_object(panned(8, 48, 48, (0, 0), seed=n + 10 * count), (3 + n, 4 - n), step)
                path = root / f"{subset}-{name}-{n}.mp4"
                write(path, clip[:5] if (subset, label, n) == ("test", 1, 1) else clip)
                samples.append(Sample(f"{name}/{path.name}", path, label))
        found.append(VideoList("moves", subset, tuple(STEPS), tuple(samples)))
    return found


def test_the_classes_are_told_and_nothing_is_lost_when_it_stops(lists, tmp_path, monkeypatch):
    """Stopped while the mixtures are learned, while the vectors are made, and taken up each time."""
    calls = {"learn": 0, "encode": 0}

    def stopping_at(name, function, last):
        def counted(*arguments):
            calls[name] += 1
            if calls[name] > last:
                raise KeyboardInterrupt
            return function(*arguments)

        return counted

    def scores():
        return idt_scores(*lists, root=tmp_path, settings=SETTINGS, workers=2, progress=False)

    with monkeypatch.context() as patch:
        patch.setattr(classify, "learn", stopping_at("learn", classify.learn, 2))
        with pytest.raises(KeyboardInterrupt):
            scores()
    monkeypatch.setattr(parallel, "ProcessPoolExecutor", forbid)
    with monkeypatch.context() as patch:
        calls["learn"] = 0
        patch.setattr(classify, "learn", stopping_at("learn", classify.learn, 3))  # of five, two are there
        patch.setattr(classify, "encode", stopping_at("encode", encode, 4))
        with pytest.raises(KeyboardInterrupt):
            scores()
        calls["encode"] = 0
        patch.setattr(classify, "encode", stopping_at("encode", encode, 6))  # of ten, four are there
        result = scores()
    assert calls == {"learn": 3, "encode": 6}
    monkeypatch.setattr(classify, "learn", forbid)
    monkeypatch.setattr(classify, "encode", forbid)
    monkeypatch.setattr(classify, "svm_scores", forbid)
    again = scores()
    np.testing.assert_array_equal(again.scores.values, result.scores.values)
    assert result.scores.names == tuple(sample.name for sample in lists[1].samples)
    assert result.scores.classes == ("down", "right")
    assert result.scores.values[:3].argmax(axis=1).tolist() == [0, 0, 1]
    assert np.abs(result.scores.values[3]).max() < np.abs(result.scores.values[:3]).max()  # the intercepts alone
    assert [source.path.name for source in result.report.trackless] == ["test-right-1.mp4"]
    assert result.vector == 2 * (5 + 48 + 54 + 48 + 48)


def test_lists_that_do_not_fit(lists, tmp_path):
    train, test = lists
    options = {"root": tmp_path, "settings": SETTINGS, "workers": 1, "progress": False}
    for first in (replace(train, classes=("down", "left")), replace(train, samples=())):
        with pytest.raises(InputError, match="training videos of 2 classes"):
            idt_scores(first, test, **options)
    nowhere = replace(test, samples=(Sample("right/x.mp4", tmp_path / "x.mp4", 1),))
    still = replace(train, samples=test.samples[3:])
    with pytest.raises(RunError, match=r"1 videos cannot be read, the first: .*x.mp4: No such file"):
        idt_scores(still, nowhere, **options)
    with pytest.raises(InputError, match="none of 1 training videos has a track"):
        idt_scores(still, still, **options)


def toy(seed, count=12, size=5, classes=3):
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    return (4 * np.eye(classes, size)[labels] + rng.normal(0, 0.3, (count, size))).astype(np.float32), labels


@pytest.mark.parametrize("size", [5, 400])
def test_a_separable_toy(size):
    (train, labels), (test, truth) = toy(0, size=size), toy(1, count=30, size=size)
    found = svm_scores(train, labels, test, classes=3)
    assert found.shape == (30, 3)
    np.testing.assert_array_equal(found.argmax(axis=1), truth)
    direct = LinearSVC(C=100.0, dual=True, tol=1e-9, max_iter=1_000_000, random_state=0).fit(train, labels)
    np.testing.assert_allclose(found, direct.decision_function(test), atol=2e-3)


def test_two_classes_and_absent_ones():
    (train, labels), (test, _) = toy(0, classes=2), toy(1, classes=2)
    found = svm_scores(train, 2 * labels + 1, test, classes=5)
    np.testing.assert_array_equal(found[:, [0, 2, 4]], np.full((12, 3), -1))
    np.testing.assert_allclose(found[:, 1], -found[:, 3])
    np.testing.assert_array_equal(found[:, [1, 3]].argmax(axis=1), labels)
    assert svm_scores(train, labels, test[:0], classes=2).shape == (0, 2)


@pytest.mark.parametrize("labels", [[0] * 12, [0, 1], [0, 3] * 6, [-1, 1] * 6])
def test_labels_that_cannot_be(labels):
    with pytest.raises(InputError, match="there must be one each in \\[0, 3\\), of two classes at least"):
        svm_scores(toy(0)[0], labels, toy(0)[0], classes=3)


def test_the_mixtures_see_a_sample_of_all_tracks():
    counts = [0, 7, 300, 0, 93]
    some = classify._chosen(counts, replace(SETTINGS, sampled=100))
    assert [len(rows) > 0 for rows in some] == [False, True, True, False, True]
    assert sum(map(len, some)) == 100
    assert 60 < len(some[2]) < 90
    assert all(len({*rows}) == len(rows) and rows.min() >= 0 for rows in some if len(rows))
    assert all(rows.max() < count for rows, count in zip(some, counts, strict=True) if len(rows))
    everything = classify._chosen(counts, SETTINGS)
    assert [rows.tolist() for rows in everything] == [list(range(count)) for count in counts]
    assert classify._chosen([5], SETTINGS)[0].tolist() == [0, 1, 2, 3, 4]
