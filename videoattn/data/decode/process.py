"""The process that decodes for `Decoder`, seen from the side that asks: started, asked, killed."""

import json
import math
import mmap
import os
import signal
import socket
import struct
import subprocess
import time
import weakref
from collections.abc import Sequence
from multiprocessing.util import Finalize
from pathlib import Path

import numpy as np

from videoattn.errors import RunError

SHARED = 3  # pieces of memory for frames; the last is for frames that are copied from it
_START = 60.0  # seconds that it may take to start
# Memory of frames that are gone serves the next ones; given back to the system and taken anew it costs as much time as
# decoding does.
_HEAP = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(256 << 20)}


class Lost(Exception):
    """The process is dead; the message says how it died."""


def _left(deadline: float) -> float:
    """Seconds until a moment of `time.monotonic()`. Raises TimeoutError after it."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


class _Memory:
    """A piece of memory into which the process writes frames."""

    def __init__(self):
        self._bytes: mmap.mmap | None = None
        self._used: weakref.ref[np.ndarray] | None = None

    def map(self, descriptor: int) -> None:
        try:
            self._bytes = mmap.mmap(descriptor, 0)
        finally:
            os.close(descriptor)

    def frames(self, size: int) -> np.ndarray:
        frames = np.frombuffer(self._bytes, np.uint8, size)
        self._used = weakref.ref(frames)
        return frames

    def free(self) -> bool:
        """Whether the frames last taken, and all views of them, are gone."""
        return self._used is None or self._used() is None


class Child:
    """A running child process and the socket to it. A forked copy of its owner cannot use it: there it is not alive."""

    def __init__(self, command: Sequence[str]):
        """Starts it and waits until it is ready. Raises RunError where it does not get there."""
        self._round = -1
        self.renew()
        self.link, theirs = socket.socketpair()
        paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
        variables = {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "OPENBLAS_NUM_THREADS": "1", **_HEAP}
        with theirs:
            try:
                self.process = subprocess.Popen(
                    command,
                    stdin=theirs,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    start_new_session=True,  # the terminal's interrupt is the parent's
                    env=os.environ | variables,
                )
            except OSError as error:
                self.link.close()
                raise RunError(f"the video decoder does not start: {error}") from error
        # At exit too, and there in workers of multiprocessing as well, which weakref.finalize and atexit leave out.
        self._end = Finalize(self, _stop, (self.process, self.link), exitpriority=1)
        _children.add(self)
        try:
            self._receive(time.monotonic() + _START)
        except (Lost, TimeoutError) as error:
            self.process.kill()
            said = self.process.stderr.read().decode(errors="replace").strip().splitlines()
            reason = said[-1] if said else str(error) or f"no answer within {_START:g} s"
            raise RunError(f"the video decoder does not start: {reason}") from None
        finally:
            self.process.stderr.close()

    def alive(self) -> bool:
        return self.process.poll() is None

    def stop(self) -> None:
        self._end()

    def renew(self) -> None:
        """Leave the memory in use to those who have it: a forked copy of this process may be among them."""
        self._round += 1
        self._memory = [_Memory() for _ in range(SHARED)]

    def disown(self) -> None:
        """In a forked copy of its owner: the process belongs to the other."""
        self._end.cancel()
        self.link.close()
        self.process.returncode = 0

    def ask(self, deadline: float, request: dict, shape: Sequence[int] | None = None) -> tuple[dict, np.ndarray | None]:
        """The answer and, where a shape is given and the answer is no refusal, uint8 frames of it. Raises TimeoutError
        or Lost; then only stop() is left.

        Frames lie in memory into which the process writes again once they, and all views of them, are gone. Where two
        earlier answers are still in use they are a copy.
        """
        place = next((place for place, memory in enumerate(self._memory[:-1]) if memory.free()), SHARED - 1)
        memory = self._memory[place]
        if shape is not None:
            request = request | {"shape": shape, "memory": SHARED * self._round + place}
        message = json.dumps(request | {"limit": _left(deadline)}).encode() + b"\n"
        self.link.settimeout(_left(deadline))
        try:
            self.link.sendall(message)
        except ConnectionError:
            raise self._lost() from None
        answer, descriptor = self._receive(deadline)
        if descriptor is not None:
            memory.map(descriptor)
        if shape is None or "refused" in answer:
            return answer, None
        pictures = memory.frames(math.prod(shape)).reshape(shape)
        return answer, pictures.copy() if place == SHARED - 1 else pictures

    def _receive(self, deadline: float) -> tuple[dict, int | None]:
        """An answer, and the descriptor that came with it."""
        self.link.settimeout(_left(deadline))
        try:
            start, descriptors, _, _ = socket.recv_fds(self.link, 4, 1)
        except ConnectionError:
            start = b""
        if not start:
            raise self._lost()
        try:
            (length,) = struct.unpack("!I", start + self._fill(4 - len(start), deadline))
            return json.loads(self._fill(length, deadline)), next(iter(descriptors), None)
        except BaseException:
            for descriptor in descriptors:
                os.close(descriptor)
            raise

    def _fill(self, count: int, deadline: float) -> bytes:
        """The next bytes, so many."""
        data = b""
        while len(data) < count:
            self.link.settimeout(_left(deadline))
            try:
                more = self.link.recv(count - len(data))
            except ConnectionError:
                more = b""
            if not more:
                raise self._lost()
            data += more
        return data

    def _lost(self) -> Lost:
        self.link.close()
        try:
            code = self.process.wait(1)
        except subprocess.TimeoutExpired:
            return Lost("the decoder broke off")
        return Lost(f"the decoder died ({signal.Signals(-code).name if code < 0 else f'exit code {code}'})")


def _stop(process: subprocess.Popen, link: socket.socket) -> None:
    link.close()
    process.kill()
    process.wait()


_children: weakref.WeakSet[Child] = weakref.WeakSet()


def _disown() -> None:
    for child in list(_children):
        child.disown()


def _renew() -> None:
    for child in list(_children):
        child.renew()


os.register_at_fork(after_in_child=_disown, after_in_parent=_renew)
