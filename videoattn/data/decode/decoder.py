"""Frames of videos, by index, from a decoder that may fail, hang or die without harm.

A video is an encoded file or a folder of numbered images (`images`), whole or a part of it. The decoding runs in a
child process (`child`), which is killed when it does not answer in time and started again. PyAV reads files, OpenCV
images. Where decord is asked for it reads the files that it reads right, and PyAV the rest.
"""

import operator
import os
import stat
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np

from videoattn.data.datasets.videos import Source, source_of
from videoattn.data.decode.process import Child, Lost
from videoattn.data.decode.video_info import UnreadableVideo, VideoInfo
from videoattn.errors import InputError

__all__ = ["BACKENDS", "Decoder", "UnreadableVideo", "VideoInfo", "chosen_backend", "short_side"]

BACKENDS = ("pyav", "decord")  # the first, the faster one, is the default
VARIABLE = "VIDEOATTN_DECODER"  # the environment variable that names another default
PIECE = 64 << 20  # bytes of frames that are read at a time
_RECYCLE = 400  # files after which the child is replaced where decord reads them: it leaks memory


class _Refused(Exception):
    """The file cannot be read so."""


class _GivenUp(_Refused):
    """The child died over the file, or had to be killed."""


def short_side(height: int, width: int, short: int, aspect: float | None = None) -> tuple[int, int]:
    """(H, W), even, with the shorter side `short` pixels (an even number) and the aspect ratio kept; or, with `aspect`,
    the width by the height, stretched to it."""
    if short < 2 or short % 2 or min(height, width) < 1:
        raise InputError(f"shorter side {short} for {height}x{width} pixels; it must be an even number of at least 2")
    if aspect is not None:
        return short, 2 * round(short * aspect / 2)
    long = 2 * round(short * max(height, width) / min(height, width) / 2)
    return (short, long) if height <= width else (long, short)


