"""Which frames of a video make a clip, against plain loops, and which settings are refused."""

import itertools
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videoattn.data.clips.settings import ClipSettings, field_indices, frame_indices, is_fixed
from videoattn.errors import InputError

PLAIN = ClipSettings(frames=4, size=32, short_side=32)


@given(st.integers(1, 60), st.integers(1, 20), st.integers(1, 5))
def test_uniform_frames_in_testing_are_centres_of_segments(frames, length, clips):
    chosen = ClipSettings(frames=99, test_frames=length, test_clips=clips)
    found = frame_indices(chosen, frames, test=True)
    for clip in range(clips):
        for t in range(length):
            place = (t * clips + clip + 0.5) * frames / (length * clips)  # on the line from 0 to `frames`
            assert found[clip, t] == int(place + 1e-9)
    assert found.shape == (clips, length)


@given(st.integers(1, 60), st.integers(1, 20), st.integers(1, 4), st.integers(1, 5))
def test_dense_frames_in_testing_are_runs(frames, length, stride, clips):
    chosen = ClipSettings(frames=length, sampling="dense", stride=stride, test_clips=clips)
    found = frame_indices(chosen, frames, test=True)
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


@given(st.integers(2, 40), st.integers(1, 8), st.integers(1, 6), st.sampled_from([None, 0, 1]))
def test_frames_are_taken_where_their_fields_follow(frames, length, fields, seed):
    for sampling, span in (("uniform", fields), ("dense", length - 1 + fields)):
        chosen = ClipSettings(frames=length, sampling=sampling, fields=fields)
        rng = None if seed is None else np.random.default_rng(seed)
        (found,) = frame_indices(chosen, frames, rng=rng)
        starts = max(frames - 1 - span + 1, 1)  # of n - 1 fields so many runs of `span` begin
        at = 0.5 if rng is None else np.random.default_rng(seed).random(length if sampling == "uniform" else 1)
        if sampling == "uniform":
            expected = np.floor((np.arange(length) + at) * starts / length + 1e-12)
        else:
            expected = np.minimum(np.floor(at * starts) + np.arange(length), frames - 2)
        assert found.tolist() == expected.astype(int).tolist()
        follow = [[min(frame + step, frames - 2) for step in range(fields)] for frame in found]
        assert field_indices(chosen, found, frames).tolist() == follow


@given(st.integers(1, 300), st.sampled_from([1, 3, 7, 8, 12, 25]), st.integers(0, 5))
def test_frames_by_the_code_of_tsm(frames, length, fields):
    chosen = ClipSettings(frames=99, test_frames=length, sampling="tsn", fields=fields, test_clips=2)
    found = frame_indices(chosen, frames, test=True)
    count = max(frames - 1, 1) if fields else frames  # in its lists a video of flow is as long as it has fields
    tick = max(count - max(fields, 1) + 1, 1) / float(length)
    for t in range(length):
        assert found[:, t].tolist() == [int(tick / 2.0 + tick * t), int(tick * t)]
    assert frame_indices(replace(chosen, test_clips=1), frames, test=True).tolist() == found[:1].tolist()
    assert frame_indices(replace(chosen, frames=length), frames).tolist() == found[:1].tolist()


@given(st.integers(1, 200), st.integers(1, 20), st.integers(1, 8), st.integers(2, 10))
def test_dense_frames_by_the_code_of_tsm(frames, length, stride, clips):
    chosen = ClipSettings(frames=length, sampling="tsm-dense", stride=stride, test_clips=clips)
    found = frame_indices(chosen, frames, test=True)
    starts = np.linspace(0, max(1, 1 + frames - length * stride) - 1, num=clips, dtype=int)
    for clip in range(clips):
        for t in range(length):
            assert found[clip, t] == (t * stride + starts[clip]) % frames  # it begins short videos again
    rng = np.random.default_rng(frames)
    (drawn,) = frame_indices(chosen, frames, rng=rng)
    assert drawn.tolist() == [(t * stride + drawn[0]) % frames for t in range(length)]
    assert drawn[0] < max(1, frames - length * stride)


@pytest.mark.parametrize("sampling", ["uniform", "tsn", "dense", "tsm-dense"])
def test_what_never_changes_in_training_is_known(sampling):
    rng = np.random.default_rng(0)
    for length, fields, frames in itertools.product((1, 2, 7), (0, 4), range(1, 20)):
        chosen = ClipSettings(frames=length, sampling=sampling, fields=fields)
        drawn = {frame_indices(chosen, frames, rng=rng).tobytes() for _ in range(40)}
        assert is_fixed(chosen, frames) == (len(drawn) == 1), (length, fields, frames)


def test_of_one_frame_a_clip_is_that_frame():
    assert frame_indices(ClipSettings(frames=2, fields=5), 1).tolist() == [[0, 0]]


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"frames": 0}, "frames is 0"),
        ({"stride": 0, "sampling": "dense"}, "stride is 0"),
        ({"stride": 2}, "stride is 2; uniform sampling has none"),
        ({"stride": 2, "sampling": "tsn"}, "stride is 2; tsn sampling has none"),
        ({"test_clips": 3, "sampling": "tsn"}, "test_clips is 3; with tsn sampling it must be 1 or 2"),
        ({"sampling": "random"}, "unknown sampling 'random'; choose from uniform, dense, tsn, tsm-dense"),
        ({"size": 0}, "size is 0"),
        ({"size": 40}, "size is 40; it must be at most short_side, which is 32"),
        ({"short_side": 33}, "short_side is 33"),
        ({"scales": (1.0, 1.5)}, r"scales \(1.0, 1.5\)"),
        ({"scales": (0.0,)}, r"scales \(0.0,\)"),
        ({"flip": 1.5}, "flip is 1.5"),
        ({"test_clips": 0}, "test_clips is 0"),
        ({"test_frames": 0}, "test_frames is 0; it must be at least 1, or None"),
        ({"fields": -1}, "fields is -1; it must be at least 0"),
        ({"test_crops": 5}, "unknown test_crops 5; choose from 1, 3, 10"),
    ],
)
def test_impossible_settings_are_named(values, text):
    with pytest.raises(InputError, match=text):
        replace(PLAIN, **values)
