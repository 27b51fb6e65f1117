"""The motion of the camera is found where most of the picture shows it, and nothing is made up where none is found."""

import cv2
import numpy as np
import pytest
from cameras import frames, grid, mapped, miss, motion
from hypothesis import given, settings
from hypothesis import strategies as st
from textures import texture

from videoattn.data.flow import camera
from videoattn.data.flow.algorithms import flow_fields
from videoattn.data.flow.camera import camera_homography, without_camera
from videoattn.errors import InputError

MOTIONS = {
    "shift": {"shift": (3.0, -2.0)},
    "part of a pixel": {"shift": (1.4, 0.7)},
    "turn": {"turn": 2.0},
    "zoom": {"zoom": 1.04},
    "perspective": {"tilt": (0.03, -0.02)},
    "all": {"shift": (-2.0, 1.5), "turn": -1.5, "zoom": 0.97, "tilt": (0.01, 0.02)},
}


def found(before, after, **mask):
    """The homography that the flow of DIS gives."""
    (flow,) = flow_fields(np.stack([before, after]), "dis")
    return camera_homography(before, after, flow, **mask)


def flow_of(homography, height, width):
    """float32 (2, H, W): the flow of a scene in which nothing but the camera moves."""
    points = grid(height, width)
    return np.float32((mapped(homography, points) - points).T.reshape(2, height, width))


