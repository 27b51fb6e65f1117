"""Grey clips whose motion is known, for the tests of trajectories."""

import numpy as np


def texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A smooth random image, uint8 (height, width), that wraps around: noise blurred by a Gaussian of 2 px."""
    noise = np.random.default_rng(seed).random((height, width))
    down, right = np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)
    smooth = np.fft.ifft2(np.fft.fft2(noise) * np.exp(-8 * np.pi**2 * (down**2 + right**2))).real
    return np.uint8(255 * (smooth - smooth.min()) / np.ptp(smooth))


def panned(frames: int, height: int, width: int, step: tuple[int, int], seed: int = 0) -> np.ndarray:
    """uint8 (frames, height, width): a still scene that goes by, `step` pixels (right, down) a frame."""
    reach = [frames * abs(one) for one in step]
    scene = texture(height + 2 * reach[1], width + 2 * reach[0], seed)
    starts = [(reach[1] - t * step[1], reach[0] - t * step[0]) for t in range(frames)]
    return np.stack([scene[y : y + height, x : x + width] for y, x in starts])


def with_object(clip: np.ndarray, at: tuple[int, int], step: tuple[int, int], side: int = 24) -> np.ndarray:
    """The clip with a textured square before it, its upper left corner at x, y = `at`, then moving by `step`."""
    clip, pattern = clip.copy(), 255 - texture(side, side, 99)
    for t, frame in enumerate(clip):
        x, y = at[0] + t * step[0], at[1] + t * step[1]
        frame[y : y + side, x : x + side] = pattern
    return clip