class Decoder:
    """Reads videos through one child process. For one thread; a forked copy starts a child of its own.

    A path stands for the whole file or folder. Frames of a part are numbered from its first; a part that ends behind
    the end of the video is cut there, and one that begins behind it is unreadable.

    Args:
        time_limit: seconds that one call may take (starting the first child aside); both decoders share them, and what
            takes longer is unreadable. Ask for the frames of a long video in pieces: reading on is cheap.
        backend: what reads files, one of BACKENDS: "pyav", or "decord" with PyAV for what decord does not read right.
            None: what the environment variable VIDEOATTN_DECODER names, else "pyav".

    Raises InputError for another value.
    """

    command: ClassVar[tuple[str, ...]] = (sys.executable, "-P", "-m", "videoattn.data.decode.child")

    def __init__(self, *, time_limit: float = 10.0, backend: str | None = None):
        if not time_limit > 0:
            raise InputError(f"time_limit is {time_limit}; it must be a positive number of seconds")
        self.time_limit, self.backend = time_limit, chosen_backend(backend)
        self._known: dict[Source, tuple[tuple[int, ...], VideoInfo | str]] = {}  # state then; why not, where it is not
        self._child: Child | None = None
        self._opened, self._last = 0, ""

    def __enter__(self) -> "Decoder":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self):
        return partial(
            type(self), time_limit=self.time_limit, backend=self.backend
        ), ()  # without the child, to another process

    def close(self) -> None:
        """End the child process. A later request would start another."""
        if self._child is not None:
            self._child.stop()
        self._child = None

    def info(self, item: Path | str | Source) -> VideoInfo:
        """What the video, or a part of it, holds; remembered until it changes. Raises UnreadableVideo."""
        with self._serving(item) as (source, deadline):
            return self._info(source, deadline)

    def frames(
        self,
        item: Path | str | Source,
        indices: Sequence[int] | np.ndarray,
        *,
        size: tuple[int, int] | None = None,
        info: VideoInfo | None = None,
    ) -> np.ndarray:
        """RGB uint8 (n, H, W, 3) of the frames at `indices`, in that order, repeats allowed.

        Args:
            indices: whole numbers, clamped to the frames that decode.
            size: (H, W) pixels to decode at, None for the video's own. Scaling is bilinear.
            info: of the same video or part, where it is known: then it is not inspected, which decodes all of a file.

        Raises UnreadableVideo.
        """
        asked = [_whole("index", index) for index in indices]
        if size is not None and (len(size) != 2 or min(_whole("size", side) for side in size) < 1):
            raise InputError(f"size is {size}; it must be a height and a width of at least 1")
        with self._serving(item) as (source, deadline):
            info = self._info(source, deadline) if info is None or source in self._known else info
            height, width = map(int, size or (info.height, info.width))
            if not asked:
                return np.empty((0, height, width, 3), np.uint8)
            clamped = [info.first + min(max(index, 0), info.frames - 1) for index in asked]
            wanted = sorted(set(clamped))
            step = max(1, PIECE // (3 * height * width))
            if len(wanted) <= step:
                pictures = self._read(source, info, deadline, wanted, (height, width))
            else:
                pictures = np.empty((len(wanted), height, width, 3), np.uint8)
                for start in range(0, len(wanted), step):
                    piece = wanted[start : start + step]
                    pictures[start : start + step] = self._read(source, info, deadline, piece, (height, width))
        if clamped == wanted:
            return pictures
        place = {index: at for at, index in enumerate(wanted)}
        return pictures[[place[index] for index in clamped]]

    @contextmanager
    def _serving(self, item: Path | str | Source) -> Iterator[tuple[Source, float]]:
        """The video by its absolute path and the moment by which it must be served, with a child that is ready."""
        source = source_of(item)
        found = replace(source, path=Path(os.path.abspath(source.path)))
        try:
            self._ready(str(found.path))
            yield found, time.monotonic() + self.time_limit
        except _Refused as error:
            raise UnreadableVideo(source, str(error)) from None

    def _ready(self, name: str) -> None:
        if name != self._last:
            self._opened, self._last = self._opened + 1, name
        if (self.backend == "decord" and self._opened > _RECYCLE) or (
            self._child is not None and not self._child.alive()
        ):
            self.close()
        if self._child is None:
            self._child, self._opened = Child(self.command), 1

    def _info(self, source: Source, deadline: float) -> VideoInfo:
        name = str(source.path)
        changed = _changed(name)
        seen, info = self._known.get(source, (None, None))
        if seen != changed:
            try:
                info = self._inspect(name, deadline) if source == source.whole else self._cut(source, deadline)
            except _GivenUp as error:  # remembered, so as not to wait for it again
                info = str(error)
            self._known[source] = (changed, info)
        if isinstance(info, str):
            raise _GivenUp(info)
        return info

    def _cut(self, source: Source, deadline: float) -> VideoInfo:
        whole, numbers = self._info(source.whole, deadline), source.frames
        if source.seconds is not None:
            start, end = map(float, source.seconds)
            request = {"do": "between", "path": str(source.path), "start": start, "end": end}
            numbers = self._ask(deadline, request)["frames"]
        first, end = (_whole("frame", number) for number in numbers)
        if first >= whole.frames:
            raise _Refused(f"the part begins at frame {first}; the video has {whole.frames} frames")
        return replace(whole, frames=min(end, whole.frames) - first, first=first)

    def _inspect(self, name: str, deadline: float) -> VideoInfo:
        found = self._ask(deadline, {"do": "inspect", "path": name})
        plain, decoder = found.pop("plain"), found.pop("decoder", "pyav")
        if plain and self.backend == "decord":
            shape = {"height": found["height"], "width": found["width"]}
            with suppress(_Refused):
                self._ask((time.monotonic() + deadline) / 2, {"do": "check", "path": name} | shape)
                decoder = "decord"
        return VideoInfo(**found, decoder=decoder)

    def _read(
        self, source: Source, info: VideoInfo, deadline: float, indices: list[int], size: tuple[int, int]
    ) -> np.ndarray:
        request = {"do": "read", "path": str(source.path), "indices": indices}
        shape, decoder = (len(indices), *size, 3), info.decoder
        if decoder == "decord":
            decoder = "pyav"
            if self.backend == "decord":
                try:  # PyAV has the other half of the time
                    half = (time.monotonic() + deadline) / 2
                    return self._ask(half, request | {"decoder": "decord", "timed": False}, shape)
                except _GivenUp:
                    self._avoid_decord(source, info)
                except _Refused:  # at some narrow widths decord fails; it serves the file at others
                    pass
        return self._ask(deadline, request | {"decoder": decoder, "timed": info.timed}, shape)

    def _avoid_decord(self, source: Source, info: VideoInfo) -> None:
        """In this video and in parts of it that are met later."""
        changed = _changed(str(source.path))
        self._known[source] = (changed, replace(info, decoder="pyav"))
        seen, whole = self._known.get(source.whole, (None, None))
        if seen == changed and isinstance(whole, VideoInfo):
            self._known[source.whole] = (changed, replace(whole, decoder="pyav"))

    def _ask(self, deadline: float, request: dict, shape: tuple[int, ...] | None = None) -> dict | np.ndarray:
        """The answer; with `shape` the frames."""
        for attempt in (1, 2):  # a child that was killed from outside says nothing about the file
            try:
                self._child = self._child or Child(self.command)
                answer, pictures = self._child.ask(deadline, request, shape)
                break
            except TimeoutError:
                self.close()
                raise _GivenUp(f"it did not decode within {self.time_limit:g} s") from None
            except Lost as error:
                self.close()
                if attempt == 2:
                    raise _GivenUp(str(error)) from None
            except BaseException:  # an interrupt: an answer is still under way
                self.close()
                raise
        if "refused" in answer:
            raise _Refused(answer["refused"])
        return answer if shape is None else pictures


def chosen_backend(name: str | None = None) -> str:
    """The backend of this name; without one what the environment variable names, or the default. Raises InputError."""
    where = "backend" if name is not None else VARIABLE
    name = os.environ.get(VARIABLE) or BACKENDS[0] if name is None else name
    if name not in BACKENDS:
        raise InputError(f"{where} {name!r} is unknown; choose from {', '.join(BACKENDS)}")
    return name


def _whole(name: str, value: object) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise InputError(f"{name} {value!r} is not a whole number") from None


def _changed(name: str) -> tuple[int, ...]:
    """What tells a file, or the list of a folder, from later ones. Raises _Refused where there is nothing to open."""
    try:
        status = os.stat(name)
    except (OSError, ValueError) as error:
        raise _Refused(getattr(error, "strerror", None) or str(error)) from None
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
        raise _Refused("not a file")
    if status.st_size == 0 and stat.S_ISREG(status.st_mode):
        raise _Refused("an empty file")
    return status.st_ino, status.st_size, status.st_mtime_ns
