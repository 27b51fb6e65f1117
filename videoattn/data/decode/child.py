"""The child process of `decode.Decoder`: opens videos with PyAV, decord and OpenCV, and answers on the socket at stdin.

A request is a line of JSON; an answer is its length (4 bytes), JSON, and for pictures their uint8 values. PyAV decodes
a clip once to find what really decodes. decord then reads it where it was measured to read right: the same number of
frames at the same times, and a codec and pixel format from the lists of `decode_look`. After seeking it gave wrong
frames in HEVC, MPEG-1, MPEG-2, WMV, MPEG-4 with B-frames, and H.264 with open groups of pictures or without key
pictures.
"""

import json
import os
import resource
import signal
import socket
import struct
import sys

import cv2  # before decord, which otherwise crashes it
import decord
import numpy as np

from videoattn.data.decode.images import ImageFolders
from videoattn.data.decode.probe import look, span
from videoattn.data.decode.pyav import Pictures, Refused, times_of

MEMORY = 8 << 30  # bytes of address space: a file that declares a huge picture fails alone


class Session:
    """What stays open between requests: one reader of each kind."""

    def __init__(self):
        self.pictures: tuple[tuple, Pictures | None] = ((), None)
        self.decord: tuple[tuple, decord.VideoReader | None] = ((), None)
        self.images = ImageFolders()

    def inspect(self, path: str) -> dict:
        """What really decodes. timed: read by seeking; plain: nothing speaks against decord so far."""
        self.pictures = self.decord = ((), None)  # the file may be another than before
        if os.path.isdir(path):
            return self.images.inspect(path)
        found = look(path)
        return {name: getattr(found, name) for name in ("frames", "height", "width", "fps", "timed", "plain")}

    def part(self, path: str, start: float, end: float) -> dict:
        """The first frame of a part in seconds, and the one behind its last."""
        if os.path.isdir(path):
            raise Refused("images have no times: a part must be given in frames")
        return {"frames": span(look(path), start, end)}

    def check(self, path: str, height: int, width: int) -> dict:
        """Refuses unless decord sees the frames that PyAV sees, and gives the first."""
        shown = look(path).shown
        reader = self._decord(path, height, width)
        if len(reader) != len(shown):
            raise Refused("decord counts other frames")
        if np.abs(reader.get_frame_timestamp(range(len(shown)))[:, 0] - shown).max() > 1e-3:
            raise Refused("decord sees other times")
        self.read(path, [0], height, width, decoder="decord", timed=False)
        return {}

    def read(self, path: str, indices: list[int], height: int, width: int, *, decoder: str, timed: bool) -> np.ndarray:
        """uint8 (n, height, width, 3) at ascending indices."""
        if decoder == "images":
            return self.images.read(path, indices, height, width)
        if decoder == "decord":
            pictures = self._decord(path, height, width).get_batch(indices).asnumpy()
            if pictures.shape != (len(indices), height, width, 3):
                raise Refused(f"decord gave pictures of shape {pictures.shape}")
            return pictures
        if self.pictures[0] != (path, timed):
            self.pictures = ((path, timed), Pictures(path, *times_of(path)) if timed else Pictures(path))
        pictures = np.empty((len(indices), height, width, 3), np.uint8)
        for picture, index in zip(pictures, indices, strict=True):
            picture[:] = self.pictures[1].picture(index, height, width)
        return pictures

    def _decord(self, path: str, height: int, width: int) -> decord.VideoReader:
        key = (path, height, width)
        if self.decord[0] != key:
            self.decord = (key, decord.VideoReader(path, num_threads=1, width=width, height=height))
        return self.decord[1]


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return text.strip().splitlines()[0][:200]


def main() -> None:
    link = socket.socket(fileno=os.dup(0))
    os.dup2(os.open(os.devnull, os.O_RDWR), 2)  # the parent reads stderr until the first answer only
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY if most == resource.RLIM_INFINITY else min(MEMORY, most), most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    cv2.setNumThreads(1)
    session = Session()
    _answer(link, {"ready": True})
    for line in link.makefile("rb"):
        request = json.loads(line)
        signal.setitimer(signal.ITIMER_REAL, request.pop("limit") + 1)  # ends it even where the parent is gone
        try:
            result = getattr(session, request.pop("do"))(**request)
        except Exception as error:  # whatever a decoder raises is the reason that is handed on
            result, session = {"refused": _reason(error)}, Session()
        if isinstance(result, np.ndarray):
            _answer(link, {"shape": result.shape}, result)
        else:
            _answer(link, result)
        signal.setitimer(signal.ITIMER_REAL, 0)


def _answer(link: socket.socket, head: dict, pictures: np.ndarray | None = None) -> None:
    text = json.dumps(head).encode()
    link.sendall(struct.pack("!I", len(text)) + text)
    if pictures is not None:
        link.sendall(memoryview(np.ascontiguousarray(pictures)).cast("B"))


if __name__ == "__main__":
    sys.exit(main())
