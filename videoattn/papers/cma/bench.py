"""How fast the blocks and networks of cross-modality attention are on this machine."""

import functools

import torch

from videoattn.backbones.resnet import resnet
from videoattn.layers.non_local import NonLocalBlock
from videoattn.papers.cma.attention import CMABlock
from videoattn.papers.cma.network import CMANetwork, SingleStream, every_other_block
from videoattn.reporting.speed import Speed, measure

MAPS = {"res3": (512, 28, 28), "res4": (1024, 14, 14)}  # channels, height and width behind the stages, section 4.1
BATCH = {"cpu": {"blocks": 1, "networks": 1}, "cuda": {"blocks": 64, "networks": 16}}
CLASSES = 400  # Kinetics


def rows(device: torch.device, *, seconds: float = 0.2) -> dict[str, list[Speed]]:
    """Tables by title, the first row of each the one that its ratios refer to.

    Args:
        seconds: of measuring for each row and kind of pass.
    """
    blocks, networks = BATCH[device.type]["blocks"], BATCH[device.type]["networks"]
    tables = {}
    for stage, size in MAPS.items():
        title = f"{stage}: blocks on {' x '.join(map(str, size))}, {blocks} frame{'s' if blocks > 1 else ''}"
        tables[title] = block_rows(size, batch=blocks, device=device, seconds=seconds)
    title = f"ResNet-50, scores of {networks} snippet{'s' if networks > 1 else ''} at 224 x 224"
    tables[title] = network_rows("resnet50", 224, batch=networks, device=device, seconds=seconds)
    return tables


def block_rows(size: tuple[int, int, int], *, batch: int, device: torch.device, seconds: float) -> list[Speed]:
    """The non-local block, then the CMA block: fused and explicit softmax, with and without max-pool.

    Args:
        size: (C, H, W) of both maps.
    """
    x, y = (torch.randn(batch, *size, device=device, requires_grad=True) for _ in range(2))
    cases = {"non-local, fused, max-pool": functools.partial(NonLocalBlock(channels=size[0]).to(device), x)}
    for pool, ending in ((True, "max-pool"), (False, "no max-pool")):
        block = CMABlock(channels=size[0], pool=pool).to(device)
        cases[f"CMA, fused, {ending}"] = functools.partial(block, x, y)
        cases[f"CMA, explicit softmax, {ending}"] = functools.partial(_first, block, x, y)
    return measure(cases, device=device, seconds=seconds)


def network_rows(backbone: str, size: int, *, batch: int, device: torch.device, seconds: float) -> list[Speed]:
    """Scores of one snippet: a stream alone, both streams, CMA as trained and without what the RGB scores never see.

    Args:
        backbone: timm's name of a ResNet. size: H and W of the snippets.
    """
    clip = {s: torch.randn(batch, c, 1, size, size, device=device) for s, c in (("rgb", 3), ("flow", 10))}
    branches = {s: resnet(backbone, classes=CLASSES, in_channels=c.shape[1]) for s, c in clip.items()}
    cma = CMANetwork(**branches, positions=every_other_block(branches["rgb"])).to(device).eval()
    rgb, flow = (SingleStream(cma.streams[s], stream=s).eval() for s in ("rgb", "flow"))
    cases = {
        "RGB alone": lambda: rgb(clip),
        "two-stream": lambda: (rgb(clip), flow(clip)),
        "CMA, both scores": functools.partial(cma, clip),
        "CMA, RGB scores, pruned": functools.partial(cma.prune("rgb"), clip),
        "CMA, RGB scores, pruned, no identity blocks": functools.partial(cma.prune("rgb", identity_blocks=True), clip),
    }
    return measure(cases, device=device, seconds=seconds, backward=False)


def _first(block: CMABlock, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The output of a block that computes its attention map as well."""
    return block(x, y, return_attention=True)[0]
