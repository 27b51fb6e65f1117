"""Clips whose motion is known, for the tests of flow."""

from pathlib import Path

import numpy as np

from videoattn.data.probes.video import write_video


def texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A smooth random image (height, width) that wraps around: noise blurred by a Gaussian of 2 px."""
    noise = np.random.default_rng(seed).random((height, width))
    down, right = np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)
    smooth = np.fft.ifft2(np.fft.fft2(noise) * np.exp(-8 * np.pi**2 * (down**2 + right**2))).real
    return np.uint8(255 * (smooth - smooth.min()) / np.ptp(smooth))


def write_moving(path: Path, seed: int, frames: int = 5) -> Path:
    """A video of a texture of 48x64 that moves 2 px to the right and 1 px down each frame."""
    picture = texture(48, 64, seed)
    return write_gray(path, np.stack([np.roll(picture, (t, 2 * t), (0, 1)) for t in range(frames)]))


def write_gray(path: Path, frames: np.ndarray) -> Path:
    """A video of grey frames (T, H, W)."""
    write_video(path, np.repeat(frames[..., None], 3, axis=3), 25)
    return path
