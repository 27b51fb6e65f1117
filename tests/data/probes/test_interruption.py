"""The interruption probe is what it says: kinds of frames in exact numbers, the class told by what stays."""

import itertools
from collections import Counter
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
from videoattn.data.probes.appearance import ALL_PATTERNS, HUES, chroma, paint, to_rgb
from videoattn.data.probes.interruption import BRIGHTNESS, KINDS, InterruptionProbe
from videoattn.errors import InputError

TWO = InterruptionProbe(train=24, test=4, seed=3)  # kinds of frames
THREE = InterruptionProbe(train=24, test=4, frames=10, irrelevant=0.4, redundant=0.2, seed=4)
MANY = InterruptionProbe(train=3600, seed=1)
LEVEL = 0.001  # of each of some thirty tests over counts
SMALL, LARGE = 12.0, 20.0  # grey levels of 255: more than any difference within a scene, less than any across a cut


@pytest.fixture(scope="module", params=[TWO, THREE], ids=["two", "three"])
def written(request, tmp_path_factory):
    """The probe, and [(decoded frames (T, H, W, 3), class name, truth)] of its training clips, read as `folder`."""
    root = request.param.generate(tmp_path_factory.mktemp("probes"), workers=1, progress=False)
    truth = store.read_truth(root)["clips"]
    listed = load("folder", root, "train")
    with Decoder() as decoder:
        shown = [decoder.frames(one.path, range(decoder.info(one.path).frames)) for one in listed.samples]
    names = [listed.classes[one.label] for one in listed.samples]
    return request.param, list(zip(shown, names, [truth[one.name] for one in listed.samples], strict=True))


@pytest.fixture(scope="module")
def scenes():
    return [MANY.scene("train", number) for number in range(MANY.train)]


def hue_of(frame: np.ndarray, probe: InterruptionProbe) -> str | None:
    """The class whose hue the coloured pixels of frame (H, W, 3) have in the mean; None where none is coloured."""
    colour = cv2.cvtColor(frame, cv2.COLOR_RGB2YCrCb)[..., [2, 1]] / 255 - 0.5
    coloured = np.linalg.norm(colour, axis=-1) > 0.12
    if not coloured.any():
        return None
    assert 60 < coloured.sum() < 140  # of the 10 x 10 of the object
    middle = colour[coloured].mean(axis=0)
    return probe.names[int(np.argmin([np.linalg.norm(middle - chroma(hue)) for hue in probe.hues]))]


def test_each_frame_shows_what_its_kind_says(written):
    probe, clips = written
    assert len(clips) == probe.train
    for frames, name, truth in clips:
        assert frames.shape == (probe.frames, 32, 32, 3)
        assert {kind: truth["kinds"].count(kind) for kind in KINDS} == probe.kind_counts
        assert probe.names[truth["label"]] == name != truth["rival"]
        shown = {"relevant": name, "irrelevant": truth["rival"], "redundant": None}
        assert [hue_of(frame, probe) for frame in frames] == [shown[kind] for kind in truth["kinds"]]
        assert len({frame.tobytes() for frame in frames[np.array(truth["kinds"]) == "redundant"]}) <= 1
    assert sorted(Counter(name for _, name, _ in clips).values()) == [6, 6, 6, 6]


def test_a_threshold_on_differences_selects_the_class(written):
    """In 3000 clips of the default settings, before coding, the grey images of two successive frames of a scene differ
    by 1.5 to 5.6 levels (where the object comes or goes by 1.6 to 9.1), those on both sides of a cut by 21.5 to 120."""
    probe, clips = written
    for frames, name, truth in clips:
        grey = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]).astype(float)
        differences = np.abs(np.diff(grey, axis=0)).mean(axis=(1, 2))
        small = np.append(differences < SMALL, False)
        kept = frames[small | np.roll(small, 1)]  # those with a small difference to a frame beside them
        assert {hue_of(frame, probe) for frame in kept} - {None} == {name}
        for pair, difference in zip(itertools.pairwise(truth["kinds"]), differences, strict=True):
            if "irrelevant" in pair:
                assert difference > LARGE
            elif pair == ("redundant", "redundant"):
                assert difference == 0
            else:
                assert 1 < difference < (SMALL / 2 if pair == ("relevant", "relevant") else SMALL)


@pytest.mark.parametrize("classes", [4, 16])
def test_grey_images_show_no_class(classes):
    images = np.full((classes, 16, 16, 3), [0.35, 0.0, 0.0])
    for image, hue in zip(images, InterruptionProbe(classes=classes).hues, strict=True):
        paint(image, np.array([8.2, 7.7]), 10.0, "square", ALL_PATTERNS[5], hue)
    assert len({image.tobytes() for image in to_rgb(images)}) == classes
    assert np.ptp([cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(int) for image in to_rgb(images)], axis=0).max() <= 1


