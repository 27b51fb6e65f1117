"""What determines a training, as values that can be hashed, shown and compared."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass

from videoattn.errors import InputError

PRECISIONS = ("no", "bf16", "fp16")


@dataclass(frozen=True)
class Recipe:
    """Optimisation of one network: SGD with momentum, and a learning rate that falls when accuracy stands still.

    Args:
        epochs: passes over the training set.
        batch_size: videos in one optimisation step, all processes and accumulated batches together.
        accumulation: batches that make up one step.
        lr: learning rate at the start. momentum, weight_decay: of SGD.
        plateau_patience: epochs without a better training accuracy before lr is multiplied by `plateau_factor`.
        clip_norm: largest norm of the gradient; None leaves it alone.
        precision: "no" (float32), "bf16" or "fp16".
    """

    epochs: int
    batch_size: int
    lr: float
    momentum: float = 0.9
    weight_decay: float = 0.0
    accumulation: int = 1
    plateau_patience: int = 3
    plateau_factor: float = 0.1
    clip_norm: float | None = None
    precision: str = "no"

    def __post_init__(self):
        for name in ("epochs", "batch_size", "accumulation"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}={getattr(self, name)!r}: at least 1 is needed")
        if self.batch_size % self.accumulation:
            raise InputError(f"batch_size={self.batch_size} cannot be made of {self.accumulation} equal batches")
        if self.precision not in PRECISIONS:
            raise InputError(f"precision {self.precision!r} is unknown; possible are {', '.join(PRECISIONS)}")


def as_json(value: object) -> str:
    """Canonical JSON of dataclasses, mappings and sequences: the same values give the same text."""

    def plain(item: object) -> object:
        if dataclasses.is_dataclass(item) and not isinstance(item, type):
            return dataclasses.asdict(item)
        raise TypeError(f"{item!r} has no JSON form")

    return json.dumps(value, default=plain, sort_keys=True, indent=1)


def digest(value: object) -> str:
    """Ten hexadecimal digits that change when any part of `value` does."""
    return hashlib.sha256(as_json(value).encode()).hexdigest()[:10]
