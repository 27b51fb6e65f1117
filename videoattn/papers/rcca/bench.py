"""How fast recurrent criss-cross attention and networks with it are on this machine."""

import functools
from dataclasses import replace

import torch

from videoattn.layers.non_local import NonLocalBlock
from videoattn.papers.rcca.attention import RCCA3D
from videoattn.papers.rcca.experiments import build
from videoattn.papers.rcca.recipe import PROFILES, VARIANTS
from videoattn.reporting.speed import Speed, measure

MAPS = {"conv3": (512, 8, 28, 28), "conv4": (1024, 8, 14, 14)}  # C, T, H, W behind the stages of TSM, section 4.1
BATCH = {"cpu": {"blocks": 1, "networks": 1}, "cuda": {"blocks": 16, "networks": 16}}
CLASSES = 400  # Kinetics
FRAMES = PROFILES["paper"].uniform.frames
PLACE = "conv3_3"  # section 4.4


def rows(device: torch.device, *, seconds: float = 0.2) -> dict[str, list[Speed]]:
    """Tables by title, the first row of each the one that its ratios refer to.

    Args:
        seconds: of measuring for each row and kind of pass.
    """
    blocks, networks = BATCH[device.type]["blocks"], BATCH[device.type]["networks"]
    tables = {}
    for stage, size in MAPS.items():
        title = f"{stage}: modules on {' x '.join(map(str, size))}, {blocks} clip{'s' if blocks > 1 else ''}"
        tables[title] = block_rows(size, batch=blocks, device=device, seconds=seconds)
    title = f"TSM of ResNet-50, scores of {networks} clip{'s' if networks > 1 else ''} of {FRAMES} x 224 x 224"
    tables[title] = network_rows("resnet50", 224, batch=networks, device=device, seconds=seconds)
    return tables


def block_rows(size: tuple[int, int, int, int], *, batch: int, device: torch.device, seconds: float) -> list[Speed]:
    """The non-local block without and with its max-pool, then RCCA-3D of one to three steps.

    Args:
        size: (C, T, H, W) of the maps.
    """
    x = torch.randn(batch, *size, device=device, requires_grad=True)
    modules = {
        "non-local, fused, no max-pool": NonLocalBlock(channels=size[0], dims=3, pool=False),
        "non-local, fused, max-pool": NonLocalBlock(channels=size[0], dims=3),
        "RCCA-3D, R = 1": RCCA3D(channels=size[0], recurrence=1),
        "RCCA-3D, R = 2": RCCA3D(channels=size[0], recurrence=2),
        "RCCA-3D, R = 3": RCCA3D(channels=size[0]),
        "RCCA-3D, R = 3, recompute=False": RCCA3D(channels=size[0], recompute=False),
    }
    cases = {name: functools.partial(module.to(device), x) for name, module in modules.items()}
    return measure(cases, device=device, seconds=seconds)


def network_rows(
    backbone: str, size: int, *, place: str = PLACE, batch: int, device: torch.device, seconds: float
) -> list[Speed]:
    """Scores of clips: TSM alone, with a non-local block, and with RCCA-3D.

    Args:
        backbone: timm's name of a ResNet. size: H and W of the clips. place: of the module.
    """
    clip = {"rgb": torch.randn(batch, 3, FRAMES, size, size, device=device)}
    profile = replace(PROFILES["paper"], backbone=backbone)
    variants = {
        "TSM": VARIANTS["tsm-none"],
        "TSM + non-local, no max-pool": VARIANTS["tsm-nl"],
        "TSM + non-local, max-pool": replace(VARIANTS["tsm-nl"], block="nl-pool"),
        "TSM + RCCA-3D": VARIANTS["tsm-r3"],
    }
    cases = {}
    for name, variant in variants.items():
        network = build(replace(variant, positions=(place,)), profile, classes=CLASSES).to(device).eval()
        cases[name] = functools.partial(network, clip)
    return measure(cases, device=device, seconds=seconds, backward=False)
