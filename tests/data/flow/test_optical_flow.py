import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from textures import texture

from videoattn.data.flow.algorithms import ALGORITHMS, dequantise, flow_fields, quantise, successive
from videoattn.errors import InputError

BOUNDS = st.sampled_from([1.0, 8.0, 20.0, 37.5])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(("height", "width"), [(48, 48), (64, 72)])
@pytest.mark.parametrize(("x", "y"), [(2, 1), (-1, 2)])
def test_translation_is_recovered_to_a_twentieth_of_a_pixel(algorithm, height, width, x, y):
    frame = texture(height, width)
    flow = flow_fields(np.stack([frame, np.roll(frame, (y, x), (0, 1))]), algorithm)
    assert flow.shape == (1, 2, height, width)
    assert flow.dtype == np.float32
    inside = flow[0, :, 8:-8, 8:-8]
    assert np.abs(inside[0] - x).mean() < 0.05
    assert np.abs(inside[1] - y).mean() < 0.05


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_still_clip_has_no_motion(algorithm):
    still = np.stack([texture(48, 48)] * 3)
    np.testing.assert_array_equal(flow_fields(still, algorithm), np.zeros((2, 2, 48, 48)))
    np.testing.assert_array_equal(flow_fields(np.zeros((2, 16, 16), np.uint8), algorithm), np.zeros((1, 2, 16, 16)))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_flow_of_the_mirrored_clip_is_the_mirrored_flow_with_x_negated(algorithm):
    frame = texture(64, 64, seed=1)
    clip = np.stack([frame, np.roll(frame, (1, 2), (0, 1))])
    flow, of_mirrored = flow_fields(clip, algorithm), flow_fields(np.ascontiguousarray(clip[..., ::-1]), algorithm)
    expected = flow[..., ::-1] * np.float32([-1, 1])[:, None, None]
    assert np.abs(of_mirrored - expected)[..., 8:-8, 8:-8].mean() < 0.05


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_one_field_at_a_time_is_the_same(algorithm):
    clip = np.stack([np.roll(texture(48, 56), shift, 1) for shift in (0, 1, 3, 4)])
    np.testing.assert_array_equal(np.stack(list(successive(iter(clip), algorithm))), flow_fields(clip, algorithm))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_number_of_threads_changes_nothing(algorithm):
    clip = np.stack([np.roll(texture(64, 64), shift, 1) for shift in (0, 2)])
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        one = flow_fields(clip, algorithm)
    finally:
        cv2.setNumThreads(before)
    np.testing.assert_array_equal(flow_fields(clip, algorithm), one)


def test_a_single_frame_has_no_field():
    assert flow_fields(np.zeros((1, 16, 20), np.uint8), "dis").shape == (0, 2, 16, 20)


def test_levels_by_hand():
    pixels = np.float32([-99, -20, -10, 0, 0.1, 10, 20, 99])
    np.testing.assert_array_equal(quantise(pixels, 20.0), np.uint8([0, 0, 64, 128, 128, 191, 255, 255]))
    scaled = dequantise(np.uint8([0, 1, 64, 128, 191, 255]))
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled, [-1, -127 / 127.5, -64 / 127.5, 0, 63 / 127.5, 127 / 127.5], rtol=1e-6)
    assert scaled[3] == 0


@given(hnp.arrays(np.float32, (2, 3, 4), elements=st.floats(-60, 60, width=32)), BOUNDS)
def test_round_trip_error_is_at_most_one_level_downwards(flow, bound):
    error = dequantise(quantise(flow, bound)) - np.clip(flow, -bound, bound) / bound
    assert error.max() <= 1e-5
    assert error.min() >= -2 / 255 - 1e-5


def test_every_level_survives_a_second_round_trip_but_the_lowest():
    levels = np.arange(256, dtype=np.uint8)
    # Half a level lower than the level's centre lies on the tie between two levels: add it back before quantising.
    again = quantise((dequantise(levels) + np.float32(1 / 255)) * 20, 20.0)
    np.testing.assert_array_equal(again[1:], levels[1:])


@pytest.mark.parametrize(
    ("gray", "algorithm", "message"),
    [
        (np.zeros((2, 32, 32), np.uint8), "farneback", "'farneback'; choose from tvl1, dis"),
        (np.zeros((2, 32, 32), np.float32), "dis", "float32"),
        (np.zeros((2, 32, 32, 3), np.uint8), "dis", r"\(2, 32, 32, 3\)"),
        (np.zeros((2, 12, 32), np.uint8), "dis", r"\(2, 12, 32\)"),
        (np.zeros((0, 32, 32), np.uint8), "dis", r"\(0, 32, 32\)"),
    ],
)
def test_bad_frames_are_refused(gray, algorithm, message):
    with pytest.raises(InputError, match=message):
        flow_fields(gray, algorithm)
