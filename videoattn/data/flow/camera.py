r"""The motion of the camera from one frame to the next, as a homography, and how to undo it.

Wang and Schmid, "Action recognition with improved trajectories", ICCV 2013, section 3.1, with the values of their
program: keypoints of both frames, matched where they are at most 25 pixels apart, and corners of the first frame,
followed along the flow, are pairs of points; RANSAC finds the homography that most of them obey within a pixel. What
moves by itself is then an outlier, as long as it has fewer pairs than the ground.

Points are (x, y) in pixels, to the right and down, whole at the centres of pixels.

Departures: keypoints are those of SIFT (Lowe, IJCV 2004) in place of SURF, which OpenCV's packages leave out. ORB finds
none in frames below 63 pixels, its patches being 31 wide; SIFT, which doubles the frame first, finds about twenty in
textured frames of 32x32. Undoing goes on up to the border, where the program leaves out 5 pixels: of small frames that
would be half.
"""

from functools import lru_cache

import cv2
import numpy as np
from scipy.spatial.distance import cdist

from videoattn.errors import InputError

REACH = 25  # pixels in x and in y that two keypoints may be apart
CORNERS, QUALITY, SPACING = 1000, 0.001, 3  # of cv2.goodFeaturesToTrack
TOLERANCE = 1.0  # pixels that a pair may miss the homography by
PAIRS, AGREEING = 50, 25  # a homography needs more pairs than this, and more of them must agree with it


def camera_homography(
    before: np.ndarray, after: np.ndarray, flow: np.ndarray, *, mask: np.ndarray | None = None
) -> np.ndarray:
    """How the camera moved: the float64 (3, 3) that maps points (x, y, 1) of `before` to those of `after`.

    The identity where too few pairs of points are found, or agree. The same input gives the same matrix, whatever the
    state of any random generator.

    Args:
        before, after: uint8 (H, W), grey frames.
        flow: float32 (2, H, W), from `before` to `after` in pixels, x first.
        mask: bool (H, W), True where something stands in `before` that must not give pairs.

    Raises InputError for another type or shape.
    """
    _check(before, after, flow, mask)
    pairs = np.concatenate([_followed_corners(before, flow, mask), _matched_keypoints(before, after, mask)])
    if len(pairs) <= PAIRS:
        return np.eye(3)
    homography, agrees = cv2.findHomography(pairs[:, 0], pairs[:, 1], cv2.RANSAC, TOLERANCE)
    return np.eye(3) if homography is None or np.count_nonzero(agrees) <= AGREEING else homography


def without_camera(before: np.ndarray, after: np.ndarray, homography: np.ndarray) -> np.ndarray:
    """`after` as the camera of `before` would have seen it: uint8 (H, W), both frames and the result.

    homography: as `camera_homography` gives it. Where `after` does not show the place, `before` stands in.
    """
    return cv2.warpPerspective(
        after,
        homography,
        after.shape[::-1],
        dst=before.copy(),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,  # the homography says where in `after` to look
        borderMode=cv2.BORDER_TRANSPARENT,
    )


def _followed_corners(before: np.ndarray, flow: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """float32 (n, 2, 2): corners of `before`, and where the flow takes each."""
    corners = cv2.goodFeaturesToTrack(before, CORNERS, QUALITY, SPACING, mask=None if mask is None else np.uint8(~mask))
    if corners is None:
        return np.empty((0, 2, 2), np.float32)
    corners = corners[:, 0]  # whole numbers
    x, y = corners.astype(int).T
    return np.stack([corners, corners + flow[:, y, x].T], axis=1)


def _matched_keypoints(before: np.ndarray, after: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """float32 (n, 2, 2): keypoints of `before`, and the most similar one of `after` within reach of each."""
    places, descriptors = _keypoints(before.tobytes(), before.shape)
    others, other_descriptors = _keypoints(after.tobytes(), after.shape)
    if not len(places) or not len(others):
        return np.empty((0, 2, 2), np.float32)
    allowed = cdist(places, others, "chebyshev") <= REACH
    if mask is not None:
        x, y = np.rint(places).astype(int).T
        allowed &= ~mask[y, x, None]
    matches = cv2.BFMatcher(cv2.NORM_L2).match(descriptors, other_descriptors, np.uint8(allowed))
    chosen = np.array([(match.queryIdx, match.trainIdx) for match in matches], int).reshape(-1, 2)
    return np.stack([places[chosen[:, 0]], others[chosen[:, 1]]], axis=1)


@lru_cache(maxsize=1)  # what is `after` now is `before` next
def _keypoints(pixels: bytes, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray | None]:
    """Places (n, 2) and descriptors (n, 128) of a frame, both float32; no descriptors where n is 0."""
    frame = np.frombuffer(pixels, np.uint8).reshape(shape)
    found, descriptors = cv2.SIFT_create(enable_precise_upscale=True).detectAndCompute(frame, None)
    return np.float32([keypoint.pt for keypoint in found]).reshape(-1, 2), descriptors


def _check(before: np.ndarray, after: np.ndarray, flow: np.ndarray, mask: np.ndarray | None) -> None:
    if before.ndim != 2 or before.dtype != np.uint8 or after.shape != before.shape or after.dtype != np.uint8:
        raise InputError(
            f"frames are {before.dtype} {before.shape} and {after.dtype} {after.shape}; "
            "they must be uint8 (H, W), of one size"
        )
    if flow.shape != (2, *before.shape) or flow.dtype != np.float32:
        raise InputError(f"flow is {flow.dtype} {flow.shape}; it must be float32 {(2, *before.shape)}")
    if mask is not None and (mask.shape != before.shape or mask.dtype != np.bool_):
        raise InputError(f"mask is {mask.dtype} {mask.shape}; it must be bool {before.shape}")
