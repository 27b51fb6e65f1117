"""What the probes share: the checks of their settings, the seeds of their clips, and how they are written to disk."""

from dataclasses import fields
from pathlib import Path

import numpy as np

from videoattn.data.probes.store import generate
from videoattn.errors import InputError

SUBSETS = ("train", "test")


class ProbeSettings:
    """Base of the probes, which are frozen dataclasses of settings.

    train, test: clips of each subset. seed: with the subset and the number of a clip it fixes all that is drawn for it.
    """

    train: int
    test: int
    seed: int

    @property
    def counts(self) -> dict[str, int]:
        """Clips in each subset."""
        return {"train": self.train, "test": self.test}

    def generate(self, root: Path, *, workers: int | None = None, progress: bool = True) -> Path:
        """Write the clips under `root` unless they are there; return their folder. See `store.generate`."""
        return generate(self, root, workers=workers, progress=progress)

    def _rng(self, subset: str, number: int) -> np.random.Generator:
        """The generator for clip `number` of "train" or "test"."""
        return np.random.default_rng([self.seed, SUBSETS.index(subset), number])

    def _check_whole(self) -> None:
        """Raise `InputError` for a setting that should be whole, or made of whole numbers, and is not."""
        for field in fields(self):
            value = getattr(self, field.name)
            several = field.type == tuple[int, ...] and isinstance(value, tuple)
            if field.type is not int and not several:
                continue
            for number in value if several else (value,):
                if not isinstance(number, int) or isinstance(number, bool):
                    raise InputError(
                        f"{field.name}={value!r}: expected {'whole numbers' if several else 'a whole number'}"
                    )

    def _check_range(self, name: str, low: float, high: float) -> None:
        """Raise `InputError` unless low <= setting <= high."""
        value = getattr(self, name)
        if not low <= value <= high:
            raise InputError(f"{name}={value}: {low:g} to {high:g} are possible")

    def _check_size(self, size: int) -> None:
        """Raise `InputError` for a side of frames that cannot be coded, in pixels."""
        if size < 16 or size % 2:
            raise InputError(f"size={size}: expected an even number from 16 on (H.264 takes no odd sizes)")

    def _check_counts(self, least: int, what: str) -> None:
        """Raise `InputError` for a subset of fewer than `least` clips (`what` says which), or a negative seed."""
        for subset, count in self.counts.items():
            if count < least:
                raise InputError(f"{subset}={count}: at least {least} clips, {what}")
        if self.seed < 0:
            raise InputError(f"seed={self.seed}: expected 0 or more")
