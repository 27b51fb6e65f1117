"""What a trained network with criss-cross attention does with a clip, measured and drawn."""

from collections.abc import Sequence

import torch
from ipywidgets import Widget
from matplotlib.figure import Figure
from torch import Tensor, nn

from videoattn.backbones.cells import CellNetwork
from videoattn.backbones.video_network import VideoNetwork
from videoattn.data.clips.clips import Clips
from videoattn.papers.rcca.attention import RCCA3D
from videoattn.papers.rcca.reach import effective
from videoattn.reporting.explorer import explorer
from videoattn.reporting.figures import clip_images, heat_strips

EXPLORED = 24  # clips that the widget offers


@torch.no_grad()
def activation_maps(network: CellNetwork | VideoNetwork, clip: dict[str, Tensor], label: int) -> Tensor:
    """How much each position speaks for a class, (B, T, h, w): its share of the pooled score, bias apart, times T h w.

    B. Zhou et al., Learning Deep Features for Discriminative Localization, CVPR 2016, over space-time instead of space.
    Where more than one layer stands behind the pooling, their derivative takes the place of the last one's weights.
    """
    maps = network.features(clip["rgb"])
    if maps.shape[1] == network.fc.in_features:
        return torch.einsum("c,bcthw->bthw", network.fc.weight[label], maps)
    with torch.enable_grad():
        maps.requires_grad_()
        (slope,) = torch.autograd.grad(network.backbone.head(maps)[:, label].sum(), maps)
    return (slope * maps).sum(1) * maps[0, 0].numel()


@torch.no_grad()
def through(network: nn.Module, clip: dict[str, Tensor]) -> tuple[RCCA3D, Tensor, Tensor, tuple]:
    """The network's first RCCA-3D module with its input and output maps (B, C, T, h, w) and its attention on a clip."""
    module = next((m for m in network.modules() if isinstance(m, RCCA3D)), None)
    if module is None:
        raise LookupError("the network has no RCCA-3D module")
    seen = []
    handle = module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        network(clip)
    finally:
        handle.remove()
    output, attention = module(seen[0], return_attention=True)
    return module, seen[0], output, attention


def clip_of(data: Clips, index: int) -> dict[str, Tensor]:
    """The first view of a test video, with an axis of one in front."""
    return {key: value[:1] for key, value in data[index][0].items()}


def attention_strips(network: nn.Module, data: Clips, index: int, query: tuple[int, int, int]) -> Figure:
    """Frames with the query marked; its weights on its three lines, step by step; and all steps together."""
    module, _, _, attention = through(network, clip_of(data, index))
    shown = clip_images(data, index)
    grid = attention[0].t.shape[2:4]
    alone = [effective([lines], 1.0, "d", query) for lines in attention]  # one step: the query's own weights on it
    rows = [("frames", None)]
    rows += [(f"step {step + 1}", _without_query(weights, query)) for step, weights in enumerate(alone)]
    together = effective(attention, module.gamma.item(), module.structure, query)
    rows.append((f"all {len(attention)} steps", together))
    title = data.videos.label_text(index)
    return heat_strips(shown, rows, query=(query, grid), title=title)


def _without_query(weights: Tensor, query: tuple[int, int, int]) -> Tensor:
    """`effective` of structure d adds the input itself to the weights of the step: take it out again."""
    weights = 2 * weights
    weights[query] -= 1
    return weights


def explore(network: nn.Module, data: Clips) -> Widget:
    """A widget: choose clip, frame and query location; see its criss-cross weights and where all steps lead."""
    names = [sample.name for sample in data.videos.samples[:EXPLORED]]

    def look(index: int, _: str, t: int, at: tuple[float, float]) -> Figure:
        _, maps, _, _ = through(network, clip_of(data, index))
        place = [int(share * length) for share, length in zip(at, maps.shape[3:], strict=True)]
        return attention_strips(network, data, index, (t, *place))

    return explorer(clips=names, blocks=["RCCA-3D"], frames=data.settings.frames, look=look)


def channel_strips(network: nn.Module, data: Clips, index: int, channels: Sequence[int]) -> Figure:
    """Figure 6: maps of some channels before and behind the module, frame by frame."""
    _, before, behind, _ = through(network, clip_of(data, index))
    rows = [("frames", None)]
    for c in channels:
        rows += [(f"channel {c}, in", before[0, c]), (f"channel {c}, out", behind[0, c])]
    return heat_strips(clip_images(data, index), rows, title=data.videos.label_text(index))
