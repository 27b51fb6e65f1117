"""Clips of RGB frames as tensors."""

import copy
import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from einops import rearrange
from torch import Tensor
from torch.utils.data import Dataset

from videoattn.data.clips import augment
from videoattn.data.clips.frame_cache import SHORT, Kept
from videoattn.data.clips.settings import ClipSettings, frame_indices
from videoattn.data.clips.targets import check_ten_crops, flippable, target
from videoattn.data.datasets.videos import VideoList
from videoattn.data.decode.decoder import Decoder, UnreadableVideo, VideoInfo, short_side
from videoattn.errors import InputError, RunError

# `augment.normalise` of uint8, in two operations: rgb / 255 / std - mean / std
_STD = torch.tensor(augment.IMAGENET_STD).view(3, 1, 1, 1)
_SCALE, _SHIFT = 1 / (255 * _STD), torch.tensor(augment.IMAGENET_MEAN).view(3, 1, 1, 1) / _STD


class Clips(Dataset):
    """Clips of a list of videos for training (random frames, crops and flips) or testing (fixed views).

    Items: `data[epoch, i]` in training, where (seed, epoch, i) decides all that is random: ({"rgb": (3, T, H, W)},
    target). `data[i]` in testing: ({"rgb": (views, 3, T, H, W)}, target), views = test_clips x test_crops, the crops of
    a clip together. RGB has the mean and deviation of ImageNet removed.

    `targets.target` tells what a target is. A flip exchanges labels where left and right stand in the classes' names
    (`augment.mirrored`); a clip whose mirror image has no label is never flipped.

    Args:
        infos: number and size of the frames of each of the videos, in their order, where they are known already.
        alike: whether what holds of the first video's frames holds of all, as in a probe; the others are not inspected.
        memory: bytes of decoded frames that all views together keep, so that small sets are read once.
        extra: {key: {sample name: tensor}}, put into the clip under the key as it is, whatever crop and flip are; in
            testing with the axis of views in front.

    Raises:
        InputError: an extra tensor is missing, or would replace the frames; ten crops, five of them mirrored, are asked
            of classes that left and right tell apart.
        RunError: a video cannot be read, when an item is asked for.
    """

    def __init__(
        self,
        videos: VideoList,
        settings: ClipSettings,
        *,
        train: bool,
        seed: int = 0,
        infos: Sequence[VideoInfo] | None = None,
        alike: bool = False,
        memory: int = 0,
        extra: Mapping[str, Mapping[str, Tensor]] | None = None,
    ):
        self.videos = videos
        self.settings = settings
        self.train = train
        self.seed = seed
        self.extra = dict(extra or {})
        for key, tensors in self.extra.items():
            if key == "rgb":
                raise InputError("extra tensors under the key 'rgb' would replace the frames; take another key")
            missing = [sample.name for sample in videos.samples if sample.name not in tensors]
            if missing:
                raise InputError(f"extra tensors {key!r} lack {len(missing)} of the videos, first {missing[0]}")
        self._check()
        self._infos = dict(enumerate(infos or ()))
        self._alike = alike
        self._kept = Kept(memory)
        self._decoder = Decoder()

    def view(self, *, seed: int | None = None, settings: ClipSettings | None = None) -> "Clips":
        """The same videos with another seed or other settings; what has been decoded and the decoder are shared.

        Raises InputError where the settings ask for frames of another size than those that are kept.
        """
        other = copy.copy(self)
        other.seed = self.seed if seed is None else seed
        other.settings = settings or self.settings
        for name in ("short_side", "aspect"):
            if getattr(other.settings, name) != getattr(self.settings, name):
                raise InputError(
                    f"{name} is {getattr(other.settings, name)}; frames that are decoded at "
                    f"{getattr(self.settings, name)} cannot be shared with it"
                )
        other._check()
        return other

    def _check(self) -> None:
        if not self.train and self.settings.test_crops == 10:
            check_ten_crops(self.videos)

    def __len__(self) -> int:
        return len(self.videos.samples)

    def __getitem__(self, item: int | tuple[int, int]) -> tuple[dict[str, Tensor], int | Tensor]:
        epoch, index = item if isinstance(item, tuple) else (0, item)
        sample = self.videos.samples[index]
        rgb, mirrored = self._training(epoch, index) if self.train else (self._views(index), False)
        clip = {"rgb": (rgb * _SCALE).sub_(_SHIFT)}
        for key, tensors in self.extra.items():
            value = tensors[sample.name]
            clip[key] = value if self.train else value.expand(len(rgb), *value.shape)
        return clip, target(self.videos, sample, mirrored)

    def raw(self, index: int, rng: np.random.Generator | None = None) -> Tensor:
        """The frames of one video before cropping, uint8 (3, T, H, W); in testing its clips follow each other in T.

        It may be what is kept: change a copy of it. Raises RunError where the video cannot be read.
        """
        whole = self._kept.images.get(("clip", index, 0))
        frames = self._info(index).frames if whole is None else whole.shape[1]
        clips = 1 if self.train else self.settings.test_clips
        wanted = frame_indices(self.settings, frames, clips=clips, rng=rng).ravel()
        if whole is None and self._whole(index, frames, wanted):
            whole = self._frames(index, range(frames)).transpose(0, 1).contiguous()
            self._kept.keep(("clip", index, 0), whole)
        if whole is None:
            return self._kept.read("rgb", index, wanted, self._frames).transpose(0, 1)
        return whole if np.array_equal(wanted, np.arange(frames)) else whole[:, wanted]

    def _whole(self, index: int, frames: int, wanted: np.ndarray) -> bool:
        """Whether all frames are read at once: they are wanted, or will be drawn, are few, and there is room."""
        absent = len(self._kept.absent("rgb", index, wanted))
        room = 3 * frames * math.prod(self._size(index)) <= self._kept.left
        return absent == frames or (absent > 0 and self.train and frames <= SHORT and room)

    def _training(self, epoch: int, index: int) -> tuple[Tensor, bool]:
        """The clip, and whether it is mirrored."""
        size, scales, flip = self.settings.size, self.settings.scales, self.settings.flip
        uncut = (3, self.settings.frames, size, size) if scales in ((1.0,), augment.CENTRE) and not flip else None
        whole = self._kept.images.get(("clip", index, 0))
        if whole is not None and whole.shape == uncut and self.settings.stride == 1:
            return whole, False  # nothing is left to chance
        rng = np.random.default_rng((self.seed, epoch, index))
        rgb = self.raw(index, rng)
        if rgb.shape == uncut:
            return rgb, False
        height, width = rgb.shape[-2:]
        flip = flip if flippable(self.videos, self.videos.samples[index]) else 0
        crop = augment.draw_crop(rng, height=height, width=width, size=size, scales=scales, flip=flip)
        return augment.apply_crop({"rgb": rgb}, crop, size)["rgb"], crop.flip

    def _views(self, index: int) -> Tensor:
        settings = self.settings
        clip = {"rgb": self.raw(index)}
        if settings.test_crops == 3:
            crops = augment.three_crops(clip["rgb"])
        elif settings.test_crops == 10:
            crops = augment.ten_crops(clip, settings.size)["rgb"]
        else:
            crops = augment.centre_crop(clip, settings.size)["rgb"][None]
        return rearrange(crops, "crop c (clip t) h w -> (clip crop) c t h w", t=settings.frames)

    def _info(self, index: int) -> VideoInfo:
        index = 0 if self._alike else index
        if index not in self._infos:
            try:
                self._infos[index] = self._decoder.info(self.videos.samples[index].source)
            except UnreadableVideo as error:
                raise RunError(f"a video cannot be read: {error}") from error
        return self._infos[index]

    def _size(self, index: int) -> tuple[int, int]:
        """H and W of the frames as they are decoded."""
        info = self._info(index)
        side, aspect = self.settings.short_side, self.settings.aspect
        return short_side(info.height, info.width, side, aspect)

    def _frames(self, index: int, wanted: Sequence[int]) -> Tensor:
        """(n, 3, H, W) uint8."""
        try:
            frames = self._decoder.frames(
                self.videos.samples[index].source, wanted, size=self._size(index), info=self._info(index)
            )
        except UnreadableVideo as error:
            raise RunError(f"a video cannot be read: {error}") from error
        return torch.from_numpy(frames).permute(0, 3, 1, 2)

    def close(self) -> None:
        """End the decoding process, which all views share; what is read later starts another."""
        self._decoder.close()
