"""The binding probe: one object moves among still ones, and the class is the colour (or the texture) of the mover.

A frame shows several objects, each of another class. RGB shows the classes and not which object moves, so from single
frames one can only guess among the objects shown. Grey images, and so optical flow, show where something moves and not
its colour. Adding the scores of both does not help: the two have to be compared place by place.

A single frame does not show which object moves. Each object has a circular path of its own, at a distance from all
others, and stands at a uniformly random phase of it; the mover goes along its path at constant speed. Its phase is
uniform in every frame too, so the distribution of a frame is the same whichever object moves. Place, direction, speed,
block pattern (or hue) and background are drawn independently of the class.

With `turns` the class is also which way round the mover goes, which flow alone shows. Then each stream knows a part of
the class that the other does not, and the sum of their scores knows both parts, but still not which object it is.

With texture as the class flow tells a little: the errors of a flow algorithm depend on the pattern.
"""

import math
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, ClassVar

import numpy as np

from videoattn.data.probes.appearance import ALL_PATTERNS, BLOCKS, HUES, PATTERN_NAMES, PATTERNS, ground, paint, to_rgb
from videoattn.data.probes.settings import ProbeSettings
from videoattn.errors import InputError, unknown

TURNS = ("clockwise", "counterclockwise")
GAP = 1.0  # pixels between the boxes of two paths, and between a box and the border
TRIES = 20_000  # placements tried before the settings are called impossible


@dataclass(frozen=True)
class Scene:
    """What a clip shows. Places are (y, x) in pixels: pixel i reaches from i to i + 1, so int() gives the pixel."""

    label: int  # the mover's class, an index into `BindingProbe.names`
    mover: int  # which object moves
    kinds: np.ndarray  # (objects,) kind of each object, an index into `BindingProbe.kinds`
    hues: np.ndarray  # (objects,) indices into HUES
    patterns: np.ndarray  # (objects, 4, 4) of -1 and 1
    centres: np.ndarray  # (frames, objects, 2)
    drift: np.ndarray  # (frames, 2) offset by the camera, already part of the centres
    speed: float  # length of the mover's step


