r"""Frame attention: what comes before feature extraction.

Z. Zhou, Y. Xu, L. Yang. Attention Before and After Feature Extraction for Action Recognition, section III-B.

Of N frames the M with the largest scores y are kept, in the order of time. d_i says what the difference between frames
i and i + 1 is worth:

    (1) [d_1, ..., d_{N-1}] = MLP(X'_d)
    (2) y_i = F(clamp(d_{i-1})) + F(clamp(d_i)); at the ends y_1 = 2 F(clamp(d_1)), y_N = 2 F(clamp(d_{N-1}))

X'_d: absolute differences of grey frames, max-pooled to S x S; clamp: to [0, 7]; F(x) = sigmoid'(x - 3).

Axes: b clip, n frame of N, m kept frame of M, s draw of noise, c channel, h w place.

Departures: Eq. (2) is printed with a parenthesis elsewhere, F(clamp(d_i) + F(clamp(d_{i+1}))), and with d_{i+1}, which
does not exist for i = N - 1; `reading="literal"` follows it, with d_{N-1} for d_N. What section III-B compares Eq. (2)
with is `reading="centred"`, where F is moved to 3.5, and `reading="direct"`, y_i = d_{i-1} + d_i without F and clamp.
Differences are absolute: a max-pool would lose what becomes darker. The choice of the best passes no gradient to the
scores: `gradient` says how they get one. Widths and start of the MLP are not in the paper; the defaults are ours.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from videoattn.data.clips.augment import IMAGENET_STD
from videoattn.errors import InputError, unknown
from videoattn.layers.pooling import adaptive_max_pool2d

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
OFFSET, LARGEST = 3.0, 7.0  # section III-B
MIDDLE = LARGEST / 2  # the offset that section III-B rejects
READINGS = ("consistent", "literal", "centred", "direct")
LEAST = 1e-6  # that a score counts where it is divided or a logarithm taken; those of Eq. (2) are above it
GRADIENTS = ("weight", "straight-through", "perturbed", "none")
DRAWS, NOISE = 64, 0.05  # of "perturbed"; scores are at most 1/2 apart


class Kept(NamedTuple):
    """Frames of a clip that go on, and what carries the gradient to their scores.

    indices: (B, M), ascending. weights: (B, M), all 1, factors of the kept frames' features. frame_mix: (B, M, N), rows
    that mix all frames to the M that go on. feature_mix: (B, M, N), of 0 and 1, rows that pick the M kept frames'
    features from those of all N.
    """

    indices: Tensor
    weights: Tensor | None = None
    frame_mix: Tensor | None = None
    feature_mix: Tensor | None = None


def differences(clip: Tensor, size: int) -> Tensor:
    """Absolute differences of successive grey frames, max-pooled: (B, 3, N, H, W) -> (B, N - 1, size, size).

    The clip is RGB with the mean and deviation of ImageNet removed; grey counts from 0 to 1.
    """
    weights = clip.new_tensor([luma * std for luma, std in zip(LUMA, IMAGENET_STD, strict=True)])
    grey = torch.einsum("c,bcnhw->bnhw", weights, clip)
    return adaptive_max_pool2d(grey.diff(dim=1).abs(), (size, size))


def bump(x: Tensor, offset: float = OFFSET) -> Tensor:
    """F: the derivative of the sigmoid, moved to `offset`, where it is 1/4; moved to 3 it is 0.05 at 0, 0.02 at 7."""
    at = torch.sigmoid(x - offset)
    return at * (1 - at)


def frame_scores(d: Tensor, reading: str = "consistent") -> Tensor:
    """What frames (..., N) are worth, from what their differences (..., N - 1) are."""
    if reading == "direct":
        f = d
    else:
        d = d.clamp(0.0, LARGEST)
        f = bump(d, MIDDLE if reading == "centred" else OFFSET)
    if reading == "literal":
        inner = bump(d[..., 1:] + torch.cat([f[..., 2:], f[..., -1:]], dim=-1))
    else:
        inner = f[..., :-1] + f[..., 1:]  # Eq. (2)
    return torch.cat([2 * f[..., :1], inner, 2 * f[..., -1:]], dim=-1)


def best(scores: Tensor, count: int) -> Tensor:
    """Indices of the `count` largest of (..., N), ascending: (..., count)."""
    return scores.topk(count, dim=-1).indices.sort(dim=-1).values


class FrameAttention(nn.Module):
    """Keep the frames of a clip that are neither redundant nor irrelevant.

    Args:
        frames: N, at least 2. keep: share of them that is kept; M = N keep, rounded, is at least 1.
        size: S. hidden: widths of the MLP's inner layers. start: its output where the frames are the same, at first;
            between 0 and 7 and not at the top of F, where its slope is 0.
        reading: of Eq. (2), one of `READINGS`.
        gradient: how the scores learn. "straight-through": each kept frame's place is shared, in the gradient alone,
            with the frames that were dropped, by a softmax of log y; training computes the features of all N. "weight":
            features of a kept frame are multiplied by y / y, of which the second is held fixed; dropped frames are not
            seen, so that a wrong choice can last. "perturbed": Q. Berthet
            et al. (2020), shares of the choices under noise. "none": as printed; nothing is learnt.
        warm_up: how many clips of the training are chosen from at random, before the best frames are; the scores learn
            all the same. Without it a choice that is wrong at first can stay so. It is ours, not the paper's.

    Shapes: (B, 3, N, H, W) -> `Kept`.
    """

    def __init__(
        self,
        *,
        frames: int,
        keep: float = 0.5,
        size: int = 56,
        hidden: Sequence[int] = (64, 16),
        start: float = 2.0,
        reading: str = "consistent",
        gradient: str = "straight-through",
        warm_up: int = 0,
    ):
        super().__init__()
        if warm_up < 0:
            raise InputError(f"warm_up={warm_up}: a number of clips is expected")
        if frames < 2:
            raise InputError(f"frames={frames}: differences need at least 2")
        self.count = kept_frames(frames, keep)
        if size < 1 or len(hidden) != 2 or min(hidden) < 1:
            raise InputError(f"size={size}, hidden={tuple(hidden)}: a side and two widths of at least 1 are expected")
        for name, value, good in (("reading", reading, READINGS), ("gradient", gradient, GRADIENTS)):
            if value not in good:
                raise unknown(name, value, good)
        top = MIDDLE if reading == "centred" else OFFSET
        if not 0 < start < LARGEST or start == top:
            raise InputError(f"start={start}: a value in (0, {LARGEST:g}) is expected, but not {top:g}")
        self.frames = frames
        self.size = size
        self.reading = reading
        self.gradient = gradient
        self.warm_up = warm_up
        if warm_up:
            self.register_buffer("seen", torch.zeros((), dtype=torch.long))  # clips of the training
        first, second = hidden
        self.mlp = nn.Sequential(
            *(nn.Linear(size * size, first), nn.ReLU()), *(nn.Linear(first, second), nn.ReLU()), nn.Linear(second, 1)
        )
        for layer in self.mlp[::2]:
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
        nn.init.constant_(self.mlp[-1].bias, start)
        self.mlp.requires_grad_(gradient != "none")

    def scores(self, clip: Tensor) -> Tensor:
        """y of each frame: (B, 3, N, H, W) -> (B, N)."""
        check_clip(clip, self.frames)
        with torch.autocast("cuda" if clip.is_cuda else "cpu", enabled=False):  # in half, near scores would tie
            x = differences(clip.to(self.mlp[0].weight.dtype), self.size).flatten(2)
            d = torch.relu(self.mlp(x)).squeeze(-1)  # Eq. (1)
            return frame_scores(d, self.reading)

    def forward(self, clip: Tensor) -> Kept:
        y = self.scores(clip)
        indices = best(y, self.count)
        if self.training and self.warm_up and self.seen < self.warm_up:
            self.seen += len(clip)
            indices = best(torch.rand_like(y), self.count)
        if self.gradient == "none" or not self.training:
            return Kept(indices)
        if self.gradient == "weight":
            kept = y.gather(1, indices).clamp_min(LEAST)
            return Kept(indices, weights=kept / kept.detach())
        if self.gradient == "perturbed":
            return Kept(indices, frame_mix=perturbed(y, self.count))
        chosen = functional.one_hot(indices, self.frames).to(y)
        dropped = 1 - chosen.sum(1, keepdim=True)
        odds = y.clamp_min(LEAST).log()[:, None] + (chosen + dropped).log()  # of m among itself and the dropped
        shares = odds.softmax(-1)
        return Kept(indices, feature_mix=chosen + (shares - shares.detach()))


def perturbed(y: Tensor, count: int) -> Tensor:
    """How often each frame takes each place among the kept ones when noise is added to the scores: (B, M, N).

    The derivative is that of the expectation, sum over draws of choice times noise / NOISE.
    """
    noise = torch.randn(DRAWS, *y.shape, device=y.device, dtype=y.dtype)
    choices = functional.one_hot(best(y.detach() + NOISE * noise, count), y.shape[-1]).to(y)
    slope = torch.einsum("sbn,bn->sb", noise / NOISE, y)
    steered = torch.einsum("sbmn,sb->bmn", choices, slope) / DRAWS
    return choices.mean(0) + (steered - steered.detach())


def check_clip(clip: Tensor, frames: int) -> None:
    """Raise `InputError` unless the clip is RGB of that many frames."""
    if clip.dim() != 5 or clip.shape[1:3] != (3, frames):
        raise InputError(f"the clip has shape {tuple(clip.shape)}; (B, 3, {frames}, H, W) is expected")


def kept_frames(frames: int, keep: float) -> int:
    """M: how many of N frames a share of them is, halves to the even number.

    Raises `InputError` where none or more than all would be left.
    """
    if frames < 1:
        raise InputError(f"frames={frames}: at least 1 is needed")
    count = round(frames * keep) if math.isfinite(keep) else 0
    if not 1 <= count <= frames:
        raise InputError(f"keep={keep}: of {frames} frames {count} would be left; 1 to {frames} are possible")
    return count
