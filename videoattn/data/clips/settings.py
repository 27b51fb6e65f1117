r"""Which frames and flow fields of a video make a clip, and how they are cut.

"uniform" takes one frame of each of T equal segments of the video (L. Wang et al., Temporal Segment Networks, ECCV
2016; J. Lin et al., TSM, ICCV 2019); "dense" takes T frames that stand `stride` apart. "tsn" and "tsm-dense" are the
same as the public code of TSN and TSM has them, rounding and all; papers that used it are tested so. With each frame
can go the `fields` flow fields that start at it (TSN: a snippet); frames are then taken where so many follow, n - 1 in
all of a video of n frames.

Departures of "uniform" and "dense" from public code: see `videoattn.data.clips.sampling`. Several uniform clips take
turns at the centres of clips x T segments, where TSM's second clip takes the first frame of each segment. Several dense
clips start at the centres of as many segments, as in MMAction2, where the code of TSM and of Non-local Networks spreads
them from the first start to the last one. Where a video ends before a dense clip does, its last frame is repeated, or
that before the last where fields are taken, where TSM's code and MMAction2 begin the video again; so is the last field.
"""

from dataclasses import dataclass

import numpy as np

from videoattn.data.clips import augment
from videoattn.data.clips.sampling import segment_starts, snippet_indices, tsn_starts, window_starts
from videoattn.errors import InputError, unknown

SAMPLINGS = ("uniform", "dense", "tsn", "tsm-dense")
SEGMENTS = ("uniform", "tsn")  # those of a frame of each segment
CROPS = (1, 3, 10)


@dataclass(frozen=True, kw_only=True)
class ClipSettings:
    """What is taken from a video.

    Args:
        frames: T, in TSN the number of segments.
        sampling: "uniform", one frame of each of T equal segments; "dense", a run of frames; or "tsn" and "tsm-dense",
            segments and runs by the rules of the code of TSN and TSM.
        stride: frames from one to the next in a dense run.
        size: side of the crop in pixels.
        short_side: to which the frames are scaled when they are decoded, and flow is computed, in pixels, even.
        aspect: width by height to which all frames are stretched, at least 1; None keeps that of each video.
        scales: of the multi-scale crops in training, as shares of the shorter side; `augment.CENTRE`, none, takes the
            centre instead.
        flip: probability of a horizontal flip in training.
        test_clips: taken of each video in testing, evenly spread; with "tsn" one, or two, the second of which takes the
            beginnings of the segments.
        test_crops: of each of these, 1 (centre), 10 (corners and centre, each also flipped), or 3 squares of the whole
            shorter side, whatever `size` is, along the longer one.
        test_frames: T in testing; None for the same as in training.
        fields: flow fields that go with each frame, whether they are asked for or not; 0 where there is no flow.

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
    aspect: float | None = None
    test_frames: int | None = None
    fields: int = 0

    def __post_init__(self):
        for name, least in (("frames", 1), ("stride", 1), ("size", 1), ("test_clips", 1), ("fields", 0)):
            if getattr(self, name) < least:
                raise InputError(f"{name} is {getattr(self, name)}; it must be at least {least}")
        if self.test_frames is not None and self.test_frames < 1:
            raise InputError(f"test_frames is {self.test_frames}; it must be at least 1, or None")
        if self.sampling not in SAMPLINGS:
            raise unknown("sampling", self.sampling, SAMPLINGS)
        if self.sampling in SEGMENTS and self.stride != 1:
            raise InputError(f"stride is {self.stride}; {self.sampling} sampling has none: it must be 1")
        if self.sampling == "tsn" and self.test_clips > 2:
            raise InputError(f"test_clips is {self.test_clips}; with tsn sampling it must be 1 or 2")
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

    def taken(self, *, test: bool) -> int:
        """T in training or in testing."""
        return self.test_frames or self.frames if test else self.frames


def frame_indices(
    settings: ClipSettings, frames: int, *, test: bool = False, rng: np.random.Generator | None = None
) -> np.ndarray:
    """Which of the `frames` frames of a video make its clips: int64 (clips, T), each row in the order of time.

    One clip in training, `test_clips` in testing. `rng` draws at random (training). None takes even places: of uniform
    sampling the centres of clips x T segments, of which clip j has numbers j, j + clips, ...; of dense sampling the
    starts at the centres of `clips` segments; of the others those of `sampling.tsn_starts` and
    `sampling.window_starts`, and what runs past the end of the video goes on at its beginning.
    """
    clips, length = settings.test_clips if test else 1, settings.taken(test=test)
    frames = places(settings, frames)
    span = _span(settings, length)
    if settings.sampling == "uniform":
        return segment_starts(frames, clips * length, span, rng).reshape(length, clips).T
    if settings.sampling == "tsn":
        return tsn_starts(frames, length, span, rng, clips=clips)
    if settings.sampling == "tsm-dense":
        starts = window_starts(frames, span, clips, rng)
        return (starts[:, None] + settings.stride * np.arange(length)) % frames
    run = (length - 1) * settings.stride + 1
    return snippet_indices(segment_starts(frames, clips, span, rng), run, frames)[:, :: settings.stride]


def is_fixed(settings: ClipSettings, frames: int) -> bool:
    """Whether training always takes the same frames of a video of so many."""
    count = places(settings, frames)
    starts = max(count - _span(settings, settings.frames) + 1, 1)
    if settings.sampling == "tsn":
        return starts == 1 or settings.frames <= starts < 2 * settings.frames or count <= settings.frames
    if settings.sampling == "tsm-dense":
        return starts <= 2
    return (settings.frames if settings.sampling == "uniform" else 1) % starts == 0


def field_indices(settings: ClipSettings, wanted: np.ndarray, frames: int) -> np.ndarray:
    """The flow fields that go with the frames `wanted` (T,) of a video of `frames`: int64 (T, fields)."""
    return snippet_indices(wanted, settings.fields, places(settings, frames))


def places(settings: ClipSettings, frames: int) -> int:
    """How many of the frames of a video can be taken: where fields go with them, all but the last."""
    return max(frames - 1, 1) if settings.fields else frames


def _span(settings: ClipSettings, length: int) -> int:
    """How many frames or fields in a row a segment takes, or a dense clip of `length`."""
    if settings.sampling == "tsm-dense":
        return length * settings.stride
    own = max(settings.fields, 1)
    return own if settings.sampling in SEGMENTS else (length - 1) * settings.stride + own
