"""What attention in attention and its rivals cost on this machine, in time and memory."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import nn

from videoattn.papers.aia.attention import aia
from videoattn.papers.aia.experiments import BEST, PROFILES, VARIANTS, build, plain
from videoattn.papers.aia.network import RIVALS
from videoattn.reporting.speed import Cases, several

MAPS = {"layer1": (64, 8, 56, 56), "layer3": (256, 8, 14, 14)}  # C, T, H, W inside the blocks of ResNet-50
WIDER = 4  # channels behind a block over those inside, where most rivals stand
BATCH = {"cpu": 1, "cuda": 8}
CLASSES = 174  # Something-Something
GATES = ("C", "ST", "CinST", "STinC", BEST)


def tables(kind: str) -> dict[str, Cases]:
    """What makes the cases, by title, for a kind of device."""
    batch = BATCH[kind]
    clips = several(batch, "clip")
    titles = {
        stage: f"{stage}: modules, {clips}; first the 3x3 convolution of the block, on {' x '.join(map(str, size))}"
        for stage, size in MAPS.items()
    }
    return {titles[stage]: partial(modules, size, batch=batch) for stage, size in MAPS.items()} | {
        f"TSN of ResNet-50, scores of {clips} of 8 x 224 x 224, and a training step": partial(networks, batch=batch)
    }


def modules(size: tuple[int, int, int, int], *, batch: int = 1) -> dict[str, Callable[[], object]]:
    """The block's own 3x3 convolution, then the modules where they stand in it.

    Args:
        size: (C, T, H, W) of the maps inside the block.
    """

    def case(module: nn.Module, channels: int) -> Callable[[], object]:
        return partial(module.train(), torch.randn(batch, channels, *size[1:], requires_grad=True))

    inside, behind = size[0], WIDER * size[0]
    cases = {"3x3 convolution": case(nn.Conv3d(inside, inside, (1, 3, 3), padding=(0, 1, 1)), inside)}
    cases |= {gate: case(aia(gate), inside) for gate in GATES}
    widths = {name: inside if where == "inside" else behind for name, (where, _) in RIVALS.items()}
    return cases | {name: case(make(widths[name]), widths[name]) for name, (_, make) in RIVALS.items()}


def networks(
    backbone: str = "resnet50", size: int = 224, *, gates: tuple[str, ...] = (*GATES, *RIVALS), batch: int = 1
) -> dict[str, Callable[[], object]]:
    """TSN alone and with a module in every block: scores, and a training step without its update.

    Args:
        backbone: timm's name of a ResNet. size: H and W of the clips.
    """
    clip = {"rgb": torch.randn(batch, 3, 8, size, size)}
    profile = replace(PROFILES["paper"], backbone=backbone)
    names = {"TSN": "none"} | {f"TSN + {gate}": gate for gate in gates}
    return {
        label: partial(build(VARIANTS[f"tsn-{plain(gate)}"], profile, classes=CLASSES).train(), clip)
        for label, gate in names.items()
    }