@pytest.mark.parametrize(
    ("height", "width", "kind"), [*((63, 63, kind) for kind in MOTIONS), (97, 131, "perspective"), (240, 320, "all")]
)
def test_the_motion_is_recovered_within_a_third_of_a_pixel_anywhere(height, width, kind):
    """With an object of a quarter of the sides that goes its own way, and without."""
    true = motion(height, width, **MOTIONS[kind])
    for side in (0, height // 4):
        before, after, _ = frames(true, height, width, side=side, own=(2, -1))
        homography = found(before, after)
        assert (homography.shape, homography.dtype) == ((3, 3), np.float64)
        assert miss(homography, true, height, width) < 1 / 3
        assert miss(np.eye(3), true, height, width) > 1


@settings(max_examples=40, deadline=None)
@given(
    size=st.tuples(st.integers(48, 90), st.integers(48, 90)),
    shift=st.tuples(st.floats(-9, 9), st.floats(-9, 9)),
    turn=st.floats(-4, 4),
    zoom=st.floats(0.9, 1.1),
    tilt=st.tuples(st.floats(-0.04, 0.04), st.floats(-0.04, 0.04)),
    seed=st.integers(0, 100),
)
def test_exact_flow_gives_the_exact_motion(size, shift, turn, zoom, tilt, seed):
    """Without keypoints, since `after` shows nothing: corners and flow alone."""
    true = motion(*size, shift=shift, turn=turn, zoom=zoom, tilt=tilt)
    flat = np.zeros(size, np.uint8)
    assert miss(camera_homography(texture(*size, seed), flat, flow_of(true, *size)), true, *size) < 0.01


def test_keypoints_find_what_the_flow_missed_within_their_reach(monkeypatch):
    monkeypatch.setattr(camera, "CORNERS", 100)  # the flow of all would outvote them
    before = texture(160, 160)
    for step, expected in ((12, 12), (24, 24), (40, 0)):
        after = np.roll(before, step, axis=1)
        homography = camera_homography(before, after, np.zeros((2, 160, 160), np.float32))
        assert abs(homography[0, 2] - expected) < 0.5


def test_what_is_masked_gives_no_pairs():
    """An object that covers more than half of the frame is taken for the scene unless it is masked."""
    true = motion(80, 80, shift=(-2.0, 3.0))
    before, after, stands = frames(true, 80, 80, side=60, own=(3, -4))
    assert miss(found(before, after), motion(80, 80, shift=(1.0, -1.0)), 80, 80) < 0.5
    assert miss(found(before, after, mask=stands), true, 80, 80) < 0.5
    np.testing.assert_array_equal(found(before, after, mask=np.ones((80, 80), bool)), np.eye(3))


def test_no_mask_is_a_mask_of_nothing():
    before, after, _ = frames(motion(64, 64, shift=(2.0, 1.0)), 64, 64)
    np.testing.assert_array_equal(found(before, after, mask=np.zeros((64, 64), bool)), found(before, after))


def test_a_still_camera_is_found_to_be_still():
    picture = texture(64, 64)
    assert miss(found(picture, picture), np.eye(3), 64, 64) < 1e-6
    before, after, _ = frames(np.eye(3), 120, 160, side=40, own=(3, 2))
    assert miss(found(before, after), np.eye(3), 120, 160) < 0.1


def test_nothing_to_follow_is_the_identity():
    flow = np.full((2, 48, 64), 3, np.float32)
    for level in (0, 128, 255):
        flat = np.full((48, 64), level, np.uint8)
        np.testing.assert_array_equal(camera_homography(flat, flat, flow), np.eye(3))
        np.testing.assert_array_equal(camera_homography(flat, texture(48, 64), flow), np.eye(3))


def test_more_than_fifty_pairs_are_needed(monkeypatch):
    flow = np.full((2, 64, 64), 3, np.float32)
    picture, flat = texture(64, 64), np.zeros((64, 64), np.uint8)
    for pairs, moved in ((50, False), (51, True)):
        monkeypatch.setattr(camera, "CORNERS", pairs)
        assert len(cv2.goodFeaturesToTrack(picture, pairs, camera.QUALITY, camera.SPACING)) == pairs
        assert (camera_homography(picture, flat, flow)[0, 2] > 2) == moved


def test_more_than_twenty_five_must_agree():
    picture, flat = texture(96, 96), np.zeros((96, 96), np.uint8)
    x, y = cv2.goodFeaturesToTrack(picture, camera.CORNERS, camera.QUALITY, camera.SPACING)[:, 0].astype(int).T
    angle = 2.4 * np.arange(len(x))
    length = 20 + 60 * np.sqrt(np.arange(len(x)) / len(x))
    scattered = np.float32([length * np.cos(angle), length * np.sin(angle)])  # no motion takes many of these along
    for agreeing, moved in ((20, False), (40, True)):
        flow = np.zeros((2, 96, 96), np.float32)
        flow[:, y, x] = scattered
        flow[:, y[:agreeing], x[:agreeing]] = 3
        homography = camera_homography(picture, flat, flow)
        assert (not np.array_equal(homography, np.eye(3))) == moved
    assert miss(homography, motion(96, 96, shift=(3.0, 3.0)), 96, 96) < 0.2


def test_the_same_frames_give_the_same_matrix():
    before, after, _ = frames(motion(120, 160, **MOTIONS["all"]), 120, 160, side=50, own=(5, 3))
    (flow,) = flow_fields(np.stack([before, after]), "dis")
    first = camera_homography(before, after, flow)
    threads = cv2.getNumThreads()
    try:
        for seed, count in ((1, 1), (2, 2), (3, 4)):
            cv2.setRNGSeed(seed)
            cv2.setNumThreads(count)
            np.testing.assert_array_equal(camera_homography(before.copy(), after.copy(), flow.copy()), first)
            camera_homography(after, before, -flow)  # other frames in between
    finally:
        cv2.setNumThreads(threads)


@pytest.mark.parametrize("size", [(16, 16), (17, 23), (32, 32)])
def test_the_smallest_frames_are_taken(size):
    """Textured frames of 16 pixels have fewer than fifty pairs."""
    before, after, _ = frames(motion(*size, shift=(1.0, 0.0)), *size)
    homography = found(before, after)
    assert np.array_equal(homography, np.eye(3)) == (size != (32, 32))
    assert miss(homography, motion(*size, shift=(1.0, 0.0)), *size) < (1.01 if size != (32, 32) else 0.3)


def test_whole_pixels_are_undone_exactly_and_what_was_not_seen_is_filled():
    before, picture = texture(40, 50, seed=1), texture(40, 50)
    back = without_camera(before, picture, motion(40, 50, shift=(3.0, -2.0)))
    np.testing.assert_array_equal(back[2:, :-3], picture[:-2, 3:])
    np.testing.assert_array_equal(back[:2], before[:2])
    np.testing.assert_array_equal(back[:, -3:], before[:, -3:])


@pytest.mark.parametrize("kind", MOTIONS)
def test_undone_the_frame_is_that_before(kind):
    true = motion(97, 131, **MOTIONS[kind])
    before, after, _ = frames(true, 97, 131)
    kept = before.copy(), after.copy()
    back = without_camera(before, after, true)
    assert np.abs(back.astype(int) - before).mean() < 1.5  # of 255; a line instead of a curve between pixels
    assert np.abs(after.astype(int) - before).mean() > 9
    np.testing.assert_array_equal((before, after), kept)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"before": np.zeros((32, 32), np.float32)}, "float32"),
        ({"before": np.zeros((32, 32, 3), np.uint8)}, r"\(32, 32, 3\)"),
        ({"after": np.zeros((32, 30), np.uint8)}, r"\(32, 30\)"),
        ({"after": np.zeros((32, 32), np.int16)}, "int16"),
        ({"flow": np.zeros((32, 32, 2), np.float32)}, r"flow is float32 \(32, 32, 2\).* \(2, 32, 32\)"),
        ({"flow": np.zeros((2, 32, 32))}, "flow is float64"),
        ({"mask": np.zeros((32, 30), bool)}, r"mask is bool \(32, 30\)"),
        ({"mask": np.zeros((32, 32), np.uint8)}, "mask is uint8"),
    ],
)
def test_bad_frames_are_refused(values, message):
    good = {"before": np.zeros((32, 32), np.uint8), "after": np.zeros((32, 32), np.uint8)}
    good |= {"flow": np.zeros((2, 32, 32), np.float32), "mask": None}
    with pytest.raises(InputError, match=message):
        camera_homography(**good | values)
