import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from videoattn.data.clips.sampling import segment_starts, snippet_indices
from videoattn.errors import InputError

clips = st.tuples(st.integers(1, 400), st.integers(1, 30), st.integers(1, 12))
seeds = st.none() | st.integers(0, 2**32 - 1)


def generator(seed):
    return None if seed is None else np.random.default_rng(seed)


def test_centres_by_hand():
    # 30 fields, snippets of 5: 26 starts; thirds end at 8.67, 17.33, 26 and have their centres at 4.33, 13, 21.67.
    np.testing.assert_array_equal(segment_starts(30, 3, 5), [4, 13, 21])
    np.testing.assert_array_equal(segment_starts(25, 25, 1), np.arange(25))
    np.testing.assert_array_equal(segment_starts(100, 1, 1), [50])


def test_equals_the_authors_rule_where_segments_divide_the_starts():
    # Their test indices: int(tick / 2 + tick * i) with tick = starts / segments.
    for segments, width in [(3, 7), (25, 4), (8, 1)]:
        expected = [int(width / 2 + width * i) for i in range(segments)]
        np.testing.assert_array_equal(segment_starts(segments * width + 4, segments, 5), expected)


@given(clips, seeds)
def test_each_start_lies_in_its_segment(clip, seed):
    frames, segments, length = clip
    starts = segment_starts(frames, segments, length, generator(seed))
    count = max(frames - length + 1, 1)
    index = np.arange(segments)
    assert starts.dtype == np.int64
    assert starts.shape == (segments,)
    assert starts.min() >= 0
    assert starts.max() <= count - 1
    assert (np.diff(starts) >= 0).all()
    # A start is a real position of the segment rounded down: [i S / K, (i + 1) S / K) in integers.
    assert (starts * segments > index * count - segments).all()
    assert (starts * segments < (index + 1) * count).all()


@given(clips, seeds)
def test_same_generator_gives_the_same_starts(clip, seed):
    np.testing.assert_array_equal(segment_starts(*clip, generator(seed)), segment_starts(*clip, generator(seed)))


def test_training_reaches_every_start_of_the_segment_evenly():
    rng = np.random.default_rng(0)
    drawn = np.stack([segment_starts(16, 3, 5, rng) for _ in range(3000)])  # 12 starts, 4 in each segment
    for segment in range(3):
        values, counts = np.unique(drawn[:, segment], return_counts=True)
        np.testing.assert_array_equal(values, np.arange(4 * segment, 4 * segment + 4))
        assert (np.abs(counts - 750) < 5 * np.sqrt(750 * 0.75)).all()


def test_training_reaches_the_last_start_where_segments_do_not_divide():
    rng = np.random.default_rng(1)
    drawn = np.stack([segment_starts(11, 3, 1, rng) for _ in range(500)])
    np.testing.assert_array_equal(np.unique(drawn), np.arange(11))


def test_fewer_starts_than_segments_repeats_them():
    np.testing.assert_array_equal(segment_starts(2, 5, 1), [0, 0, 1, 1, 1])
    np.testing.assert_array_equal(segment_starts(6, 4, 5), [0, 0, 1, 1])


@pytest.mark.parametrize("seed", [None, 3])
def test_clip_shorter_than_a_snippet_starts_at_zero_and_repeats_its_end(seed):
    starts = segment_starts(3, 4, 5, generator(seed))
    np.testing.assert_array_equal(starts, [0, 0, 0, 0])
    np.testing.assert_array_equal(snippet_indices(starts, 5, 3), [[0, 1, 2, 2, 2]] * 4)


def test_snippet_indices_by_hand():
    indices = snippet_indices(np.array([0, 4, 9]), 3, 12)
    assert indices.dtype == np.int64
    np.testing.assert_array_equal(indices, [[0, 1, 2], [4, 5, 6], [9, 10, 11]])


@given(clips, seeds)
def test_snippets_stay_inside_the_clip(clip, seed):
    frames, segments, length = clip
    indices = snippet_indices(segment_starts(frames, segments, length, generator(seed)), length, frames)
    assert indices.shape == (segments, length)
    assert indices.min() >= 0
    assert indices.max() <= frames - 1
    if frames >= length:  # nothing was clamped
        assert (np.diff(indices, axis=1) == 1).all()


@pytest.mark.parametrize(
    ("values", "message"),
    [((0, 3, 5), "frames is 0"), ((10, 0, 5), "segments is 0"), ((10, 3, -1), "length is -1")],
)
def test_values_below_one_are_refused(values, message):
    with pytest.raises(InputError, match=message):
        segment_starts(*values)


def test_snippet_indices_refuses_an_empty_clip():
    with pytest.raises(InputError, match="frames is 0"):
        snippet_indices(np.array([0]), 5, 0)
