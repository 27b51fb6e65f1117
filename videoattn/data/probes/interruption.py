"""The interruption probe: frames that show another scene, or nothing, are cut into a clip; the others tell the class.

Each frame is of one kind:

    relevant    the scene: one object moves along a line before a still background; the class is its hue
    irrelevant  another scene, a new one in each frame: a new background, of another brightness. All irrelevant frames
                of a clip show the rival, an object of one wrong hue that moves along a line of its own
    redundant   the background of the scene without the object

The object keeps moving while it is not shown. Relevant frames come in runs of `shortest` or more, and so do frames of
the other kinds where there are enough of them.

Hue, pattern, line and brightness of the background are drawn from the same distributions for object and rival. Where
there are as many irrelevant as relevant frames, so are their times: exchanging object and rival then changes nothing
in the distribution of a clip but which backgrounds repeat. A reader that sees only the objects, in whatever order, is
right in half of the clips at most. (With other numbers the counts of the hues tell the class. They are equal for
irrelevant = (1 - redundant) / 2.)

The class is told by the background that stays while the others change: successive frames of the scene differ little,
frames on both sides of a cut much, successive redundant frames not at all. Grey images show this too, but no hue, since
all hues have one luma. A selection of frames by their differences can leave only the frames that tell the class; a
network that is given all frames has to compare their backgrounds itself.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from videoattn.data.probes.appearance import ALL_PATTERNS, BLOCKS, HUES, ground, paint, to_rgb
from videoattn.data.probes.settings import ProbeSettings
from videoattn.errors import InputError

KINDS = ("relevant", "irrelevant", "redundant")
BRIGHTNESS = (0.25, 0.35, 0.65, 0.75)  # mean luma of a ground; that of objects is 0.5
TEXTURE = 0.1  # standard deviation of the luma of a ground
BORDER = 1.0  # pixels between an object and the side of the frame, at least


@dataclass(frozen=True)
class Scene:
    """What each frame of a clip shows. Places are (y, x) in pixels: pixel i reaches from i to i + 1."""

    label: int  # an index into `InterruptionProbe.names`
    rival: int | None  # another one; None without irrelevant frames
    kinds: np.ndarray  # (frames,) of str, each in KINDS
    brightness: np.ndarray  # (frames,) each in BRIGHTNESS
    hues: np.ndarray  # (frames,) indices into HUES; a redundant frame does not show its object
    patterns: np.ndarray  # (frames, 4, 4) of -1 and 1
    centres: np.ndarray  # (frames, 2)


@dataclass(frozen=True, kw_only=True)
class InterruptionProbe(ProbeSettings):
    """The settings of the probe; equal settings give equal files. Lengths are in pixels.

    train, test: clips of each subset, classes balanced to within one clip. frames: of a clip. irrelevant, redundant:
    shares of the frames, rounded to whole frames. shortest: length of the shortest run of relevant frames.
    classes: number of hues, all of one luma. size: side of the frame. object_size: side of the object. speed:
    length of its step from frame to frame.

    Raises `InputError` for values that make no probe.
    """

    NAME: ClassVar[str] = "interruption"
    REVISION: ClassVar[int] = 1

    train: int = 2400
    test: int = 600
    frames: int = 8
    irrelevant: float = 0.5
    redundant: float = 0.0
    shortest: int = 2
    classes: int = 4
    size: int = 32
    object_size: float = 10.0
    speed: float = 2.0
    seed: int = 0

    def __post_init__(self) -> None:
        self._check_whole()
        self._check_range("classes", 2, len(HUES))
        self._check_counts(self.classes, "one for each class")
        self._check_kinds()
        self._check_size(self.size)
        most = self.size - 2 * BORDER
        if not 2 * BLOCKS <= self.object_size <= most:
            raise InputError(
                f"object_size={self.object_size}: expected {2 * BLOCKS} or more, to show its blocks, and in frames of "
                f"size={self.size} at most {most:g}"
            )
        fastest = (most - self.object_size) / (self.frames - 1)
        if not 0 < self.speed <= fastest:
            raise InputError(
                f"speed={self.speed}: expected more than 0 and at most {fastest:.4g}, with which an object of "
                f"object_size={self.object_size} stays in frames of size={self.size} for frames={self.frames}"
            )

    def _check_kinds(self) -> None:
        if self.frames < 4:
            raise InputError(f"frames={self.frames}: expected 4 or more")
        if self.shortest < 2:
            raise InputError(
                f"shortest={self.shortest}: expected 2 or more (a single frame differs from both of its neighbours as "
                "an interruption does)"
            )
        for name in ("irrelevant", "redundant"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"{name}={getattr(self, name)}: expected a share from 0 on and below 1")
        shares = f"irrelevant={self.irrelevant} and redundant={self.redundant}"
        if self.irrelevant + self.redundant >= 1:
            raise InputError(f"{shares}: together they have to stay below 1")
        if self.kind_counts["relevant"] < self.shortest:
            raise InputError(
                f"{shares} of frames={self.frames} leave {self.kind_counts['relevant']} relevant ones: "
                f"shortest={self.shortest} at least are expected"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the classes, sorted: hues."""
        return tuple(HUES[hue] for hue in self.hues)

    @property
    def hues(self) -> tuple[int, ...]:
        """For each class its index into HUES; they stand evenly around the circle of hues."""
        return tuple(sorted((n * len(HUES) // self.classes for n in range(self.classes)), key=HUES.__getitem__))

    @property
    def kind_counts(self) -> dict[str, int]:
        """Frames of each kind, the same in every clip."""
        irrelevant, redundant = round(self.irrelevant * self.frames), round(self.redundant * self.frames)
        return dict(zip(KINDS, (self.frames - irrelevant - redundant, irrelevant, redundant), strict=True))

    def _kinds(self, rng: np.random.Generator) -> np.ndarray:
        """(frames,) kinds: each kind in as many pieces of `shortest` or more frames as can be, in random order.

        All pieces are of nearly one length, so that nearly the same share of each kind stands at every time; kinds of
        which there are equally many change places with no change to the law.
        """
        pieces = []
        for kind, count in self.kind_counts.items():
            if count:
                parts, least = max(1, count // self.shortest), min(self.shortest, count)
                lengths = least + rng.multinomial(count - parts * least, np.full(parts, 1 / parts))
                pieces += [[kind] * length for length in lengths]
        return np.concatenate([pieces[piece] for piece in rng.permutation(len(pieces))])

    def _path(self, rng: np.random.Generator) -> np.ndarray:
        """(frames, 2) places of an object that goes straight on, all in the frame: any direction, then any start."""
        angle = rng.uniform(0, 2 * np.pi)
        offsets = self.speed * np.arange(self.frames)[:, None] * np.array([np.sin(angle), np.cos(angle)])
        start = self.object_size / 2 + BORDER - offsets.min(axis=0)
        room = self.size - 2 * BORDER - self.object_size - np.ptp(offsets, axis=0)
        return offsets + start + room * rng.random(2)  # not uniform(): rounding may leave room a little below 0

    def scene(self, subset: str, number: int) -> Scene:
        """What clip `number` of "train" or "test" shows."""
        return self._scene(self._rng(subset, number), number)

    def _scene(self, rng: np.random.Generator, number: int) -> Scene:
        label = number % self.classes
        rival = (label + int(rng.integers(1, self.classes))) % self.classes
        kinds = self._kinds(rng)
        patterns = rng.choice(ALL_PATTERNS, 2)  # these three for the object and for the rival
        paths = np.stack([self._path(rng), self._path(rng)])
        brightness = rng.choice(BRIGHTNESS, 2, replace=False)
        which = (kinds == "irrelevant").astype(int)
        return Scene(
            label=label,
            rival=rival if which.any() else None,
            kinds=kinds,
            brightness=brightness[which],
            hues=np.array(self.hues)[[label, rival]][which],
            patterns=patterns[which],
            centres=paths[which, np.arange(self.frames)],
        )

    def _ground(self, rng: np.random.Generator) -> np.ndarray:
        """(size, size) luma of a new texture, of mean 0; all of them have the same mean and spread over the frame."""
        texture = ground(rng, self.size, np.zeros((1, 2)))[0]
        return TEXTURE * (texture - texture.mean()) / texture.std()

    def clip(self, subset: str, number: int) -> tuple[np.ndarray, int, dict[str, Any]]:
        """Clip `number` of "train" or "test": frames (T, H, W, 3) uint8, its label, and the truth that is stored."""
        rng = self._rng(subset, number)
        scene = self._scene(rng, number)
        truth = {"kinds": scene.kinds.tolist(), "rival": None if scene.rival is None else self.names[scene.rival]}
        here = self._ground(rng)
        frames = np.zeros((self.frames, self.size, self.size, 3))
        for t, (frame, kind) in enumerate(zip(frames, scene.kinds, strict=True)):
            frame[..., 0] = scene.brightness[t] + (self._ground(rng) if kind == "irrelevant" else here)
            if kind != "redundant":
                paint(frame, scene.centres[t], self.object_size, "square", scene.patterns[t], int(scene.hues[t]))
        return to_rgb(frames), scene.label, truth
