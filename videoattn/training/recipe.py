"""What determines a training, as values that can be hashed, shown and compared."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass

from videoattn.errors import InputError

PRECISIONS = ("no", "bf16", "fp16")
OPTIMIZERS = ("sgd", "adamw")
SCHEDULES = ("plateau", "linear")


@dataclass(frozen=True)
class Recipe:
    """Optimisation of one network.

    Args:
        epochs: passes over the training set.
        batch_size: videos in one optimisation step, all processes and accumulated batches together.
        accumulation: batches that make up one step.
        optimizer: "sgd" or "adamw"; momentum is that of SGD, weight_decay of either.
        lr: learning rate at the start. schedule: "plateau" multiplies it by `plateau_factor` after `plateau_patience`
            epochs without a better training accuracy; "linear" lowers it after each epoch, to nothing at the end.
        clip_norm: largest norm of the gradient; None leaves it alone.
        precision: "no" (float32), "bf16" or "fp16".
    """

    epochs: int
    batch_size: int
    lr: float
    optimizer: str = "sgd"
    momentum: float = 0.9
    weight_decay: float = 0.0
    accumulation: int = 1
    schedule: str = "plateau"
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
        for name, choices in (("precision", PRECISIONS), ("optimizer", OPTIMIZERS), ("schedule", SCHEDULES)):
            if getattr(self, name) not in choices:
                raise InputError(f"{name} {getattr(self, name)!r} is unknown; possible are {', '.join(choices)}")


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
