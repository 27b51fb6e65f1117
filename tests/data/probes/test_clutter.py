"""The clutter probe is what it says: single frames in which something acts tell the look, and no counting does."""

import itertools
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from videoattn.data.datasets import load
from videoattn.data.decode.decoder import Decoder
from videoattn.data.probes import store
from videoattn.data.probes.appearance import HUES, chroma, paint
from videoattn.data.probes.clutter import ACTING, ClutterProbe
from videoattn.errors import InputError

LARGE = ClutterProbe(acting=0.3, size=64, smallest=8.0, largest=14.0, swing=3.0)
PROBE = replace(LARGE, train=32, test=8, frames=10, seed=3)
MANY = ClutterProbe(train=1800, frames=8, acting=0.25, looks=4, motions=3, swing=1.0, smallest=5.0, seed=1)
MOVING = replace(LARGE, train=24, test=24, frames=8, motions=3, acting=0.75, smallest=10.0, ground=0.0, seed=2)
LEVEL = 0.001  # of each of some thirty tests over counts


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """[(decoded frames (T, H, W, 3), class name, truth)] of the training clips, as the `folder` data set reads them."""
    root = PROBE.generate(tmp_path_factory.mktemp("probes"), workers=1, progress=False)
    truth = store.read_truth(root)["clips"]
    listed = load("folder", root, "train")
    with Decoder() as decoder:
        shown = [decoder.frames(one.path, range(PROBE.frames)) for one in listed.samples]
    names = [listed.classes[one.label] for one in listed.samples]
    return list(zip(shown, names, [truth[one.name] for one in listed.samples], strict=True))


@pytest.fixture(scope="module")
def scenes():
    return [MANY.scene("train", number) for number in range(MANY.train)]


def hue_maps(frame: np.ndarray, probe: ClutterProbe) -> dict[str, np.ndarray]:
    """Of frame (H, W, 3): for each look a mask (H, W) of the pixels that are nearest to its hue, of those coloured."""
    colour = cv2.cvtColor(frame, cv2.COLOR_RGB2YCrCb)[..., [2, 1]] / 255 - 0.5
    looks = sorted({look for look, _ in probe.parts})
    nearest = np.argmin([np.linalg.norm(colour - chroma(HUES.index(look)), axis=-1) for look in looks], axis=0)
    coloured = np.linalg.norm(colour, axis=-1) > 0.15
    return {look: coloured & (nearest == number) for number, look in enumerate(looks)}


def grey(frame: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)


def upright(frame: np.ndarray, mask: np.ndarray) -> bool:
    """Whether the pixels of the mask are lighter above their middle than below."""
    y, x = np.nonzero(mask)
    middle, light = y.mean(), grey(frame)[y, x].astype(float)
    return light[y < middle - 0.5].mean() > light[y > middle + 0.5].mean()


def test_each_frame_in_which_something_acts_tells_the_look_and_no_other(written):
    assert len(written) == PROBE.train
    for frames, name, truth in written:
        assert name == truth["look"] == PROBE.names[truth["label"]]
        for t, frame in enumerate(frames):
            masks = {look: mask for look, mask in hue_maps(frame, PROBE).items() if mask.sum() > 20}
            assert {*masks} == {name, *truth["others"]}
            acts = [look for look, mask in masks.items() if upright(frame, mask)]
            assert acts == ([name] if t in truth["acting"] else [])


def test_the_truth_says_where_each_object_is(written):
    for frames, name, truth in written:
        assert len(truth["acting"]) == 3 == PROBE.acting_frames
        boxes = dict(zip(truth["others"], truth["other_boxes"], strict=True)) | {name: truth["box"]}
        for t, frame in enumerate(frames):
            masks = hue_maps(frame, PROBE)
            for look, box in boxes.items():
                y, x = np.nonzero(masks[look])
                assert np.abs([y.mean() + 0.5 - box[t][0], x.mean() + 0.5 - box[t][1]]).max() < 1
                assert abs(np.sqrt(len(y)) - box[t][2]) < 3


def test_what_acts_changes_no_sum():
    rng = np.random.default_rng(0)
    for _ in range(50):
        images = np.zeros((2, 24, 24, 3))
        centre, size = rng.uniform(8, 16, 2), rng.uniform(4, 14)
        for image, pattern in zip(images, (ACTING, -ACTING), strict=True):
            paint(image, centre, size, "square", pattern, 5)
        np.testing.assert_allclose(*images.sum(axis=(1, 2)), atol=1e-9)
        assert np.abs(images[0] - images[1]).max() > 0.05


