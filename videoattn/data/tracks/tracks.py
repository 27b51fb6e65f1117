"""Dense trajectories: points on a grid, followed through the flow, kept where they say something.

H. Wang, C. Schmid. Action Recognition with Improved Trajectories, ICCV 2013. New points are set in each frame, on the
cells of the grid where no track is; a track ends after `length` steps.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from itertools import pairwise

import cv2
import numpy as np

from videoattn.data.flow.algorithms import SMALLEST
from videoattn.data.tracks.descriptors import BINS, SPACE, TIME, cells, split, summed
from videoattn.data.tracks.motion import flows, shrunk
from videoattn.data.tracks.settings import IDTSettings
from videoattn.errors import InputError

DESCRIPTORS = ("shape", *BINS)
_JUMP = 0.7  # part of a track's length that one step may make
_EVEN = 0.05  # votes that each bin has beforehand, so that the noise of a tube without motion stays small


@dataclass(frozen=True)
class Tracks:
    """The n tracks of a clip, L steps each, sorted by the frame in which they end.

    points: float32 (n, L + 1, 2), x and y in pixels of the clip. start: int64 (n,), the frame of the first point.
    scale: int64 (n,), 0 the clip's own. shape: float32 (n, 2 L), the steps x1 y1 x2 y2 ... without the camera's motion,
    divided by the sum of their lengths. hog, mbhx, mbhy: float32 (n, 96), hof: (n, 108), mean over the frames of a cell
    of its votes.
    """

    points: np.ndarray
    start: np.ndarray
    scale: np.ndarray
    shape: np.ndarray
    hog: np.ndarray
    hof: np.ndarray
    mbhx: np.ndarray
    mbhy: np.ndarray

    def __len__(self) -> int:
        return len(self.points)

    def chosen(self, which: np.ndarray) -> "Tracks":
        """Some of the tracks: by a mask (n,) or by indices."""
        return Tracks(*(getattr(self, field.name)[which] for field in fields(self)))


def extract(frames: Iterable[np.ndarray], settings: IDTSettings) -> Tracks:
    """The tracks of a clip of grey frames, uint8 (H, W), which need not be in memory together.

    No more than `settings.length` frames give no tracks. Raises InputError for frames of another type, of different
    sizes or with a side below 16.
    """
    scales: list[_Scale] = []
    found = [_none(settings.length)]
    for time, (before, after) in enumerate(pairwise(_checked(frames))):
        if not scales:
            scales = [_Scale(index, size, settings) for index, size in enumerate(scale_sizes(before.shape, settings))]
        plain, warped = flows(before, after, camera=settings.camera)
        found += [scale.advance(time, before, plain, warped) for scale in scales]
    tracks = Tracks(*(np.concatenate([getattr(part, field.name) for part in found]) for field in fields(Tracks)))
    if settings.kept is not None and len(tracks) > settings.kept:
        chosen = np.random.default_rng(settings.seed).choice(len(tracks), settings.kept, replace=False)
        tracks = tracks.chosen(np.sort(chosen))
    return tracks


def rooted(tracks: Tracks) -> dict[str, np.ndarray]:
    """The descriptors of a clip's tracks by name, float32 (n, d): votes brought to the sum 1, then their square root.

    The shape, which has a norm of its own, stays.
    """
    votes = {name: getattr(tracks, name) + np.float32(_EVEN) for name in BINS}
    return {"shape": tracks.shape} | {name: np.sqrt(v / v.sum(axis=1, keepdims=True)) for name, v in votes.items()}


def scale_sizes(size: tuple[int, int], settings: IDTSettings) -> list[tuple[int, int]]:
    """(H, W) of each scale, the clip's own first, which is there however small."""
    smaller = (tuple(round(side / math.sqrt(2) ** index) for side in size) for index in range(1, settings.scales))
    return [tuple(size), *(one for one in smaller if min(one) >= settings.window)]


def telling(points: np.ndarray, moves: np.ndarray, settings: IDTSettings) -> np.ndarray:
    """Which tracks are neither static, erratic, jumping nor the camera's: bool (n,).

    points: (n, L + 1, 2). moves: (n, L, 2), the steps without the camera's motion. Pixels of the clip.
    """
    spread = points.std(axis=1)
    steps = np.linalg.norm(np.diff(points, axis=1), axis=2)
    longest = steps.max(axis=1)
    static = (spread < settings.min_spread).all(axis=1)
    erratic = (spread > settings.max_spread).any(axis=1)
    jumping = (longest > settings.max_jump) & (longest > _JUMP * steps.sum(axis=1))
    moving = np.linalg.norm(moves, axis=2).max(axis=1) > settings.min_motion
    return moving & ~(static | erratic | jumping)


