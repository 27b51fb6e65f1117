import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from videoattn.data.clips.sampling import segment_starts, snippet_indices, tsn_starts, window_starts
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


def test_the_two_clips_of_tsm_by_hand():
    found = tsn_starts(100, 8, 1, clips=2)
    assert found.dtype == np.int64
    assert found.tolist() == [[6, 18, 31, 43, 56, 68, 81, 93], [0, 12, 25, 37, 50, 62, 75, 87]]
    assert tsn_starts(34, 3, 5).tolist() == [[5, 15, 25]]  # 30 starts: those of the fields, not of the frames


@pytest.mark.parametrize("segments", [1, 3, 7, 8, 12, 16, 25])
def test_segments_in_floating_point_as_in_the_code_of_tsm(segments):
    below = 0  # where floating point falls short of a centre that is a whole number
    for frames in range(1, 400):
        tick = frames / float(segments)
        for i in range(segments):
            centre, begin = tsn_starts(frames, segments, 1, clips=2)[:, i]
            assert centre == int(tick / 2.0 + tick * i)
            assert begin == int(tick * i)
            below += int(centre) < (2 * i + 1) * frames // (2 * segments)
    assert (below > 0) == (segments in (7, 12, 25))


def test_a_segment_that_floating_point_moves():
    assert tsn_starts(6, 7, 1)[0].tolist() == [0, 1, 2, 2, 3, 4, 5]  # 3 x 6/7 + 3/7 is 3, and 2.9999999999999996
    assert segment_starts(6, 7, 1).tolist() == [0, 1, 2, 3, 3, 4, 5]
    assert tsn_starts(30, 25, 1)[0, 12] == 14


def test_training_leaves_out_what_whole_segments_leave():
    rng = np.random.default_rng(0)
    drawn = np.stack([tsn_starts(15, 3, 2, rng)[0] for _ in range(400)])  # 14 starts, 4 in each segment
    for segment in range(3):
        assert set(drawn[:, segment]) == set(range(4 * segment, 4 * segment + 4))


def test_training_with_fewer_starts_than_segments():
    rng = np.random.default_rng(0)
    drawn = np.stack([tsn_starts(9, 7, 5, rng)[0] for _ in range(200)])  # 5 starts of 9 frames for 7 segments
    assert (np.diff(drawn) >= 0).all()
    assert set(drawn.ravel()) == {0, 1, 2, 3, 4}
    assert {0, 4} <= set(drawn[:, 3])
    assert not tsn_starts(7, 7, 3, rng).any()  # no more frames than segments
    assert not tsn_starts(4, 1, 9, rng).any()  # shorter than a snippet
    assert not tsn_starts(4, 3, 9).any()


def test_windows_by_hand():
    # numpy's linspace(0, 236, num=10, dtype=int), as in TSM's code for 300 frames and windows of 64.
    assert window_starts(300, 64, 10).tolist() == [0, 26, 52, 78, 104, 131, 157, 183, 209, 236]
    assert window_starts(66, 64, 3).tolist() == [0, 1, 2]
    assert window_starts(300, 64, 1).tolist() == [0]
    assert window_starts(64, 64, 2).tolist() == window_starts(9, 64, 2).tolist() == [0, 0]


@given(st.integers(1, 400), st.integers(1, 80), st.integers(2, 12))
def test_windows_are_spread_from_the_first_to_the_last(frames, window, clips):
    found = window_starts(frames, window, clips)
    last = max(1, 1 + frames - window) - 1
    for clip in range(clips):
        exact = clip * last / (clips - 1)
        assert exact - 1 < found[clip] <= exact + 1e-9
    assert (found[0], found[-1]) == (0, last)


def test_windows_in_training_start_anywhere_but_at_the_last_start():
    rng = np.random.default_rng(0)
    drawn = {int(window_starts(20, 16, 1, rng)[0]) for _ in range(200)}
    assert drawn == {0, 1, 2, 3}
    assert {int(window_starts(frames, 16, 1, rng)[0]) for frames in (3, 16, 17) for _ in range(20)} == {0}


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        ((0, 3, 1), {}, "frames is 0"),
        ((9, 0, 1), {}, "segments is 0"),
        ((9, 3, 0), {}, "length is 0"),
        ((9, 3, 1), {"clips": 0}, "clips is 0"),
        ((9, 3, 1), {"clips": 3}, "clips is 3; the code of TSM takes one or, in testing, two"),
        ((9, 3, 1, np.random.default_rng(0)), {"clips": 2}, "clips is 2"),
    ],
)
def test_impossible_segments_are_refused(values, options, message):
    with pytest.raises(InputError, match=message):
        tsn_starts(*values, **options)


@pytest.mark.parametrize(("values", "name"), [((0, 3, 1), "frames"), ((9, 0, 1), "window"), ((9, 3, 0), "clips")])
def test_impossible_windows_are_refused(values, name):
    with pytest.raises(InputError, match=f"{name} is 0"):
        window_starts(*values)


def test_snippet_indices_refuses_an_empty_clip():
    with pytest.raises(InputError, match="frames is 0"):
        snippet_indices(np.array([0]), 5, 0)
