"""A video as a folder of numbered images: `frame_0000000001.jpg`, `<id>-000001.jpg`, `00001.jpg`, and so on.

The number stands at the end of the name; what is before it, and the suffix, are the same for all. Numbers begin at 0 or
at 1, with or without leading zeros, and none is left out. Hidden files and what is no image by its suffix are ignored.
Of the images only those asked for are opened.
"""

import errno
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from videoattn.data.decode.pyav import Refused, state_of

_AS_STORED = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION  # as tools that extract frames meant them
SUFFIXES = (".jpg", ".jpeg", ".png")
_NUMBERED = re.compile(r"(.*?)([0-9]+)", re.DOTALL)


@dataclass(frozen=True)
class NumberedImages:
    """The images of a folder in their order.

    prefix, suffix: of all names. digits: of a number, or more. first: 0 or 1, where the `count` numbers begin.
    """

    prefix: str
    suffix: str
    digits: int
    first: int
    count: int

    def name(self, index: int) -> str:
        """Of the image with this index, from 0."""
        return f"{self.prefix}{self.first + index:0{self.digits}d}{self.suffix}"

    def names(self) -> Iterator[str]:
        """Of all images, in order."""
        return (self.name(index) for index in range(self.count))


def numbered_images(folder: Path | str) -> NumberedImages:
    """The images that a folder holds; none of them is opened.

    Raises OSError: the folder cannot be listed; it holds no images (IsADirectoryError); one is missing between others,
    which is named; one is named otherwise than the others.
    """
    with os.scandir(folder) as entries:
        names = {e.name for e in entries if e.name.lower().endswith(SUFFIXES) and not e.name.startswith(".")}
    if not names:
        raise IsADirectoryError(errno.EISDIR, "a folder without numbered images")
    stems = {name: _NUMBERED.fullmatch(os.path.splitext(name)[0]) for name in names}
    strays = sorted(name for name, found in stems.items() if found is None)
    if strays:
        raise _not_numbered(f"the image {strays[0]} has no number at the end of its name")
    lowest = min(names, key=lambda name: (int(stems[name][2]), name))
    prefix, number = stems[lowest].groups()
    first = min(int(number), 1)
    images = NumberedImages(prefix, os.path.splitext(lowest)[1], len(number), first, len(names))
    missing = next((name for name in images.names() if name not in names), None)
    if missing is None:
        return images
    strange = sorted(names - {images.name(int(found[2]) - first) for found in stems.values()})
    also = f"; {strange[0]} is named otherwise than {lowest}" if strange else ""
    raise _not_numbered(f"the image {missing} is missing{also}")


def _not_numbered(reason: str) -> OSError:
    return OSError(errno.EINVAL, reason)


class ImageFolders:
    """Reads folders of images. Which images a folder holds is remembered while it does not change."""

    def __init__(self):
        self.known: dict[str, tuple[tuple[int, int, int], NumberedImages]] = {}
        self.reformatter = VideoReformatter()

    def inspect(self, path: str) -> dict:
        """How many images there are, and the size of the first, the only one that is opened."""
        images = self._images(path)
        height, width, _ = _image(path, images.name(0)).shape
        found = {"frames": images.count, "height": height, "width": width, "fps": 0.0}
        return found | {"timed": False, "plain": False, "decoder": "images"}

    def read(self, path: str, indices: list[int], pictures: np.ndarray) -> None:
        """Into `pictures`, uint8 (n, H, W, 3)."""
        images = self._images(path)
        for picture, index in zip(pictures, indices, strict=True):
            self._scale(_image(path, images.name(index)), picture)

    def _images(self, path: str) -> NumberedImages:
        state = state_of(path)
        before, images = self.known.get(path, (None, None))
        if before != state:
            images = numbered_images(path)
            self.known[path] = state, images
        return images

    def _scale(self, image: np.ndarray, picture: np.ndarray) -> None:
        """To the size of `picture`, into it, by the bilinear filter that scales frames of videos."""
        if image.shape == picture.shape:
            picture[:] = image
            return
        height, width, _ = picture.shape
        for channel in range(3):  # one by one: of colours together the filter would halve the resolution
            plane = av.VideoFrame.from_ndarray(np.ascontiguousarray(image[..., channel]), format="gray")
            bilinear = Interpolation.BILINEAR
            scaled = self.reformatter.reformat(plane, width, height, "gray", interpolation=bilinear, threads=1)
            picture[..., channel] = scaled.to_ndarray()


def _image(folder: str, name: str) -> np.ndarray:
    """uint8 (H, W, 3) RGB of one image. Raises Refused, with its name."""
    try:
        data = np.fromfile(Path(folder, name), np.uint8)
        image = cv2.imdecode(data, _AS_STORED) if len(data) else None
    except (OSError, cv2.error) as error:
        raise Refused(f"{name}: {getattr(error, 'strerror', None) or 'it does not decode'}") from None
    if image is None:
        raise Refused(f"{name}: it does not decode")
    return image
