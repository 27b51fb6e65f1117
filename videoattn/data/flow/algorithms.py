r"""Optical flow between frames, and its 8-bit form.

TV-L1: Zach, Pock, Bischof, "A duality based approach for realtime TV-L1 optical flow", DAGM 2007, with OpenCV's values.
DIS: Kroeger et al., "Fast optical flow using dense inverse search", ECCV 2016, preset medium, at full resolution for
small frames. Quantisation: Wang et al., "Temporal segment networks", ECCV 2016.

Field t leads from frame t to frame t + 1, in pixels: channel 0 is x (to the right), channel 1 is y (down).

Warped flow (as in TSN) leads from frame t to frame t + 1 as the camera of frame t would have seen it
(`camera`), so that what moves is what moves by itself. Where no motion of the camera is found it is the plain flow.
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise

import cv2
import numpy as np

from videoattn.data.flow.camera import camera_homography, without_camera
from videoattn.errors import InputError, unknown

ALGORITHMS = ("tvl1", "dis")
SMALL = 100  # pixels of the shorter side under which DIS works at full resolution
SMALLEST = 16  # pixels of the shorter side; DIS refuses less than 12


def flow_fields(gray: np.ndarray, algorithm: str, *, warped: bool = False) -> np.ndarray:
    """Flow between neighbouring frames: uint8 (T, H, W) to float32 (T - 1, 2, H, W) in pixels.

    warped: without the motion of the camera. Raises InputError for an unknown algorithm, another type or shape, or
    a side below 16.
    """
    if algorithm not in ALGORITHMS:
        raise unknown("algorithm", algorithm, ALGORITHMS)
    if gray.ndim != 3 or gray.dtype != np.uint8 or min(gray.shape[1:]) < SMALLEST or not len(gray):
        raise InputError(f"frames are {gray.dtype} {gray.shape}; they must be uint8 (T, H, W), H and W >= {SMALLEST}")
    fields = np.empty((len(gray) - 1, 2, *gray.shape[1:]), np.float32)
    for index, field in enumerate(successive(gray, algorithm, warped=warped)):
        fields[index] = field
    return fields


def quantise(flow: np.ndarray, bound: float) -> np.ndarray:
    """Pixels to uint8 as in TSN: clipped to [-bound, bound], then round(255 (v + bound) / (2 bound)), ties to even.

    No motion is 127.5, rounded to 128. Shape stays.
    """
    return np.rint(255 * (np.clip(flow, -bound, bound) + bound) / (2 * bound)).astype(np.uint8)


def dequantise(quantised: np.ndarray) -> np.ndarray:
    """uint8 to float32 in [-1, 1], 1 being the bound: max((q - 128) / 127.5, -1). Shape stays.

    The level 128 of a still pixel gives exactly 0, as in TSN, which subtracts 128, so that a mirrored still pixel and
    zero padding mean the same. Departure from the inverse of `quantise`: every value is half a level (1/255) lower, so
    the error lies in [-2/255, 0] (0.16 pixels for a bound of 20) and 1 itself is not reached.
    """
    return np.maximum((quantised.astype(np.float32) - 128) / np.float32(127.5), np.float32(-1))


def successive(gray: Iterable[np.ndarray], algorithm: str, *, warped: bool = False) -> Iterator[np.ndarray]:
    """As `flow_fields`, one field (2, H, W) at a time from frames (H, W) that need not be in memory together."""
    calculator = None
    for before, after in pairwise(gray):
        if calculator is None:
            calculator = _calculator(algorithm, min(before.shape))
        field = _field(calculator, before, after)
        if warped:
            homography = camera_homography(before, after, field)
            if not np.array_equal(homography, np.eye(3)):
                field = _field(calculator, before, without_camera(before, after, homography))
        yield field


def _field(calculator: cv2.DenseOpticalFlow, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    return calculator.calc(before, after, None).transpose(2, 0, 1)


def _calculator(algorithm: str, shorter_side: int) -> cv2.DenseOpticalFlow:
    if algorithm == "tvl1":
        return cv2.optflow.DualTVL1OpticalFlow_create()
    calculator = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    if shorter_side < SMALL:
        calculator.setFinestScale(0)  # the preset stops at half resolution, which smears what is few pixels large
    return calculator
