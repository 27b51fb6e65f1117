"""Which frames of a video make a clip, against plain loops, and which settings are refused."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videoattn.data.clips.settings import ClipSettings, frame_indices
from videoattn.errors import InputError

PLAIN = ClipSettings(frames=4, size=32, short_side=32)


@given(st.integers(1, 60), st.integers(1, 20), st.integers(1, 5))
def test_uniform_frames_in_testing_are_centres_of_segments(frames, length, clips):
    found = frame_indices(ClipSettings(frames=length), frames, clips=clips)
    for clip in range(clips):
        for t in range(length):
            place = (t * clips + clip + 0.5) * frames / (length * clips)  # on the line from 0 to `frames`
            assert found[clip, t] == int(place + 1e-9)
    assert found.shape == (clips, length)


@given(st.integers(1, 60), st.integers(1, 20), st.integers(1, 4), st.integers(1, 5))
def test_dense_frames_in_testing_are_runs(frames, length, stride, clips):
    found = frame_indices(ClipSettings(frames=length, sampling="dense", stride=stride), frames, clips=clips)
    starts = max(frames - (length - 1) * stride, 1)  # places where a run fits, or the beginning
    for clip in range(clips):
        start = int((clip + 0.5) * starts / clips + 1e-9)
        assert found[clip].tolist() == [min(start + t * stride, frames - 1) for t in range(length)]


@settings(max_examples=20)
@given(st.integers(1, 12), st.integers(1, 6), st.integers(0, 1000))
def test_uniform_frames_in_training_are_drawn_evenly_in_each_segment(frames, length, seed):
    rng = np.random.default_rng(seed)
    drawn = np.stack([frame_indices(ClipSettings(frames=length), frames, rng=rng)[0] for _ in range(600)])
    for t in range(length):
        low, high = t * frames / length, (t + 1) * frames / length
        for frame in range(frames):
            share = max(min(frame + 1, high) - max(frame, low), 0) / (high - low)
            assert np.mean(drawn[:, t] == frame) == pytest.approx(share, abs=0.11 if 0 < share < 1 else 1e-9)


def test_dense_frames_in_training_start_anywhere():
    rng = np.random.default_rng(0)
    chosen = ClipSettings(frames=3, sampling="dense", stride=2)
    drawn = Counter(tuple(frame_indices(chosen, 9, rng=rng)[0].tolist()) for _ in range(1000))
    assert drawn.keys() == {(s, s + 2, s + 4) for s in range(5)}
    assert min(drawn.values()) > 150
    assert frame_indices(chosen, 4, rng=rng).tolist() == [[0, 2, 3]]  # beyond the end: the last frame again


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"frames": 0}, "frames is 0"),
        ({"stride": 0, "sampling": "dense"}, "stride is 0"),
        ({"stride": 2}, "stride is 2; uniform sampling has none"),
        ({"sampling": "random"}, "unknown sampling 'random'; choose from uniform, dense"),
        ({"size": 0}, "size is 0"),
        ({"size": 40}, "size is 40; it must be at most short_side, which is 32"),
        ({"short_side": 33}, "short_side is 33"),
        ({"scales": (1.0, 1.5)}, r"scales \(1.0, 1.5\)"),
        ({"scales": (0.0,)}, r"scales \(0.0,\)"),
        ({"flip": 1.5}, "flip is 1.5"),
        ({"test_clips": 0}, "test_clips is 0"),
        ({"test_crops": 5}, "unknown test_crops 5; choose from 1, 3, 10"),
    ],
)
def test_impossible_settings_are_named(values, text):
    with pytest.raises(InputError, match=text):
        replace(PLAIN, **values)