@settings(max_examples=100, deadline=None)
@given(
    frames=st.integers(4, 24),
    shares=st.tuples(st.floats(0, 0.9), st.floats(0, 0.9)),
    shortest=st.integers(2, 5),
    classes=st.integers(2, 16),
    object_size=st.floats(8, 16),
    seed=st.integers(0, 1000),
)
def test_kinds_are_exact_and_stretches_long_enough(frames, shares, shortest, classes, object_size, seed):
    some = [round(share * frames) for share in shares]
    counts = dict(zip(KINDS, (frames - sum(some), *some), strict=True))
    settings = {"frames": frames, "irrelevant": shares[0], "redundant": shares[1], "shortest": shortest}
    settings |= {"classes": classes, "object_size": object_size, "speed": (30 - object_size) / (frames - 1)}
    if counts["relevant"] < shortest or sum(shares) >= 1:
        with pytest.raises(InputError):
            InterruptionProbe(**settings)
        return
    probe = InterruptionProbe(**settings, seed=seed)
    assert probe.kind_counts == counts
    for number in range(5):
        scene = probe.scene("train", number)
        assert {kind: np.sum(scene.kinds == kind) for kind in KINDS} == counts
        for kind, stretch in itertools.groupby(scene.kinds.tolist()):
            assert len(list(stretch)) >= min(shortest, counts[kind])
        assert np.abs(scene.centres - 16).max() <= 16 - object_size / 2 - 1 + 1e-6
        own = scene.kinds != "irrelevant"  # time runs on during interruptions
        steps = np.diff(scene.centres[own], axis=0) / np.diff(np.flatnonzero(own))[:, None]
        assert np.ptp(steps, axis=0).max() < 1e-9
        np.testing.assert_allclose(np.linalg.norm(steps, axis=1), probe.speed)
        assert (scene.rival is None) == (counts["irrelevant"] == 0)
        assert scene.label == number % classes != scene.rival


@pytest.mark.parametrize(
    ("settings", "bound"),
    [
        ({}, 0.0),  # pieces of one length: the same share of each kind at every time
        ({"irrelevant": 0.25, "redundant": 0.5}, 0.0),
        ({"frames": 16, "speed": 1.0, "irrelevant": 0.375, "redundant": 0.25}, 0.0),
        ({"irrelevant": 0.375, "redundant": 0.25}, 0.25),  # 3, 3 and 2 of 8: pieces of 3, 3 and 2 frames
        ({"frames": 16, "speed": 1.0, "irrelevant": 0.3, "redundant": 0.4}, 0.1),
    ],
)
def test_the_time_tells_the_kind_little(settings, bound):
    """At every time each kind has its share of the clips, up to `bound` and what chance makes of 1500 clips."""
    probe = InterruptionProbe(train=1500, seed=2, **settings)
    kinds = np.stack([probe.scene("train", number).kinds for number in range(1500)])
    for kind, count in probe.kind_counts.items():
        assert np.abs((kinds == kind).mean(axis=0) - count / probe.frames).max() < bound + 0.05


def test_orders_of_frames_are_as_likely_with_the_kinds_exchanged(scenes):
    counts = Counter(tuple(scene.kinds == "irrelevant") for scene in scenes)
    assert len(counts) == 6
    assert stats.chisquare(list(counts.values())).pvalue > LEVEL
    assert {tuple(not kind for kind in order) for order in counts} == {*counts}
    odd = InterruptionProbe(frames=14, speed=1.0, irrelevant=0.36, redundant=0.28)
    assert [*odd.kind_counts.values()] == [5, 5, 4]
    seen = {"relevant": Counter(), "irrelevant": Counter()}
    for number in range(1600):
        kinds = odd.scene("train", number).kinds
        stretches = [(str(kind), len(list(some))) for kind, some in itertools.groupby(kinds[kinds != "redundant"])]
        seen[stretches[0][0]][len(stretches), stretches[0][1]] += 1
    table = [[count[key] for key in sorted(seen["relevant"] | seen["irrelevant"])] for count in seen.values()]
    assert stats.chi2_contingency(table).pvalue > LEVEL


def test_rival_is_any_other_class_and_all_else_independent_of_the_class(scenes):
    table = np.zeros((4, 4), dtype=int)
    for scene in scenes:
        table[scene.label, scene.rival] += 1
    np.testing.assert_array_equal(table.sum(axis=1), 900)
    assert np.trace(table) == 0
    assert stats.chisquare(table[~np.eye(4, dtype=bool)]).pvalue > LEVEL
    labels = np.array([scene.label for scene in scenes])
    orders = np.unique([scene.kinds for scene in scenes], axis=0, return_inverse=True)[1]
    for values in (orders, np.searchsorted(BRIGHTNESS, [scene.brightness[0] for scene in scenes])):
        assert stats.chi2_contingency(np.bincount(4 * values + labels).reshape(-1, 4)).pvalue > LEVEL
    for axis in (0, 1):
        assert stats.kruskal(*([s.centres[0, axis] for s in scenes if s.label == n] for n in range(4))).pvalue > LEVEL


