"""What attention in attention and its rivals cost on this machine, in time and memory."""

import functools
from dataclasses import replace

import torch
from torch import nn

from videoattn.papers.aia.attention import aia
from videoattn.papers.aia.experiments import build
from videoattn.papers.aia.network import RIVALS
from videoattn.papers.aia.recipe import BEST, PROFILES, VARIANTS, plain
from videoattn.reporting.speed import Speed, measure

MAPS = {"layer1": (64, 8, 56, 56), "layer3": (256, 8, 14, 14)}  # C, T, H, W inside the blocks of ResNet-50
WIDER = 4  # channels behind a block over those inside, where most rivals stand
BATCH = {"cpu": 1, "cuda": 8}
CLASSES = 174  # Something-Something
GATES = ("C", "ST", "CinST", "STinC", BEST)


def rows(device: torch.device, *, seconds: float = 0.2) -> dict[str, list[Speed]]:
    """Tables by title, the first row of each the one that its ratios refer to.

    Args:
        seconds: of measuring for each row and kind of pass.
    """
    batch = BATCH[device.type]
    clips = f"{batch} clip{'s' if batch > 1 else ''}"
    tables = {}
    for stage, size in MAPS.items():
        title = f"{stage}: modules, {clips}; first the 3x3 convolution of the block, on {' x '.join(map(str, size))}"
        tables[title] = module_rows(size, batch=batch, device=device, seconds=seconds)
    title = f"TSN of ResNet-50, scores of {clips} of 8 x 224 x 224, and a training step"
    tables[title] = network_rows("resnet50", 224, batch=batch, device=device, seconds=seconds)
    return tables


def module_rows(size: tuple[int, int, int, int], *, batch: int, device: torch.device, seconds: float) -> list[Speed]:
    """The block's own 3x3 convolution, then the modules where they stand in it.

    Args:
        size: (C, T, H, W) of the maps inside the block.
    """
    channels = size[0]
    modules: dict[str, nn.Module] = {"3x3 convolution": nn.Conv3d(channels, channels, (1, 3, 3), padding=(0, 1, 1))}
    modules |= {gate: aia(gate) for gate in GATES}
    widths = dict.fromkeys(modules, channels)
    for name, (where, make) in RIVALS.items():
        widths[name] = channels if where == "inside" else WIDER * channels
        modules[name] = make(widths[name])
    cases = {}
    for name, module in modules.items():
        x = torch.randn(batch, widths[name], *size[1:], device=device, requires_grad=True)
        cases[name] = functools.partial(module.to(device).train(), x)
    return measure(cases, device=device, seconds=seconds)


def network_rows(
    backbone: str,
    size: int,
    *,
    gates: tuple[str, ...] = (*GATES, *RIVALS),
    batch: int,
    device: torch.device,
    seconds: float,
) -> list[Speed]:
    """TSN alone and with a module in every block: scores, and a training step without its update.

    Args:
        backbone: timm's name of a ResNet. size: H and W of the clips.
    """
    clip = {"rgb": torch.randn(batch, 3, 8, size, size, device=device)}
    profile = replace(PROFILES["paper"], backbone=backbone)
    cases = {}
    for name in ("none", *gates):
        network = build(VARIANTS[f"tsn-{plain(name)}"], profile, classes=CLASSES).to(device).train()
        cases["TSN" if name == "none" else f"TSN + {name}"] = functools.partial(network, clip)
    return measure(cases, device=device, seconds=seconds)
