"""The binding probe is what it says: both modalities, joined at a place, solve it; nothing else does."""

import dataclasses
import itertools

import cv2
import decord
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from videoattn.data.datasets import load
from videoattn.data.probes import store
from videoattn.data.probes.appearance import HUES, PATTERN_NAMES, PATTERNS, chroma
from videoattn.data.probes.binding import BindingProbe
from videoattn.errors import InputError

PROBE = BindingProbe(train=240, test=8, seed=3)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """[(decoded frames (T, H, W, 3), label, truth)] of the training clips, as the `folder` data set reads them."""
    root = PROBE.generate(tmp_path_factory.mktemp("probes"), workers=1, progress=False)
    truth = store.read_truth(root)["clips"]
    found = []
    for sample in load("folder", root, "train").samples:
        reader = decord.VideoReader(str(sample.path), num_threads=1)
        found.append((reader.get_batch(range(len(reader))).asnumpy(), sample.label, truth[sample.name]))
    return found


@pytest.fixture(scope="module")
def scenes():
    return [PROBE.scene("train", number) for number in range(2400)]


def grey(frame):
    return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)


def flow(frames):
    """(H, W, 2) from the first frame to the second, x then y."""
    dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    dis.setFinestScale(0)
    return dis.calc(grey(frames[0]), grey(frames[1]), None)


def window(image, centre, half=3):
    y, x = (int(np.clip(place, half, PROBE.size - half)) for place in centre)
    return image[y - half : y + half, x - half : x + half]


def nearest_class(patch, names=PROBE.names):
    """The class whose hue is nearest to the mean colour of a patch (h, w, 3)."""
    red, green, blue = patch.reshape(-1, 3).mean(axis=0) / 255
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    seen = [(blue - luma) / 1.772, (red - luma) / 1.402]
    return int(np.argmin([np.linalg.norm(seen - chroma(HUES.index(name))) for name in names]))


def test_binding_colour_to_motion_solves_it(clips):
    right = 0
    for frames, label, _ in clips:
        speed = cv2.GaussianBlur(np.linalg.norm(flow(frames), axis=2), (0, 0), 3)
        y, x = np.unravel_index(np.argmax(speed), speed.shape)
        right += nearest_class(window(frames[0], (y, x))) == label
    assert right / len(clips) > 0.97


def test_the_truth_is_right(clips):
    for frames, label, truth in clips:
        assert truth["label"] == label
        assert truth["classes"][truth["mover"]] == PROBE.names[label]
        for frame, centres in zip(frames, truth["centres"], strict=True):
            seen = [PROBE.names[nearest_class(window(frame, centre))] for centre in centres]
            assert seen == truth["classes"] == truth["hues"]


def test_what_is_shown_leaves_a_guess_among_the_objects(scenes):
    shown = [(tuple(sorted(scene.kinds)), scene.label) for scene in scenes]
    assert all(len(set(kinds)) == PROBE.objects and label in kinds for kinds, label in shown)
    half = len(scenes) // 2
    votes = {}
    for kinds, label in shown[:half]:
        votes.setdefault(kinds, np.zeros(PROBE.classes))[label] += 1
    assert len(votes) == 56  # each 3 of the 8 classes
    right = [np.argmax(votes[kinds]) == label for kinds, label in shown[half:]]
    assert np.mean(right) == pytest.approx(1 / PROBE.objects, abs=0.045)
    ranks = np.bincount([kinds.index(label) for kinds, label in shown])
    assert stats.chisquare(ranks).pvalue > 0.01


@pytest.mark.parametrize("frame", range(PROBE.frames))
def test_the_mover_is_where_the_others_are(scenes, frame):
    centres = np.stack([scene.centres[frame] for scene in scenes])
    moves = np.stack([np.arange(PROBE.objects) == scene.mover for scene in scenes])
    apart = np.abs(centres[:, :, None] - centres[:, None]).max(axis=-1) + 1e3 * np.eye(PROBE.objects)
    border = np.minimum(centres, PROBE.size - centres).min(axis=-1)
    for measure in (centres[..., 0], centres[..., 1], centres[..., 0] % 1, apart.min(axis=-1), border):
        assert stats.ks_2samp(measure[moves], measure[~moves]).pvalue > 0.01


