"""What a trained network with cross-modality attention does with the two modalities, measured on test clips."""

from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from ipywidgets import Widget
from matplotlib.figure import Figure
from torch import Tensor

from videoattn.data.clips.augment import centre_crop
from videoattn.data.clips.clips import Clips
from videoattn.data.probes.store import probe_of, read_truth
from videoattn.evaluation.metrics import classification_metrics
from videoattn.papers.cma.network import STREAMS, CMANetwork
from videoattn.reporting.explorer import explorer
from videoattn.reporting.figures import attention_figure, flow_image, to_image

BATCH = 50  # clips at a time
EXPLORED = 24  # clips that the widget offers


@dataclass(frozen=True)
class Seen:
    """Attention of one clip at one block: weights (queries, keys) with the grids (rows, columns) of both."""

    weights: Tensor
    queries: tuple[int, int]
    keys: tuple[int, int]

    def query(self, down: float, right: float) -> tuple[int, int]:
        """Row and column of the query at (down, right), each in [0, 1) of the frame."""
        return int(down * self.queries[0]), int(right * self.queries[1])

    def at(self, down: float, right: float) -> Tensor:
        """Where that query attends: (rows, columns) of the keys."""
        row, column = self.query(down, right)
        return self.weights[row * self.queries[1] + column].view(self.keys)


@torch.no_grad()
def attention(network: CMANetwork, clip: dict[str, Tensor], stream: str) -> dict[str, list[Seen]]:
    """What each block writing into `stream` attends to, by position, for each clip (B, C, T, H, W) and snippet."""
    network.eval()
    _, weights = network(clip, return_attention=True)
    height, width = clip["rgb"].shape[-2:]
    reductions = {s["module"]: s["reduction"] for s in network.streams["rgb"].feature_info}
    found = {}
    for position in network.positions:
        reduction = reductions[position if position in reductions else position.split(".")[0]]
        queries = (-(-height // reduction), -(-width // reduction))
        keys = tuple(-(-side // 2) if network.block(stream, position).pool else side for side in queries)
        found[position] = [Seen(w, queries, keys) for w in weights[stream, position].cpu()]
    return found


@torch.no_grad()
def with_moved_flow(network: CMANetwork, data: Clips) -> dict:
    """Metrics of the RGB scores when every flow field is moved by half a frame, out of its place in the RGB frame."""
    network.eval()
    scores, labels = [], []
    for clip, label in _batches(data):
        half = [side // 2 for side in clip["flow"].shape[-2:]]
        moved = clip | {"flow": clip["flow"].roll(half, dims=(-2, -1))}
        scores.append(network(moved)["rgb"])
        labels.append(label)
    return classification_metrics(torch.cat(scores), torch.cat(labels))


def on_the_mover(network: CMANetwork, data: Clips) -> dict[str, dict]:
    """How much each of the RGB branch's blocks looks at the object that moves, on clips of the binding probe.

    Returns:
        By position, share: attention of all queries that falls on keys whose cell holds part of the mover, mean over
        clips; area: the share of those cells, which uniform attention would give; keys: how many there are.
    """
    truth = read_truth(probe_of(data.videos.samples[0].path))
    size, extent = truth["settings"]["size"], truth["settings"]["object_size"]
    totals = {position: {"share": 0.0, "area": 0.0, "keys": 0} for position in network.positions}
    index = 0
    for clip, labels in _batches(data):
        for position, seen in attention(network, clip, "rgb").items():
            for i, one in enumerate(seen):
                about = truth["clips"][data.videos.samples[index + i].name]
                centre = about["centres"][0][about["mover"]]
                inside = [_covered(c, extent, size, cells) for c, cells in zip(centre, one.keys, strict=True)]
                mask = inside[0][:, None] & inside[1][None, :]
                totals[position]["share"] += float(one.weights.mean(0).view(one.keys)[mask].sum()) / len(data)
                totals[position]["area"] += float(mask.float().mean()) / len(data)
                totals[position]["keys"] = one.keys[0] * one.keys[1]
        index += len(labels)
    return totals


def centre_view(data: Clips, index: int) -> dict[str, Tensor]:
    """The centre crop of a test video, (1, C, T, H, W), whether one or ten crops are tested."""
    clip, _ = data[index]
    centre = len(clip["rgb"]) // 2 - 1 if len(clip["rgb"]) > 1 else 0  # of ten crops the fifth
    return {stream: part[centre : centre + 1] for stream, part in clip.items()}


def images(data: Clips, index: int, snippet: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The frame of a snippet and its first flow field as images, cut as the network sees them."""
    raw = centre_crop(data.raw(index), data.settings.size)
    return to_image(raw["rgb"][:, snippet]), flow_image(raw["flow"][:2, snippet])


def explore(network: CMANetwork, data: Clips) -> Widget:
    """A widget: choose clip, snippet, block and query location, and see where the query attends."""
    names = [f"{sample.name}" for sample in data.videos.samples[:EXPLORED]]
    blocks = [f"{stream} {position}" for position in network.positions for stream in STREAMS]

    def look(index: int, block: str, snippet: int, at: tuple[float, float]) -> Figure:
        stream, position = block.split()
        seen = attention(network, centre_view(data, index), stream)[position][snippet]
        pair = images(data, index, snippet)
        frame, context = pair if stream == "rgb" else pair[::-1]
        title = f"{data.videos.label_text(index)}: {stream} asks at {position}"
        return attention_figure(frame, context, seen.at(*at).numpy(), seen.query(*at), seen.queries, title=title)

    return explorer(clips=names, blocks=blocks, frames=data.settings.taken(test=True), look=look)


def _covered(centre: float, extent: float, size: int, cells: int) -> Tensor:
    """Which of `cells` along an axis hold part of [centre - extent / 2, centre + extent / 2]."""
    edges = torch.arange(cells + 1) * size / cells
    return (edges[1:] > centre - extent / 2) & (edges[:-1] < centre + extent / 2)


def _batches(data: Clips):
    """Clips with one view each, (B, C, T, H, W), and their labels."""
    for start in range(0, len(data), BATCH):
        items = [data[i] for i in range(start, min(start + BATCH, len(data)))]
        clip = {s: torch.stack([item[0][s] for item in items]) for s in items[0][0]}
        yield (
            {s: rearrange(part, "b v c t h w -> (b v) c t h w") for s, part in clip.items()},
            torch.tensor([label for _, label in items]),
        )