@dataclass(frozen=True, kw_only=True)
class BindingProbe(ProbeSettings):
    """The settings of the probe; equal settings give equal files. Lengths are in pixels.

    train, test: clips of each subset, classes balanced to within one clip. objects: shown at once, each of another one
    of `classes` kinds. turns: whether the class is the mover's kind and which way round it goes, or its kind alone.
    size: side of the frame; frames: of a clip. feature: what the kind is, "colour" or "texture"; the other one is drawn
    at random for each object. shape: "square" or "disc". object_size: side or diameter. radius: of the circular paths.
    speed: least and greatest length of the mover's step from frame to frame. levels: instead, lengths of which each is
    that of as many clips of a class, to within one; the length is then the clip's level of difficulty. camera: length
    of the step of a camera that itself goes around a circle of that radius; 0 keeps it still, and with it everything
    moves, the mover differently. palette: 0 or 1, two disjoint sets of classes.

    Raises `InputError` for values that make no probe.
    """

    NAME: ClassVar[str] = "binding"
    REVISION: ClassVar[int] = 1

    train: int = 2000
    test: int = 500
    classes: int = 8
    objects: int = 3
    turns: bool = False
    size: int = 64
    frames: int = 6
    feature: str = "colour"
    shape: str = "square"
    object_size: float = 12.0
    radius: float = 4.5
    speed: tuple[float, float] = (2.0, 3.0)
    levels: tuple[float, ...] = ()
    camera: float = 0.0
    palette: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        self._check_whole()
        if self.feature not in ("colour", "texture"):
            raise unknown("feature", self.feature, ("colour", "texture"))
        if self.shape not in ("square", "disc"):
            raise unknown("shape", self.shape, ("square", "disc"))
        if self.palette not in (0, 1):
            raise unknown("palette", self.palette, (0, 1))
        most = len(HUES) // (1 + self.palette)
        if not 2 <= self.classes <= most:
            raise InputError(f"classes={self.classes}: with palette {self.palette} 2 to {most} are possible")
        if not 2 <= self.objects <= self.classes:
            raise InputError(f"objects={self.objects}: 2 to {self.classes} are possible, all of different classes")
        self._check_counts(len(self.names), "one for each class")
        self._check_size(self.size)
        if self.frames < 2:
            raise InputError(f"frames={self.frames}: motion takes 2 at least")
        if self.object_size < 2 * BLOCKS:
            raise InputError(f"object_size={self.object_size}: expected {2 * BLOCKS} or more, to show its blocks")
        if self.radius <= 0:
            raise InputError(f"radius={self.radius}: expected more than 0")
        if len(self.speed) != 2 or not 0 < self.speed[0] <= self.speed[1] <= self.radius:
            raise InputError(f"speed={self.speed}: expected (least, greatest), above 0 and up to radius {self.radius}")
        for level in self.levels:
            if not 0 < level <= self.radius:
                raise InputError(f"levels={self.levels}: {level} is not above 0 and up to radius {self.radius}")
        self._check_range("camera", 0, self.radius)
        if len(self._placements(np.random.default_rng(0), TRIES)) == 0:
            raise InputError(
                f"objects={self.objects} of object_size={self.object_size} on paths of radius={self.radius} do not "
                f"find place in frames of size={self.size}: take fewer or smaller ones, or a larger frame"
            )

    @property
    def class_kinds(self) -> tuple[int, ...]:
        """For each kind its index into HUES, or into PATTERNS where the feature is texture."""
        kinds = [number * len(HUES) // self.classes + self.palette for number in range(self.classes)]
        return tuple(sorted(kinds, key=self._kind_names.__getitem__))

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names of the kinds of objects, sorted: hues ("teal") or patterns ("pattern04")."""
        return tuple(self._kind_names[kind] for kind in self.class_kinds)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the classes, sorted: the kinds, or "teal-clockwise"."""
        return tuple(f"{kind}-{turn}" for kind in self.kinds for turn in TURNS) if self.turns else self.kinds

    @property
    def _kind_names(self) -> tuple[str, ...]:
        return HUES if self.feature == "colour" else PATTERN_NAMES

    def second(self) -> "BindingProbe":
        """The same task with none of these classes and with objects of the other shape: a data set to transfer to."""
        other = "disc" if self.shape == "square" else "square"
        return replace(self, palette=1 - self.palette, shape=other, seed=self.seed + 1)

    def _placements(self, rng: np.random.Generator, tries: int) -> np.ndarray:
        """(n, objects, 2) centres of paths, n <= tries: uniform in the frame, kept where no two boxes meet."""
        box = self.object_size + 2 * self.radius + GAP
        margin = box / 2 + GAP / 2 + (self.radius if self.camera else 0.0)
        if self.size - 2 * margin < 0:
            return np.empty((0, self.objects, 2))
        places = rng.uniform(margin, self.size - margin, (tries, self.objects, 2))
        clear = np.ones(tries, dtype=bool)
        for first, second in combinations(range(self.objects), 2):
            clear &= np.abs(places[:, first] - places[:, second]).max(axis=-1) >= box
        return places[clear]

    def _circle(self, rng: np.random.Generator, step: float, sense: int | None = None) -> np.ndarray:
        """(frames, 2) places on a circle around (0, 0) from a random phase on, `step` pixels from each to the next.

        sense: 1 clockwise, -1 counterclockwise; drawn where it is None.
        """
        drawn = rng.choice((-1, 1))
        turn = (drawn if sense is None else sense) * 2 * math.asin(step / (2 * self.radius))
        angle = rng.uniform(0, 2 * math.pi) + turn * np.arange(self.frames)
        return self.radius * np.stack([np.sin(angle), np.cos(angle)], axis=-1)

    def scene(self, subset: str, number: int) -> Scene:
        """What clip `number` of "train" or "test" shows."""
        return self._scene(self._rng(subset, number), number)

    def _scene(self, rng: np.random.Generator, number: int) -> Scene:
        times, label = divmod(number, len(self.names))
        kind, turn = divmod(label, len(TURNS)) if self.turns else (label, None)
        others = rng.choice([other for other in range(self.classes) if other != kind], self.objects - 1, replace=False)
        mover = int(rng.integers(self.objects))
        kinds = np.insert(others, mover, kind)
        shown = np.array(self.class_kinds)[kinds]
        if self.feature == "colour":
            hues, patterns = shown, rng.choice(ALL_PATTERNS, self.objects)
        else:
            hues, patterns = rng.integers(len(HUES), size=self.objects), PATTERNS[shown]
        places = self._placements(rng, 256)
        while len(places) == 0:
            places = self._placements(rng, 256)
        speed = self.levels[times % len(self.levels)] if self.levels else rng.uniform(*self.speed)
        drift = self._circle(rng, self.camera) if self.camera else np.zeros((self.frames, 2))
        way = (speed, None if turn is None else 1 - 2 * turn)
        ways = [way if thing == mover else (0.0, None) for thing in range(self.objects)]
        paths = np.stack([self._circle(rng, *own) for own in ways], axis=1)
        return Scene(label, mover, kinds, hues, patterns, places[0] + paths + drift[:, None], drift, speed)

    def clip(self, subset: str, number: int) -> tuple[np.ndarray, int, dict[str, Any]]:
        """Clip `number` of "train" or "test": frames (T, H, W, 3) uint8, its label, and the truth that is stored."""
        rng = self._rng(subset, number)
        scene = self._scene(rng, number)
        truth = {
            "mover": scene.mover,
            "classes": [self.kinds[kind] for kind in scene.kinds],
            "hues": [HUES[hue] for hue in scene.hues],
            "centres": scene.centres.round(3).tolist(),
            "drift": scene.drift.round(3).tolist(),
        } | ({"level": scene.speed} if self.levels else {})
        frames = np.zeros((self.frames, self.size, self.size, 3))
        frames[..., 0] = ground(rng, self.size, scene.drift)
        for frame, centres in zip(frames, scene.centres, strict=True):
            for centre, pattern, hue in zip(centres, scene.patterns, scene.hues, strict=True):
                paint(frame, centre, self.object_size, self.shape, pattern, hue)
        return to_rgb(frames), scene.label, truth
