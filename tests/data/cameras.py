"""Frames before and after a known motion of the camera, for the tests of its compensation."""

import numpy as np
from scipy import ndimage
from textures import texture


def motion(height, width, *, shift=(0.0, 0.0), turn=0.0, zoom=1.0, tilt=(0.0, 0.0)):
    """The homography (3, 3) of a camera: about the centre of the frame zoomed, turned by `turn` degrees and tilted
    (`tilt` is the change of scale from the centre to the right and lower border), then shifted by (x, y) pixels."""
    centre = np.array([[1, 0, (width - 1) / 2], [0, 1, (height - 1) / 2], [0, 0, 1]])
    cos, sin = zoom * np.cos(np.radians(turn)), zoom * np.sin(np.radians(turn))
    about = np.array([[cos, -sin, shift[0]], [sin, cos, shift[1]], [2 * tilt[0] / width, 2 * tilt[1] / height, 1]])
    matrix = centre @ about @ np.linalg.inv(centre)
    return matrix / matrix[2, 2]


def mapped(homography, points):
    """Points (n, 2) after the homography."""
    moved = np.c_[points, np.ones(len(points))] @ homography.T
    return moved[:, :2] / moved[:, 2:]


def grid(height, width):
    """All pixels (H W, 2) as (x, y)."""
    y, x = np.indices((height, width))
    return np.stack([x.ravel(), y.ravel()], axis=1).astype(float)


def miss(found, true, height, width):
    """The largest distance in pixels, over the frame, between where two homographies take a pixel."""
    points = grid(height, width)
    return np.linalg.norm(mapped(found, points) - mapped(true, points), axis=1).max()


def frames(homography, height, width, *, seed=0, side=0, own=(0, 0)):
    """`before` and `after` (H, W) uint8 of a texture that goes on beyond the frame, and where the object stands.

    The object is a square of another texture of `side` pixels in the middle, and moves by `own` (x, y) whole pixels
    before the camera moves. Where it stands: bool (H, W), of `before`.
    """
    world = texture(height, width, seed).astype(float)
    other = 255.0 - texture(64, 64, seed + 100)[:side, :side]
    top, left = (height - side) // 2, (width - side) // 2
    still, moved = world.copy(), world.copy()
    still[top : top + side, left : left + side] = other
    moved[top + own[1] : top + own[1] + side, left + own[0] : left + own[0] + side] = other
    x, y = mapped(np.linalg.inv(homography), grid(height, width)).T
    after = ndimage.map_coordinates(moved, [y, x], order=3, mode="grid-wrap").reshape(height, width)
    stands = np.zeros((height, width), bool)
    stands[top : top + side, left : left + side] = True
    return np.uint8(still), np.uint8(np.clip(np.rint(after), 0, 255)), stands
