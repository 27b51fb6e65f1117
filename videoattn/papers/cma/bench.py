"""How fast the blocks and networks of cross-modality attention are on this machine."""

from collections.abc import Callable
from functools import partial

import torch

from videoattn.backbones.resnet import resnet
from videoattn.layers.non_local import NonLocalBlock
from videoattn.papers.cma.attention import CMABlock
from videoattn.papers.cma.network import CMANetwork, SingleStream, every_other_block
from videoattn.reporting.speed import Cases, scoring, several

MAPS = {"res3": (512, 28, 28), "res4": (1024, 14, 14)}  # channels, height and width behind the stages, section 4.1
BATCH = {"cpu": (1, 1), "cuda": (64, 16)}  # frames for blocks, snippets for networks
CLASSES = 400  # Kinetics


def tables(kind: str) -> dict[str, Cases]:
    """What makes the cases, by title, for a kind of device."""
    frames, snippets = BATCH[kind]
    on = {stage: f"{' x '.join(map(str, size))}, {several(frames, 'frame')}" for stage, size in MAPS.items()}
    return {f"{stage}: blocks on {on[stage]}": partial(blocks, size, batch=frames) for stage, size in MAPS.items()} | {
        f"ResNet-50, scores of {several(snippets, 'snippet')} at 224 x 224": partial(networks, batch=snippets)
    }


def blocks(size: tuple[int, int, int], *, batch: int = 1) -> dict[str, Callable[[], object]]:
    """The non-local block, then the CMA block: fused and explicit softmax, with and without max-pool.

    Args:
        size: (C, H, W) of both maps.
    """
    x, y = (torch.randn(batch, *size, requires_grad=True) for _ in range(2))
    cases: dict[str, Callable[[], object]] = {"non-local, fused, max-pool": partial(NonLocalBlock(channels=size[0]), x)}
    for pool, ending in ((True, "max-pool"), (False, "no max-pool")):
        block = CMABlock(channels=size[0], pool=pool)
        cases[f"CMA, fused, {ending}"] = partial(block, x, y)
        cases[f"CMA, explicit softmax, {ending}"] = lambda block=block: block(x, y, return_attention=True)[0]
    return cases


def networks(backbone: str = "resnet50", size: int = 224, *, batch: int = 1) -> dict[str, Callable[[], object]]:
    """Scores of one snippet: a stream alone, both streams, CMA as trained and without what the RGB scores never see.

    Args:
        backbone: timm's name of a ResNet. size: H and W of the snippets.
    """
    clip = {s: torch.randn(batch, c, 1, size, size) for s, c in (("rgb", 3), ("flow", 10))}
    branches = {s: resnet(backbone, classes=CLASSES, in_channels=c.shape[1]) for s, c in clip.items()}
    cma = scoring(CMANetwork(**branches, positions=every_other_block(branches["rgb"])))
    rgb, flow = (scoring(SingleStream(cma.streams[s], stream=s)) for s in ("rgb", "flow"))
    return {
        "RGB alone": partial(rgb, clip),
        "two-stream": lambda: (rgb(clip), flow(clip)),
        "CMA, both scores": partial(cma, clip),
        "CMA, RGB scores, pruned": partial(cma.prune("rgb"), clip),
        "CMA, RGB scores, pruned, no identity blocks": partial(cma.prune("rgb", identity_blocks=True), clip),
    }
