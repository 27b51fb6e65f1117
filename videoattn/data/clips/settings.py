r"""Which frames of a video make a clip, and how they are cut.

"uniform" takes one frame of each of T equal segments of the video (L. Wang et al., Temporal Segment Networks, ECCV
2016; J. Lin et al., TSM, ICCV 2019); "dense" takes T frames that stand `stride` apart.

Departures: where a video ends before a dense clip does, its last frame is repeated.
"""

from dataclasses import dataclass, field

import numpy as np

from videoattn.data.clips import augment
from videoattn.data.clips.sampling import segment_starts, snippet_indices
from videoattn.errors import InputError, unknown

LATER = {"later": True}  # marks fields that came later: at their default they are no part of a run's digest
SAMPLINGS = ("uniform", "dense")
CROPS = (1, 3, 10)


@dataclass(frozen=True, kw_only=True)
class ClipSettings:
    """What is taken from a video.

    Args:
        frames: T.
        sampling: "uniform", one frame of each of T equal segments, or "dense", a run of frames.
        stride: frames from one to the next in a dense run.
        size: side of the crop in pixels.
        short_side: to which the frames are scaled when they are decoded, in pixels, even.
        aspect: width by height to which all frames are stretched, at least 1; None keeps that of each video.
        scales: of the multi-scale crops in training, as shares of the shorter side; `augment.CENTRE`, none, takes the
            centre instead.
        flip: probability of a horizontal flip in training.
        test_clips: taken of each video in testing, evenly spread.
        test_crops: of each of these, 1 (centre), 10 (corners and centre, each also flipped), or 3 squares of the whole
            shorter side, whatever `size` is, along the longer one.

    Raises:
        InputError: impossible values.
    """

    frames: int = 8
    sampling: str = "uniform"
    stride: int = 1
    size: int = 224
    short_side: int = 256
    scales: tuple[float, ...] = augment.SCALES
    flip: float = 0.5
    test_clips: int = 1
    test_crops: int = 1
    aspect: float | None = field(default=None, metadata=LATER)

    def __post_init__(self):
        for name in ("frames", "stride", "size", "test_clips"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.sampling not in SAMPLINGS:
            raise unknown("sampling", self.sampling, SAMPLINGS)
        if self.sampling == "uniform" and self.stride != 1:
            raise InputError(f"stride is {self.stride}; uniform sampling has none: it must be 1")
        if self.short_side < 2 or self.short_side % 2:
            raise InputError(f"short_side is {self.short_side}; it must be an even number of at least 2")
        if self.size > self.short_side:
            raise InputError(f"size is {self.size}; it must be at most short_side, which is {self.short_side}")
        if not all(0 < scale <= 1 for scale in self.scales):
            raise InputError(f"scales {self.scales} must be numbers in (0, 1], or none for the centre")
        if not 0 <= self.flip <= 1:
            raise InputError(f"flip is {self.flip}; it must be a probability in [0, 1]")
        if self.aspect is not None and not 1 <= self.aspect <= 4:
            raise InputError(f"aspect is {self.aspect}; it must be a number from 1 (square) to 4, or None")
        if self.test_crops not in CROPS:
            raise unknown("test_crops", self.test_crops, CROPS)


def frame_indices(
    settings: ClipSettings, frames: int, *, clips: int = 1, rng: np.random.Generator | None = None
) -> np.ndarray:
    """Which of the `frames` frames of a video make its clips: int64 (clips, T), each row in the order of time.

    `rng` draws at random (training). None takes even places: of uniform sampling the centres of clips x T segments, of
    which clip j has numbers j, j + clips, ...; of dense sampling the starts at the centres of `clips` segments.
    """
    if settings.sampling == "uniform":
        return segment_starts(frames, clips * settings.frames, 1, rng).reshape(settings.frames, clips).T
    span = (settings.frames - 1) * settings.stride + 1
    return snippet_indices(segment_starts(frames, clips, span, rng), span, frames)[:, :: settings.stride]
