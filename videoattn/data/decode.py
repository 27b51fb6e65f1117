"""Frames of encoded video files, by index, from a decoder that may fail, hang or die without harm.

The decoding runs in a child process (`decode_child`), which is killed when it does not answer in time and started
again. decord reads what it reads right; PyAV reads the rest, and whatever decord fails on.
"""

import operator
import os
import stat
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np

from videoattn.data.decode_process import Child, Lost
from videoattn.errors import InputError

_RECYCLE = 400  # files after which the child is replaced: decord leaks memory


class UnreadableVideo(Exception):
    """A video that cannot be decoded. path: the file; reason: why, one line."""

    def __init__(self, path: Path, reason: str):
        super().__init__(path, reason)
        self.path, self.reason = Path(path), reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@dataclass(frozen=True)
class VideoInfo:
    """frames: how many really decode; height, width: pixels, upright, taken as square; fps: 0 where the file does not
    say; decoder: "decord" or "pyav", the one that reads it; timed: PyAV seeks in it by time."""

    frames: int
    height: int
    width: int
    fps: float
    decoder: str
    timed: bool = False


class _Refused(Exception):
    """The file cannot be read so."""


class _GivenUp(_Refused):
    """The child died over the file, or had to be killed."""


def short_side(height: int, width: int, short: int) -> tuple[int, int]:
    """(H, W), even, with the shorter side `short` pixels (an even number) and the aspect ratio kept."""
    if short < 2 or short % 2 or min(height, width) < 1:
        raise InputError(f"shorter side {short} for {height}x{width} pixels; it must be an even number of at least 2")
    long = 2 * round(short * max(height, width) / min(height, width) / 2)
    return (short, long) if height <= width else (long, short)


class Decoder:
    """Reads video files through one child process. For one thread; a forked copy starts a child of its own.

    time_limit: seconds that one call may take (starting the first child aside); both decoders share them, and what
    takes longer is unreadable. Ask for the frames of a long video in pieces: reading on is cheap.
    """

    command: ClassVar[tuple[str, ...]] = (sys.executable, "-P", "-m", "videoattn.data.decode_child")

    def __init__(self, *, time_limit: float = 10.0):
        if not time_limit > 0:
            raise InputError(f"time_limit is {time_limit}; it must be a positive number of seconds")
        self.time_limit = time_limit
        self._known: dict[str, tuple[tuple[int, ...], VideoInfo | str]] = {}  # by file: its state then; why not, if not
        self._child: Child | None = None
        self._opened, self._last = 0, ""

    def __enter__(self) -> "Decoder":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self):
        return partial(type(self), time_limit=self.time_limit), ()  # without the child, to another process

    def close(self) -> None:
        """End the child process. A later request would start another."""
        if self._child is not None:
            self._child.stop()
        self._child = None

    def info(self, path: Path | str) -> VideoInfo:
        """What the file holds; remembered until the file changes. Raises UnreadableVideo."""
        with self._serving(path) as (name, deadline):
            return self._info(name, deadline)

    def frames(
        self,
        path: Path | str,
        indices: Sequence[int] | np.ndarray,
        *,
        size: tuple[int, int] | None = None,
        info: VideoInfo | None = None,
    ) -> np.ndarray:
        """RGB uint8 (n, H, W, 3) of the frames at `indices`, in that order, repeats allowed.

        indices: whole numbers, clamped to the frames that decode. size: (H, W) pixels to decode at, None for the
        video's own. info: of the file, where it is known: then it is not inspected, which decodes all of it. Raises
        UnreadableVideo.
        """
        asked = [_whole("index", index) for index in indices]
        if size is not None and (len(size) != 2 or min(_whole("size", side) for side in size) < 1):
            raise InputError(f"size is {size}; it must be a height and a width of at least 1")
        with self._serving(path) as (name, deadline):
            info = self._info(name, deadline) if info is None or name in self._known else info
            height, width = map(int, size or (info.height, info.width))
            if not asked:
                return np.empty((0, height, width, 3), np.uint8)
            clamped = [min(max(index, 0), info.frames - 1) for index in asked]
            wanted = sorted(set(clamped))
            request = {"do": "read", "path": name, "indices": wanted, "height": height, "width": width}
            pictures = self._read(info, deadline, request)
        if clamped == wanted:
            return pictures
        place = {index: at for at, index in enumerate(wanted)}
        return pictures[[place[index] for index in clamped]]

    @contextmanager
    def _serving(self, path: Path | str) -> Iterator[tuple[str, float]]:
        """The file's absolute name and the moment by which it must be served, with a child that is ready."""
        name = os.path.abspath(path)
        try:
            self._ready(name)
            yield name, time.monotonic() + self.time_limit
        except _Refused as error:
            raise UnreadableVideo(Path(path), str(error)) from None

    def _ready(self, name: str) -> None:
        if name != self._last:
            self._opened, self._last = self._opened + 1, name
        if self._opened > _RECYCLE or (self._child is not None and not self._child.alive()):
            self.close()
        if self._child is None:
            self._child, self._opened = Child(self.command), 1

    def _info(self, name: str, deadline: float) -> VideoInfo:
        changed = _changed(name)
        seen, info = self._known.get(name, (None, None))
        if seen != changed:
            try:
                info = self._inspect(name, deadline)
            except _GivenUp as error:  # remembered, so as not to wait for it again
                info = str(error)
            self._known[name] = (changed, info)
        if isinstance(info, str):
            raise _GivenUp(info)
        return info

    def _inspect(self, name: str, deadline: float) -> VideoInfo:
        found, _ = self._ask(deadline, {"do": "inspect", "path": name})
        plain, decoder = found.pop("plain"), "pyav"
        if plain:
            shape = {"height": found["height"], "width": found["width"]}
            with suppress(_Refused):
                self._ask((time.monotonic() + deadline) / 2, {"do": "check", "path": name} | shape)
                decoder = "decord"
        return VideoInfo(**found, decoder=decoder)

    def _read(self, info: VideoInfo, deadline: float, request: dict) -> np.ndarray:
        if info.decoder == "decord":
            try:  # PyAV has the other half of the time
                return self._ask((time.monotonic() + deadline) / 2, request | {"decoder": "decord", "timed": False})[1]
            except _Refused as error:  # at some narrow widths decord fails; it serves the file at others
                if isinstance(error, _GivenUp):
                    self._known[request["path"]] = (_changed(request["path"]), replace(info, decoder="pyav"))
        return self._ask(deadline, request | {"decoder": "pyav", "timed": info.timed})[1]

    def _ask(self, deadline: float, request: dict) -> tuple[dict, np.ndarray | None]:
        for attempt in (1, 2):  # a child that was killed from outside says nothing about the file
            try:
                self._child = self._child or Child(self.command)
                answer, pictures = self._child.ask(deadline, request)
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
        return answer, pictures


def _whole(name: str, value: object) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise InputError(f"{name} {value!r} is not a whole number") from None


def _changed(name: str) -> tuple[int, ...]:
    """What tells a file from its later versions. Raises _Refused where there is nothing to open."""
    try:
        status = os.stat(name)
    except (OSError, ValueError) as error:
        raise _Refused(getattr(error, "strerror", None) or str(error)) from None
    if not stat.S_ISREG(status.st_mode):
        raise _Refused("not a file")
    if status.st_size == 0:
        raise _Refused("an empty file")
    return status.st_ino, status.st_size, status.st_mtime_ns
