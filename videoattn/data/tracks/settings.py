"""The settings of improved dense trajectories."""

import dataclasses
import hashlib
import json
import math
from dataclasses import dataclass

from videoattn.errors import InputError

_VERSION = 1  # of what a file of tracks means
_ENCODING = ("gaussians", "sampled", "cost", "seed")  # fields that do not change the tracks


@dataclass(frozen=True, kw_only=True)
class IDTSettings:
    """Values of the paper by default, or of its authors' code. A wrong value raises InputError.

    step: pixels between the sampled points. length: steps of a track, at least 3; a clip needs length + 1 frames.
    scales: largest number of spatial scales, each a factor sqrt(2) smaller while the shorter side is at least `window`.
    window: side of the tube around a track, pixels, even. quality: a point needs this part of the frame's largest
    smaller eigenvalue. Thrown away are tracks with a standard deviation of x and y under min_spread (static), or of
    one of both above max_spread (erratic), with a step that is longer than max_jump and than 0.7 of the whole
    (jumping), and those that without the camera's motion never move by more than min_motion; all in pixels of the clip.

    camera: whether its motion is taken out. short_side: pixels of the frames' shorter side, even; None: as they are.
    kept: tracks of a clip that are kept at most, drawn at random; None: all. gaussians: of each mixture. sampled:
    tracks that the mixtures are fitted to. cost: C of the SVMs. seed: of the draws and the mixtures' start.
    """

    step: int = 5
    length: int = 15
    scales: int = 8
    window: int = 32
    quality: float = 0.001
    min_spread: float = math.sqrt(3)
    max_spread: float = 50.0
    max_jump: float = 20.0
    min_motion: float = 1.0
    camera: bool = True
    short_side: int | None = None
    kept: int | None = None
    gaussians: int = 256
    sampled: int = 256_000
    cost: float = 100.0
    seed: int = 0

    def __post_init__(self) -> None:
        least = {"step": 1, "length": 3, "scales": 1, "window": 4, "gaussians": 1, "sampled": 1, "seed": 0}
        least |= {name: at for name, at in {"short_side": 16, "kept": 1}.items() if getattr(self, name) is not None}
        for name, bound in least.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < bound:
                raise InputError(f"{name} is {value!r}; it must be a whole number of at least {bound}")
        for name in ("window", "short_side"):
            if (getattr(self, name) or 0) % 2:
                raise InputError(f"{name} is {getattr(self, name)}; it must be even")
        for name in ("quality", "min_spread", "max_spread", "max_jump", "min_motion", "cost"):
            value = getattr(self, name)
            if not 0 <= value < math.inf or (value == 0 and name == "cost"):
                raise InputError(
                    f"{name} is {value}; it must be a {'positive' if name == 'cost' else 'non-negative'} number"
                )
        if self.quality >= 1:
            raise InputError(f"quality is {self.quality}; it must be below 1")
        if self.max_spread <= self.min_spread:
            raise InputError(f"max_spread is {self.max_spread}; it must be above min_spread, {self.min_spread:g}")
        if self.sampled < self.gaussians:
            raise InputError(f"sampled is {self.sampled}; it must be at least gaussians, {self.gaussians}")

    def tracks_key(self) -> str:
        """16 hex digits for all that decides the tracks of a clip."""
        values = {name: value for name, value in dataclasses.asdict(self).items() if name not in _ENCODING}
        return digest([_VERSION, values, None if self.kept is None else self.seed])


def digest(value: object) -> str:
    """16 hex digits for a value that JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
