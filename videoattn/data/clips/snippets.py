r"""Snippets of videos as tensors: RGB frames with the flow fields that start at them.

L. Wang et al., Temporal Segment Networks, ECCV 2016: K segments of a video, one snippet of each. "segments" makes a
snippet one RGB frame and a stack of flow, for 2D networks; "dense" makes one run of frames and fields, for 3D networks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from videoattn.data.clips import augment
from videoattn.data.clips.frame_cache import SHORT, Kept
from videoattn.data.clips.sampling import segment_starts, snippet_indices
from videoattn.data.clips.targets import check_ten_crops, flippable, target
from videoattn.data.datasets.videos import VideoList
from videoattn.data.decode.decoder import Decoder, short_side
from videoattn.data.flow.cache import FlowCache
from videoattn.errors import InputError, unknown

LAYOUTS = ("segments", "dense")


@dataclass(frozen=True, kw_only=True)
class SnippetSettings:
    """What is taken from a video.

    Args:
        layout: "segments" gives rgb (3, K, H, W) and flow (2 length, K, H, W), x and y alternating;
            "dense" gives rgb (3, length, H, W) and flow (2, length, H, W).
        length: flow fields in a snippet.
        segments, test_segments: K in training and in testing; 1 where the layout is "dense".
        size: side of the crop in pixels.
        scales: of the multi-scale crops, as shares of the shorter side; `augment.CENTRE`, none, takes the centre.
        flip: probability of a horizontal flip in training.
        test_crops: 1 (centre) or 10 (corners and centre, each also flipped).
    """

    layout: str = "segments"
    length: int = 5
    segments: int = 3
    test_segments: int = 25
    size: int = 224
    scales: tuple[float, ...] = augment.SCALES
    flip: float = 0.5
    test_crops: int = 10

    def __post_init__(self):
        if self.layout not in LAYOUTS:
            raise unknown("layout", self.layout, LAYOUTS)
        if self.test_crops not in (1, 10):
            raise unknown("test_crops", self.test_crops, (1, 10))
        if self.layout == "dense" and (self.segments, self.test_segments) != (1, 1):
            raise InputError("the dense layout takes one snippet a video: segments and test_segments must be 1")


class Snippets(Dataset):
    """Clips of a list of videos for training (random snippets, crops and flips) or testing (fixed views).

    Items: `data[epoch, i]` in training, where (seed, epoch, i) decides all that is random; `data[i]` in testing. An
    item is a clip, {"rgb": ..., "flow": ...} with the streams asked for, and its target (`targets.target`). Testing
    puts an axis of crops in front. RGB has the mean and deviation of ImageNet removed; flow is in [-1, 1]. Flips treat
    left and right in the classes' names as `Clips` does.

    Args:
        memory: bytes of decoded frames and fields that all views together keep, so that small sets are read once.

    Raises:
        InputError: ten crops, five of them mirrored, are asked of classes that left and right tell apart.
    """

    def __init__(
        self,
        videos: VideoList,
        flow: FlowCache,
        settings: SnippetSettings,
        *,
        train: bool,
        seed: int = 0,
        streams: Sequence[str] = ("rgb", "flow"),
        memory: int = 0,
    ):
        self.videos = videos
        self.flow = flow
        self.settings = settings
        self.train = train
        self.seed = seed
        self.streams = tuple(streams)
        if not train and settings.test_crops == 10:
            check_ten_crops(videos)
        self._kept = Kept(memory)
        self._counts: dict[int, int] = {}
        self._decoder: Decoder | None = None

    def view(self, *, seed: int, streams: Sequence[str]) -> "Snippets":
        """The same videos with another seed and other streams; what has been decoded is shared."""
        other = Snippets(self.videos, self.flow, self.settings, train=self.train, seed=seed, streams=streams)
        other._kept, other._counts = self._kept, self._counts
        return other

    def __len__(self) -> int:
        return len(self.videos.samples)

    def __getitem__(self, item: int | tuple[int, int]) -> tuple[dict[str, Tensor], int | Tensor]:
        epoch, index = item if isinstance(item, tuple) else (0, item)
        sample, mirrored = self.videos.samples[index], False
        whole = self._whole(index) if self.train else None
        if whole is not None:
            return whole, target(self.videos, sample)
        rng = np.random.default_rng((self.seed, epoch, index)) if self.train else None
        clip = self.snippets(index, rng)
        height, width = next(iter(clip.values())).shape[-2:]
        size = self.settings.size
        if self.train:
            scales = self.settings.scales
            flip = self.settings.flip if flippable(self.videos, sample) else 0
            crop = augment.draw_crop(rng, height=height, width=width, size=size, scales=scales, flip=flip)
            clip = augment.apply_crop(clip, crop, size)
            mirrored = crop.flip
        elif self.settings.test_crops == 10:
            clip = augment.ten_crops(clip, size)
        else:
            clip = {stream: maps[None] for stream, maps in augment.centre_crop(clip, size).items()}
        if "rgb" in clip:
            clip["rgb"] = augment.normalise(clip["rgb"])
        return clip, target(self.videos, sample, mirrored)

    def _whole(self, index: int) -> dict[str, Tensor] | None:
        """The training clip of a video in which nothing is left to chance, kept ready; None for all others."""
        settings = self.settings
        if settings.segments != 1 or settings.scales != (1.0,) or settings.flip:
            return None
        kept = {stream: self._kept.images.get((f"whole {stream}", index, 0)) for stream in self.streams}
        if all(maps is not None for maps in kept.values()):
            return kept
        if self._count(index) != settings.length:
            return None
        clip = self.snippets(index)
        if any(maps.shape[-2:] != (settings.size, settings.size) for maps in clip.values()):
            return None
        if "rgb" in clip:
            clip["rgb"] = augment.normalise(clip["rgb"])
        for stream, maps in clip.items():
            self._kept.keep((f"whole {stream}", index, 0), maps)
        return clip

    def snippets(self, index: int, rng: np.random.Generator | None = None) -> dict[str, Tensor]:
        """The snippets of one video before cropping: rgb uint8 (3, T, H, W), flow float32 (C, T, H, W)."""
        settings = self.settings
        fields = self._count(index)
        segments = settings.segments if self.train else settings.test_segments
        starts = segment_starts(fields, segments, settings.length, rng)
        stacks = snippet_indices(starts, settings.length, fields)  # (K, length)
        dense = settings.layout == "dense"
        clip = {}
        if "rgb" in self.streams:
            wanted = stacks[0] if dense else starts
            if self.train and fields < SHORT and self._kept.absent("rgb", index, wanted):
                frames = self._kept.read("rgb", index, np.arange(fields + 1), self._frames)[wanted]
            else:
                frames = self._kept.read("rgb", index, wanted, self._frames)
            clip["rgb"] = frames.permute(1, 0, 2, 3)
        if "flow" in self.streams:
            flow = self._kept.read("flow", index, stacks.ravel(), self._fields)
            flow = flow if dense else flow.unflatten(0, stacks.shape).flatten(1, 2)  # (K, 2 length, H, W)
            clip["flow"] = flow.permute(1, 0, 2, 3)
        return clip

    def _count(self, index: int) -> int:
        if index not in self._counts:
            self._counts[index] = self.flow.count(self.videos.samples[index].source)
        return self._counts[index]

    def _frames(self, index: int, wanted: Sequence[int]) -> Tensor:
        if self._decoder is None:
            self._decoder = Decoder()
        source = self.videos.samples[index].source
        info = self._decoder.info(source)
        size = short_side(info.height, info.width, self.flow.settings.short_side, self.flow.settings.aspect)
        return torch.from_numpy(self._decoder.frames(source, wanted, size=size)).permute(0, 3, 1, 2)

    def _fields(self, index: int, wanted: Sequence[int]) -> Tensor:
        return torch.from_numpy(self.flow.fields(self.videos.samples[index].source, wanted))

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_decoder": None}  # each process that loads data has a decoder of its own

    def close(self) -> None:
        """End the decoding process."""
        if self._decoder is not None:
            self._decoder.close()
            self._decoder = None
