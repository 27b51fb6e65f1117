"""How fast attention before and after is on this machine: modules, networks, and from a file to its scores."""

import functools
import tempfile
from collections.abc import Callable
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
from videoattn.papers.banet.experiments import build, sampled
from videoattn.papers.banet.recipe import PROFILES, VARIANTS
from videoattn.reporting.speed import Speed, measure

PAPER = PROFILES["paper"]
SHAPE = (MAPS, PAPER.frames, 28, 28)  # C, T, H, W of the stacked maps, section III-C
BATCHES = {"cpu": (1, 2), "cuda": (1, 8, 32)}  # videos at a time: latency, and what fills the device
CLASSES = 101  # UCF101
TABLE_6 = {"ECO + non-local": "eco-nl", "ECO + cascaded": "eco-cs"}
LENGTH, HEIGHT, WIDTH = 250, 240, 320  # of the video that is read: 10 s as UCF101 has them


def rows(device: torch.device, *, seconds: float = 0.2) -> dict[str, list[Speed]]:
    """Tables by title, the first row of each the one that its ratios refer to.

    Args:
        seconds: of measuring for each row and kind of pass.
    """
    first, *others = BATCHES[device.type]
    tables = {}
    title = f"Modules on {' x '.join(map(str, SHAPE))}, 1 clip"
    tables[title] = module_rows(SHAPE, batch=1, device=device, seconds=seconds)
    for batch in (first, *others):
        title = f"Scores of {batch} video{'s' if batch > 1 else ''}, 224 x 224, without reading (tables III and VI)"
        tables[title] = network_rows(224, batch=batch, device=device, seconds=seconds)
    title = f"From a file of {LENGTH} frames of {HEIGHT} x {WIDTH} to its scores, and reading alone"
    tables[title] = file_rows(224, device=device, seconds=seconds)
    return tables


def module_rows(
    size: tuple[int, int, int, int],
    *,
    names: tuple[str, ...] | None = None,
    batch: int,
    device: torch.device,
    seconds: float,
) -> list[Speed]:
    """The non-local block without and with its max-pool, then cascades.

    Args:
        size: (C, T, H, W) of the maps. names: which rows; all where left out.
    """
    x = torch.randn(batch, *size, device=device, requires_grad=True)
    modules = {
        "non-local, fused, no max-pool": NonLocalBlock(channels=size[0], dims=3, pool=False),
        "non-local, fused, max-pool": NonLocalBlock(channels=size[0], dims=3),
        "cascade HW-TW-TH": CascadedAttention(channels=size[0]),
        "cascade HW-TW": CascadedAttention(channels=size[0], order=("HW", "TW")),
        "cascade HW-TW-TH, no projections": CascadedAttention(channels=size[0], project=False),
    }
    chosen = {name: module for name, module in modules.items() if names is None or name in names}
    cases = {name: functools.partial(module.to(device), x) for name, module in chosen.items()}
    return measure(cases, device=device, seconds=seconds)


def network_rows(
    size: int, *, names: tuple[str, ...] | None = None, batch: int, device: torch.device, seconds: float
) -> list[Speed]:
    """Scores of clips: ECO first, then what tables III and VI time.

    Args:
        size: H and W. names: which of them, besides ECO; all where left out.
    """
    cases = {}
    for name, job in (NETWORKS | TABLE_6).items():
        if names is None or name in names or name == "ECO(16F)":
            clip = torch.randn(batch, 3, sampled(VARIANTS[job], PAPER), size, size, device=device)
            cases[name] = functools.partial(_network(job, device), {"rgb": clip})
    return measure(cases, device=device, seconds=seconds, backward=False)


def file_rows(
    size: int,
    *,
    names: tuple[str, ...] = ("ECO(16F)", "BANet(16F)", "BANet-Lite(4F)"),
    device: torch.device,
    seconds: float,
) -> list[Speed]:
    """As a user sees it: sampled frames are decoded, put on the device and scored; and the decoding alone.

    Args:
        size: H and W of the frames as the network gets them. names: of `NETWORKS`.
    """
    with tempfile.TemporaryDirectory() as folder, Decoder() as decoder:
        path = Path(folder) / "video.mp4"
        _write(path)
        cases: dict[str, Callable[[], torch.Tensor | dict]] = {}
        for name in names:
            job = NETWORKS[name]
            read = functools.partial(_read, decoder, path, sampled(VARIANTS[job], PAPER), size, device)
            network = _network(job, device)
            cases[name] = lambda network=network, read=read: network({"rgb": read()})
            cases[f"reading for {name}"] = read
        return measure(cases, device=device, seconds=seconds, backward=False)


def _network(job: str, device: torch.device) -> nn.Module:
    return build(VARIANTS[job], PAPER, classes=CLASSES).to(device).eval()


def _write(path: Path) -> None:
    """A video that does not compress to nothing: a pattern that moves."""
    rng = np.random.default_rng(0)
    wide = rng.integers(0, 256, (HEIGHT // 8, WIDTH // 8 + LENGTH, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    write_video(path, np.stack([wide[:, t : t + WIDTH] for t in range(LENGTH)]), fps=25)


def _read(decoder: Decoder, path: Path, frames: int, size: int, device: torch.device) -> torch.Tensor:
    images = decoder.frames(path, segment_starts(LENGTH, frames, 1), size=(size, size))
    return torch.from_numpy(images).to(device).permute(3, 0, 1, 2)[None].float() / 255
