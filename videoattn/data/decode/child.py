"""The process in which `Decoder` decodes, with PyAV, decord and OpenCV. It answers on the socket at stdin.

A request is a line of JSON; an answer is its length (4 bytes) and JSON. Frames are written into memory that both
processes share. PyAV decodes a short clip once to find what really decodes. decord, where it is asked for, reads a file
where it was measured to read right: the same number of frames at the same times, and a codec and pixel format from the
lists of `pyav`. After seeking it gave wrong frames in HEVC, MPEG-1, MPEG-2, WMV, MPEG-4 with B-frames, and H.264 with
open groups of pictures or without key pictures.
"""

import json
import math
import mmap
import os
import resource
import signal
import socket
import struct
import sys
from typing import TYPE_CHECKING

import cv2  # before decord, which otherwise crashes it
import numpy as np

from videoattn.data.decode.images import ImageFolders
from videoattn.data.decode.process import SHARED
from videoattn.data.decode.pyav import Inspection, Pictures, Refused, between, inspect, state_of

if TYPE_CHECKING:
    import decord

ADDRESSES = 8 << 30  # bytes of address space: a file that declares a huge picture fails alone


class Session:
    """What stays open between requests: one reader of each kind; and what was found in files."""

    def __init__(self):
        self.pictures: tuple[tuple, Pictures | None] = ((), None)
        self.decord: tuple[tuple, decord.VideoReader | None] = ((), None)
        self.images = ImageFolders()
        self.found: dict[str, tuple[tuple, Inspection]] = {}

    def inspect(self, path: str) -> dict:
        """What really decodes. timed: read by seeking; plain: nothing speaks against decord so far."""
        if os.path.isdir(path):
            return self.images.inspect(path)
        found = self._inspection(path)
        return {name: getattr(found, name) for name in ("frames", "height", "width", "fps", "timed", "plain")}

    def between(self, path: str, start: float, end: float) -> dict:
        """The first frame that is shown between two moments in seconds, and the one behind the last."""
        if os.path.isdir(path):
            raise Refused("images have no times: a part must be given in frames")
        return {"frames": between(self._inspection(path), start, end)}

    def check(self, path: str, height: int, width: int) -> dict:
        """Refuses unless decord sees the frames that PyAV sees, and gives the first."""
        shown = self._inspection(path).shown
        reader = self._decord(path, height, width)
        if len(reader) != len(shown):
            raise Refused("decord counts other frames")
        if np.abs(reader.get_frame_timestamp(range(len(shown)))[:, 0] - shown).max() > 1e-3:
            raise Refused("decord sees other times")
        self.read(path, [0], np.empty((1, height, width, 3), np.uint8), decoder="decord", timed=False)
        return {}

    def read(self, path: str, indices: list[int], pictures: np.ndarray, *, decoder: str, timed: bool) -> None:
        """Frames at ascending indices into `pictures`, uint8 (n, H, W, 3)."""
        if decoder == "images":
            self.images.read(path, indices, pictures)
        elif decoder == "decord":
            found = self._decord(path, *pictures.shape[1:3]).get_batch(indices).asnumpy()
            if found.shape != pictures.shape:
                raise Refused(f"decord gave pictures of shape {found.shape}")
            pictures[:] = found
        else:
            reader = self._pictures(path, timed)
            for picture, index in zip(pictures, indices, strict=True):
                reader.write(index, picture)

    def _inspection(self, path: str) -> Inspection:
        state = state_of(path)
        before, found = self.found.get(path, ((), None))
        if before != state:
            pictures = self._open((), Pictures(path))
            found = inspect(pictures)
            self.found[path] = state, found
            if pictures.cached:  # reading them next costs no decoding
                self.pictures = (path, found.timed, state), pictures
        return found

    def _pictures(self, path: str, timed: bool) -> Pictures:
        key = (path, timed, state_of(path))
        return self.pictures[1] if self.pictures[0] == key else self._open(key, Pictures(path, timed=timed))

    def _open(self, key: tuple, pictures: Pictures) -> Pictures:
        """Instead of the file that was open."""
        if self.pictures[1]:
            self.pictures[1].close()
        self.pictures = key, pictures
        return pictures

    def _decord(self, path: str, height: int, width: int) -> "decord.VideoReader":
        import decord  # only where it is asked for: it takes long to load, and leaks

        key = (path, height, width, state_of(path))
        if self.decord[0] != key:
            self.decord = key, decord.VideoReader(path, num_threads=1, width=width, height=height)
        return self.decord[1]


class Memory:
    """Pieces of memory that are shared with the process that asks, by number; reused, since making them is slow."""

    def __init__(self):
        self.pieces: dict[int, np.ndarray] = {}

    def take(self, number: int, size: int) -> tuple[np.ndarray, int | None]:
        """uint8 (size,), and the descriptor of the memory where it is new. Pieces of a round that is over are freed."""
        self.pieces = {old: piece for old, piece in self.pieces.items() if old // SHARED == number // SHARED}
        descriptor = None
        if number not in self.pieces or len(self.pieces[number]) < size:
            descriptor = os.memfd_create("frames")
            try:
                os.ftruncate(descriptor, size)
                self.pieces[number] = np.frombuffer(mmap.mmap(descriptor, size), np.uint8)
            except BaseException:
                os.close(descriptor)
                raise
        return self.pieces[number][:size], descriptor


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return text.strip().splitlines()[0][:200]


def main() -> None:
    link = socket.socket(fileno=os.dup(0))
    os.dup2(os.open(os.devnull, os.O_RDWR), 2)  # the parent reads stderr until the first answer only
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(
        resource.RLIMIT_AS, (ADDRESSES if most == resource.RLIM_INFINITY else min(ADDRESSES, most), most)
    )
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    cv2.setNumThreads(1)
    session, memory = Session(), Memory()
    _answer(link, {"ready": True})
    for line in link.makefile("rb"):
        request = json.loads(line)
        signal.setitimer(signal.ITIMER_REAL, request.pop("limit") + 1)  # ends it even where the parent is gone
        descriptor = None
        try:
            if "shape" in request:
                shape = request.pop("shape")
                piece, descriptor = memory.take(request.pop("memory"), math.prod(shape))
                request["pictures"] = piece.reshape(shape)
            result = getattr(session, request.pop("do"))(**request) or {}
        except Exception as error:  # whatever a decoder raises is the reason that is handed on
            result, session = {"refused": _reason(error)}, Session()
        _answer(link, result, descriptor)
        signal.setitimer(signal.ITIMER_REAL, 0)


def _answer(link: socket.socket, answer: dict, descriptor: int | None = None) -> None:
    text = json.dumps(answer).encode()
    length = struct.pack("!I", len(text))
    if descriptor is None:
        link.sendall(length + text)
    else:
        socket.send_fds(link, [length], [descriptor])
        os.close(descriptor)
        link.sendall(text)


if __name__ == "__main__":
    sys.exit(main())
