"""What the modules of a network give, found without a number computed: a copy on the meta device takes a clip.

The clip is made up. Its channels, and whether it is frames or video, are those that the first convolution takes; its
size is the one that the network holds for itself, as transformers do, or one of the usual ones. Where none runs, or no
copy can be made, there is no trial. Convolutions and batch norms need none: they give what blocks take.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor, nn

from videoattn.layers.meta import on_meta

SIDES = (224, 112, 64, 32)
LENGTHS = (16, 8, 4, 32)
SAMPLES = 3  # odd, so that no axis of tokens is mistaken for the batch
MAPS = (nn.Conv2d, nn.Conv3d, nn.BatchNorm2d, nn.BatchNorm3d)  # give maps in the order that blocks take


class Given(NamedTuple):
    """Output of a module, on meta; how many samples the network had got, and their (H, W)."""

    output: object
    samples: int
    size: tuple[int, int]


def trial(model: nn.Module, paths: Mapping[str, nn.Module], *, frames: int) -> dict[nn.Module, Given]:
    """What the modules at these paths give when they are first called; nothing of those that had no trial.

    Args:
        frames: how many of them the network may fold into the batch, which is a multiple.
    """
    paths = {path: module for path, module in paths.items() if not isinstance(module, MAPS)}
    if not paths:
        return {}
    outputs: dict[nn.Module, object] = {}
    try:
        twin = _without_hooks(on_meta(model)).eval()
    except Exception:  # whatever a foreign network raises when it is copied
        return {}
    for path, module in paths.items():
        twin.get_submodule(path).register_forward_hook(_keeping(outputs, module))
    for clip in _clips(model, frames):
        outputs.clear()
        try:
            with torch.no_grad(), warnings.catch_warnings(action="ignore"):
                twin(clip)
        except Exception:  # it takes another clip, or none on meta
            continue
        return {module: Given(output, len(clip), tuple(clip.shape[-2:])) for module, output in outputs.items()}
    return {}


def _keeping(outputs: dict[nn.Module, object], module: nn.Module) -> Callable[[nn.Module, tuple, object], None]:
    """A forward hook that keeps the first output for a module."""

    def keep(twin: nn.Module, inputs: tuple, output: object) -> None:
        outputs.setdefault(module, output)

    return keep


def _without_hooks(model: nn.Module) -> nn.Module:
    """The network without hooks of others: they are not meant to see what is no real pass."""
    for module in model.modules():
        for hooks in (module._forward_hooks, module._forward_pre_hooks):
            for key in [k for k, hook in hooks.items() if not getattr(hook, "__module__", "").startswith("videoattn.")]:
                del hooks[key]
    return model


def _clips(model: nn.Module, frames: int) -> Iterator[Tensor]:
    stem = next((m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Conv3d)), None)
    if stem is None:
        return
    lengths = dict.fromkeys((*([frames] if frames > 1 else []), *LENGTHS))
    for size in dict.fromkeys((*_sizes(model), *((side, side) for side in SIDES))):
        shapes = [(SAMPLES, stem.in_channels, length, *size) for length in lengths]
        if isinstance(stem, nn.Conv2d):
            shapes.insert(0, (SAMPLES * frames, stem.in_channels, *size))
        for shape in shapes:
            yield torch.empty(shape, dtype=stem.weight.dtype, device="meta")


def _sizes(model: nn.Module) -> Iterator[tuple[int, int]]:
    """The (H, W) that timm's and torchvision's transformers are built for."""
    for module, name in product(model.modules(), ("img_size", "image_size")):
        size = getattr(module, name, None)
        if isinstance(size, int) or (isinstance(size, tuple | list) and len(size) == 2):
            yield (size, size) if isinstance(size, int) else tuple(size)
