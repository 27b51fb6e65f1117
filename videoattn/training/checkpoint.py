"""Checkpoints that are whole or absent, and that load without executing pickled code."""

import contextlib
import io
import os
import pickle
from pathlib import Path

import torch

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


def save(path: Path, state: dict) -> None:
    """Write tensors, numbers, strings, lists and dicts of these as a checkpoint, atomically."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomically(path, buffer.getvalue())


def load(path: Path) -> dict:
    """Read a checkpoint onto the CPU; only tensors and plain values are accepted.

    Raises:
        RunError: the file is damaged, or holds something that would have to be executed.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError) as error:
        raise RunError(
            f"{path} is no checkpoint of tensors and plain values ({type(error).__name__}); remove it to start again"
        ) from error
