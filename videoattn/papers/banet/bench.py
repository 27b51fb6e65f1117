"""How fast attention before and after is on this machine: modules, networks, and from a file to its scores."""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from videoattn.data.clips.sampling import segment_starts
from videoattn.data.decode.decoder import Decoder
from videoattn.data.probes.video import write_video
from videoattn.layers.non_local import NonLocalBlock
from videoattn.papers.banet.audit import MAPS, NETWORKS
from videoattn.papers.banet.cascade import CascadedAttention
from videoattn.papers.banet.experiments import PROFILES, VARIANTS, build, sampled
from videoattn.reporting.speed import Cases, scoring, several

PAPER = PROFILES["paper"]
SHAPE = (MAPS, PAPER.frames, 28, 28)  # C, T, H, W of the stacked maps, section III-C
BATCHES = {"cpu": (1, 2), "cuda": (1, 8, 32)}  # videos at a time: latency, and what fills the device
CLASSES = 101  # UCF101
TABLE_6 = {"ECO + non-local": "eco-nl", "ECO + cascaded": "eco-cs"}
LENGTH, HEIGHT, WIDTH = 250, 240, 320  # of the video that is read: 10 s as UCF101 has them
VIDEO = "video.mp4"


def tables(kind: str) -> dict[str, Cases]:
    """What makes the cases, by title, for a kind of device."""
    scores = "{}, 224 x 224, without reading (tables III and VI)"
    return (
        {f"Modules on {' x '.join(map(str, SHAPE))}, 1 clip": modules}
        | {f"Scores of {scores.format(several(n, 'video'))}": partial(networks, batch=n) for n in BATCHES[kind]}
        | {f"From a file of {LENGTH} frames of {HEIGHT} x {WIDTH} to its scores, and reading alone": files}
    )


def modules(
    size: tuple[int, int, int, int] = SHAPE, *, names: tuple[str, ...] | None = None, batch: int = 1
) -> dict[str, Callable[[], object]]:
    """The non-local block without and with its max-pool, then cascades.

    Args:
        size: (C, T, H, W) of the maps. names: which rows; all where left out.
    """
    x = torch.randn(batch, *size, requires_grad=True)
    found = {
        "non-local, fused, no max-pool": NonLocalBlock(channels=size[0], dims=3, pool=False),
        "non-local, fused, max-pool": NonLocalBlock(channels=size[0], dims=3),
        "cascade HW-TW-TH": CascadedAttention(channels=size[0]),
        "cascade HW-TW": CascadedAttention(channels=size[0], order=("HW", "TW")),
        "cascade HW-TW-TH, no projections": CascadedAttention(channels=size[0], project=False),
    }
    return {name: partial(module, x) for name, module in found.items() if names is None or name in names}


def networks(
    size: int = 224, *, names: tuple[str, ...] | None = None, batch: int = 1
) -> dict[str, Callable[[], object]]:
    """Scores of clips: ECO first, then what tables III and VI time.

    Args:
        size: H and W. names: which of them, besides ECO; all where left out.
    """
    cases = {}
    for name, job in (NETWORKS | TABLE_6).items():
        if names is None or name in names or name == "ECO(16F)":
            clip = torch.randn(batch, 3, sampled(VARIANTS[job], PAPER), size, size)
            cases[name] = partial(_network(job), {"rgb": clip})
    return cases


def files(
    size: int = 224, *, names: tuple[str, ...] = ("ECO(16F)", "BANet(16F)", "BANet-Lite(4F)")
) -> dict[str, Callable[[], object]]:
    """As a user sees it: sampled frames are decoded, put on the device and scored; and the decoding alone.

    Args:
        size: H and W of the frames as the network gets them. names: of `NETWORKS`.
    """
    folder, decoder, device = tempfile.TemporaryDirectory(), Decoder(), torch.get_default_device()
    _write(Path(folder.name) / VIDEO)
    cases: dict[str, Callable[[], object]] = {}
    for name in names:
        job = NETWORKS[name]
        read, network = partial(_read, decoder, folder, sampled(VARIANTS[job], PAPER), size, device), _network(job)
        cases[name] = lambda network=network, read=read: network({"rgb": read()})
        cases[f"reading for {name}"] = read
    return cases


def _network(job: str) -> nn.Module:
    return scoring(build(VARIANTS[job], PAPER, classes=CLASSES))


def _write(path: Path) -> None:
    """A video that does not compress to nothing: a pattern that moves."""
    rng = np.random.default_rng(0)
    wide = rng.integers(0, 256, (HEIGHT // 8, WIDTH // 8 + LENGTH, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    write_video(path, np.stack([wide[:, t : t + WIDTH] for t in range(LENGTH)]), fps=25)


def _read(
    decoder: Decoder, folder: tempfile.TemporaryDirectory, frames: int, size: int, device: torch.device
) -> torch.Tensor:
    """Frames of the video in a folder, which is there as long as this may be called."""
    images = decoder.frames(Path(folder.name) / VIDEO, segment_starts(LENGTH, frames, 1), size=(size, size))
    return torch.from_numpy(images).to(device).permute(3, 0, 1, 2)[None].float() / 255
