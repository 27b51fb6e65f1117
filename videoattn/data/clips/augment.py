r"""Crops and flips of RGB and flow, the same for both.

Wang et al., "Temporal segment networks: towards good practices for deep action recognition", ECCV 2016, section 3.2
(multi-scale crops at corners and centre, horizontal flip); Krizhevsky et al., NIPS 2012 (ten crops).

A clip is a dictionary of the streams "rgb" and "flow", either or both. rgb is (..., 3, T, H, W), uint8 or float; flow
is (..., 2 L, T, H, W), float, centred on zero, its channels x and y alternating; T counts snippets. A horizontal flip
negates the x channels (0, 2, 4, ...). Where a crop is resized the flow values are kept, as in TSN: a vector still
counts pixels of the frame it was computed on.

Left and right in the names of classes: a mirror image of a clip of "push from left to right" shows "push from right to
left" (`mirrored`).

Departures: crop positions are quarters of the free space, rounded down, where the authors' code multiplies a rounded
quarter and so stays up to 3 px short of the far corners.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torchvision.transforms.v2.functional as F
from torch import Tensor

from videoattn.errors import InputError, unknown

Clip = dict[str, Tensor]

SCALES = (1.0, 0.875, 0.75, 0.66)  # TSN, section 4.2: {256, 224, 192, 168} of a shorter side of 256
CENTRE = ()  # in place of scales: the crop in the middle, without a choice
PAD = 4  # pixels on each side of an image, `draw_padded`
SIDES = {"left": "right", "right": "left"}
IMAGENET_MEAN = (0.485, 0.456, 0.406)  # of the weights that torchvision and timm publish, RGB in [0, 1]
IMAGENET_STD = (0.229, 0.224, 0.225)
# Positions (down, right) in quarters of the free space.
_FIVE = ((0, 0), (0, 4), (4, 0), (4, 4), (2, 2))
_MORE = ((2, 0), (2, 4), (4, 2), (0, 2), (1, 1), (1, 3), (3, 1), (3, 3))
CORNERS = {"five": _FIVE, "thirteen": _FIVE + _MORE}


@dataclass(frozen=True)
class Crop:
    """A rectangle of the frame in pixels, and whether it is mirrored after it is cut out."""

    top: int
    left: int
    height: int
    width: int
    flip: bool = False


def draw_crop(
    rng: np.random.Generator,
    *,
    height: int,
    width: int,
    size: int,
    scales: tuple[float, ...] = SCALES,
    corners: str = "five",
    flip: float = 0.5,
) -> Crop:
    """The training crop of one sample: a TSN multi-scale corner crop, mirrored with probability `flip`.

    Crop height and width are two of `scales` times the shorter side, at most one step apart in the list; a side within
    2 px of `size` becomes `size`, so that nothing is resampled. `corners` is "five" (the paper: four corners and the
    centre) or "thirteen" (the authors' more fixed corners: also the middles of the sides and of the quarters). With
    `CENTRE` as `scales` the crop is the (size, size) in the middle.
    Raises InputError for a value out of range.
    """
    if min(height, width, size) < 1:
        raise InputError(f"height {height}, width {width} and size {size} must be at least 1")
    if not all(0 < scale <= 1 for scale in scales):
        raise InputError(f"scales {scales} must be numbers in (0, 1], or none for the centre")
    if corners not in CORNERS:
        raise unknown("corners", corners, CORNERS)
    if not 0 <= flip <= 1:
        raise InputError(f"flip {flip} must be a probability in [0, 1]")
    shorter = min(height, width)
    if not scales:
        if size > shorter:
            raise InputError(f"a crop of {size}x{size} does not fit a frame of {height}x{width}")
        return Crop((height - size) // 2, (width - size) // 2, size, size, bool(rng.random() < flip))
    sides = [max(int(shorter * scale), 1) for scale in scales]
    sides = [size if abs(side - size) < 3 and size <= shorter else side for side in sides]
    pairs = [(h, w) for i, h in enumerate(sides) for j, w in enumerate(sides) if abs(i - j) <= 1]
    crop_height, crop_width = pairs[rng.integers(len(pairs))]
    down, right = CORNERS[corners][rng.integers(len(CORNERS[corners]))]
    top, left = down * (height - crop_height) // 4, right * (width - crop_width) // 4
    return Crop(top, left, crop_height, crop_width, bool(rng.random() < flip))


def apply_crop(clip: Clip, crop: Crop, size: int) -> Clip:
    """Cut `crop` out of each stream, resize to (size, size) by antialiased bilinear interpolation, and mirror.

    A crop of (size, size) is not resampled: its values are exact. Raises InputError where the streams have different
    frame sizes or the crop lies outside.
    """
    height, width = _frame_size(clip)
    if min(crop.top, crop.left) < 0 or crop.top + crop.height > height or crop.left + crop.width > width:
        raise InputError(f"{crop} lies outside a frame of {height}x{width}")
    box = (crop.top, crop.left, crop.height, crop.width)
    cut = {stream: F.resized_crop(maps, *box, [size, size], antialias=True) for stream, maps in clip.items()}
    return flip(cut) if crop.flip else cut


def flip(clip: Clip) -> Clip:
    """Mirror left and right, and negate the x channels of the flow. Shapes stay."""
    _frame_size(clip)
    mirrored = {stream: F.horizontal_flip(maps) for stream, maps in clip.items()}
    if "flow" in clip:
        flow = mirrored["flow"]
        sign = flow.new_tensor([-1.0, 1.0]).repeat(flow.shape[-4] // 2)
        mirrored["flow"] = flow * sign.view(-1, 1, 1, 1)
    return mirrored


def draw_padded(maps: Tensor, rng: np.random.Generator, *, chance: float) -> tuple[Tensor, bool]:
    """The training augmentation of small images (..., H, W) that "CIFAR-100+" stands for, and whether it mirrored.

    `PAD` black pixels are put on each side, a crop of the own size is cut out anywhere, and mirrored with probability
    `chance`. The shape stays.
    """
    height, width = maps.shape[-2:]
    top, left = rng.integers(0, 2 * PAD + 1, 2).tolist()
    cut = F.pad(maps, [PAD])[..., top : top + height, left : left + width]
    mirror = bool(rng.random() < chance)
    return cut.flip(-1) if mirror else cut, mirror


def mirrored(classes: Sequence[str]) -> tuple[int | None, ...]:
    """For each class the one that its mirror image shows, by the words left and right in its name.

    Itself where the name holds neither; the class with the words exchanged; None where there is no such class, so that
    the mirror image has no label.
    """
    names = [_words(name) for name in classes]
    index = {name: i for i, name in enumerate(names)}
    return tuple(index.get(_SIDE.sub(lambda found: SIDES[found[0]], name)) for name in names)


def check_ten_crops(classes: Sequence[str]) -> None:
    """Raise InputError where left and right tell classes apart: five of ten crops would show another class."""
    for i, (name, other) in enumerate(zip(classes, mirrored(classes), strict=True)):
        if other != i:
            raise InputError(f"five of ten crops are mirrored, where class {name!r} becomes another: take fewer crops")


def centre_crop(clip: Clip, size: int) -> Clip:
    """The (size, size) in the middle. Raises InputError where a frame is smaller or the streams' sizes differ."""
    _fits(clip, size)
    return {stream: F.center_crop(maps, [size]) for stream, maps in clip.items()}


def ten_crops(clip: Clip, size: int) -> Clip:
    """Top left, top right, bottom left, bottom right, centre, and the same five mirrored: (10, ..., size, size).

    Raises InputError where a frame is smaller than `size` or the streams have different frame sizes.
    """
    _fits(clip, size)
    five = {stream: torch.stack(F.five_crop(maps, [size])) for stream, maps in clip.items()}
    mirrored = flip(five)
    return {stream: torch.cat([five[stream], mirrored[stream]]) for stream in clip}


def three_crops(maps: Tensor) -> Tensor:
    """Squares of the whole shorter side at the left, centre and right (top, middle and bottom of what is higher than
    wide): (..., H, W) -> (3, ..., S, S) with S = min(H, W). X. Wang et al., Non-local Neural Networks, section 5.1."""
    axis = -1 if maps.shape[-1] >= maps.shape[-2] else -2
    free = abs(maps.shape[-1] - maps.shape[-2])
    return torch.stack([maps.narrow(axis, start, min(maps.shape[-2:])) for start in (0, free // 2, free)])


def normalise(rgb: Tensor) -> Tensor:
    """RGB (..., 3, T, H, W), uint8 or float in [0, 1], to float with the mean and deviation of ImageNet removed.

    Raises InputError where axis -4 does not hold three channels.
    """
    if rgb.ndim < 4 or rgb.shape[-4] != 3:
        raise InputError(f"RGB of shape {tuple(rgb.shape)} must be (..., 3, T, H, W)")
    rgb = F.to_dtype(rgb, torch.get_default_dtype(), scale=True) if rgb.dtype == torch.uint8 else rgb
    mean, std = (rgb.new_tensor(values).view(3, 1, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    return (rgb - mean) / std


# No part of a longer word, such as "upright", and not "right" for at once, as in "pulling it right out".
_SIDE = re.compile(r"(?<![a-z])(?:left|right(?! out(?![a-z])))(?![a-z])")


def _words(name: str) -> str:
    """A class's name in lower case, with spaces between its words, however a data set writes them."""
    return re.sub(r"[\W_]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)).strip().lower()


def _frame_size(clip: Clip) -> tuple[int, int]:
    if not clip or not clip.keys() <= {"rgb", "flow"}:
        raise InputError(f"a clip has the streams {', '.join(clip) or 'none'}; it must have rgb, flow or both")
    sizes = {stream: tuple(maps.shape[-2:]) for stream, maps in clip.items()}
    if len(set(sizes.values())) > 1:
        raise InputError(f"RGB frames are {sizes['rgb']}, flow fields {sizes['flow']}; they must have one size")
    flow = clip.get("flow")
    if flow is not None and (flow.ndim < 4 or flow.shape[-4] % 2 or not flow.is_floating_point()):
        raise InputError(f"flow of shape {tuple(flow.shape)}, {flow.dtype}, must be (..., 2 L, T, H, W) and float")
    return next(iter(sizes.values()))


def _fits(clip: Clip, size: int) -> None:
    height, width = _frame_size(clip)
    if not 1 <= size <= min(height, width):
        raise InputError(f"a crop of {size}x{size} does not fit a frame of {height}x{width}")
