"""Images as clips of one frame, with the augmentation that "CIFAR-100+" stands for: padding, random crop, flip."""

import copy
from collections.abc import Callable, Mapping

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor
from torch.utils.data import Dataset

from videoattn.data.clips import augment
from videoattn.data.clips.settings import ClipSettings
from videoattn.data.clips.targets import flippable, target
from videoattn.data.datasets.splits import Lists, describe
from videoattn.data.datasets.videos import VideoList
from videoattn.errors import InputError

PAD = 4  # black pixels on each side, from which a crop of the image's own size is cut


class Images(Dataset):
    """Images of one size for training (a random crop and flip) or testing (as they are), items as those of `Clips`.

    `data[epoch, i]` in training, where (seed, epoch, i) decides all that is random: ({"rgb": (3, 1, S, S)}, target);
    `data[i]` in testing: ({"rgb": (1, 3, 1, S, S)}, target). S is `settings.size`, to which images are scaled.

    Args:
        videos: the labels. pixels: uint8 (N, H, W, 3), in the order of `videos`.

    Raises:
        InputError: settings with more than one frame, clip or crop; images that are not those of `videos`.
    """

    def __init__(self, videos: VideoList, pixels: np.ndarray, settings: ClipSettings, *, train: bool, seed: int = 0):
        if (settings.frames, settings.test_clips, settings.test_crops) != (1, 1, 1):
            raise InputError(
                f"frames={settings.frames}, test_clips={settings.test_clips}, test_crops={settings.test_crops}: "
                "an image has one of each"
            )
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[::3] != (len(videos.samples), 3):
            raise InputError(
                f"images of shape {pixels.shape} and type {pixels.dtype}; uint8 ({len(videos.samples)}, H, W, 3) is "
                "expected"
            )
        self.videos = videos
        self.pixels = pixels
        self.settings = settings
        self.train = train
        self.seed = seed

    def view(self, *, seed: int) -> "Images":
        """The same images with another seed."""
        other = copy.copy(self)
        other.seed = seed
        return other

    def __len__(self) -> int:
        return len(self.videos.samples)

    def __getitem__(self, item: int | tuple[int, int]) -> tuple[dict[str, Tensor], int | Tensor]:
        epoch, index = item if isinstance(item, tuple) else (0, item)
        sample, image, flipped = self.videos.samples[index], self.raw(index)["rgb"], False
        if self.train:
            rng = np.random.default_rng((self.seed, epoch, index))
            image, flipped = self._augmented(image, rng, possible=flippable(self.videos, sample))
        rgb = augment.normalise(image)
        if rgb.shape[-2:] != (self.settings.size, self.settings.size):
            size = (self.settings.size, self.settings.size)
            rgb = functional.interpolate(rgb.transpose(0, 1), size, mode="bilinear", antialias=True).transpose(0, 1)
        return {"rgb": rgb if self.train else rgb[None]}, target(self.videos, sample, flipped)

    def raw(self, index: int) -> dict[str, Tensor]:
        """One image as it is, uint8 (3, 1, H, W)."""
        return {"rgb": torch.from_numpy(self.pixels[index]).permute(2, 0, 1)[:, None]}

    def _augmented(self, image: Tensor, rng: np.random.Generator, *, possible: bool) -> tuple[Tensor, bool]:
        height, width = image.shape[-2:]
        top, left = rng.integers(0, 2 * PAD + 1, 2)
        image = functional.pad(image, (PAD,) * 4)[..., top : top + height, left : left + width]
        flipped = bool(rng.random() < self.settings.flip) and possible
        return image.flip(-1) if flipped else image, flipped

    def close(self) -> None:
        """Nothing is open."""


class ImageData:
    """Training and test images of one data set, with the interface of `ClipData`.

    Args:
        lists: of the training and of the test images. pixels: gives those of "train" and of "test".
        settings: what is made of an image, by a name for each use.
    """

    def __init__(self, lists: Lists, *, pixels: Callable[[str], np.ndarray], settings: Mapping[str, ClipSettings]):
        self.lists = lists
        self.settings = dict(settings)
        self.unreadable: list[str] = []
        self._pixels = {videos.subset: pixels(videos.subset) for videos in lists}

    def train(self, use: str, *, seed: int) -> Images:
        """Training images for one use; (seed, epoch, i) decides all that is random."""
        return Images(self.lists[0], self._pixels["train"], self.settings[use], train=True, seed=seed)

    def test(self, use: str) -> Images:
        """Test images for one use, in the order of `lists`."""
        return Images(self.lists[1], self._pixels["test"], self.settings[use], train=False)

    def description(self) -> dict:
        """Name, classes, counts, and a hash of the files."""
        return describe(self.lists, self.unreadable)
