"""What determines a training, as values that can be hashed, shown and compared."""

import dataclasses
import hashlib
import itertools
import json
from dataclasses import dataclass

from videoattn.errors import InputError, unknown

PRECISIONS = ("no", "bf16", "fp16")
OPTIMIZERS = ("sgd", "nesterov", "adamw")
SCHEDULES = ("plateau", "linear", "steps")


@dataclass(frozen=True)
class Recipe:
    """Optimisation of one network.

    Args:
        epochs: passes over the training set.
        batch_size: videos in one optimisation step, all processes and accumulated batches together.
        accumulation: batches that make up one step.
        optimizer: "sgd", "nesterov" (SGD with Nesterov's momentum) or "adamw"; momentum is that of SGD, weight_decay of
            any.
        lr: learning rate at the start. schedule: "plateau" multiplies it by `plateau_factor` after `plateau_patience`
            epochs without a better training accuracy; "linear" lowers it after each epoch, to nothing at the end;
            "steps 40 80" multiplies it by `plateau_factor` after epochs 40 and 80.
        clip_norm: largest norm of the gradient; None leaves it alone.
        precision: "no" (float32), "bf16" or "fp16".
        max_steps: each epoch ends after so many optimisation steps; None for all that the training set gives.
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
    max_steps: int | None = None

    def __post_init__(self):
        for name in ("epochs", "batch_size", "accumulation", *(("max_steps",) if self.max_steps is not None else ())):
            if getattr(self, name) < 1:
                raise InputError(f"{name}={getattr(self, name)!r}: at least 1 is needed")
        if self.batch_size % self.accumulation:
            raise InputError(f"batch_size={self.batch_size} cannot be made of {self.accumulation} equal batches")
        kind, *epochs = self.schedule.split()
        for name, value, choices in (
            ("precision", self.precision, PRECISIONS),
            ("optimizer", self.optimizer, OPTIMIZERS),
            ("schedule", kind, SCHEDULES),
        ):
            if value not in choices:
                raise unknown(name, value, choices)
        rising = all(a < b for a, b in itertools.pairwise((0, *self.milestones, self.epochs)))
        if (kind == "steps") != bool(epochs) or not rising:
            raise InputError(
                f"schedule {self.schedule!r}: behind 'steps', and nowhere else, rising epochs from 1 to "
                f"{self.epochs - 1} are expected, as in 'steps 40 80'"
            )

    @property
    def milestones(self) -> tuple[int, ...]:
        """The epochs after which the schedule "steps" lowers the learning rate.

        Raises:
            InputError: they are no numbers.
        """
        words = self.schedule.split()[1:]
        if not all(word.isdecimal() for word in words):
            raise InputError(f"schedule {self.schedule!r}: epochs are expected behind its name, as in 'steps 40 80'")
        return tuple(map(int, words))


def dry_run(recipe: Recipe, steps: int) -> Recipe:
    """The recipe with its first so many steps alone; as it is for 0."""
    return dataclasses.replace(recipe, epochs=1, schedule="plateau", max_steps=steps) if steps else recipe


def values(item: object) -> object:
    """Dataclasses within dataclasses, mappings and sequences as plain dicts and tuples."""
    if dataclasses.is_dataclass(item) and not isinstance(item, type):
        return {field.name: values(getattr(item, field.name)) for field in dataclasses.fields(item)}
    if isinstance(item, dict):
        return {key: values(value) for key, value in item.items()}
    if isinstance(item, list | tuple):
        return type(item)(values(value) for value in item)
    return item


def as_json(value: object) -> str:
    """Canonical JSON of dataclasses, mappings and sequences: the same values give the same text."""

    def refuse(item: object) -> object:
        raise TypeError(f"{item!r} has no JSON form")

    return json.dumps(values(value), default=refuse, sort_keys=True, indent=1)


def digest(value: object) -> str:
    """Ten hexadecimal digits that change when any part of `value` does."""
    return hashlib.sha256(as_json(value).encode()).hexdigest()[:10]
