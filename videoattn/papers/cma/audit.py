"""Which network computes which complexity figure of the paper, and what the figure is worth."""

import functools
import math

import torch
from torch import nn

from videoattn.backbones.resnet import resnet
from videoattn.data.clips.settings import ClipSettings
from videoattn.layers.non_local import spatial_max_pool
from videoattn.papers.cma.attention import CMABlock
from videoattn.papers.cma.network import CMANetwork, SingleStream, add_non_local, every_other_block, width
from videoattn.reporting.audit import AuditRow, compared, counted
from videoattn.reporting.cost import count, parameters

CLASSES = 400  # Kinetics

_row, _count = (functools.partial(f, "cma") for f in (compared, counted))


@functools.cache
def networks() -> dict[str, nn.Module]:
    """The networks of tables 2 and 4 with 400 classes, on the meta device."""
    with torch.device("meta"):
        make = {
            s: functools.partial(resnet, "resnet50", classes=CLASSES, in_channels=c)
            for s, c in (("rgb", 3), ("flow", 10))
        }
        cma = CMANetwork(rgb=make["rgb"](), flow=make["flow"](), positions=every_other_block(make["rgb"]()))
        non_local = make["rgb"]()
        return {
            "ResNet50-R": SingleStream(make["rgb"](), stream="rgb").eval(),
            "ResNet50-F": SingleStream(make["flow"](), stream="flow").eval(),
            "non-local": SingleStream(add_non_local(non_local, every_other_block(non_local)), stream="rgb").eval(),
            "CMA": cma.eval(),
            "CMA-R": cma.prune("rgb").eval(),
            "CMA_iter1-R": cma.prune("rgb", identity_blocks=True).eval(),
        }


def clip() -> dict[str, torch.Tensor]:
    """One snippet at the paper's size, on the meta device."""
    return {s: torch.empty(1, c, 1, 224, 224, device="meta") for s, c in (("rgb", 3), ("flow", 10))}


def costs() -> dict[str, tuple[int, int]]:
    """(parameters, multiply-adds of one snippet) of every network."""
    return {name: (parameters(net), count(net, clip())) for name, net in networks().items()}


def block_parameters(channels: int) -> int:
    """Closed form of a block: q, k, v, W_out with bias, and batch norm, at inner width d = C / 2."""
    d = channels // 2
    return 3 * (channels * d + d) + (d * channels + channels) + 2 * channels


def block_multiply_adds(channels: int, height: int, width: int) -> int:
    """Closed form of a block: N = H W queries, M = N / 4 keys after the max-pool (even sizes)."""
    d, n, m = channels // 2, height * width, height * width // 4
    return 2 * n * channels * d + 2 * m * channels * d + 2 * n * m * d


def rows() -> list[AuditRow]:
    """Every complexity figure that the paper prints, in tables and in sentences."""
    size = {name: parameters(net) for name, net in networks().items()}
    base, both = size["ResNet50-R"], size["ResNet50-R"] + size["ResNet50-F"]
    block, views, cma = CMABlock(channels=1024), ClipSettings(fields=5), networks()["CMA"]
    halves = block.q.out_channels == block.k.out_channels == block.v.out_channels == 1024 // 2
    stride = round((28 * 28 / spatial_max_pool(torch.empty(1, 1, 28, 28)).numel()) ** 0.5)
    inputs = {s: math.prod(c.shape[1:]) for s, c in clip().items()}
    seen = (
        f"what can reach the RGB scores: the RGB branch, the flow branch up to 4_5, the flow branch's blocks but the "
        f"last. As trained it is {size['CMA'] / base:.2f}x; without the flow branch's blocks, which are the identity "
        f"after iteration 1, {size['CMA_iter1-R'] / base:.2f}x"
    )
    fewer = f"{size['CMA-R']:,} < {both:,} once pruned; as trained {size['CMA']:,}, which is more"
    unit = "parameters of ResNet-50 with 400 classes, the unit of the table"
    second = "two ResNet-50, the second with a stem for 10 channels"
    stem = f"{views.fields} fields of x and y"
    fused, pruned, whole = size["CMA-R"], size["CMA-R"] / base, size["CMA"] / base
    less, q = "CMA_iter1-R against two-stream", block.q.out_channels
    outputs, shared = "output channels of q, k and v at C = 1024", "positions on a side that share a key, at 28 x 28"
    res4, places = width(cma.streams["rgb"], "layer3.4"), ", ".join(cma.positions)
    return [
        _row("2", "ResNet50-R", "params", base, f"{base / base:g}x", unit, base / base),
        _row("2", "two-stream", "params", both, f"{both / base:.3f}x", second, both / base),
        _row("2", "CMA_iter1-R", "params", fused, f"{pruned:.2f}x", seen, pruned, whole),
        _row("section 5.4", less, "params", fused, f"{fused / both:.2f} of two-stream", fewer, fused < both,
             size["CMA"] < both),
        _row("section 3.2", "conv_q, conv_k, conv_v", "width / channels", q, f"{q} of 1024", outputs, halves),
        _count("section 3.2", "max-pool before k and v", "stride", stride, shared),
        _count("figure 1", "input of the block", "channels", res4, "width of res4", shown=f"{res4} channels"),
        _count("section 4.1", "each branch", "CMA blocks", len(cma.positions), "every other block of res3 and res4",
               shown=places),
        _count("section 4.4", "RGB branch", "input values", inputs["rgb"], "one frame", shown="224 x 224 x 3"),
        _count("section 4.4", "flow branch", "input values", inputs["flow"], stem, shown="224 x 224 x 10"),
    ]  # fmt: skip