@pytest.mark.parametrize("time", [0, 3, 7])
def test_object_and_rival_look_and_move_alike(scenes, time):
    shown = [[scene for scene in scenes if scene.kinds[time] == kind] for kind in KINDS[:2]]
    for axis in (0, 1):
        assert stats.ks_2samp(*([scene.centres[time, axis] for scene in some] for some in shown)).pvalue > LEVEL
    for values in (
        lambda scene: BRIGHTNESS.index(scene.brightness[time]),
        lambda scene: MANY.hues.index(scene.hues[time]),
        lambda scene: int(scene.patterns[time, 0, :2] @ [1, 0.5] + 1.5),  # its first two blocks
    ):
        table = [np.bincount([values(scene) for scene in some]) for some in shown]
        assert min(map(len, table)) == 4
        assert stats.chi2_contingency(table).pvalue > LEVEL


def test_grounds_are_other_ones_each_time_and_alike_in_brightness_and_spread():
    probe = InterruptionProbe(train=8, object_size=8.0, size=64, frames=8, irrelevant=0.5)
    for number in range(8):
        frames, scene = probe.clip("train", number)[0], probe.scene("train", number)
        own = scene.kinds == "relevant"
        assert len({*scene.brightness[own]}) == len({*scene.brightness[~own]}) == 1
        assert scene.brightness[own][0] != scene.brightness[~own][0]
        grey = frames[:, np.ptp(frames.astype(int), axis=-1).max(axis=0) <= 2, 1].astype(float)  # where no object is
        np.testing.assert_allclose(grey.mean(axis=1) / 255, scene.brightness, atol=0.02)
        np.testing.assert_allclose(grey.std(axis=1) / 255, 0.1, atol=0.015)
        assert np.corrcoef(grey[own]).min() > 0.999
        assert np.abs(np.corrcoef(grey) - np.eye(8))[~own].max() < 0.3


def test_names_and_clips_without_interruption():
    assert InterruptionProbe().names == ("crimson", "indigo", "olive", "teal")
    assert InterruptionProbe(classes=16).names == tuple(sorted(HUES))
    truth = InterruptionProbe(irrelevant=0.0, redundant=0.5).clip("test", 6)[2]
    assert (truth["rival"], Counter(truth["kinds"])) == (None, {"relevant": 4, "redundant": 4})


def test_the_same_settings_give_the_same_bytes(tmp_path):
    probe = InterruptionProbe(train=4, test=4, seed=2)
    roots = [probe.generate(tmp_path / name, workers=1, progress=False) for name in ("one", "two")]
    files = [{path.relative_to(root): path.read_bytes() for path in root.rglob("*.mp4")} for root in roots]
    assert len(files[0]) == 8
    assert files[0] == files[1]
    assert store.read_truth(roots[0]) == store.read_truth(roots[1])
    others = [{}, {"seed": 3}, {"train": 5}, {"irrelevant": 0.25}, {"redundant": 0.25}, {"speed": 1.0}]
    assert len({store.folder_name(replace(probe, **settings)) for settings in others}) == 6
    two = probe, replace(probe, seed=3)
    assert len({one.clip(subset, 1)[0].tobytes() for one in two for subset in ("train", "test")}) == 4
    np.testing.assert_array_equal(probe.clip("test", 3)[0], probe.clip("test", 3)[0])


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"train": 3}, "train=3: at least 4 clips, one for each class"),
        ({"frames": 3}, "frames=3: expected 4 or more"),
        ({"classes": 17}, "classes=17: 2 to 16"),
        ({"shortest": 1}, "shortest=1: expected 2 or more"),
        ({"redundant": 1.5}, "redundant=1.5: expected a share"),
        ({"redundant": 0.5}, "irrelevant=0.5 and redundant=0.5: together they have to stay below 1"),
        ({"irrelevant": 0.9}, "redundant=0.0 of frames=8 leave 1 relevant ones: shortest=2 at least are expected"),
        ({"size": 33}, "size=33: expected an even number"),
        ({"object_size": 31.0}, "object_size=31.0: .* in frames of size=32 at most 30"),
        ({"speed": 0.0}, "speed=0.0"),
        ({"speed": 3.0}, "speed=3.0: expected more than 0 and at most 2.857, .* object_size=10.0 .* frames=8"),
        ({"frames": 16}, "speed=2.0: expected more than 0 and at most 1.333"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_refuses_settings_of_no_probe(settings, says):
    with pytest.raises(InputError, match=says):
        InterruptionProbe(**settings)
