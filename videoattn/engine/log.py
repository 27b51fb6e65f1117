"""The log of a study: loss, accuracy and learning rate of each epoch of each training."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from videoattn.io import write_atomically


def add_to_log(path: Path, rows: Sequence[dict[str, float]], *, job: str, seed: int) -> None:
    """Put the epochs of a training behind those that the file holds; what it holds of this training is replaced."""
    if not rows:
        return
    fresh = pd.DataFrame(rows).assign(job=job, seed=seed)[["job", "seed", *rows[0]]]
    if path.exists():
        old = pd.read_csv(path)
        fresh = pd.concat([old[(old["job"] != job) | (old["seed"] != seed)], fresh])
    write_atomically(path, fresh.to_csv(index=False).encode())
