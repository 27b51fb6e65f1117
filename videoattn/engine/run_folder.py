"""What a study leaves in the folder of its run: checkpoints, scores and the log of its trainings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from videoattn.engine import checkpoint
from videoattn.errors import InputError, RunError
from videoattn.io import atomic, write_atomically


@dataclass(frozen=True)
class RunFolder:
    """`checkpoints/<job>-seed<seed>.pt`, `scores/<job>-seed<seed>.npz` and `log.csv` under `path`."""

    path: Path

    def weights_path(self, job: str, seed: int) -> Path:
        """Where the checkpoint of a job lies."""
        return self.path / "checkpoints" / f"{job}-seed{seed}.pt"

    def scores_path(self, job: str, seed: int) -> Path:
        """Where the scores of a job lie; they are written last, so that they tell a finished job."""
        return self.path / "scores" / f"{job}-seed{seed}.npz"

    def weights(self, job: str, seed: int) -> dict[str, Tensor]:
        """The weights of a trained network. Raises RunError where there are none."""
        path = self.weights_path(job, seed)
        if not path.exists():
            raise RunError(f"{path} is missing: run the study first, which trains {job} with seed {seed}")
        return checkpoint.load(path)["model"]

    def scores(self, job: str, seed: int) -> dict[str, Tensor]:
        """What `keep_scores` was given."""
        with np.load(self.scores_path(job, seed), allow_pickle=False) as saved:
            return {key: torch.from_numpy(saved[key]) for key in saved.files}

    def keep_scores(self, job: str, seed: int, scores: Mapping[str, Tensor]) -> None:
        """Write scores and labels, all or nothing. Raises RunError where the disk refuses."""
        with atomic(self.scores_path(job, seed)) as file:
            np.savez(file, **{key: values.numpy() for key, values in scores.items()})

    def add_to_log(self, job: str, seed: int, rows: Sequence[Mapping[str, float]]) -> None:
        """Put the epochs of a training into the log: loss, accuracy and learning rate. What the log holds of the same
        training is replaced."""
        if not rows:
            return
        path = self.path / "log.csv"
        fresh = pd.DataFrame(rows).assign(job=job, seed=seed)[["job", "seed", *rows[0]]]
        if path.exists():
            old = pd.read_csv(path)
            fresh = pd.concat([old[(old["job"] != job) | (old["seed"] != seed)], fresh])
        write_atomically(path, fresh.to_csv(index=False).encode())


def initial_file(path: Path, job: str, seed: int) -> Path:
    """The checkpoint that a job starts from: `path` itself, or that of its job in a run, with its seed or the first.

    Raises:
        InputError: the run has trained no such job.
    """
    if path.is_file():
        return path
    run = RunFolder(path)
    found = next((file for file in (run.weights_path(job, s) for s in (seed, 0)) if file.is_file()), None)
    if found is None:
        there = sorted(file.name.partition("-seed")[0] for file in (path / "checkpoints").glob("*-seed0.pt"))
        raise InputError(
            f"INIT is {str(path)!r}, which holds no network {job!r}; it holds {', '.join(there) or 'none'}"
        )
    return found
