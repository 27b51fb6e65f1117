"""The clutter probe: one small object acts for a part of the clip, among others that look as it does but do not act.

A frame shows several objects of different hues, each with a dark and a light half. The dark half is above, except on
the object that acts, while it acts: it is upside down. The class is the hue of that object (its "look"), or, with
several motions, its look and the motion that it makes while it acts. Objects have different sizes, which change through
the clip, and the background moves.

Hue, sizes, place and phase of all objects are drawn from the same distributions, and the object that acts is drawn
independently of them. A reader that does not see the halves can therefore only guess among the objects shown, and is
right in 1 / objects of the clips; so is one that sees only frames in which nothing acts, or only counts, areas and
places of hues. Turning an object upside down changes neither the sums of its light and colour nor, but for places
within a pixel, the number of pixels of any colour, so such counts do not tell the class either. The class is told by a
hue together with the order of its halves at one place of one frame; the order of the frames does not matter.

Motion: an object's offset from its place, in y and in x, is `swing` times the sine of a uniformly random phase. The
phases are constant, except that while an object acts that of y, that of x, or both advance. They are uniform in every
frame, so no single frame tells the motion or which object makes it. Besides the background and the changes of size only
the acting object moves: flow shows the motion and no hue, since all hues have one luma. (Frames compared place by place
tell the look as well: that of what moved. With `swing` 0 nothing moves.) A moving camera moves everything on a circle.
"""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from videoattn.data.probes.appearance import BLOCKS, HUES, ground, paint, to_rgb
from videoattn.data.probes.settings import ProbeSettings
from videoattn.errors import InputError