def grid(gray: np.ndarray, taken: np.ndarray, settings: IDTSettings) -> np.ndarray:
    """New points in a frame, uint8 (H, W): float32 (n, 2), the centres of textured cells of the grid without a track.

    taken: (m, 2), where tracks are.
    """
    step = settings.step
    rows, columns = (side // step for side in gray.shape)
    eigenvalues = cv2.cornerMinEigenVal(gray, 3, ksize=3)
    centres = eigenvalues[step // 2 :: step, step // 2 :: step][:rows, :columns]
    free = centres > settings.quality * eigenvalues.max()
    at = (taken // step).astype(np.int64)
    at = at[(at[:, 0] < columns) & (at[:, 1] < rows)]
    free[at[:, 1], at[:, 0]] = False
    y, x = np.nonzero(free)
    return np.stack([x, y], axis=1).astype(np.float32) * step + step // 2


class _Scale:
    """The tracks under way at one spatial scale; all arrays have one row a track."""

    def __init__(self, index: int, size: tuple[int, int], settings: IDTSettings):
        self.index, self.size, self.settings = index, size, settings
        length = settings.length
        self.part = np.arange(length) * TIME // length  # the cell in time of each step
        self.share = (1 / np.bincount(self.part)[self.part]).astype(np.float32)
        self.points = np.empty((0, length + 1, 2), np.float32)
        self.moves = np.empty((0, length, 2), np.float32)
        self.tubes = np.empty((0, TIME, SPACE, SPACE, sum(BINS.values())), np.float32)
        self.age = np.empty(0, np.int64)

    def advance(self, time: int, gray: np.ndarray, plain: np.ndarray, warped: np.ndarray) -> Tracks:
        """From frame `time` to the next; the tracks that end there. Frame and flows are of the clip's size."""
        height, width = self.size
        ratio = np.float32([gray.shape[1] / width, gray.shape[0] / height])
        if gray.shape != self.size:
            gray = cv2.resize(gray, (width, height), interpolation=cv2.INTER_AREA)
        flow = shrunk(plain, self.size)
        steady = flow if warped is plain else shrunk(warped, self.size)
        self._begin(grid(gray, self.points[np.arange(len(self.age)), self.age], self.settings))
        here = self.points[np.arange(len(self.age)), self.age]
        x, y = np.clip(np.rint(here).astype(np.int64), 0, [width - 1, height - 1]).T
        there = here + flow[:, y, x].T
        inside = ((there > 0) & (there < [width, height])).all(axis=1)
        self._keep(inside)
        rows = np.arange(len(self.age))
        self.points[rows, self.age + 1] = there[inside]
        self.moves[rows, self.age] = steady[:, y[inside], x[inside]].T
        votes = cells(summed(gray, steady), here[inside], self.settings.window)
        self.tubes[rows, self.part[self.age]] += votes * self.share[self.age][:, None, None, None]
        self.age += 1
        return self._end(time + 1, ratio)

    def _begin(self, points: np.ndarray) -> None:
        new = len(points)
        first = np.zeros((new, *self.points.shape[1:]), np.float32)
        first[:, 0] = points
        self.points = np.concatenate([self.points, first])
        self.moves = np.concatenate([self.moves, np.zeros((new, *self.moves.shape[1:]), np.float32)])
        self.tubes = np.concatenate([self.tubes, np.zeros((new, *self.tubes.shape[1:]), np.float32)])
        self.age = np.concatenate([self.age, np.zeros(new, np.int64)])

    def _keep(self, which: np.ndarray) -> None:
        if not which.all():
            self.points, self.moves = self.points[which], self.moves[which]
            self.tubes, self.age = self.tubes[which], self.age[which]

    def _end(self, time: int, ratio: np.ndarray) -> Tracks:
        ended = self.age == self.settings.length
        points, moves, tubes = self.points[ended] * ratio, self.moves[ended] * ratio, self.tubes[ended]
        self._keep(~ended)
        good = telling(points, moves, self.settings)
        points, moves, tubes = points[good], moves[good], tubes[good]
        shape = moves / np.linalg.norm(moves, axis=2).sum(axis=1)[:, None, None]
        start = np.full(len(points), time - self.settings.length)
        scale = np.full(len(points), self.index)
        return Tracks(points, start, scale, shape.reshape(len(shape), 2 * self.settings.length), **split(tubes))


def _none(length: int) -> Tracks:
    tubes = split(np.empty((0, TIME, SPACE, SPACE, sum(BINS.values())), np.float32))
    whole = np.empty(0, np.int64)
    return Tracks(
        np.empty((0, length + 1, 2), np.float32), whole, whole, np.empty((0, 2 * length), np.float32), **tubes
    )


def _checked(frames: Iterable[np.ndarray]) -> Iterable[np.ndarray]:
    size = None
    for frame in frames:
        size = size or frame.shape
        if frame.dtype != np.uint8 or frame.ndim != 2 or frame.shape != size or min(size) < SMALLEST:
            raise InputError(
                f"a frame is {frame.dtype} {frame.shape}, the first is {size}; all must be uint8 (H, W) of one size, "
                f"H and W >= {SMALLEST}"
            )
        yield frame
