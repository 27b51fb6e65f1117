"""How fast recurrent criss-cross attention and networks with it are on this machine."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch

from videoattn.layers.non_local import NonLocalBlock
from videoattn.papers.rcca.attention import RCCA3D
from videoattn.papers.rcca.experiments import PROFILES, VARIANTS, build
from videoattn.reporting.speed import Cases, scoring, several

MAPS = {"conv3": (512, 8, 28, 28), "conv4": (1024, 8, 14, 14)}  # C, T, H, W behind the stages of TSM, section 4.1
BATCH = {"cpu": 1, "cuda": 16}
CLASSES = 400  # Kinetics
FRAMES = PROFILES["paper"].uniform.frames
PLACE = "conv3_3"  # section 4.4


def tables(kind: str) -> dict[str, Cases]:
    """What makes the cases, by title, for a kind of device."""
    batch = BATCH[kind]
    clips = several(batch, "clip")
    return {
        f"{stage}: modules on {' x '.join(map(str, size))}, {clips}": partial(blocks, size, batch=batch)
        for stage, size in MAPS.items()
    } | {f"TSM of ResNet-50, scores of {clips} of {FRAMES} x 224 x 224": partial(networks, batch=batch)}


def blocks(size: tuple[int, int, int, int], *, batch: int = 1) -> dict[str, Callable[[], object]]:
    """The non-local block without and with its max-pool, then RCCA-3D of one to three steps.

    Args:
        size: (C, T, H, W) of the maps.
    """
    x = torch.randn(batch, *size, requires_grad=True)
    modules = {
        "non-local, fused, no max-pool": NonLocalBlock(channels=size[0], dims=3, pool=False),
        "non-local, fused, max-pool": NonLocalBlock(channels=size[0], dims=3),
        "RCCA-3D, R = 1": RCCA3D(channels=size[0], recurrence=1),
        "RCCA-3D, R = 2": RCCA3D(channels=size[0], recurrence=2),
        "RCCA-3D, R = 3": RCCA3D(channels=size[0]),
        "RCCA-3D, R = 3, recompute=False": RCCA3D(channels=size[0], recompute=False),
    }
    return {name: partial(module, x) for name, module in modules.items()}


def networks(
    backbone: str = "resnet50", size: int = 224, *, place: str = PLACE, batch: int = 1
) -> dict[str, Callable[[], object]]:
    """Scores of clips: TSM alone, with a non-local block, and with RCCA-3D.

    Args:
        backbone: timm's name of a ResNet. size: H and W of the clips. place: of the module.
    """
    clip = {"rgb": torch.randn(batch, 3, FRAMES, size, size)}
    profile = replace(PROFILES["paper"], backbone=backbone)
    variants = {
        "TSM": VARIANTS["tsm-none"],
        "TSM + non-local, no max-pool": VARIANTS["tsm-nl"],
        "TSM + non-local, max-pool": replace(VARIANTS["tsm-nl"], block="nl-pool"),
        "TSM + RCCA-3D": VARIANTS["tsm-r3"],
    }
    return {
        name: partial(scoring(build(replace(variant, positions=(place,)), profile, classes=CLASSES)), clip)
        for name, variant in variants.items()
    }
