"""Optical flow of videos, computed once and kept on disk.

The frames are decoded at a chosen shorter side, turned grey, and the flow between them is clipped and quantised to 8
bits (`quantise`). A video of n frames has n - 1 fields.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from videoattn.data.content_cache import ContentCache
from videoattn.data.datasets.videos import Source
from videoattn.data.decode.decoder import Decoder, UnreadableVideo, short_side
from videoattn.data.decode.gray import gray_frames
from videoattn.data.flow.algorithms import ALGORITHMS, SMALLEST, dequantise, flow_fields, quantise, successive
from videoattn.data.flow.archive import ENCODINGS, count_fields, read_fields, write_archive
from videoattn.errors import InputError, unknown

__all__ = ["FlowCache", "FlowSettings", "dequantise", "flow_fields", "quantise"]

LARGEST = 2048  # pixels of the shorter side: beyond lies a slip of the hand
_VERSION = 1  # of what an archive means; part of its folder's name


@dataclass(frozen=True, kw_only=True)
class FlowSettings:
    """What flow is computed and how it is kept. A wrong value raises InputError.

    algorithm: "tvl1" or "dis", near a hundred times faster. short_side: the frames' shorter side in pixels, even, 16 to
    2048. bound: pixels at which a component is clipped. encoding: "png" (lossless) or "jpeg" (quality 95 as in TSN,
    about half as large). warped: without the motion of the camera (warped flow). aspect: width by height to which
    all frames are stretched, at least 1; None keeps that of each video.
    """

    algorithm: str
    short_side: int
    bound: float = 20.0
    encoding: str = "png"
    warped: bool = False
    aspect: float | None = None

    def __post_init__(self) -> None:
        for name, value, choices in (
            ("algorithm", self.algorithm, ALGORITHMS),
            ("encoding", self.encoding, ENCODINGS),
        ):
            if value not in choices:
                raise unknown(name, value, choices)
        if not SMALLEST <= self.short_side <= LARGEST or self.short_side % 2:
            raise InputError(
                f"short_side is {self.short_side}; it must be an even number of pixels from {SMALLEST} to {LARGEST}"
            )
        if self.aspect is not None and not 1 <= self.aspect <= 4:
            raise InputError(f"aspect is {self.aspect}; it must be a number from 1 (square) to 4, or None")
        if not 0 < self.bound < float("inf"):
            raise InputError(f"bound is {self.bound}; it must be a positive number of pixels")

    @property
    def folder(self) -> str:
        """The name of the cache folder of these settings."""
        algorithm = f"{self.algorithm}-warped" if self.warped else self.algorithm
        side = f"{self.short_side}x{self.aspect:g}" if self.aspect else f"{self.short_side}"
        return f"{algorithm}-{side}-{float(self.bound)}-{self.encoding}-v{_VERSION}"


class FlowCache(ContentCache):
    """Flow of videos on disk under `root`: one file for each content of a video, or part of it, and `FlowSettings`."""

    def __init__(self, root: Path, settings: FlowSettings) -> None:
        super().__init__(Path(root) / settings.folder, ".zip", "flow", partial(_compute, settings))
        self.settings = settings

    def count(self, video: Path | Source) -> int:
        """The number of fields of a video. Raises RunError where it has none, or its file is damaged."""
        return count_fields(self.path(video), self.settings.encoding)

    def fields(self, video: Path | Source, indices: Sequence[int]) -> np.ndarray:
        """Fields by index, repeats allowed: float32 (n, 2, H, W) in [-1, 1]; no other fields are decoded.

        Raises RunError where the video has no flow or its file is damaged, InputError for an index out of range.
        """
        return dequantise(read_fields(self.path(video), indices, self.settings.encoding))


def _compute(settings: FlowSettings, decoder: Decoder, video: Path | Source, target: Path) -> None:
    """Write the flow of one video; one of a single frame has none. Raises UnreadableVideo."""
    info = decoder.info(video)
    if info.frames < 2:
        raise UnreadableVideo(video, f"{info.frames} frame, no flow")
    size = short_side(info.height, info.width, settings.short_side, settings.aspect)
    gray = gray_frames(decoder, video, info.frames, size)
    fields = successive(gray, settings.algorithm, warped=settings.warped)
    write_archive(target, (quantise(field, settings.bound) for field in fields), settings.encoding)


def _known(name: str, value: str, choices: Iterable[str]) -> None:
    if value not in choices:
        raise unknown(name, value, choices)
