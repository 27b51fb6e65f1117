"""How fast pyramid attention is on this machine: the layer, and networks with and without it."""

import functools

import torch

from videoattn.papers.istpa.attention import PyramidAttention
from videoattn.papers.istpa.counted import RESIDUAL, shapes
from videoattn.papers.istpa.experiments import build
from videoattn.papers.istpa.recipe import PROFILES, VARIANTS, Profile
from videoattn.reporting.speed import Speed, measure

PAPER = PROFILES["paper"]
CLASSES = 101  # UCF101
SCALES = ("Block A", "Block B", "Block C")


def rows(device: torch.device, *, seconds: float = 0.2) -> dict[str, list[Speed]]:
    """Tables by title, the first row of each the one that its ratios refer to.

    Args:
        seconds: of measuring for each row and kind of pass.
    """
    tables = {}
    for frames in (PAPER.clips.frames, PAPER.test_frames):
        title = f"The layer on maps of Inception-ResNet-V2, K = {frames}, 1 clip"
        tables[title] = layer_rows(frames, device=device, seconds=seconds)
    for frames in (PAPER.clips.frames, PAPER.test_frames):
        title = f"Scores of 1 clip of K = {frames} frames of {PAPER.clips.size} x {PAPER.clips.size}"
        tables[title] = network_rows(PAPER, frames, device=device, seconds=seconds)
    return tables


def layer_rows(frames: int, *, device: torch.device, seconds: float) -> list[Speed]:
    """A mean over frames of the top maps, then the layer with one to three scales and with shared weights."""
    found = [shapes(RESIDUAL)[place] for place in SCALES]
    maps = [torch.randn(1, s.channels, frames, *s.size, device=device, requires_grad=True) for s in found]
    cases = {"mean over frames": functools.partial(torch.mean, maps[-1], 2)}
    for scales, shared in ((1, False), (2, False), (3, False), (3, True)):
        layer = PyramidAttention(
            channels=[s.channels for s in found[-scales:]], sizes=[s.size for s in found[-scales:]], shared=shared
        ).to(device)
        name = f"{scales} scale{'s' if scales > 1 else ''}{', shared' if shared else ''}"
        cases[name] = functools.partial(layer, maps[-scales:])
    return measure(cases, device=device, seconds=seconds)


def network_rows(profile: Profile, frames: int, *, device: torch.device, seconds: float) -> list[Speed]:
    """Scores of one clip of so many frames by a profile's networks, the mean over the frames' scores first."""
    clip = torch.randn(1, 3, frames, profile.clips.size, profile.clips.size, device=device)
    cases = {}
    for name in ("mean", "mean-maps", "scales-1", "scales-3"):
        network = build(VARIANTS[name], profile, classes=CLASSES).to(device).eval()
        cases[name] = functools.partial(network, {"rgb": clip})
    return measure(cases, device=device, seconds=seconds, backward=False)
