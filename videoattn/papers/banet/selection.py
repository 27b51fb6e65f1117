"""What frame attention is compared with: rules that keep frames of a clip without learning anything.

Each maps a clip (B, 3, N, H, W) to `Kept`.
"""

import zlib

import torch
from torch import Tensor, nn

from videoattn.data.clips.sampling import segment_starts
from videoattn.errors import InputError, unknown
from videoattn.papers.banet.attention import FrameAttention, Kept, best, check_clip, differences, kept_frames

RULES = ("all", "uniform", "random", "largest", "smallest", "learned")


class AllFrames(nn.Module):
    """Every frame."""

    def forward(self, clip: Tensor) -> Kept:
        indices = torch.arange(clip.shape[2], device=clip.device)
        return Kept(indices.expand(len(clip), -1))


class UniformFrames(nn.Module):
    """The middle frame of each of M equal segments."""

    def __init__(self, *, frames: int, keep: float = 0.5):
        super().__init__()
        self.frames = frames
        self.indices = tuple(segment_starts(frames, kept_frames(frames, keep), 1).tolist())

    def forward(self, clip: Tensor) -> Kept:
        check_clip(clip, self.frames)
        return Kept(torch.tensor(self.indices, device=clip.device).expand(len(clip), -1))


class RandomFrames(nn.Module):
    """M frames drawn at random; in evaluation mode always the same of a clip, whatever its batch."""

    def __init__(self, *, frames: int, keep: float = 0.5):
        super().__init__()
        self.frames = frames
        self.count = kept_frames(frames, keep)

    def forward(self, clip: Tensor) -> Kept:
        check_clip(clip, self.frames)
        if self.training or clip.is_meta:
            draws = torch.rand(len(clip), clip.shape[2])
        else:
            seeds = [zlib.crc32(own.float().cpu().contiguous().numpy().tobytes()) for own in clip]
            own = [torch.rand(clip.shape[2], generator=torch.Generator().manual_seed(seed)) for seed in seeds]
            draws = torch.stack(own)
        return Kept(best(draws.to(clip.device), self.count))


class ByDifferences(nn.Module):
    """M frames that differ most from their neighbours, by the means of their pooled differences.

    A frame is worth the sum of the differences to both; an end counts its one twice.

    Args:
        smallest: those that are most alike to a neighbour instead: the smaller of the differences counts, and the
            frames where it is least are kept.
    """

    def __init__(self, *, frames: int, keep: float = 0.5, size: int = 56, smallest: bool = False):
        super().__init__()
        if frames < 2 or size < 1:
            raise InputError(f"frames={frames}, size={size}: at least 2 and 1 are expected")
        self.frames = frames
        self.count = kept_frames(frames, keep)
        self.size = size
        self.smallest = smallest

    def forward(self, clip: Tensor) -> Kept:
        check_clip(clip, self.frames)
        mean = differences(clip, self.size).mean((2, 3))
        before, after = mean[:, :-1], mean[:, 1:]
        if self.smallest:
            worth = -torch.cat([mean[:, :1], torch.minimum(before, after), mean[:, -1:]], dim=1)
        else:
            worth = torch.cat([2 * mean[:, :1], before + after, 2 * mean[:, -1:]], dim=1)
        return Kept(best(worth, self.count))


def selection(
    rule: str,
    *,
    frames: int,
    keep: float,
    size: int,
    reading: str = "consistent",
    gradient: str = "straight-through",
    warm_up: int = 0,
) -> nn.Module:
    """A rule by its name, of `RULES`; `size` is the side of the pooled differences, the rest is for "learned"."""
    if rule == "learned":
        return FrameAttention(frames=frames, keep=keep, size=size, reading=reading, gradient=gradient, warm_up=warm_up)
    if rule in ("largest", "smallest"):
        return ByDifferences(frames=frames, keep=keep, size=size, smallest=rule == "smallest")
    if rule not in RULES:
        raise unknown("rule", rule, RULES)
    if rule == "all":
        return AllFrames()
    return {"uniform": UniformFrames, "random": RandomFrames}[rule](frames=frames, keep=keep)
