"""Checkpoints and scores in the folder of a run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from videoattn.engine import checkpoint
from videoattn.errors import InputError, RunError
from videoattn.io import atomic


@dataclass(frozen=True)
class RunFiles:
    """Files of trained jobs, by name and seed: `checkpoints/<name>-seed<seed>.pt`, `scores/<name>-seed<seed>.npz`."""

    folder: Path

    def weights_path(self, name: str, seed: int) -> Path:
        return self.folder / "checkpoints" / f"{name}-seed{seed}.pt"

    def scores_path(self, name: str, seed: int) -> Path:
        return self.folder / "scores" / f"{name}-seed{seed}.npz"

    def weights(self, name: str, seed: int) -> dict[str, Tensor]:
        """The weights of a trained network. Raises RunError where there are none."""
        path = self.weights_path(name, seed)
        if not path.exists():
            raise RunError(f"{path} is missing: run the study first, which trains {name} with seed {seed}")
        return checkpoint.load(path)["model"]

    def scores(self, name: str, seed: int) -> dict[str, Tensor]:
        """What `keep_scores` was given."""
        with np.load(self.scores_path(name, seed), allow_pickle=False) as saved:
            return {key: torch.from_numpy(saved[key]) for key in saved.files}

    def keep_scores(self, name: str, seed: int, scores: Mapping[str, Tensor]) -> None:
        """Write scores and labels, all or nothing. Raises RunError where the disk refuses."""
        with atomic(self.scores_path(name, seed)) as file:
            np.savez(file, **{key: values.numpy() for key, values in scores.items()})


def initial_file(path: Path, job: str, seed: int) -> Path:
    """The checkpoint that a job starts from: `path` itself, or that of its job in a run, with its seed or the first.

    Raises:
        InputError: the run has trained no such job.
    """
    if path.is_file():
        return path
    own = path / "checkpoints" / f"{job}-seed{seed}.pt"
    first = own.with_name(f"{job}-seed0.pt")
    found = next((file for file in (own, first) if file.is_file()), None)
    if found is None:
        there = sorted(file.name.partition("-seed")[0] for file in (path / "checkpoints").glob("*-seed0.pt"))
        raise InputError(
            f"INIT is {str(path)!r}, which holds no network {job!r}; it holds {', '.join(there) or 'none'}"
        )
    return found
