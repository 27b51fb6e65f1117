"""Frames from a folder of numbered images, of which only those asked for are opened."""

import os
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from videoattn.data.decode.image_folder import NumberedImages, numbered_images
from videoattn.data.decode.pyav import Refused

_AS_STORED = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION  # as tools that extract frames meant them


class ImageFolders:
    """Reads images; the lists of folders that have not changed since are remembered."""

    def __init__(self):
        self.listed: dict[str, tuple[int, NumberedImages]] = {}
        self.reformatter = VideoReformatter()

    def inspect(self, path: str) -> dict:
        """How many images there are, and the size of the first, the only one that is opened."""
        images = self._images(path)
        height, width, _ = _image(path, images.name(0)).shape
        found = {"frames": images.count, "height": height, "width": width, "fps": 0.0}
        return found | {"timed": False, "plain": False, "decoder": "images"}

    def read(self, path: str, indices: list[int], height: int, width: int) -> np.ndarray:
        """uint8 (n, height, width, 3)."""
        images = self._images(path)
        pictures = np.empty((len(indices), height, width, 3), np.uint8)
        for picture, index in zip(pictures, indices, strict=True):
            self._scale(_image(path, images.name(index)), picture)
        return pictures

    def _images(self, path: str) -> NumberedImages:
        changed = os.stat(path).st_mtime_ns
        seen, images = self.listed.get(path, (None, None))
        if seen != changed:
            images = numbered_images(path)
            self.listed[path] = changed, images
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