def test_counts_of_colours_leave_a_guess_among_the_looks_shown():
    """A linear reader of the numbers of pixels by hue and by light or dark, learnt, and readers by a rule."""
    probe = replace(LARGE, train=400, test=300, frames=2, acting=0.5, looks=4, distractors=2, size=48, ground=0.0)
    counted = {}
    for subset, count in probe.counts.items():
        features, labels = [], []
        for number in range(count):
            frames, label, truth = probe.clip(subset, number)
            acting = truth["acting"][0]
            seen = []
            for frame in (frames[acting], frames[1 - acting]):
                masks, bright = hue_maps(frame, probe).values(), grey(frame) > 127
                seen += [np.sum(mask & (bright == light)) / 50 for light in (False, True) for mask in masks]
            features.append([*seen, *np.sign(seen[:4])])
            labels.append(label)
        counted[subset] = np.array(features), np.array(labels)
    (x, y), (other, wanted) = counted["train"], counted["test"]
    weights = np.linalg.lstsq(np.pad(x, ((0, 0), (0, 1)), constant_values=1), np.eye(4)[y], rcond=None)[0]
    answers = [np.argmax(np.pad(other, ((0, 0), (0, 1)), constant_values=1) @ weights, axis=1)]
    area = other[:, :4] + other[:, 4:8]
    answers += [area.argmax(axis=1), np.where(area > 0, area, np.inf).argmin(axis=1), other[:, 4:8].argmax(axis=1)]
    assert probe.guess == pytest.approx(1 / 3)
    for answer in answers:
        assert np.mean(answer == wanted) == pytest.approx(probe.guess, abs=0.1)  # 3.7 standard deviations


@pytest.mark.parametrize("time", [0, 3, 7])
def test_what_acts_is_drawn_as_the_others_are(scenes, time):
    acts = np.stack([np.arange(4) == scene.actor for scene in scenes])
    centres, sizes = (np.stack([getattr(scene, name)[time] for scene in scenes]) for name in ("centres", "sizes"))
    apart = np.abs(centres[:, :, None] - centres[:, None]).max(axis=-1) + 1e3 * np.eye(4)
    border = np.minimum(centres, MANY.size - centres).min(axis=-1)
    for measure in (centres[..., 0], centres[..., 1], centres[..., 0] % 1, sizes, apart.min(axis=-1), border):
        assert stats.ks_2samp(measure[acts], measure[~acts]).pvalue > LEVEL
    motions = np.array([MANY.parts[scene.label][1] for scene in scenes])
    for measure in (centres[acts][:, 0], centres[acts][:, 1], sizes[acts]):
        assert stats.kruskal(*(measure[motions == name] for name in {*motions})).pvalue > LEVEL


def test_classes_times_and_hues_are_drawn_evenly(scenes):
    assert np.bincount([scene.label for scene in scenes]).tolist() == [150] * 12
    assert stats.chisquare(np.bincount([scene.actor for scene in scenes])).pvalue > LEVEL
    starts = np.bincount([np.argmax(scene.acting) for scene in scenes])
    assert (len(starts), MANY.acting_frames) == (7, 2)
    assert stats.chisquare(starts).pvalue > LEVEL
    assert all(np.flatnonzero(scene.acting).tolist() == [s := np.argmax(scene.acting), s + 1] for scene in scenes)
    for scene in scenes:
        assert HUES[scene.hues[scene.actor]] == MANY.parts[scene.label][0]
        assert len({*scene.hues}) == 4
    ratios = np.log(np.concatenate([scene.sizes[0] for scene in scenes]) / 5) / np.log(2)
    assert stats.kstest(ratios, "uniform").pvalue > LEVEL


def test_flow_sees_the_motion_of_what_acts_and_nothing_else():
    dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    dis.setFinestScale(0)
    for number in range(MOVING.train):
        frames, _, truth = MOVING.clip("train", number)
        lengths = np.zeros(2)
        for t in truth["acting"][1:-1]:
            field = dis.calc(grey(frames[t]), grey(frames[t + 1]), None)
            for boxes in (truth["box"], *truth["other_boxes"]):
                y, x = (int(place) for place in boxes[t][:2])
                seen = field[y - 2 : y + 3, x - 2 : x + 3].mean(axis=(0, 1))[::-1]
                assert np.abs(seen - np.subtract(boxes[t + 1], boxes[t])[:2]).max() < 1.3
                if boxes is truth["box"]:
                    lengths += np.abs(seen)
                else:
                    assert np.abs(seen).max() < 0.5
        moved = {"vertical": [True, False], "horizontal": [False, True], "both": [True, True]}[truth["motion"]]
        assert (lengths > 3).tolist() == moved, (truth["motion"], lengths)


