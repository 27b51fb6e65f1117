"""How fast pyramid attention is on this machine: the layer, and networks with and without it."""

from collections.abc import Callable
from functools import partial

import torch

from videoattn.papers.istpa.attention import PyramidAttention
from videoattn.papers.istpa.counted import RESIDUAL, shapes
from videoattn.papers.istpa.experiments import PROFILES, VARIANTS, Profile, build
from videoattn.reporting.speed import Cases, scoring, several

PAPER = PROFILES["paper"]
CLASSES = 101  # UCF101
SCALES = ("Block A", "Block B", "Block C")


def tables(kind: str) -> dict[str, Cases]:
    """What makes the cases, by title: the same for all kinds of device."""
    lengths, size = (PAPER.clips.frames, PAPER.test_frames), PAPER.clips.size
    return {f"The layer on maps of Inception-ResNet-V2, K = {k}, 1 clip": partial(layers, k) for k in lengths} | {
        f"Scores of 1 clip of K = {k} frames of {size} x {size}": partial(networks, k) for k in lengths
    }


def layers(frames: int) -> dict[str, Callable[[], object]]:
    """A mean over frames of the top maps, then the layer with one to three scales and with shared weights."""
    found = [shapes(RESIDUAL)[place] for place in SCALES]
    maps = [torch.randn(1, s.channels, frames, *s.size, requires_grad=True) for s in found]
    cases: dict[str, Callable[[], object]] = {"mean over frames": partial(torch.mean, maps[-1], 2)}
    for n, shared in ((1, False), (2, False), (3, False), (3, True)):
        layer = PyramidAttention(
            channels=[s.channels for s in found[-n:]], sizes=[s.size for s in found[-n:]], shared=shared
        )
        cases[f"{several(n, 'scale')}{', shared' if shared else ''}"] = partial(layer, maps[-n:])
    return cases


def networks(frames: int, profile: Profile = PAPER) -> dict[str, Callable[[], object]]:
    """Scores of one clip of so many frames by a profile's networks, the mean over the frames' scores first."""
    clip = {"rgb": torch.randn(1, 3, frames, profile.clips.size, profile.clips.size)}
    names = ("mean", "mean-maps", "scales-1", "scales-3")
    return {name: partial(scoring(build(VARIANTS[name], profile, classes=CLASSES)), clip) for name in names}
