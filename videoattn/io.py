"""Files on disk: written whole or not at all, locked between processes, and told from what they were before."""

import contextlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

from videoattn.errors import RunError

_SETTLED = 2_000_000_000  # ns: a file changed less than this ago may change again with the same time of change


@contextmanager
def atomic(path: Path) -> Iterator[BinaryIO]:
    """A new binary file that stands at `path` once the block ends: after a crash there is the old file or the new one.

    It is `.<name>.<process>.part` beside `path` until then. What the block raises leaves `path` as it was.

    Raises:
        RunError: the disk is full or not writable; what stood at `path` is untouched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        before = "the file from before is intact" if path.exists() else "nothing was there before"
        raise RunError(f"{path} could not be written: {error.strerror or error}; {before}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def write_atomically(path: Path, content: bytes) -> None:
    """Put `content` at `path`, as `atomic` does. Raises RunError where the disk refuses."""
    with atomic(path) as file:
        file.write(content)


@contextmanager
def locked(path: Path, *, busy: str, wait: bool = False) -> Iterator[bool]:
    """Hold the lock file `path`, which is made with its folder, against other processes and other calls in this one.

    The lock ends with the process, however that ends. Processes that the holder starts are not hindered, nor does one
    that lives on hold it.

    Args:
        busy: what is said where another process holds it. wait: print that, unless it is "", and wait for the lock;
            else it is raised.

    Yields:
        Whether the lock is held: False where the file system knows no locks, as on some network drives.

    Raises:
        RunError: another process holds it, or its folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError as error:
        raise RunError(f"{path.parent} could not be written: {error.strerror}") from error
    lock = FileLock(path, fallback_to_soft=False)
    held = True
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if not wait:
            raise RunError(busy) from None
        if busy:
            print(busy, flush=True)
        lock.acquire()
    except OSError:
        held = False
    try:
        yield held
    finally:
        lock.release()


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells a file, or a folder of images, from what it was before it changed, without reading it.

    path: absolute, without links. size: bytes of a file; images in a folder. state: time of a file's last change, ns; a
    hash of names, sizes and times of a folder's images. settled: whether a change from now on would give another stamp.
    """

    path: str
    size: int
    state: int
    settled: bool = field(compare=False)


def file_stamp(path: Path) -> Stamp:
    """Of a file. Raises OSError where there is none."""
    status = path.stat()
    return Stamp(str(path.resolve()), status.st_size, status.st_mtime_ns, settled(status.st_mtime_ns))


def settled(changed: int) -> bool:
    """Whether what was changed at this time, in ns, would get another time if it were changed now."""
    return abs(time.time_ns() - changed) > _SETTLED
