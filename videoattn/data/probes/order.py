"""The order probe: the frames of a clip, put into another order, make a clip of another class.

Clips come in pairs that show exactly the same frames, in another order and with another label. Frames are encoded one
by one, so that they decode to the same pixels too. A reader that averages over single frames gives both clips of a pair
the same answer and is right in half of all clips; any accuracy above that comes from the order of the frames.

Each pair belongs to a level, and the object's hue tells which one, so only the two classes of a level can be confused.
The levels, with the first class and, in brackets, the second:

    direction   the object moves to the right (or left), by `travel` pixels in all
    return      it moves to the right and comes back (or to the left); its first and last places are the same
    events      of two still objects the left one vanishes for a frame, later the right one (or the other way round)
    short       it stands still but for two successive frames at a random time: right, then left of its place (or left,
                then right)
    small       as direction, by `small` times `travel` pixels in all
    pretend     it moves away in steps of two frames and stays (or moves away and is taken back), to either side

Place, pattern, background, times and, in the last level, the side are drawn independently of the class.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from videoattn.data.probes.appearance import ALL_PATTERNS, BLOCKS, HUES, ground, paint, to_rgb
from videoattn.data.probes.settings import ProbeSettings
from videoattn.errors import InputError

LEVELS = {  # level: its two classes, the first of a pair and the second
    "direction": ("right", "left"),
    "return": ("right", "left"),
    "events": ("left", "right"),
    "short": ("right", "left"),
    "small": ("right", "left"),
    "pretend": ("stays", "back"),
}
BORDER = 1.0  # pixels between an object and the side of the frame, at least


@dataclass(frozen=True)
class Scene:
    """What a clip shows. Places are (y, x) in pixels: pixel i reaches from i to i + 1."""

    level: str
    label: int  # an index into `OrderProbe.names`
    hue: int  # an index into HUES
    patterns: np.ndarray  # (objects, 4, 4) of -1 and 1
    centres: np.ndarray  # (frames, objects, 2)
    shown: np.ndarray  # (frames, objects) of bool
    order: np.ndarray  # (frames,) which frame of the first clip of the pair each frame is


@dataclass(frozen=True, kw_only=True)
class OrderProbe(ProbeSettings):
    """The settings of the probe; equal settings give equal files. Lengths are in pixels.

    train, test: clips of each subset, in pairs, levels balanced to within a pair. frames: of a clip, an even number
    from 8 on. levels: some of `LEVELS`. size: side of the frame. object_size: side of the objects. travel: length of
    the way in the levels direction, return and pretend, and, from one end to the other, in short. small: the share of
    it in the level small.

    Raises `InputError` for values that make no probe.
    """

    NAME: ClassVar[str] = "order"
    REVISION: ClassVar[int] = 1

    train: int = 2400
    test: int = 600
    frames: int = 8
    levels: tuple[str, ...] = tuple(LEVELS)
    size: int = 32
    object_size: float = 10.0
    travel: float = 10.0
    small: float = 0.25
    seed: int = 0

    def __post_init__(self) -> None:
        self._check_whole()
        if not isinstance(self.levels, tuple) or not self.levels or not {*self.levels} <= {*LEVELS}:
            raise InputError(f"levels={self.levels!r}: a tuple of {', '.join(LEVELS)} is expected")
        if len({*self.levels}) < len(self.levels):
            raise InputError(f"levels={self.levels}: each may be given once")
        self._check_counts(2 * len(self.levels), "a pair for each level")
        for subset, count in self.counts.items():
            if count % 2:
                raise InputError(f"{subset}={count}: expected an even number, since clips come in pairs")
        if self.frames < 8 or self.frames % 2:
            raise InputError(f"frames={self.frames}: an even number from 8 on is expected")
        self._check_size(self.size)
        if self.object_size < 2 * BLOCKS:
            raise InputError(f"object_size={self.object_size}: expected {2 * BLOCKS} or more, to show its blocks")
        if self.travel <= 0 or not 0 < self.small <= 1:
            raise InputError(
                f"travel={self.travel}, small={self.small}: a length above 0 and a share of it in (0, 1] are expected"
            )
        wide = self.object_size + max(self.travel, self.object_size) + 2 * BORDER
        if wide > self.size:
            raise InputError(
                f"size={self.size}: objects of object_size={self.object_size} on a way of travel={self.travel} take "
                f"{wide:g} pixels"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the classes, sorted: "direction-left", "direction-right", ..."""
        return tuple(sorted(f"{level}-{name}" for level in self.levels for name in LEVELS[level]))

    def scene(self, subset: str, number: int) -> Scene:
        """What clip `number` of "train" or "test" shows; 2 k and 2 k + 1 are a pair."""
        return self._scene(self._rng(subset, number // 2), number)  # both clips of a pair draw the same

    def _scene(self, rng: np.random.Generator, number: int) -> Scene:
        level = self.levels[number // 2 % len(self.levels)]
        second = number % 2
        objects = 2 if level == "events" else 1
        offsets, shown, order = self._story(rng, level)
        reach = np.array([offsets.min(), offsets.max()])
        margin = self.object_size / 2 + BORDER
        y = rng.uniform(margin, self.size - margin)
        x = rng.uniform(margin - reach[0], self.size - margin - reach[1])
        centres = np.stack([np.full_like(offsets, y), x + offsets], axis=-1)
        order = order if second else np.arange(self.frames)
        label = self.names.index(f"{level}-{LEVELS[level][second]}")
        hue = self.levels.index(level) * len(HUES) // len(self.levels)
        patterns = rng.choice(ALL_PATTERNS, objects)
        return Scene(level, label, hue, patterns, centres[order], shown[order], order)

    def _story(self, rng: np.random.Generator, level: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of the first clip of a pair (frames, objects) places along x and whether each is seen; the second's order."""
        n, half = self.frames, self.frames // 2
        forwards = np.linspace(0, self.travel, n)
        away = np.linspace(0, self.travel, half)  # half of the places, each for two frames
        shown = np.ones((n, 1), dtype=bool)
        back = np.arange(n)[::-1]
        if level == "direction":
            return forwards[:, None], shown, back
        if level == "small":
            return self.small * forwards[:, None], shown, back
        if level == "return":  # out and home; the same frames from the far end: home and out
            return np.concatenate([away, away[::-1]])[:, None], shown, np.roll(np.arange(n), half)
        if level == "pretend":
            side = rng.choice((-1, 1))
            return side * np.repeat(away, 2)[:, None], shown, np.concatenate([np.arange(0, n, 2), back[::2]])
        order = np.arange(n)
        if level == "short":
            offsets, first = np.zeros((n, 1)), int(rng.integers(1, n - 2))
            offsets[first : first + 2, 0] = self.travel / 2, -self.travel / 2
            order[[first, first + 1]] = first + 1, first
            return offsets, shown, order
        gap = max(self.travel, self.object_size)
        first, second = np.sort(rng.choice(np.arange(1, n - 1), 2, replace=False))
        shown = np.ones((n, 2), dtype=bool)
        shown[first, 0] = shown[second, 1] = False
        order[[first, second]] = second, first
        return np.repeat([[0.0, gap]], n, axis=0), shown, order

    def clip(self, subset: str, number: int) -> tuple[np.ndarray, int, dict[str, Any]]:
        """Clip `number` of "train" or "test": frames (T, H, W, 3) uint8, its label, and the truth that is stored."""
        rng = self._rng(subset, number // 2)
        scene = self._scene(rng, number)
        truth = {"level": scene.level, "pair": number // 2, "order": scene.order.tolist()}
        frames = np.zeros((self.frames, self.size, self.size, 3))
        frames[..., 0] = ground(rng, self.size, np.zeros((self.frames, 2)))
        for frame, centres, shown in zip(frames, scene.centres, scene.shown, strict=True):
            for centre, pattern in zip(centres[shown], scene.patterns[shown], strict=True):
                paint(frame, centre, self.object_size, "square", pattern, scene.hue)
        return to_rgb(frames), scene.label, truth