def test_the_place_tells_nothing_of_the_class(scenes):
    places = np.stack([scene.centres[0, scene.mover] for scene in scenes])
    steps = np.stack([scene.centres[1, scene.mover] for scene in scenes]) - places
    labels = np.array([scene.label for scene in scenes])
    for measure in (*places.T, np.arctan2(*steps.T), np.linalg.norm(steps, axis=1)):
        assert stats.kruskal(*(measure[labels == label] for label in range(PROBE.classes))).pvalue > 0.01


def test_a_single_frame_does_not_tell_the_mover(clips):
    def features(frames, truth, at):
        image, centres = frames[at].astype(float), np.array(truth["centres"][at])
        luma = grey(frames[at]).astype(float)
        sharp = cv2.Laplacian(luma, cv2.CV_64F)
        for thing, centre in enumerate(centres):
            others = np.delete(centres, thing, axis=0) - centre
            inner, outer = window(luma, centre, 3), window(luma, centre, 7)
            yield [
                *((1.0, *window(image, centre).mean(axis=(0, 1)), inner.std(), outer.std(), outer.mean())),
                *((window(sharp, centre).std(), np.abs(window(sharp, centre, 7)).mean(), *(centre % 1))),
                *((*centre, *(centre - PROBE.size / 2) ** 2, np.abs(others).max(axis=1).min(), *others.mean(axis=0))),
            ]

    for at in (0, 3):
        x = np.array([list(features(frames, truth, at)) for frames, _, truth in clips])
        mover = np.array([truth["mover"] for _, _, truth in clips])
        y = np.eye(PROBE.objects)[mover]
        order = np.random.default_rng(0).permutation(len(clips))
        learn, test = order[: len(order) // 2], order[len(order) // 2 :]
        x = (x - x.mean(axis=(0, 1))) / np.maximum(x.std(axis=(0, 1)), 1e-9)
        weights = np.linalg.lstsq(x[learn].reshape(-1, x.shape[-1]), y[learn].ravel() - 1 / 3, rcond=None)[0]
        assert np.mean(np.argmax(x[test] @ weights, axis=1) == mover[test]) == pytest.approx(1 / 3, abs=0.12)


def test_flow_is_the_motion(clips):
    for frames, _, truth in clips[::4]:
        centres = np.array(truth["centres"])
        field = flow(frames)
        for thing, centre in enumerate(centres[0]):
            expected = (centres[1] - centres[0])[thing][::-1]
            assert np.abs(window(field, centre).mean(axis=(0, 1)) - expected).max() < 0.5
            if thing == truth["mover"]:
                assert PROBE.speed[0] - 0.01 <= np.linalg.norm(expected) <= PROBE.speed[1] + 0.01
            else:
                assert np.abs(window(field, centre)).max() < 0.1


@settings(max_examples=60, deadline=None)
@given(
    objects=st.integers(2, 4),
    frames=st.integers(2, 40),
    radius=st.floats(3.5, 7),
    slow=st.floats(0.5, 3.5),
    camera=st.sampled_from([0.0, 1.5]),
    seed=st.integers(0, 10_000),
)
def test_paths(objects, frames, radius, slow, camera, seed):
    probe = BindingProbe(
        objects=objects, size=112, frames=frames, radius=radius, speed=(slow, 3.5), camera=camera, seed=seed
    )
    scene = probe.scene("test", seed)
    own = scene.centres - scene.drift[:, None]
    steps = np.linalg.norm(np.diff(own, axis=0), axis=-1)
    np.testing.assert_allclose(np.delete(steps, scene.mover, axis=1), 0, atol=1e-9)
    np.testing.assert_allclose(steps[:, scene.mover], steps[0, scene.mover])
    assert slow - 1e-9 <= steps[0, scene.mover] <= 3.5 + 1e-9
    np.testing.assert_allclose(np.linalg.norm(np.diff(scene.drift, axis=0), axis=-1), camera)
    half = probe.object_size / 2
    assert (scene.centres - half >= 0).all()
    assert (scene.centres + half <= probe.size).all()
    for first, second in itertools.combinations(range(objects), 2):
        between = np.abs(own[:, None, first] - own[None, :, second]).max(axis=-1)
        assert between.min() >= probe.object_size + 1


def test_texture_is_the_class():
    probe = BindingProbe(train=64, feature="texture", seed=1)
    for number in range(64):
        frames, label, truth = probe.clip("train", number)
        y, x = (round(place) for place in truth["centres"][0][truth["mover"]])
        blocks = grey(frames[0])[y - 6 : y + 6, x - 6 : x + 6].reshape(4, 3, 4, 3).mean(axis=(1, 3))
        match = [np.sum(blocks * PATTERNS[PATTERN_NAMES.index(name)]) for name in probe.names]
        assert np.argmax(match) == label


def test_the_class_may_be_a_kind_and_a_turn():
    probe = BindingProbe(train=240, classes=4, turns=True, seed=2)
    assert probe.names == tuple(f"{kind}-{turn}" for kind in probe.kinds for turn in ("clockwise", "counterclockwise"))
    assert list(probe.names) == sorted(probe.names)
    for number in range(240):
        scene = probe.scene("train", number)
        path = scene.centres[:, scene.mover]
        first, second = np.diff(path, axis=0)[:2]
        clockwise = first[1] * second[0] - first[0] * second[1] > 0  # y points down
        kind = probe.kinds[scene.kinds[scene.mover]]
        assert probe.names[scene.label] == f"{kind}-{'clockwise' if clockwise else 'counterclockwise'}"
        assert scene.label == number % 8
    spread = np.stack([probe.scene("train", number).centres for number in range(240)]).std(1)
    assert (np.sort(spread.max(axis=2))[:, :-1] < 1e-9).all()  # the others stand, whatever turn they would have


def test_levels_are_lengths_of_a_step():
    probe = BindingProbe(train=60, test=60, classes=3, turns=True, levels=(0.25, 1.0, 3.0))
    seen = {}
    for number in range(60):
        _, label, truth = probe.clip("test", number) if number < 6 else (None, None, None)
        scene = probe.scene("test", number)
        step = np.linalg.norm(np.diff(scene.centres[:2, scene.mover], axis=0))
        assert step == pytest.approx(scene.speed)
        assert truth is None or (truth["level"] == scene.speed and label == scene.label)
        seen.setdefault(scene.label, []).append(scene.speed)
    counts = [[list(speeds).count(level) for level in probe.levels] for speeds in seen.values()]
    assert len(counts) == 6
    assert all(sum(count) == 10 and min(count) >= 3 for count in counts)
    assert "level" not in PROBE.clip("test", 0)[2]


def test_levels_that_make_no_probe():
    with pytest.raises(InputError, match=r"levels=\(0.5, 9.0\): 9.0 is not above 0 and up to radius 4.5"):
        BindingProbe(levels=(0.5, 9.0))
    with pytest.raises(InputError, match="one for each class"):
        BindingProbe(test=12, turns=True)


@pytest.mark.parametrize("feature", ["colour", "texture"])
@pytest.mark.parametrize("classes", range(3, 9))
def test_the_second_palette_shares_no_class(feature, classes):
    probe = BindingProbe(feature=feature, classes=classes)
    other = probe.second()
    assert len({*probe.names, *other.names}) == 2 * classes
    assert list(other.names) == sorted(other.names)
    assert (other.shape, other.palette, other.seed) == ("disc", 1, 1)
    assert other.second() == dataclasses.replace(probe, seed=2)


def test_classes_are_balanced(clips):
    assert np.bincount([label for _, label, _ in clips]).tolist() == [30] * 8
    assert set(np.bincount([truth["mover"] for _, _, truth in clips]) > 60) == {True}


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"feature": "color"}, "unknown feature 'color' .*; choose from colour, texture"),
        ({"shape": "star"}, "unknown shape 'star' .*; choose from square, disc"),
        ({"palette": 2}, "unknown palette 2; choose from 0, 1"),
        ({"classes": 17}, "classes=17: with palette 0 2 to 16"),
        ({"classes": 9, "palette": 1}, "classes=9: with palette 1 2 to 8"),
        ({"classes": 2}, "objects=3: 2 to 2"),
        ({"objects": 1}, "objects=1"),
        ({"objects": 8}, "objects=8 of object_size=12.0"),
        ({"size": 16}, "size=16: take fewer or smaller ones"),
        ({"size": 65}, "size=65: expected an even number"),
        ({"train": 7}, "train=7"),
        ({"test": 0}, "test=0"),
        ({"train": "2000"}, "train='2000'"),
        ({"frames": 1}, "frames=1"),
        ({"seed": -1}, "seed=-1"),
        ({"object_size": 4.0}, "object_size=4.0"),
        ({"radius": 0.0}, "radius=0.0"),
        ({"speed": (3.0, 2.0)}, r"speed=\(3.0, 2.0\)"),
        ({"speed": (2.0, 9.0)}, "up to radius 4.5"),
        ({"camera": -1.0}, "camera=-1.0"),
    ],
)
def test_refuses_settings(settings, says):
    with pytest.raises(InputError, match=says):
        BindingProbe(**settings)
