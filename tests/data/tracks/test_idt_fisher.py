import math
from dataclasses import replace

import numpy as np
import pytest

from videoattn.data.tracks.fisher import Words, encode, learn
from videoattn.data.tracks.settings import IDTSettings
from videoattn.data.tracks.tracks import DESCRIPTORS, Tracks, rooted
from videoattn.errors import InputError

SETTINGS = IDTSettings(gaussians=4, sampled=1000)


@pytest.fixture(scope="module")
def words():
    """Of 10 numbers, reduced to 5; two far clusters and two near ones."""
    rng = np.random.default_rng(0)
    centres = np.array([[0.0] * 10, [8.0] * 10, [0.0] * 5 + [4.0] * 5, [1.0] * 10])
    return learn(np.concatenate([c + rng.normal(0, 1, (150, 10)) for c in centres]).astype(np.float32), SETTINGS)


def vector_by_loop(vectors, words):
    """Equations (1) and (2), then the square root and the length."""
    gaussians, reduced = words.means.shape
    first, second = np.zeros((gaussians, reduced)), np.zeros((gaussians, reduced))
    for vector in vectors:
        x = [sum(a * (v - m) for a, v, m in zip(axis, vector, words.mean, strict=True)) for axis in words.axes]
        densities = []
        for k in range(gaussians):
            exponent = sum((x[e] - words.means[k, e]) ** 2 / words.variances[k, e] for e in range(reduced))
            volume = math.sqrt(math.prod(2 * math.pi * words.variances[k, e] for e in range(reduced)))
            densities.append(words.weights[k] * math.exp(-exponent / 2) / volume)
        for k in range(gaussians):
            responsibility = densities[k] / sum(densities)
            for e in range(reduced):
                z = (x[e] - words.means[k, e]) / math.sqrt(words.variances[k, e])
                first[k, e] += responsibility * z / (len(vectors) * math.sqrt(words.weights[k]))
                second[k, e] += responsibility * (z**2 - 1) / (len(vectors) * math.sqrt(2 * words.weights[k]))
    both = np.concatenate([first.ravel(), second.ravel()])
    both = np.sign(both) * np.sqrt(np.abs(both))
    return both / math.sqrt((both**2).sum())


def test_a_vector_is_its_formula(words):
    vectors = np.random.default_rng(1).normal(1, 2, (30, 10)).astype(np.float32)
    expected, found = vector_by_loop(vectors, words), words.encode(vectors)
    assert (found.shape, found.dtype, words.size) == ((40,), np.float32, 40)
    np.testing.assert_allclose(found[:20], expected[:20], rtol=1e-4, atol=1e-6)
    # scikit-image's derivative by the deviations has the other sign throughout: no kernel and no SVM sees that
    np.testing.assert_allclose(found[20:], -expected[20:], rtol=1e-4, atol=1e-6)


def test_no_tracks_make_the_zero_vector(words):
    np.testing.assert_array_equal(words.encode(np.empty((0, 10), np.float32)), np.zeros(40, np.float32))


def test_vectors_of_the_descriptors_are_concatenated_each_of_unit_length(words):
    rng = np.random.default_rng(2)
    descriptors = {
        "hog": rng.normal(0, 1, (7, 10)),
        "hof": rng.normal(3, 1, (7, 10)),
        "other": rng.normal(0, 1, (7, 3)),
    }
    found = encode(descriptors, {"hof": words, "hog": words})
    np.testing.assert_array_equal(found, np.concatenate([words.encode(descriptors[name]) for name in ("hof", "hog")]))
    assert np.linalg.norm(found) == pytest.approx(math.sqrt(2), rel=1e-5)


def test_learned_are_the_principal_axes_and_a_mixture(words):
    assert words.axes.shape == (5, 10)
    np.testing.assert_allclose(words.axes @ words.axes.T, np.eye(5), atol=1e-9)
    assert words.weights.sum() == pytest.approx(1)
    np.testing.assert_allclose(np.abs(words.axes[0]), np.full(10, math.sqrt(0.1)), atol=0.05)  # all numbers together
    farthest = words.means[:, 0] * np.sign(words.axes[0, 0])
    assert words.weights[farthest.argmax()] == pytest.approx(0.25, abs=0.01)


def test_learning_is_repeatable_and_survives_a_file(words, tmp_path):
    vectors = np.random.default_rng(3).normal(0, 1, (50, 6))
    learn(vectors, SETTINGS).save(tmp_path / "words.npz")
    one, two = learn(vectors, SETTINGS), Words.load(tmp_path / "words.npz")
    for name in Words.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    np.testing.assert_array_equal(one.encode(vectors), two.encode(vectors))


@pytest.mark.parametrize(("count", "gaussians", "least"), [(9, 10, 10), (4, 2, 5)])
def test_too_few_tracks(count, gaussians, least):
    with pytest.raises(InputError, match=f"gaussians is {gaussians}.* have {count} tracks; at least {least}"):
        learn(np.zeros((count, 10)), replace(SETTINGS, gaussians=gaussians))


def test_rooted_votes():
    votes = np.zeros((2, 96), np.float32)
    votes[1, 3] = 35.2
    shape = np.float32([[1, -1], [0, 0.5]])
    none = np.zeros((2, 0))
    tracks = Tracks(none, none, none, shape, votes, np.ones((2, 108), np.float32), votes, votes)
    found = rooted(tracks)
    assert tuple(found) == DESCRIPTORS
    np.testing.assert_array_equal(found["shape"], shape)
    np.testing.assert_allclose(found["hog"][0], np.full(96, math.sqrt(1 / 96)), rtol=1e-5)  # without any vote: even
    assert found["mbhx"][1, 3] == pytest.approx(math.sqrt(35.25 / 40), rel=1e-5)
    np.testing.assert_allclose(found["hof"] ** 2, np.full((2, 108), 1 / 108), rtol=1e-5)
