"""Flow for improved dense trajectories, with the camera's motion and without.

H. Wang, C. Schmid. Action Recognition with Improved Trajectories, ICCV 2013, section 3.1.

Departures: the flow is DIS (`data.flow.algorithms`); the paper takes Farneback's, as OpenCV has it. On a texture
of 64x80 pixels that moves by (2, 1), the values of the paper's code err by 0.11 pixels on average, DIS by 0.005, since
Farneback's flow is wrong within some 8 pixels of the border: of two equal frames it makes a motion of more than a pixel
there, which would pass for tracks. DIS takes a third of the time. Flow is computed at the clip's size and scaled down
for the smaller scales, where the authors take the levels of one coarse-to-fine pass.
"""

import cv2
import numpy as np

from videoattn.data.flow.algorithms import successive
from videoattn.data.flow.camera import camera_homography, without_camera

_MEDIAN = 5  # pixels of the filter through which tracks follow the flow, as in the authors' code


def flow_between(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """uint8 (H, W) twice to float32 (2, H, W): pixels to the right, pixels down, from `before` to `after`."""
    return np.ascontiguousarray(next(successive((before, after), "dis")))


def flows(before: np.ndarray, after: np.ndarray, *, camera: bool) -> tuple[np.ndarray, np.ndarray]:
    """Flow between two frames, and flow after the camera's motion is undone: each float32 (2, H, W).

    Where the camera rests, or no motion of it is accepted, or `camera` is False, both are the same array.
    """
    plain = flow_between(before, after)
    homography = camera_homography(before, after, plain) if camera else np.eye(3)
    if np.array_equal(homography, np.eye(3)):
        return plain, plain
    return plain, flow_between(before, without_camera(before, after, homography))


def shrunk(flow: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Flow (2, H, W) at another size (h, w), in pixels of that size and median-filtered: float32 (2, h, w)."""
    height, width = size
    components = []
    for component, before, now in zip(flow, flow.shape[:0:-1], (width, height), strict=True):
        if component.shape != size:
            component = cv2.resize(component, (width, height), interpolation=cv2.INTER_AREA) * np.float32(now / before)
        components.append(cv2.medianBlur(component, _MEDIAN))
    return np.stack(components)
