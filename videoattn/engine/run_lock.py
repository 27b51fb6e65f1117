"""The lock of a run's folder, so that two processes never train the same run at once."""

import contextlib
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from videoattn.errors import RunError

LOCK = ".lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the run in `folder`, which is made. The lock ends with the process, however that ends.

    A file system that knows no locks is gone on with. Processes that the holder starts are not hindered.

    Raises:
        RunError: another process holds it, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / LOCK).open("w")
    except OSError as error:
        raise RunError(f"{folder} could not be written: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(
                f"another process works on this run, {folder}: wait for it, then the same command goes on"
            ) from None
        except OSError:
            yield  # no locks here, as on some network drives
            return
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_UN)  # at once, though a forked process may have the file open still
