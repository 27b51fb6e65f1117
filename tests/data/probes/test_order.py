"""The order probe is what it says: pairs of the same frames, told apart by nothing but their order."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from videoattn.data.datasets import load
from videoattn.data.decode.decoder import Decoder
from videoattn.data.probes import store
from videoattn.data.probes.appearance import HUES
from videoattn.data.probes.order import LEVELS, OrderProbe
from videoattn.errors import InputError

PROBE = OrderProbe(train=24, test=12, seed=3)
MANY = OrderProbe(train=2400, seed=1)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """{number: (decoded frames, class name, truth)} of the training clips, as the `folder` data set reads them."""
    root = PROBE.generate(tmp_path_factory.mktemp("probes"), workers=1, progress=False)
    truth = store.read_truth(root)["clips"]
    listed = load("folder", root, "train")
    with Decoder() as decoder:
        return {
            int(sample.name.rsplit("/")[-1][:5]): (
                decoder.frames(sample.path, range(decoder.info(sample.path).frames)),
                listed.classes[sample.label],
                truth[sample.name],
            )
            for sample in listed.samples
        }


def pairs(probe: OrderProbe):
    return [(probe.scene("train", n), probe.scene("train", n + 1)) for n in range(0, probe.train, 2)]


def test_both_clips_of_a_pair_decode_to_the_same_frames(clips):
    assert sorted(clips) == list(range(PROBE.train))
    for number in range(0, PROBE.train, 2):
        (first, name, truth), (second, other, reordered) = clips[number], clips[number + 1]
        assert first.shape == (8, 32, 32, 3)
        np.testing.assert_array_equal(first[reordered["order"]], second)
        assert truth["order"] == list(range(8)) != reordered["order"]
        level = truth["level"]
        assert (name, other) == tuple(f"{level}-{word}" for word in LEVELS[level])
        assert truth["pair"] == reordered["pair"] == number // 2


def test_levels_are_balanced_and_each_has_a_hue():
    scenes = [scene for pair in pairs(MANY) for scene in pair]
    assert set(Counter(scene.level for scene in scenes).values()) == {2400 // 6}
    assert set(Counter(scene.label for scene in scenes).values()) == {2400 // 12}
    hues = {scene.level: scene.hue for scene in scenes}
    assert len(set(hues.values())) == len(LEVELS)
    assert all(scene.hue == hues[scene.level] and 0 <= scene.hue < len(HUES) for scene in scenes)


def test_what_happens_at_each_level():
    """Places along x, in pixels, frame by frame; `first` and `second` clip of the pair."""
    for first, second in pairs(MANY):
        x, other = (scene.centres[..., 1] for scene in (first, second))
        steps, others = np.diff(x[:, 0]), np.diff(other[:, 0])
        assert np.ptp(first.centres[..., 0]) == 0
        if first.level in ("direction", "small"):
            assert (steps > 0).all()
            assert (others < 0).all()
            length = 10.0 if first.level == "direction" else 2.5
            assert np.ptp(x) == pytest.approx(length)
        elif first.level == "return":
            assert x[0] == pytest.approx(x[-1])
            assert steps[0] > 0 > steps[-1]
            assert others[0] < 0 < others[-1]
            assert other[0] == pytest.approx(other[-1])
        elif first.level == "pretend":
            assert (steps >= 0).all() or (steps <= 0).all()
            assert np.ptp(x) == pytest.approx(10.0)
            assert other[0] == pytest.approx(other[-1])
        elif first.level == "short":
            moved = np.flatnonzero(x[:, 0] != x[0, 0])
            assert len(moved) == 2 == np.ptp(moved) + 1
            home = x[0, 0]
            np.testing.assert_allclose(x[moved, 0] - home, [5, -5])
            np.testing.assert_allclose(other[moved, 0] - home, [-5, 5])
        else:
            gone = [[np.flatnonzero(~scene.shown[:, thing]).item() for thing in (0, 1)] for scene in (first, second)]
            assert gone[0][0] < gone[0][1]
            assert gone[1] == gone[0][::-1]
            assert not {0, 7} & {*gone[0]}
            assert (x[:, 1] - x[:, 0] > PROBE.object_size - 1e-9).all()


def test_nothing_but_the_order_tells_the_class():
    """Times, places and sides are drawn alike: the first of the two events, the short one, sides of pretending."""
    found = pairs(MANY)
    first = [int(np.flatnonzero(np.diff(a.centres[:, 0, 1]))[0]) for a, _ in found if a.level == "short"]
    assert stats.chisquare(list(Counter(first).values())).pvalue > 0.005
    assert set(first) == {0, 1, 2, 3, 4}
    sides = Counter(bool(a.centres[-1, 0, 1] > a.centres[0, 0, 1]) for a, _ in found if a.level == "pretend")
    assert stats.binomtest(sides[True], sides.total()).pvalue > 0.005
    for a, b in found:
        np.testing.assert_array_equal(np.sort(a.centres, axis=0), np.sort(b.centres, axis=0))


@settings(max_examples=25, deadline=None)
@given(
    frames=st.integers(4, 8).map(lambda n: 2 * n),
    size=st.integers(12, 24).map(lambda n: 2 * n),
    share=st.floats(0.05, 1),
    travel=st.floats(0.5, 12),
)
def test_objects_stay_in_the_frame_and_frames_in_the_pair(frames, size, share, travel):
    object_size = 8.0
    travel = min(travel, size - object_size - 2)
    if max(travel, object_size) + object_size + 2 > size:
        return
    probe = OrderProbe(train=12, test=12, frames=frames, size=size, object_size=object_size, travel=travel, small=share)
    for a, b in pairs(probe):
        assert sorted(b.order) == list(range(frames))
        np.testing.assert_array_equal(a.centres[b.order], b.centres)
        np.testing.assert_array_equal(a.shown[b.order], b.shown)
        assert a.centres.min() >= object_size / 2
        assert a.centres.max() <= size - object_size / 2
        assert a.label != b.label
    images, _, _ = probe.clip("train", 0)
    assert images.shape == (frames, size, size, 3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"train": 13}, "train=13: expected an even number, since clips come in pairs"),
        ({"test": 10}, "test=10: at least 12 clips, a pair for each level"),
        ({"frames": 6}, "frames=6: an even number from 8 on"),
        ({"frames": 9}, "frames=9"),
        ({"frames": 8.0}, "frames=8.0: expected a whole number"),
        ({"levels": ("sideways",)}, "a tuple of direction, return, events, short, small, pretend is expected"),
        ({"levels": ()}, "levels"),
        ({"levels": ("small", "small")}, "each may be given once"),
        ({"size": 15}, "size=15"),
        ({"object_size": 4.0}, "object_size=4.0: expected 8 or more"),
        ({"travel": 0.0}, "travel=0.0"),
        ({"small": 1.5}, "small=1.5"),
        ({"travel": 25.0}, "size=32: objects of object_size=10.0 on a way of travel=25.0 take 37 pixels"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        OrderProbe(**settings)
