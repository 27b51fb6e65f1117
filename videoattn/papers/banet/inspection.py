"""Which frames a trained network keeps, measured and drawn."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from ipywidgets import Widget
from matplotlib.figure import Figure
from torch import Tensor, nn

from videoattn.data.clips.clips import Clips
from videoattn.data.probes.interruption import KINDS
from videoattn.engine.experiment import Job
from videoattn.papers.banet.attention import LARGEST, FrameAttention, bump, differences
from videoattn.papers.banet.network import BANet
from videoattn.papers.banet.selection import AllFrames
from videoattn.reporting.explorer import explorer
from videoattn.reporting.figures import clip_images, film_strips

BATCH = 64  # clips at a time
EXPLORED = 24  # clips that the widget offers
RED = np.array([200.0, 0.0, 0.0])


def kinds(data, test: Clips) -> np.ndarray:
    """The kind of each frame of each test clip of the probe, (clips, N), from the truth about them."""
    clips = data.truth["clips"]
    return np.array([clips[sample.name]["kinds"] for sample in test.videos.samples])


def by_kind(data, job: Job, network: BANet, scores: dict[str, Tensor], labels: Tensor) -> dict[str, dict]:
    """What a job keeps of the test clips: row "<job> kept" with the share of each kind among the kept frames."""
    if isinstance(network.select, AllFrames):
        return {}
    test = data.test(job)
    found = np.take_along_axis(kinds(data, test), kept(network, test), axis=1)
    return {f"{job.name} kept": {kind: float((found == kind).mean()) for kind in KINDS}}


@torch.no_grad()
def kept(network: BANet, test: Clips) -> np.ndarray:
    """Indices of the frames that are kept of the first view of each test clip: (clips, M)."""
    network.eval()
    found = [network.select(clips).indices for clips in _batches(test)]
    return torch.cat(found).numpy()


def _batches(test: Clips):
    """The first view of all test clips, batch by batch: (b, 3, N, H, W)."""
    for start in range(0, len(test), BATCH):
        yield torch.stack([test[i][0]["rgb"][0] for i in range(start, min(start + BATCH, len(test)))])


def strips(networks: Mapping[str, nn.Module], test: Clips, index: int) -> Figure:
    """Figure 1: the frames of a test clip, a row for each network, those that it drops tinted red."""
    clip, images = test[index][0]["rgb"][:1], clip_images(test, index)
    rows = []
    for name, network in networks.items():
        with torch.no_grad():
            chosen = set(network.eval().select(clip).indices[0].tolist())
        rows.append((name, [image if n in chosen else tinted(image) for n, image in enumerate(images)]))
    return film_strips(rows)


def explore(networks: Mapping[str, nn.Module], test: Clips) -> Widget:
    """A widget: choose a clip and a rule; see what it drops."""
    names = [sample.name for sample in test.videos.samples[:EXPLORED]]

    def look(index: int, rule: str, _frame: int, _at: tuple[float, float]) -> Figure:
        return strips({rule: networks[rule]}, test, index)

    return explorer(clips=names, blocks=list(networks), frames=None, look=look)


def tinted(image: np.ndarray) -> np.ndarray:
    """An image (H, W, 3) of uint8, half of it red."""
    return ((image + RED) / 2).astype(np.uint8)


@torch.no_grad()
def worth(select: FrameAttention, data, test: Clips) -> dict[str, list[float]]:
    """d of all differences in the test clips of the probe, by what they lie between: "relevant | irrelevant"."""
    select.eval()
    d = torch.cat([select.mlp(differences(clips, select.size).flatten(2)).squeeze(-1) for clips in _batches(test)])
    found: dict[str, list[float]] = {}
    for row, values in zip(kinds(data, test), d.clamp(0, LARGEST).tolist(), strict=True):
        for before, after, value in zip(row[:-1], row[1:], values, strict=True):
            found.setdefault(" | ".join(sorted((before, after), reverse=True)), []).append(value)
    return found


def worth_figure(found: Mapping[str, Sequence[float]]) -> Figure:
    """F over d, and below it how d of each sort of difference is distributed."""
    figure, (above, below) = plt.subplots(2, 1, figsize=(6, 3.6), sharex=True, layout="constrained")
    d = torch.linspace(0, LARGEST, 200)
    above.plot(d, bump(d), color="black", linewidth=1.2)
    above.set_ylabel("F(d)")
    for name, values in sorted(found.items()):
        below.hist(values, bins=np.linspace(0, LARGEST, 71), density=True, alpha=0.6, label=name)
    below.set(xlabel="d, what the MLP makes of a difference", ylabel="density", xlim=(0, LARGEST))
    below.legend(frameon=False, fontsize=8, title="between frames", title_fontsize=8)
    for ax in (above, below):
        ax.spines[["top", "right"]].set_visible(False)
    return figure