MOTIONS = {"horizontal": (0, 1), "vertical": (1, 0), "both": (1, 1)}  # which of the phases of (y, x) go on
PERIOD = 6  # frames of one swing
RADIUS = 4.0  # pixels: of the circle of a moving camera
GAP = 1.0  # pixels between the boxes that objects can touch, and between a box and the border
TRIES = 300  # attempts at placing all objects before the settings are called impossible; each tries CANDIDATES for each
CANDIDATES = 32
ACTING = np.repeat([1.0, -1.0], BLOCKS // 2)[:, None] * np.ones(BLOCKS)  # light above; upside down for all others


@dataclass(frozen=True)
class Scene:
    """What a clip shows. Places are (y, x) in pixels: pixel i reaches from i to i + 1."""

    label: int  # an index into `ClutterProbe.names`
    actor: int  # which object acts
    acting: np.ndarray  # (frames,) of bool
    hues: np.ndarray  # (objects,) indices into HUES
    centres: np.ndarray  # (frames, objects, 2)
    sizes: np.ndarray  # (frames, objects) sides
    drift: np.ndarray  # (frames, 2) offset of the ground; the camera's part of it is in the centres too


@dataclass(frozen=True, kw_only=True)
class ClutterProbe(ProbeSettings):
    """The settings of the probe; equal settings give equal files. Lengths are in pixels.

    train, test: clips of each subset, classes balanced to within one clip. frames: of a clip. acting: share of them in
    which the object acts, rounded to whole frames, in one run at a random time. looks: number of hues, all of one luma.
    motions: how many of `MOTIONS` there are, from the first; classes are looks x motions. distractors: objects that do
    not act. size: side of the frame. smallest, largest: range of the sides of objects, which change evenly from one
    size to another through the clip, both drawn log-uniformly. swing: amplitude of the motion. ground: length of the
    background's step from frame to frame, in a random direction. camera: length of the camera's step; 0 for none.

    Raises `InputError` for values that make no probe.
    """

    NAME: ClassVar[str] = "clutter"
    REVISION: ClassVar[int] = 1

    train: int = 1600
    test: int = 400
    frames: int = 25
    acting: float = 0.2
    looks: int = 8
    motions: int = 1
    distractors: int = 3
    size: int = 32
    smallest: float = 4.0
    largest: float = 10.0
    swing: float = 0.5
    ground: float = 0.5
    camera: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        self._check_whole()
        self._check_range("looks", 2, len(HUES))
        self._check_range("motions", 1, len(MOTIONS))
        self._check_counts(len(self.names), "one for each class")
        if not 0 <= self.distractors < self.looks:
            raise InputError(
                f"distractors={self.distractors}: 0 to {self.looks - 1} are possible with looks={self.looks}, since "
                "all objects are of different hues"
            )
        if self.frames < 1:
            raise InputError(f"frames={self.frames}: expected 1 or more")
        if not 0 < self.acting <= 1 or self.acting_frames < 1:
            raise InputError(
                f"acting={self.acting}: expected a share above 0 and up to 1, of frames={self.frames} at least one"
            )
        self._check_size(self.size)
        if not BLOCKS <= self.smallest <= self.largest:
            raise InputError(
                f"smallest={self.smallest}, largest={self.largest}: expected {BLOCKS} or more, to show two halves, and "
                "the second not below the first"
            )
        for name in ("swing", "ground"):
            if getattr(self, name) < 0:
                raise InputError(f"{name}={getattr(self, name)}: expected 0 or more")
        if self.motions > 1 and not self.swing:
            raise InputError(f"swing=0 shows no motion, and motions={self.motions}: expected more than 0")
        self._check_range("camera", 0, RADIUS)
        boxes = self._boxes(np.full(1 + self.distractors, self.largest))
        if self._places(np.random.default_rng(0), boxes) is None:
            raise InputError(
                f"distractors={self.distractors} and the object that acts, of largest={self.largest} and "
                f"swing={self.swing}, do not find place in frames of size={self.size}: take fewer or smaller ones, or "
                "a larger frame"
            )

    @property
    def parts(self) -> tuple[tuple[str, str], ...]:
        """(look, motion) of each class."""
        hues = (HUES[number * len(HUES) // self.looks] for number in range(self.looks))
        return tuple(sorted((hue, motion) for hue in hues for motion in tuple(MOTIONS)[: self.motions]))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the classes, sorted: "teal", or with several motions "teal-vertical"."""
        return tuple(look if self.motions == 1 else f"{look}-{motion}" for look, motion in self.parts)

    @property
    def acting_frames(self) -> int:
        """Frames in which the object acts, the same number in every clip."""
        return round(self.acting * self.frames)

    @property
    def guess(self) -> float:
        """Share of right looks of a reader that sees all hues, and not the halves."""
        return 1 / (1 + self.distractors)

    def _boxes(self, sizes: np.ndarray) -> np.ndarray:
        """Sides of the boxes that objects of these sizes can touch, with the gap between them."""
        return sizes + 2 * self.swing + GAP

    def _places(self, rng: np.random.Generator, boxes: np.ndarray) -> np.ndarray | None:
        """(objects, 2) places one after the other, uniform where a box is clear of those before it."""
        margins = (boxes + GAP) / 2 + (RADIUS if self.camera else 0.0)
        if 2 * margins.max() > self.size:
            return None
        for _ in range(TRIES):
            places = np.empty((0, 2))
            for box, margin in zip(boxes, margins, strict=True):
                found = rng.uniform(margin, self.size - margin, (CANDIDATES, 2))
                apart = np.abs(found[:, None] - places).max(axis=-1)
                clear = (apart >= (box + boxes[: len(places)]) / 2).all(axis=1)
                if not clear.any():
                    break
                places = np.concatenate([places, found[[np.argmax(clear)]]])
            else:
                return places
        return None

    def _offsets(self, rng: np.random.Generator, motion: str, going: np.ndarray) -> np.ndarray:
        """(frames, 2) of an object that makes the motion from each frame with `going` (frames,) to the next."""
        steps = np.concatenate([[0], np.cumsum(going[:-1])])
        phases = rng.uniform(0, 2 * np.pi, 2) + 2 * np.pi / PERIOD * steps[:, None] * MOTIONS[motion]
        return self.swing * np.sin(phases)

    def _drifts(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """(frames, 2) offsets by the camera, on a circle from a random phase on, and of the ground by itself."""
        times, angle, phase = np.arange(self.frames), *rng.uniform(0, 2 * np.pi, 2)
        turn = phase + rng.choice((-1, 1)) * 2 * math.asin(self.camera / (2 * RADIUS)) * times
        circle = RADIUS * np.stack([np.sin(turn), np.cos(turn)], axis=-1) if self.camera else np.zeros((self.frames, 2))
        line = self.ground * (times - times.mean())[:, None] * np.array([np.sin(angle), np.cos(angle)])
        return circle, line

    def scene(self, subset: str, number: int) -> Scene:
        """What clip `number` of "train" or "test" shows."""
        return self._scene(self._rng(subset, number), number)

    def _scene(self, rng: np.random.Generator, number: int) -> Scene:
        label = number % len(self.names)
        hue, motion = HUES.index(self.parts[label][0]), self.parts[label][1]
        objects = 1 + self.distractors
        actor = int(rng.integers(objects))
        others = [HUES.index(look) for look in {look: None for look, _ in self.parts} if HUES.index(look) != hue]
        hues = np.insert(rng.choice(others, self.distractors, replace=False), actor, hue)
        ends = self.smallest * (self.largest / self.smallest) ** rng.random((2, objects))
        sizes = ends[0] * (ends[1] / ends[0]) ** np.linspace(0, 1, self.frames)[:, None]
        places = None
        while places is None:
            places = self._places(rng, self._boxes(ends.max(axis=0)))
        start = int(rng.integers(self.frames - self.acting_frames + 1))
        acting = np.zeros(self.frames, dtype=bool)
        acting[start : start + self.acting_frames] = True
        offsets = [self._offsets(rng, motion, acting & (number == actor)) for number in range(objects)]
        camera, line = self._drifts(rng)
        centres = places + np.stack(offsets, axis=1) + camera[:, None]
        return Scene(label, actor, acting, hues, centres, sizes, camera + line)

    def clip(self, subset: str, number: int) -> tuple[np.ndarray, int, dict[str, Any]]:
        """Clip `number` of "train" or "test": frames (T, H, W, 3) uint8, its label, and the truth that is stored.

        The truth: "look" and "motion"; "acting", numbers of the frames; "box", the (y, x, side) of what acts in each
        frame, of the whole clip; "others" and "other_boxes", the looks of the distractors and the same for each.
        """
        rng = self._rng(subset, number)
        scene = self._scene(rng, number)
        look, motion = self.parts[scene.label]
        boxes = np.concatenate([scene.centres, scene.sizes[..., None]], axis=-1).round(2)
        truth = {
            "look": look,
            "motion": motion,
            "acting": np.flatnonzero(scene.acting).tolist(),
            "box": boxes[:, scene.actor].tolist(),
            "others": [HUES[hue] for hue in np.delete(scene.hues, scene.actor)],
            "other_boxes": np.delete(boxes, scene.actor, axis=1).swapaxes(0, 1).tolist(),
        }
        frames = np.zeros((self.frames, self.size, self.size, 3))
        frames[..., 0] = ground(rng, self.size, scene.drift)
        for frame, acts, centres, sizes in zip(frames, scene.acting, scene.centres, scene.sizes, strict=True):
            for thing, (centre, size, hue) in enumerate(zip(centres, sizes, scene.hues, strict=True)):
                upright = acts and thing == scene.actor
                paint(frame, centre, size, "square", ACTING if upright else -ACTING, int(hue))
        return to_rgb(frames), scene.label, truth
