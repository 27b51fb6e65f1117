"""Files that are whole or absent."""

import contextlib
import os
from pathlib import Path

from videoattn.errors import RunError


def write_atomically(path: Path, content: bytes) -> None:
    """Put `content` at `path` in one step: after a crash there is the old file or the new one, never a part.

    Raises:
        RunError: the disk is full or not writable; what stood at `path` is untouched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        kept = "the file from before is intact" if path.exists() else "nothing was there before"
        raise RunError(f"{path} could not be written: {error.strerror}; {kept}") from error
