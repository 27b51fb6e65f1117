"""Checkpoints that are whole or absent, and that load without executing pickled code."""

import pickle
from pathlib import Path

import torch

from videoattn.errors import RunError
from videoattn.io import atomic


def save(path: Path, state: dict) -> None:
    """Write tensors, numbers, strings, lists and dicts of these as a checkpoint, atomically and without a copy of it
    in memory.

    Raises:
        RunError: the disk refuses; the checkpoint from before is intact.
    """
    with atomic(path) as file:
        try:
            torch.save(state, file)
        except RuntimeError as error:  # torch tries to end the file that it could not write
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise


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
