"""The relation probe: two coloured markers somewhere in space-time; the class is whether their colours are the same.

A clip is a grid of frames x rows x columns cells. Each marker fills one cell of one frame, so the class is a relation
of two places in space-time and shows at neither of them alone. The distance of two cells is the number of coordinates
(t, h, w) in which they differ, 1 to 3: that many steps along single axes lead from one to the other.

Each marker's colour is uniform in both classes; in the class "different" the second is uniform over the other colours.
Each marker's cell is uniform over the grid; the axes in which the two differ are drawn evenly from those longer than 1.
Class and distance follow from the number of the clip; places, colours, block patterns and background are drawn
independently of them.

A reader of one marker is right in half of the clips. A reader that adds a number for each marker and compares the sum
with a threshold (average pooling, then a linear layer) compares no colours, yet is right in up to `alone` of the clips,
between 5/8 and 3/4, if its numbers depend on the colour, and in up to 3/4 if they depend on the place too.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from videoattn.data.probes.appearance import ALL_PATTERNS, HUES, ground, paint, to_rgb
from videoattn.data.probes.settings import ProbeSettings
from videoattn.errors import InputError

SMALLEST = 16  # pixels: the side of a frame, for H.264
MARGIN = 1  # pixels between a marker and the sides of its cell


@dataclass(frozen=True)
class Scene:
    """What a clip shows of its two markers."""

    label: int  # an index into `RelationProbe.names`
    distance: int  # coordinates in which the two cells differ
    places: np.ndarray  # (2, 3) cell (t, h, w) of each marker, counted from 0
    hues: np.ndarray  # (2,) indices into HUES
    patterns: np.ndarray  # (2, 4, 4) of -1 and 1: light and dark blocks of each marker


@dataclass(frozen=True, kw_only=True)
class RelationProbe(ProbeSettings):
    """The settings of the probe; equal settings give equal files.

    train, test: clips of each subset; classes and distances are balanced to within one clip. frames: of a clip, and
    rows, columns: of cells in a frame. cell: its side in pixels, even. colours: how many there are, of one luma.
    distances: the numbers of coordinates in which the two cells may differ, of 1, 2 and 3.

    Raises `InputError` for values that make no probe.
    """

    NAME: ClassVar[str] = "relation"
    REVISION: ClassVar[int] = 1

    train: int = 2000
    test: int = 500
    frames: int = 4
    rows: int = 4
    columns: int = 4
    cell: int = 8
    colours: int = 8
    distances: tuple[int, ...] = (1, 2, 3)
    seed: int = 0

    def __post_init__(self) -> None:
        self._check_whole()
        for name in ("frames", "rows", "columns"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}={getattr(self, name)}: expected 1 or more")
        if self.cell < 4 or self.cell % 2:
            raise InputError(f"cell={self.cell}: expected an even number from 4 on (colour is coded for 2 x 2 pixels)")
        if min(self.height, self.width) < SMALLEST:
            raise InputError(
                f"rows={self.rows} and columns={self.columns} of cell={self.cell} make frames of {self.height} x "
                f"{self.width} pixels: expected {SMALLEST} or more on both sides"
            )
        self._check_range("colours", 2, len(HUES))
        most = len(self._axes)
        possible = tuple(range(1, most + 1))
        if not isinstance(self.distances, tuple) or not self.distances or not {*self.distances} <= {*possible}:
            raise InputError(
                f"distances={self.distances!r}: with {self.frames} x {self.rows} x {self.columns} cells those in "
                f"{possible} are possible (cells differ along axes longer than 1)"
            )
        if len({*self.distances}) < len(self.distances):
            raise InputError(f"distances={self.distances}: each may be given once")
        self._check_counts(2 * len(self.distances), "one for each class and distance")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the classes, sorted."""
        return ("different", "same")

    @property
    def grid(self) -> tuple[int, int, int]:
        """Cells along t, h and w."""
        return (self.frames, self.rows, self.columns)

    @property
    def height(self) -> int:
        """Of a frame, in pixels."""
        return self.rows * self.cell

    @property
    def width(self) -> int:
        """Of a frame, in pixels."""
        return self.columns * self.cell

    @property
    def hues(self) -> tuple[int, ...]:
        """The colours as indices into HUES, evenly around their circle."""
        return tuple(number * len(HUES) // self.colours for number in range(self.colours))

    @property
    def alone(self) -> float:
        """Share of right answers of the best reader that adds a number for each marker, a function of its colour.

        It gives half of the colours a high number, and says "same" where both markers have one of these.
        """
        c = self.colours
        s = c // 2
        return 0.5 + 0.5 * (s / c - s * (s - 1) / (c * (c - 1)))

    @property
    def _axes(self) -> tuple[int, ...]:
        """Those along which cells can differ."""
        return tuple(axis for axis, length in enumerate(self.grid) if length > 1)

    def scene(self, subset: str, number: int) -> Scene:
        """What clip `number` of "train" or "test" shows."""
        return self._scene(self._rng(subset, number), number)

    def _scene(self, rng: np.random.Generator, number: int) -> Scene:
        label = number % 2
        distance = self.distances[number // 2 % len(self.distances)]
        first = rng.integers(self.grid)
        second = first.copy()
        for axis in rng.choice(self._axes, distance, replace=False):
            second[axis] = (first[axis] + rng.integers(1, self.grid[axis])) % self.grid[axis]
        colour = int(rng.integers(self.colours))
        other = colour if self.names[label] == "same" else (colour + rng.integers(1, self.colours)) % self.colours
        hues = np.array(self.hues)[[colour, other]]
        return Scene(label, distance, np.stack([first, second]), hues, rng.choice(ALL_PATTERNS, 2))

    def clip(self, subset: str, number: int) -> tuple[np.ndarray, int, dict[str, Any]]:
        """Clip `number` of "train" or "test": frames (T, H, W, 3) uint8, its label, and the truth that is stored."""
        rng = self._rng(subset, number)
        scene = self._scene(rng, number)
        truth = {
            "places": scene.places.tolist(),
            "colours": [HUES[hue] for hue in scene.hues],
            "distance": scene.distance,
        }
        still = np.zeros((self.frames, 2))
        frames = np.zeros((self.frames, self.height, self.width, 3))
        frames[..., 0] = ground(rng, max(self.height, self.width), still)[:, : self.height, : self.width]
        for (t, *cell), hue, pattern in zip(scene.places, scene.hues, scene.patterns, strict=True):
            centre = (np.array(cell) + 0.5) * self.cell
            paint(frames[t], centre, self.cell - 2 * MARGIN, "square", pattern, int(hue))
        return to_rgb(frames), scene.label, truth
