"""Histograms in the tube around a track: HOG, HOF, MBHx and MBHy.

H. Wang, A. Klaeser, C. Schmid, C.-L. Liu. Dense trajectories and motion boundary descriptors for action recognition,
IJCV 2013, section 3.2; with the flow of "Action Recognition with Improved Trajectories", ICCV 2013.

A pixel votes with its length for the two neighbouring orientation bins, the circle starting at the direction of x and
turning towards y. HOF has one bin more, the last: one vote of each pixel that moves by no more than 0.4. A tube has
2 x 2 cells in space and 3 in time; 8 bins make 96 numbers, 9 make 108, in the order time, row, column, bin.

Departures: votes are summed as they are and brought to a norm once, over the whole descriptor as the paper says
(`tracks.rooted`); the authors' code does so in each frame.
"""

import math
from collections.abc import Sequence

import cv2
import numpy as np

BINS = {"hog": 8, "hof": 9, "mbhx": 8, "mbhy": 8}
SPACE, TIME = 2, 3  # cells of a tube along each axis of the frame, and along time
_STILL = 0.4  # pixels: what moves less votes for the last bin of HOF


def oriented(x: np.ndarray, y: np.ndarray, *, bins: int, still: float | None = None) -> np.ndarray:
    """Votes of vectors (x, y), each float32 (H, W), for the bins of their orientation: float32 (H, W, bins).

    still: length up to which a vector has one vote for the last bin, which is not one of orientation; None: no such.
    """
    circle = bins if still is None else bins - 1
    length = np.hypot(x, y)
    place = np.arctan2(y, x) * np.float32(circle / (2 * np.pi))
    place[place < 0] += circle
    below = np.minimum(place.astype(np.int64), circle - 1)
    above = (place - below) * length
    votes = np.zeros(x.size * bins, np.float32)
    pixels, below = np.arange(0, votes.size, bins), below.ravel()
    votes[pixels + below] = (length - above).ravel()
    votes[pixels + (below + 1) % circle] = above.ravel()
    votes = votes.reshape(*x.shape, bins)
    if still is not None:
        votes[length <= still] = [0] * circle + [1]
    return votes


def summed(gray: np.ndarray, flow: np.ndarray) -> list[np.ndarray]:
    """Votes of a frame, summed from the upper left: float64 (H + 1, W + 1, bins) for each of BINS.

    gray: uint8 (H, W). flow: float32 (2, H, W), pixels.
    """
    votes = [oriented(*_gradient(gray), bins=BINS["hog"])]
    votes.append(oriented(*flow, bins=BINS["hof"], still=_STILL))
    votes += [oriented(*_gradient(flow[axis]), bins=BINS[name]) for axis, name in enumerate(("mbhx", "mbhy"))]
    return [cv2.integral(one, sdepth=cv2.CV_64F) for one in votes]


def cells(sums: Sequence[np.ndarray], points: np.ndarray, window: int) -> np.ndarray:
    """The votes in the 2 x 2 cells around each point: float32 (n, 2, 2, 33), axes row, column, bin.

    sums: of `summed`. points: (n, 2), x and y in pixels. The window is moved into the frame where it would leave it; in
    a frame smaller than that it is the frame. The last axis holds the bins of BINS, one after the other.
    """
    height, width = sums[0].shape[:2]
    columns, rows = _edges(points[:, 0], width - 1, window), _edges(points[:, 1], height - 1, window)
    found = []
    for one in sums:
        corners = one[rows[:, :, None], columns[:, None, :]]
        votes = corners[:, 1:, 1:] - corners[:, :-1, 1:] - corners[:, 1:, :-1] + corners[:, :-1, :-1]
        found.append(np.maximum(votes, 0).astype(np.float32))  # rounding may make less than no votes
    return np.concatenate(found, axis=3)


def split(tubes: np.ndarray) -> dict[str, np.ndarray]:
    """Votes of tubes (n, 3, 2, 2, 33) to a descriptor each: name -> (n, 96), or (n, 108) for HOF."""
    ends = np.cumsum(list(BINS.values()))[:-1]
    return {
        name: part.reshape(len(tubes), math.prod(part.shape[1:]))
        for name, part in zip(BINS, np.split(tubes, ends, axis=-1), strict=True)
    }


def _gradient(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Differences of the two neighbours of a pixel along x and y, the border mirrored: float32 (H, W) each."""
    image = np.ascontiguousarray(image)
    return cv2.Sobel(image, cv2.CV_32F, 1, 0, ksize=1), cv2.Sobel(image, cv2.CV_32F, 0, 1, ksize=1)


def _edges(places: np.ndarray, side: int, window: int) -> np.ndarray:
    """Where the cells of windows around places of one axis begin and end: int64 (n, 3)."""
    window = min(window, side)
    first = np.clip(np.rint(places).astype(np.int64) - window // 2, 0, side - window)
    return first[:, None] + np.linspace(0, window, SPACE + 1).astype(np.int64)
