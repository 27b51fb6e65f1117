"""Which network computes which complexity figure of the paper, and what the figure is worth."""

import functools
from collections.abc import Iterator

import torch
from torch import nn

from videoattn.layers.non_local import NonLocalBlock
from videoattn.papers.banet import closed_forms
from videoattn.papers.banet.cascade import CascadedAttention
from videoattn.papers.banet.experiments import MAPS, PAPER, VARIANTS, build, sampled
from videoattn.papers.banet.network import BANet
from videoattn.reporting.audit import MISPRINT, AuditRow, compared, counted
from videoattn.reporting.cost import count, parameters
from videoattn.reporting.printed import printed_value

_row, _count = (functools.partial(f, "banet") for f in (compared, counted))
T, SIDE = PAPER.frames, 28
SHAPE = (MAPS, T, SIDE, SIDE)  # section III-C
CLASSES = 400  # Kinetics
PLACES = {  # table I: where each layer's maps come from
    "conv1_x": "spatial.stem.conv1",
    "pool1": "spatial.stem.pool1",
    "conv2_x": "spatial.stem.conv2",
    "pool2": "spatial.stem.pool2",
    "inception(3a)": "spatial.inception_3a",
    "inception(3b)": "spatial.inception_3b",
    "inception(3c)": "spatial.inception_3c.branch_double",
    "conv3_x": "temporal.conv3",
    "conv4_x": "temporal.conv4",
    "conv5_x": "temporal.conv5",
}
WINDOWS = ("conv1_x", "pool1", "conv2_x", "pool2")  # whose kernel and stride table I prints
NETWORKS = {  # what the paper times, and its name in `VARIANTS`
    "ECO(16F)": "eco-all",
    "ECO-Lite(16F)": "lite-all",
    "BANet-Lite(4F)": "lite-both-4f",
    "BANet-Lite(8F)": "lite-both-8f",
    "BANet-Lite(16F)": "lite-both",
    "BANet-Lite(20F)": "lite-both-20f",
    "BANet(16F)": "eco-both",
}


def rows() -> list[AuditRow]:
    """Every complexity figure that the paper prints, in tables and in sentences; it prints no parameters."""
    return [*_table_1(), *_sentences()]


def _table_1() -> Iterator[AuditRow]:
    sizes, stages = maps(), {f"conv{i}_x": i for i in (3, 4, 5)}
    for layer in PLACES:
        channels, *rest = sizes[layer]
        yield _count("I", layer, "side", rest[-1], "behind the layer, frames of 224 x 224")
        yield _count("I", layer, "channels", channels, "behind the layer")
        if layer in WINDOWS:
            kernel, stride = window(layer)
            yield _count("I", layer, "kernel", kernel, "of the convolution or pool whose maps these are")
            yield _count("I", layer, "stride", stride, "of the convolution or pool whose maps these are")
        if layer not in stages:
            continue
        (kernel,) = {length for module in inner(stages[layer]) for length in module.kernel_size}
        yield _count("I", layer, "kernel", kernel, "of all convolutions but the shortcut's, along T, H and W")
        found = convolutions(stages[layer])
        reading = "3x3x3 convolutions of ECO's network" + ("" if layer == "conv3_x" else ", without the shortcut's")
        yield _count("I", layer, "convolutions", found, reading, otherwise=MISPRINT)
        reading = f"frames behind the layer of T = {T}; the letter C stands for channels elsewhere"
        yield _row("I", layer, "length", rest[0], f"T/{T // rest[0]}", reading, False, otherwise=MISPRINT)
    places = network("lite-all").eco.fc.in_features // sizes["conv5_x"][0]
    yield _count("I", "pooling", "side", places, "values of each channel that the last layer gets")


def _sentences() -> Iterator[AuditRow]:
    share = closed_forms.share(SHAPE)
    built, full = added("eco-cs")[1], added("eco-nl")[1]
    reading = f"Q K^T alone, exactly {share}; as built, with V and convolutions, {100 * built / full:.1f}%"
    percent, flops = 100 * float(share), closed_forms.cascade_flops(SHAPE)
    yield _row("III-C", "Eq. (7)", "R", flops, f"{percent:.1f}%", reading, percent)
    channels, _, side, _ = stacked()
    yield _count("III-A", "maps", "C", channels, "what the 2D part stacks")
    yield _count("III-A", "maps", "side", side, "what the 2D part stacks")
    rates = {name: frames_per_second(name) for name in NETWORKS if name.startswith("BANet")}
    shown = ", ".join(f"{name} {rate:.0f}" for name, rate in rates.items())
    one, reading = rates["BANet(16F)"], f"videos per second of table III times frames: {shown}"
    yield _row("IV-C", "BANet", "FPS", round(one), f"{one:.0f}", reading, one)


def frames_per_second(name: str) -> float:
    """Printed videos per second times the frames that the 3D network sees."""
    return float(printed_value("banet", "III", name, "VPS")) * (VARIANTS[NETWORKS[name]].frames or T)


@functools.cache
def network(name: str) -> BANet:
    """A variant of the profile `paper`, without memory for its weights."""
    with torch.device("meta"):
        return build(VARIANTS[name], PAPER, classes=CLASSES).eval()


@functools.cache
def built(name: str) -> tuple[int, int]:
    """Parameters and multiply-adds of a variant, frame attention over all frames included, for one clip."""
    clip = torch.empty(1, 3, sampled(VARIANTS[name], PAPER), 224, 224, device="meta")
    return parameters(network(name)), count(network(name), {"rgb": clip})


def added(name: str) -> tuple[int, int]:
    """Parameters and multiply-adds of the module on the stacked maps alone."""
    module: nn.Module = network(name).eco.attention
    if not isinstance(module, CascadedAttention | NonLocalBlock):
        return 0, 0
    return parameters(module), count(module, torch.empty(1, *SHAPE, device="meta"))


@functools.cache
def maps() -> dict[str, tuple[int, ...]]:
    """The maps behind each layer of table I for one clip of 16 frames: (C, H, W) or (C, T, H, W)."""
    eco, found = network("lite-all").eco, {}
    handles = [
        eco.get_submodule(path).register_forward_hook(
            lambda _, __, out, layer=layer: found.update({layer: out.shape[1:]})
        )
        for layer, path in PLACES.items()
    ]
    eco(torch.empty(1, 3, T, 224, 224, device="meta"))
    for handle in handles:
        handle.remove()
    return {layer: tuple(size) for layer, size in found.items()}


def stacked() -> tuple[int, ...]:
    """(C, T, H, W) of what self-attention gets."""
    channels, height, width = maps()["inception(3c)"]
    return channels, T, height, width


def convolutions(stage: int) -> int:
    """How many convolutions a stage of the 3D network has, without that of its shortcut."""
    return len(inner(stage))


def inner(stage: int) -> list[nn.Conv3d]:
    """The convolutions of a stage of the 3D network, without that of its shortcut."""
    module = network("lite-all").eco.temporal.get_submodule(f"conv{stage}")
    return [m for name, m in module.named_modules() if name != "shortcut" and isinstance(m, nn.Conv3d)]


def window(layer: str) -> tuple[int, int]:
    """Kernel and stride of a layer of the stem."""
    modules = network("lite-all").eco.get_submodule(PLACES[layer]).modules()
    (found,) = (m for m in modules if isinstance(m, nn.Conv2d | nn.MaxPool2d))
    kernel, stride = (value if isinstance(value, int) else value[0] for value in (found.kernel_size, found.stride))
    return kernel, stride
