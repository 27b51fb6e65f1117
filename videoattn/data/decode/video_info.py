"""What is known of a video before its frames are read, or why it cannot be."""

from dataclasses import dataclass
from pathlib import Path

from videoattn.data.datasets.videos import Source, source_of


class UnreadableVideo(Exception):
    """A video that cannot be decoded. source, path: where it is; reason: why, one line."""

    def __init__(self, source: Path | str | Source, reason: str):
        super().__init__(source, reason)
        self.source, self.reason = source_of(source), reason
        self.path = self.source.path

    def __str__(self) -> str:
        return f"{self.source}: {self.reason}"


@dataclass(frozen=True)
class VideoInfo:
    """What a video, or a part of one, holds.

    frames: how many really decode, or how many images there are. height, width: pixels, upright, taken as square; of
    the first of several images. fps: 0 where the file does not say, and of images. decoder: "pyav", "decord" or
    "images", the one that reads it. timed: PyAV finds its frames by seeking. first: of a part, the number of its first
    frame in the whole.
    """

    frames: int
    height: int
    width: int
    fps: float
    decoder: str
    timed: bool = False
    first: int = 0
