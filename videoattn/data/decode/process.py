"""The process that decodes for `decode.Decoder`, seen from the side that asks: started, asked, killed."""

import json
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

_START = 60.0  # seconds that it may take to start


class Lost(Exception):
    """The process is dead; the message says how it died."""


def _left(deadline: float) -> float:
    """Seconds until a moment of `time.monotonic()`. Raises TimeoutError after it."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


class Child:
    """A running child process and the socket to it. A forked copy of its owner cannot use it: there it is not alive."""

    def __init__(self, command: Sequence[str]):
        """Starts it and waits until it is ready. Raises RunError where it does not get there."""
        self.link, theirs = socket.socketpair()
        paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
        variables = {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "OPENBLAS_NUM_THREADS": "1"}
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

    def disown(self) -> None:
        """In a forked copy of its owner: the process belongs to the other."""
        self._end.cancel()
        self.link.close()
        self.process.returncode = 0

    def ask(self, deadline: float, request: dict) -> tuple[dict, np.ndarray | None]:
        """The answer and, where there is one, uint8 pictures. Raises TimeoutError or Lost; then only stop() is left."""
        message = json.dumps(request | {"limit": _left(deadline)}).encode() + b"\n"
        self.link.settimeout(_left(deadline))
        try:
            self.link.sendall(message)
        except ConnectionError:
            raise self._lost() from None
        return self._receive(deadline)

    def _receive(self, deadline: float) -> tuple[dict, np.ndarray | None]:
        (length,) = struct.unpack("!I", self._fill(bytearray(4), deadline))
        answer = json.loads(self._fill(bytearray(length), deadline))
        if "shape" not in answer:
            return answer, None
        pictures = np.empty(answer["shape"], np.uint8)
        self._fill(pictures.reshape(-1), deadline)
        return answer, pictures

    def _fill(self, buffer: bytearray | np.ndarray, deadline: float) -> bytearray | np.ndarray:
        rest = memoryview(buffer)
        while rest:
            self.link.settimeout(_left(deadline))
            try:
                count = self.link.recv_into(rest)
            except ConnectionError:
                count = 0
            if count == 0:
                raise self._lost()
            rest = rest[count:]
        return buffer

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


os.register_at_fork(after_in_child=_disown)
