"""What the objects of a probe look like: hues of one luminance, and block patterns of one mean and one contrast.

Grey images (and so optical flow) see the pattern and not the hue: a colour is a luma Y plus a chroma of fixed length,
in the Y'CbCr of BT.601, which is what H.264 files hold and what OpenCV turns into grey.
"""

from itertools import permutations, product

import numpy as np
from scipy import ndimage

HUES = (
    *("indigo", "violet", "purple", "pink", "crimson", "red", "orange", "amber"),
    *("olive", "lime", "green", "emerald", "teal", "cyan", "azure", "blue"),
)
CHROMA = 0.24  # length of (Cb, Cr); with luma in [0.44, 0.56] every hue lies inside the RGB cube
LUMA, CONTRAST = 0.5, 0.06  # an object's blocks have luma LUMA + CONTRAST and LUMA - CONTRAST
GROUND, GRAIN = 0.3, 0.04  # mean and standard deviation of the background's luma
BLOCKS = 4  # a pattern is BLOCKS x BLOCKS blocks


def chroma(hue: int) -> np.ndarray:
    """(Cb, Cr) of hue number `hue` in HUES; the hues stand evenly on a circle around grey."""
    angle = 2 * np.pi * hue / len(HUES)
    return CHROMA * np.array([np.cos(angle), np.sin(angle)])


def to_rgb(ycc: np.ndarray) -> np.ndarray:
    """(..., 3) Y'CbCr with Y in [0, 1] and chroma in [-0.5, 0.5] -> (..., 3) uint8 RGB."""
    y, cb, cr = np.moveaxis(ycc, -1, 0)
    rgb = np.stack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb], axis=-1)
    return np.clip(np.rint(255 * rgb), 0, 255).astype(np.uint8)


def _balanced() -> np.ndarray:
    """All (90, 4, 4) patterns of -1 and 1 whose rows and columns each sum to zero, so that none looks like stripes
    along an axis: flow is well defined in both directions on each."""
    rows = sorted(set(permutations((1, 1, -1, -1))))
    grids = np.array([grid for grid in product(rows, repeat=BLOCKS) if not np.sum(grid, axis=0).any()])
    return grids.astype(np.float64)


def _spread(patterns: np.ndarray, count: int) -> np.ndarray:
    """The first `count` of a farthest-first order: each pattern is as different as can be from all before it and from
    their mirror images, so that a horizontal flip keeps the classes apart."""
    chosen = [0]
    distance = np.full(len(patterns), np.inf)
    for _ in range(count - 1):
        for seen in (patterns[chosen[-1]], patterns[chosen[-1]][:, ::-1]):
            distance = np.minimum(distance, np.sum(patterns != seen, axis=(1, 2)))
        chosen.append(int(np.argmax(distance)))
    return patterns[chosen]


ALL_PATTERNS = _balanced()
PATTERNS = _spread(ALL_PATTERNS, len(HUES))  # those that serve as classes, one for each pattern name
PATTERN_NAMES = tuple(f"pattern{number:02d}" for number in range(len(HUES)))


def ground(rng: np.random.Generator, size: int, drift: np.ndarray) -> np.ndarray:
    """(T, size, size) luma of a background of smooth random grey, displaced by drift (T, 2) in pixels (y, x)."""
    margin = int(np.ceil(np.abs(drift).max())) + 1
    noise = ndimage.gaussian_filter(rng.standard_normal((size + 2 * margin, size + 2 * margin)), 1.5, mode="wrap")
    luma = GROUND + GRAIN * (noise - noise.mean()) / noise.std()
    inside = slice(margin, margin + size)
    if not drift.any():
        return np.repeat(luma[None, inside, inside], len(drift), axis=0)
    return np.stack([ndimage.shift(luma, offset, order=1, mode="nearest")[inside, inside] for offset in drift])


def paint(image: np.ndarray, centre: np.ndarray, size: float, shape: str, pattern: np.ndarray, hue: int) -> None:
    """Draw an object into image (H, W, 3) of Y'CbCr. Pixels on its edges and on those of its blocks get the shares of
    their area, so that a displacement by a part of a pixel shows. `centre` is (y, x), pixel i reaching from i to i + 1;
    `shape` is "square" or "disc", `size` its side or diameter, `pattern` (4, 4) of -1 and 1; all of it lies in the
    image."""
    cover, window, offsets = [], [], []  # for y, then for x
    for place in centre:
        edges = place - size / 2 + size / BLOCKS * np.arange(BLOCKS + 1)
        pixels = np.arange(int(edges[0]), int(np.ceil(edges[-1])))
        # (BLOCKS, pixels): the share of each row (column) of pixels that each row (column) of blocks covers
        cover.append(np.clip(np.minimum(pixels + 1, edges[1:, None]) - np.maximum(pixels, edges[:-1, None]), 0, 1))
        window.append(slice(pixels[0], pixels[-1] + 1))
        offsets.append(pixels + 0.5 - place)
    inside = cover[0].sum(axis=0)[:, None] * cover[1].sum(axis=0)
    blocks = cover[0].T @ pattern @ cover[1]
    if shape == "disc":
        round_off = np.clip(size / 2 + 0.5 - np.hypot(offsets[0][:, None], offsets[1]), 0, 1)
        inside, blocks = inside * round_off, blocks * round_off
    part = image[tuple(window)]  # a view: what follows draws into the image
    part *= 1 - inside[..., None]
    part[..., 0] += LUMA * inside + CONTRAST * blocks
    part[..., 1:] += inside[..., None] * chroma(hue)
