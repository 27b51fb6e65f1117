"""Clips of videos as tensors: RGB frames, flow fields, or both."""

import copy
import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from einops import rearrange
from torch import Tensor
from torch.nn.functional import interpolate
from torch.utils.data import Dataset

from videoattn.data.clips import augment
from videoattn.data.clips.frame_cache import SHORT, FrameCache
from videoattn.data.clips.settings import ClipSettings, field_indices, frame_indices, is_fixed, places
from videoattn.data.clips.targets import check_ten_crops, flippable, target
from videoattn.data.datasets.videos import VideoList
from videoattn.data.decode.decoder import Decoder, UnreadableVideo, VideoInfo, short_side
from videoattn.data.flow.cache import FlowCache
from videoattn.errors import InputError, RunError

STREAMS = ("rgb", "flow", "warped")
# `augment.normalise` of uint8, in two operations: rgb / 255 / std - mean / std
_STD = torch.tensor(augment.IMAGENET_STD).view(3, 1, 1, 1)
_SCALE, _SHIFT = 1 / (255 * _STD), torch.tensor(augment.IMAGENET_MEAN).view(3, 1, 1, 1) / _STD


class Clips(Dataset):
    """Clips of a list of videos for training (random frames, crops and flips) or testing (fixed views).

    Items: `data[epoch, i]` in training, where (seed, epoch, i) decides all that is random: (clip, target), the clip a
    dictionary of "rgb", (3, T, H, W) with the mean and deviation of ImageNet removed, and "flow", (2 L, T, H, W) in
    [-1, 1], x and y alternating, L = `settings.fields`. `data[i]` in testing: the same with an axis of views in front,
    test_clips x test_crops, the crops of a clip together.

    `targets.target` tells what a target is. A flip exchanges labels where left and right stand in the classes' names
    (`augment.mirrored`); a clip whose mirror image has no label is never flipped.

    Args:
        streams: what is in a clip: "rgb", and "flow" or "warped", the flow without the camera's motion, which stands
            under "flow" too.
        flow: where the fields are, of the size of the frames.
        infos: number and size of the frames of each of the videos, in their order, where they are known already.
        alike: whether what holds of the first video's frames holds of all, as in a probe; the others are not inspected.
        pixels: images that stand for videos of one frame, uint8 (N, H, W, 3) in the order of `videos`; nothing is then
            decoded. They are augmented by `augment.draw_padded`, in testing taken whole, and at last scaled to `size`.
        memory: bytes of decoded frames and fields that all views together keep, so that small sets are read once.
        extra: {key: {sample name: tensor}}, put into the clip under the key as it is, whatever crop and flip are; in
            testing with the axis of views in front.

    Raises:
        InputError: streams that do not go with each other, the settings or the flow; an extra tensor is missing, or
            would replace a stream; ten crops, five of them mirrored, are asked of classes that left and right tell
            apart; pixels that are not those of `videos`, or more of them than one frame, clip and crop.
        RunError: a video cannot be read, when an item is asked for.
    """

    def __init__(
        self,
        videos: VideoList,
        settings: ClipSettings,
        *,
        train: bool,
        seed: int = 0,
        streams: Sequence[str] = ("rgb",),
        flow: FlowCache | None = None,
        infos: Sequence[VideoInfo] | None = None,
        alike: bool = False,
        pixels: np.ndarray | None = None,
        memory: int = 0,
        extra: Mapping[str, Mapping[str, Tensor]] | None = None,
    ):
        self.videos = videos
        self.settings = settings
        self.train = train
        self.seed = seed
        self.streams = tuple(streams)
        self.flow = flow
        self.pixels = pixels
        self.extra = dict(extra or {})
        for key, tensors in self.extra.items():
            if key in STREAMS:
                raise InputError(f"extra tensors under the key {key!r} would replace the frames; take another key")
            missing = [sample.name for sample in videos.samples if sample.name not in tensors]
            if missing:
                raise InputError(f"extra tensors {key!r} lack {len(missing)} of the videos, first {missing[0]}")
        self._infos = dict(enumerate(infos or ()))
        self._alike = alike
        self._cache = FrameCache(memory)
        self._decoder = Decoder()
        self._check()
        if self.streams != ("rgb",) and flow is None:
            raise InputError(f"streams are {self.streams}, but there is no flow")

    def view(
        self,
        *,
        seed: int | None = None,
        settings: ClipSettings | None = None,
        streams: Sequence[str] | None = None,
    ) -> "Clips":
        """The same videos with what is given changed; what has been decoded and the decoder are shared.

        Raises InputError where the settings ask for frames of another size than those that are kept.
        """
        other = copy.copy(self)
        other.seed = self.seed if seed is None else seed
        other.settings = settings or self.settings
        other.streams = self.streams if streams is None else tuple(streams)
        for name in ("short_side", "aspect"):
            if getattr(other.settings, name) != getattr(self.settings, name):
                raise InputError(
                    f"{name} is {getattr(other.settings, name)}; frames that are decoded at "
                    f"{getattr(self.settings, name)} cannot be shared with it"
                )
        other._check()
        return other

    def _check(self) -> None:
        own = self.settings
        self._name = f"{own} {self.streams}"  # a text's hash is computed once
        if not self.train and own.test_crops == 10:
            check_ten_crops(self.videos)
        if not self.streams or not set(self.streams) <= set(STREAMS) or {"flow", "warped"} <= set(self.streams):
            raise InputError(f"streams are {self.streams}; 'rgb', one of 'flow' and 'warped', or both are possible")
        if self.streams != ("rgb",) and not own.fields:
            raise InputError(f"streams are {self.streams}, but fields is 0; it must be at least 1")
        if self.pixels is None:
            return
        frames = own.taken(test=not self.train)
        if (frames, own.test_clips, own.test_crops) != (1, 1, 1):
            raise InputError(
                f"frames={frames}, test_clips={own.test_clips}, test_crops={own.test_crops}: an image has one of each"
            )
        if self.pixels.dtype != np.uint8 or self.pixels.ndim != 4 or self.pixels.shape[::3] != (len(self), 3):
            raise InputError(
                f"images of shape {self.pixels.shape} and type {self.pixels.dtype}; uint8 ({len(self)}, H, W, 3) is "
                "expected"
            )

    def __len__(self) -> int:
        return len(self.videos.samples)

    def __getitem__(self, item: int | tuple[int, int]) -> tuple[dict[str, Tensor], int | Tensor]:
        epoch, index = item if isinstance(item, tuple) else (0, item)
        if (self._name, index) in self._cache.items:
            clip, label = self._cache.items[self._name, index]
            return dict(clip), label
        sample = self.videos.samples[index]
        clip, mirrored = self._training(epoch, index) if self.train else (self._views(index), False)
        if "rgb" in clip:
            clip["rgb"] = self._normalised(clip["rgb"])
        views, used = len(next(iter(clip.values()))), sum(maps.nbytes for maps in clip.values())
        for key, tensors in self.extra.items():
            value = tensors[sample.name]
            clip[key] = value if self.train else value.expand(views, *value.shape)
        label = target(self.videos, sample, mirrored)
        if self._is_still(index) and self._cache.take(used):
            self._cache.items[self._name, index] = dict(clip), label
        return clip, label

    def _is_still(self, index: int) -> bool:
        """Whether a training clip is the same in all epochs; such clips are kept ready."""
        own = self.settings
        if not self.train or self.pixels is not None or not self._is_uncut(*self._size(index)):
            return False
        return is_fixed(own, self._info(index).frames)

    def _is_uncut(self, height: int, width: int) -> bool:
        own = self.settings
        return height == width == own.size and own.scales in ((1.0,), augment.CENTRE) and not own.flip

    def raw(self, index: int, rng: np.random.Generator | None = None) -> dict[str, Tensor]:
        """What is taken from one video, before cropping: "rgb", uint8 (3, T, H, W), and "flow", float32 (2 L, T, H, W);
        in testing its clips follow each other in T.

        It may be what is kept: change a copy of it. Raises RunError where the video cannot be read.
        """
        if self.pixels is not None:
            return {"rgb": torch.from_numpy(self.pixels[index]).permute(2, 0, 1)[:, None]}
        frames = self._info(index).frames
        wanted = frame_indices(self.settings, frames, test=not self.train, rng=rng).ravel()
        clip = {}
        for stream in self.streams:
            if stream == "rgb":
                clip["rgb"] = self._rgb(index, frames, wanted).transpose(0, 1)
            else:
                fields = field_indices(self.settings, wanted, frames)
                count = places(self.settings, frames)
                found = self._cache.read(stream, index, fields.ravel(), count, self._fields)  # (T L, 2, H, W)
                clip["flow"] = found.unflatten(0, fields.shape).flatten(1, 2).transpose(0, 1)
        return clip

    def _rgb(self, index: int, frames: int, wanted: np.ndarray) -> Tensor:
        """(n, 3, H, W); all frames are read at once where they will be drawn, are few, and there is room."""
        some = self.train and frames <= SHORT and not self._cache.has_all("rgb", index, frames)
        if some and 3 * frames * math.prod(self._size(index)) <= self._cache.left:
            self._cache.read("rgb", index, np.arange(frames), frames, self._frames)
        return self._cache.read("rgb", index, wanted, frames, self._frames)

    def _training(self, epoch: int, index: int) -> tuple[dict[str, Tensor], bool]:
        """The clip, and whether it is mirrored."""
        size, scales, flip = self.settings.size, self.settings.scales, self.settings.flip
        rng = np.random.default_rng((self.seed, epoch, index))
        clip = self.raw(index, rng)
        height, width = next(iter(clip.values())).shape[-2:]
        flip = flip if flippable(self.videos, self.videos.samples[index]) else 0
        if self.pixels is not None:
            image, mirrored = augment.draw_padded(clip["rgb"], rng, chance=flip)
            return {"rgb": image}, mirrored
        if self._is_uncut(height, width):
            return clip, False
        crop = augment.draw_crop(rng, height=height, width=width, size=size, scales=scales, flip=flip)
        return augment.apply_crop(clip, crop, size), crop.flip

    def _views(self, index: int) -> dict[str, Tensor]:
        own, clip = self.settings, self.raw(index)
        if self.pixels is not None:
            cut = {stream: maps[None] for stream, maps in clip.items()}
        elif own.test_crops == 3:
            cut = {stream: augment.three_crops(maps) for stream, maps in clip.items()}
        elif own.test_crops == 10:
            cut = augment.ten_crops(clip, own.size)
        else:
            cut = {stream: maps[None] for stream, maps in augment.centre_crop(clip, own.size).items()}
        if own.test_clips == 1:
            return cut
        order = "crop c (clip t) h w -> (clip crop) c t h w"
        return {stream: rearrange(maps, order, clip=own.test_clips) for stream, maps in cut.items()}

    def _normalised(self, rgb: Tensor) -> Tensor:
        """Float without ImageNet's mean and deviation; images are then scaled to `size`."""
        if self.pixels is not None:
            rgb, size = augment.normalise(rgb), (self.settings.size, self.settings.size)
            if rgb.shape[-2:] == size:
                return rgb
            scaled = interpolate(rgb.reshape(1, 3, *rgb.shape[-2:]), size, mode="bilinear", antialias=True)
            return scaled.reshape(*rgb.shape[:-2], *size)
        if self.settings.fields:  # rounded as in the published runs, which took two operations for RGB alone
            return augment.normalise(rgb)
        return (rgb * _SCALE).sub_(_SHIFT)

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
        return short_side(info.height, info.width, self.settings.short_side, self.settings.aspect)

    def _frames(self, index: int, wanted: np.ndarray) -> Tensor:
        """(n, 3, H, W) uint8."""
        try:
            frames = self._decoder.frames(
                self.videos.samples[index].source, wanted, size=self._size(index), info=self._info(index)
            )
        except UnreadableVideo as error:
            raise RunError(f"a video cannot be read: {error}") from error
        return torch.from_numpy(frames).permute(0, 3, 1, 2).contiguous()  # what follows is faster so

    def _fields(self, index: int, wanted: np.ndarray) -> Tensor:
        """(n, 2, H, W) float32 in [-1, 1]."""
        return torch.from_numpy(self.flow.fields(self.videos.samples[index].source, wanted))

    def close(self) -> None:
        """End the decoding process, which all views share; what is read later starts another."""
        self._decoder.close()