@settings(max_examples=40, deadline=None)
@given(
    distractors=st.integers(0, 4),
    frames=st.integers(1, 30),
    motions=st.integers(1, 3),
    swing=st.floats(0.5, 4),
    camera=st.sampled_from([0.0, 1.5]),
    seed=st.integers(0, 1000),
)
def test_paths(distractors, frames, motions, swing, camera, seed):
    settings = {"distractors": distractors, "frames": frames, "motions": motions, "swing": swing, "camera": camera}
    probe = replace(LARGE, **settings, seed=seed, acting=1.0, size=96)
    scene = probe.scene("test", seed)
    boxes = [scene.centres - scene.sizes[..., None] / 2, scene.centres + scene.sizes[..., None] / 2]
    assert boxes[0].min() >= 0
    assert boxes[1].max() <= 96
    for first, second in itertools.combinations(range(1 + distractors), 2):
        gaps = np.maximum(boxes[0][:, first] - boxes[1][:, second], boxes[0][:, second] - boxes[1][:, first])
        assert gaps.max(axis=1).min() >= 1 - 1e-9
    moved = np.delete(scene.centres - scene.centres[:1], scene.actor, axis=1)  # by the camera alone
    np.testing.assert_allclose(moved, np.broadcast_to(moved[:, :1], moved.shape), atol=1e-9)
    if distractors:
        np.testing.assert_allclose(np.linalg.norm(np.diff(moved[:, 0], axis=0), axis=-1), camera, atol=1e-9)
        line = np.diff(scene.drift - scene.drift[0] - moved[:, 0], axis=0)
        np.testing.assert_allclose(np.linalg.norm(line, axis=-1), probe.ground, atol=1e-9)


def test_the_ground_moves():
    probe = replace(LARGE, train=8, distractors=0, frames=6, smallest=4.0, largest=4.0, ground=1.0, camera=1.5)
    wrong = []
    for number in range(8):
        frames, drift = probe.clip("train", number)[0], probe.scene("train", number).drift
        for pair, step in zip(itertools.pairwise(frames), np.diff(drift, axis=0), strict=True):
            (x, y), _ = cv2.phaseCorrelate(*(grey(frame).astype(float) for frame in pair), np.ones((64, 64)))
            wrong.append(np.abs(step - [y, x]).max())
    assert np.median(wrong) < 0.3


def test_names():
    assert ClutterProbe(looks=4).names == ("crimson", "indigo", "olive", "teal")
    two = ClutterProbe(looks=4, motions=3)
    assert two.names[1:4] == ("crimson-horizontal", "crimson-vertical", "indigo-both")
    assert [f"{look}-{motion}" for look, motion in two.parts] == list(two.names)


def test_the_same_settings_give_the_same_bytes(tmp_path):
    probe = ClutterProbe(train=8, test=8, frames=4, seed=2)
    roots = [probe.generate(tmp_path / name, workers=1, progress=False) for name in ("one", "two")]
    files = [{path.relative_to(root): path.read_bytes() for path in root.rglob("*.mp4")} for root in roots]
    assert len(files[0]) == 16
    assert files[0] == files[1]
    others = [{}, {"seed": 3}, {"acting": 0.5}, {"distractors": 2}, {"largest": 9.0}, {"ground": 0.0}, {"swing": 1.0}]
    assert len({store.folder_name(replace(probe, **settings)) for settings in others}) == 7
    two = probe, replace(probe, seed=3)
    assert len({one.clip(subset, 1)[0].tobytes() for one in two for subset in ("train", "test")}) == 4


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"looks": 17}, "looks=17: 2 to 16"),
        ({"motions": 4}, "motions=4: 1 to 3"),
        ({"train": 15, "motions": 2}, "train=15: at least 16 clips, one for each class"),
        ({"distractors": 8}, "distractors=8: 0 to 7 are possible with looks=8"),
        ({"frames": 0}, "frames=0"),
        ({"acting": 1.2}, "acting=1.2: expected a share"),
        ({"acting": 0.1, "frames": 4}, "acting=0.1: .* of frames=4 at least one"),
        ({"size": 33}, "size=33: expected an even number"),
        ({"smallest": 3.0}, "smallest=3.0, largest=10.0: expected 4 or more"),
        ({"swing": -1.0}, "swing=-1.0"),
        ({"swing": 0.0, "motions": 2}, "swing=0 shows no motion, and motions=2"),
        ({"camera": 5.0}, "camera=5.0: 0 to 4 are possible"),
        ({"largest": 40.0}, "largest=40.0 and swing=0.5, do not find place in frames of size=32"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_refuses_settings_of_no_probe(settings, says):
    with pytest.raises(InputError, match=says):
        ClutterProbe(**settings)
