r"""What pyramid attention looks at: salient receptive fields, and how much of it lies on an object.

W. Hu, H. Liu, Y. Du, C. Yuan, B. Li, S. Maybank. Interaction-Aware Spatio-Temporal Pyramid Attention Networks for
Action Classification, section 5.6.

    (17) {(w_n, h_n) | a_(t w_n h_n, w_m h_m) > threshold}, t = 1 ... K, one output (w_m, h_m)
    (18) {(w_n, h_n) | a_(t w_n h_n, w_m h_m) > threshold}, one frame t, all outputs (w_m, h_m)

The paper's thresholds are 0.5 for (17) and 0.7 for (18). A column of A has unit length, so that at most 3 of its
entries are above 0.5 and 2 above 0.7, in all frames together: `rule="value"` finds next to nothing unless the attention
is sharp. So by default the threshold is a part of the column's largest entry; where all entries are equal, all are
salient. With "quantile" it is a quantile of the column, so that the number of salient sources is fixed; where all
entries are equal, none is.

The receptive field of a source is drawn as the cell of the frame at its place, H/h x W/w pixels. What really reaches a
source is more, in a deep network the whole frame, though most of it comes from around that cell.

Departures: the rules, as said.

Axes: b clip, t frame of K, h w source, m output, n = h w of the top scale.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as functional
from einops import rearrange
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from torch import Tensor

from videoattn.errors import InputError, unknown
from videoattn.papers.istpa.attention import Scores, Size, normalised
from videoattn.reporting.figures import COLOURS, film_strips

RULES = ("maximum", "quantile", "value")

SHADES = (*COLOURS[:3], "white", *COLOURS[4:])  # all of them seen on a dark ground


class OnObject(NamedTuple):
    """Where the attention of a clip lies, frame by frame; parts of the whole, each (B, K).

    mass: of the attention, on cells that the object touches. chance: of all cells of all frames, those cells, which is
    what even attention would have there. frames: of the attention, on the frame. Sums over K are those of the clip;
    mass / frames is the part within a frame.
    """

    mass: Tensor
    chance: Tensor
    frames: Tensor


def columns(scores: Scores, *, norm: int = 2) -> dict[str, Tensor]:
    """Attention of all scales together, and of each alone, lowest first: name -> (B, K n, n).

    "all" is A. "scale j" is softmax of Y_j over the sources, divided by its `norm` (2, or 1 for `normalise="l1"`) as
    the columns of A are: the A of a pyramid that had this scale only. Figure 6 of the paper compares networks with one,
    two and three scales instead, each by its own A.
    """
    alone = {f"scale {j}": normalised(y, norm) for j, y in enumerate(scores.scales, 1)}
    return {**alone, "all": scores.attention}


def salient(attention: Tensor, *, threshold: float = 0.5, rule: str = "maximum") -> Tensor:
    """Which sources are salient for each output: (B, K n, n) -> the same shape, bool.

    Args:
        threshold: in [0, 1). rule: what it is, "value": of the entry itself, as in the paper; "maximum": a part of the
            column's largest entry; "quantile": of the column's entries.

    Raises:
        InputError: an unknown rule, another threshold.
    """
    if rule not in RULES:
        raise unknown("rule", rule, RULES)
    if not 0 <= threshold < 1:
        raise InputError(f"threshold={threshold}: must lie in [0, 1)")
    if rule == "quantile":
        return attention > attention.quantile(threshold, 1, keepdim=True)
    return attention > threshold * (attention.amax(1, keepdim=True) if rule == "maximum" else 1)  # Eq. (17), (18)


def over_frames(attention: Tensor, output: tuple[int, int], *, grid: Size) -> Tensor:
    """What all frames give to one output, of attention or of what `salient` makes of it: (B, K n, n) -> (B, K, h, w).

    Args:
        output: (row, column). grid: (h, w) of the top scale.

    Raises:
        InputError: an output that is not on the grid, a grid that does not fit.
    """
    check_grid(attention, grid)
    row, column = output
    if not (0 <= row < grid[0] and 0 <= column < grid[1]):
        raise InputError(f"output={output}: rows 0 to {grid[0] - 1} and columns 0 to {grid[1] - 1} are possible")
    return rearrange(attention[..., row * grid[1] + column], "b (t h w) -> b t h w", h=grid[0], w=grid[1])


def over_outputs(attention: Tensor, frame: int, *, grid: Size) -> Tensor:
    """What one frame gives to each output, of attention or of what `salient` makes of it: (B, K n, n) -> (B, n, h, w).

    Outputs are in the order (row, column). frame: 0 to K - 1.

    Raises:
        InputError: a frame that there is not, a grid that does not fit.
    """
    check_grid(attention, grid)
    frames = rearrange(attention, "b (t h w) m -> t b m h w", h=grid[0], w=grid[1])
    if not 0 <= frame < len(frames):
        raise InputError(f"frame={frame}: 0 to {len(frames) - 1} are possible")
    return frames[frame]


def on_image(maps: Tensor, size: Size) -> Tensor:
    """Maps over cells as maps over pixels, each cell in one value: (..., h, w) -> (..., H, W), of the same type.

    A pixel belongs to the cell in which its centre lies.
    """
    flat = maps.reshape(1, -1, *maps.shape[-2:])
    kept = flat if flat.is_floating_point() else flat.float()
    return functional.interpolate(kept, size, mode="nearest-exact").to(maps.dtype).reshape(*maps.shape[:-2], *size)


def on_object(attention: Tensor, boxes: Tensor, *, grid: Size, size: Size) -> OnObject:
    """How much of the attention lies on an object, and how much would by chance.

    Each column counts the same, whatever its norm: it is made to sum to 1, and the mean is over the outputs.

    Args:
        attention: (B, K n, n), A or that of one scale.
        boxes: (B, K, 3) of (y, x, side): centre and side of the object in pixels of the input, NaN where there is none.
        grid: (h, w) of the top scale. size: (H, W) of the input.

    Raises:
        InputError: a grid that does not fit, boxes of another shape.
    """
    check_grid(attention, grid)
    clips, frames = len(attention), attention.shape[1] // (grid[0] * grid[1])
    if boxes.shape != (clips, frames, 3):
        raise InputError(f"boxes have shape {tuple(boxes.shape)}; ({clips}, {frames}, 3) is expected: (y, x, side)")
    on = touched(boxes, grid=grid, size=size)
    mass = (attention / attention.sum(1, keepdim=True)).mean(2)
    mass = rearrange(mass, "b (t h w) -> b t h w", h=grid[0], w=grid[1])
    return OnObject((mass * on).sum((2, 3)), on.sum((2, 3)) / on[0].numel(), mass.sum((2, 3)))


def touched(boxes: Tensor, *, grid: Size, size: Size) -> Tensor:
    """The cells that have pixels in common with a square: (..., 3) of (y, x, side) -> (..., h, w), bool; NaN: none."""
    hits = []
    for axis, (cells, length) in enumerate(zip(grid, size, strict=True)):
        edges = torch.arange(cells + 1, device=boxes.device) * (length / cells)
        middle, half = boxes[..., axis, None], boxes[..., 2, None] / 2
        hits.append((middle - half < edges[1:]) & (middle + half > edges[:-1]))
    return hits[0][..., :, None] & hits[1][..., None, :]


def boxes_of(clip: Mapping, frames: Sequence[int], *, acting: bool = True) -> Tensor:
    """Boxes of the acting object of a `clutter` clip in the frames that a network saw: (K, 3), for uncropped frames.

    Args:
        clip: the truth about it, with "box" and "acting". frames: numbers of the frames.
        acting: NaN where the object does not act, though it is there.
    """
    boxes = torch.tensor(clip["box"])[list(frames)]
    at = torch.tensor([not acting or frame in clip["acting"] for frame in frames])
    return boxes.masked_fill(~at[:, None], torch.nan)


def check_grid(attention: Tensor, grid: Size) -> None:
    """Raise `InputError` unless attention is (B, K n, n) with n = h w of the grid."""
    n = grid[0] * grid[1]
    if attention.dim() != 3 or attention.shape[2] != n or not attention.shape[1] or attention.shape[1] % n:
        raise InputError(f"attention has shape {tuple(attention.shape)}, grid={grid}: (B, {n} K, {n}) is expected")


def painted(image: np.ndarray, layers: Sequence[tuple[str, np.ndarray]], *, alpha: float = 0.5) -> np.ndarray:
    """An image (H, W, 3) of uint8 with layers over it, one after the other: a colour and the mask (H, W) it covers."""
    shown = image.astype(float)
    for colour, mask in layers:
        shown[mask] = (1 - alpha) * shown[mask] + alpha * 255 * np.array(to_rgb(colour))
    return shown.round().astype(np.uint8)


def salient_strips(
    frames: Sequence[np.ndarray], masks: Mapping[str, Tensor], *, together: Sequence[str] = ()
) -> Figure:
    """Figures 6 and 7: images, and below them what is salient, a row and a colour for each name.

    Args:
        frames: T images (H, W, 3) of uint8; for (18) the same one for each output that is shown.
        masks: name -> (T, h, w), of one clip, from `salient` by way of `over_frames` or `over_outputs`.
        together: names whose colours are laid over one another in a last row.

    Raises:
        InputError: more names than there are colours.
    """
    if len(masks) > len(SHADES):
        raise InputError(f"{len(masks)} masks: a figure holds {len(SHADES)} at most")
    size = frames[0].shape[:2]
    layers = {
        name: (colour, on_image(mask, size).numpy())
        for (name, mask), colour in zip(masks.items(), SHADES, strict=False)
    }
    rows = [("frames", list(frames))]
    for names in [[name] for name in masks] + ([together] if together else []):
        over = [layers[name] for name in names]
        images = [painted(image, [(colour, mask[t]) for colour, mask in over]) for t, image in enumerate(frames)]
        rows.append((" + ".join(names), images))
    return film_strips(rows)
