"""Checkpoints that are whole or absent, and that load without executing pickled code."""

import io
import pickle
from pathlib import Path

import torch

from videoattn.errors import RunError
from videoattn.io import write_atomically


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
