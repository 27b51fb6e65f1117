r"""Image networks of timm as hosts of blocks, under the names of stages that papers use.

    conv2   maps of a quarter of the side of the image        conv4   of a sixteenth
    conv3   of an eighth                                      conv5   of a 32nd

These are the last maps of their size, as timm's `feature_info` has them. A network can be a host if it has all four as
maps (B, C, H, W), gives such maps by `forward_features`, and ends with a linear layer.

In ResNets blocks and temporal shifts stand where their papers say. In other hosts blocks stand behind stages. Shifts
stand as in TSM's code for MobileNet-V2 where a host has blocks like those, before the first convolution of each block
with an identity path; where it has none, behind conv2 to conv4, in the only path (TSM, section 3.2: "in-place").

Weights of ImageNet are for timm's input of that network; the first convolution is converted from it to ours.
"""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import timm
import torch
from timm.layers import Conv2dSame
from timm.models._efficientnet_blocks import EdgeResidual, InvertedResidual
from timm.models.convnext import ConvNeXtBlock
from timm.models.resnet import ResNet
from torch import Tensor, nn

from videoattn.backbones.resnet import averaged_kernel, fetching, init_last_layer
from videoattn.errors import InputError
from videoattn.layers.attach import attach
from videoattn.layers.input_offset import NAME as OFFSET
from videoattn.layers.input_offset import accept_offset, set_offset
from videoattn.layers.temporal_shift import NAME as SHIFT
from videoattn.layers.temporal_shift import TemporalShift, add_temporal_shift, run_shift
from videoattn.progress import say
from videoattn.weights.inputs import IMAGENET, converted, of_unit
from videoattn.weights.offline import load_offline, offline_file

REDUCTIONS = {"conv2": 4, "conv3": 8, "conv4": 16, "conv5": 32}
# The first convolution of blocks that have an identity path, or have one where `has_skip` says so.
FIRST = {InvertedResidual: "conv_pw", EdgeResidual: "conv_exp", ConvNeXtBlock: "conv_dw"}
TRIAL = (64, 64)  # pixels of an image to try a network on
NEAR = 5  # names that are named where one is wrong


class Stage(NamedTuple):
    """Where a stage ends: its module's path in the network, and the channels of the maps there."""

    path: str
    channels: int


@dataclass(frozen=True)
class Facts:
    """What is known of one of timm's networks without its weights.

    Args:
        kind: its class. stages: by the names of `REDUCTIONS`. features: channels of its last maps.
        first: paths of the convolutions that see the image. last: path of the linear layer.
    """

    kind: type[nn.Module]
    stages: Mapping[str, Stage]
    features: int
    first: tuple[str, ...]
    last: str


def stages(network: nn.Module) -> dict[str, Stage]:
    """The stages of a host, by the names of `REDUCTIONS`.

    Raises:
        InputError: a network that does not say where its maps are, or has none of one of the sizes.
    """
    found = {}
    for name, reduction in REDUCTIONS.items():
        own = [info for info in getattr(network, "feature_info", ()) if info["reduction"] == reduction]
        if not own:
            raise InputError(f"{type(network).__name__} has no maps of 1/{reduction} of the image's side, for {name}")
        found[name] = Stage(own[-1]["module"], own[-1]["num_chs"])
    return found


@lru_cache(maxsize=64)
def facts(name: str) -> Facts:
    """What is known of timm's network of that name, found without numbers.

    Raises:
        InputError: a name that timm does not have; a network that cannot be a host.
    """
    known = timm.list_models(pretrained=True) if "." in name else timm.list_models()  # with a tag of weights, without
    if name not in known and ("." in name or not timm.is_model(name)):  # some old names are not listed
        near = difflib.get_close_matches(name, known, n=NEAR, cutoff=0.5)
        raise InputError(f"timm has no network {name!r}; nearest: {', '.join(near) or 'none'}")
    with torch.device("meta"):
        network = timm.create_model(name).eval()
        image = torch.empty(1, *network.default_cfg["input_size"])
    found, modules = stages(network), dict(network.named_modules())
    last, first = network.get_classifier(), network.default_cfg["first_conv"]
    if not isinstance(last, nn.Linear):
        raise InputError(f"{name} ends with a {type(last).__name__}; a host ends with a linear layer")
    shapes: dict[str, object] = {}
    for stage, (path, _) in found.items():
        if path not in modules:
            raise InputError(f"{name} cannot be a host: its {stage} is no module's output")
        modules[path].register_forward_hook(lambda _, __, maps, at=stage: shapes.update({at: maps}))
    shapes["features"] = network.forward_features(image)
    channels = {stage: own.channels for stage, own in found.items()} | {"features": None}
    for stage, own in channels.items():
        maps = shapes.get(stage)
        if not isinstance(maps, Tensor) or maps.dim() != 4 or own not in (None, maps.shape[1]):
            what = tuple(maps.shape) if isinstance(maps, Tensor) else type(maps).__name__
            raise InputError(f"{name} cannot be a host: its {stage} is {what}; (B, {own or 'C'}, H, W) is expected")
    return Facts(
        kind=type(network),
        stages=found,
        features=shapes["features"].shape[1],
        first=(first,) if isinstance(first, str) else tuple(first),
        last=next(path for path, module in modules.items() if module is last),
    )


def is_resnet(name: str) -> bool:
    """Whether timm's network of that name is made by `videoattn.backbones.resnet.resnet`."""
    return name in timm.list_models("*resnet*", module="resnet")


def host(name: str, *, classes: int, in_channels: int = 3, dropout: float = 0.0, pretrained: bool = False) -> nn.Module:
    """timm's network of that name; input (B, in_channels, H, W), output (B, classes).

    Args:
        classes: outputs of the last layer, which starts as that of `videoattn.backbones.resnet.resnet`.
        in_channels: 3 for RGB; for others weights of ImageNet are averaged, as there.
        dropout: probability before the last layer, as timm's network has it.
        pretrained: ImageNet weights: those of an installed package (`videoattn.weights.offline`), else through timm.

    Raises:
        InputError: as `facts`. RunError: the weights cannot be fetched.
    """
    first = facts(name).first
    network = timm.create_model(name, in_chans=in_channels, drop_rate=dropout)
    if pretrained:
        installed = offline_file(name)
        if installed:
            say(f"ImageNet weights of {name}: {installed.name}, of an installed package")
            load_offline(network, installed)
        else:
            _load_from_timm(network, name)
    for path in first:
        accept_offset(network.get_submodule(path))
    network.reset_classifier(classes)
    init_last_layer(network.get_classifier())
    return network


def add_shift(network: nn.Module, *, frames: int, fraction: int = 8) -> nn.Module:
    """Put temporal shifts into a host over (B T, C, H, W), in place, where the text above says; returns the network.

    Args:
        frames: T. fraction: as in `videoattn.layers.temporal_shift.TemporalShift`.

    Raises:
        InputError: as `add_temporal_shift` and `stages`.
    """
    if isinstance(network, ResNet):
        return add_temporal_shift(network, frames=frames, fraction=fraction)
    blocks = [m for m in network.modules() if type(m) in FIRST and getattr(m, "has_skip", True)]
    if not blocks:
        paths = [stage.path for stage in list(stages(network).values())[:-1]]
        return attach(network, {path: TemporalShift(frames=frames, fraction=fraction) for path in paths})
    for block in blocks:
        conv = block.get_submodule(FIRST[type(block)])
        if conv.in_channels < fraction:
            raise InputError(f"fraction={fraction}: a block has {conv.in_channels} channels, of which none would move")
    for block in blocks:
        conv = block.get_submodule(FIRST[type(block)])
        conv.add_module(SHIFT, TemporalShift(frames=frames, fraction=fraction))
        conv.register_forward_pre_hook(run_shift)
    return network


@torch.no_grad()
def steps(network: nn.Module) -> list[str]:
    """Paths of the modules that `forward_features` of a host applies one after the other; stages are among them.

    They are the longest row of modules that gives the same maps, by trial on a small image; on the meta device by the
    shapes of the maps alone.

    Raises:
        InputError: the network does more between its modules than to hand maps on.
    """
    ends = {stage.path for stage in stages(network).values()}
    training, tried, found = network.training, [], []
    network.eval()
    image, expected = _trial(network)
    maps = image
    try:
        for path, module in _unfolded(network, "", ends):
            maps = module(maps)
            tried.append(path)
            if ends <= set(tried) and _same(maps, expected):
                found = list(tried)
    except (AssertionError, RuntimeError, TypeError):  # what does not fit was not meant to follow
        pass
    finally:
        network.train(training)
    if not found:
        raise InputError(f"{type(network).__name__} does not apply its modules one after the other")
    return found


def _trial(network: nn.Module) -> tuple[Tensor, Tensor]:
    """An image, small where the network takes a small one, and its last maps."""
    conv = next(m for m in network.modules() if isinstance(m, nn.Conv2d))
    draw = torch.Generator().manual_seed(0)
    for size in (TRIAL, network.default_cfg["input_size"][1:]):
        image = torch.randn(1, conv.in_channels, *size, generator=draw, device="cpu").to(conv.weight)
        try:
            return image, network.forward_features(image)
        except (AssertionError, RuntimeError) as error:
            refused = error
    raise InputError(f"{type(network).__name__} does not take images of {tuple(size)}: {refused}") from refused


def _unfolded(network: nn.Module, prefix: str, ends: set[str]) -> Iterator[tuple[str, nn.Module]]:
    """Children by path, those that hold a stage among others child by child."""
    for name, child in network.named_children():
        path = f"{prefix}{name}"
        if isinstance(child, nn.Sequential) and any(end.startswith(f"{path}.") for end in ends):
            yield from _unfolded(child, f"{path}.", ends)
        else:
            yield path, child


def _same(maps: object, expected: Tensor) -> bool:
    if not isinstance(maps, Tensor) or maps.shape != expected.shape:
        return False
    return maps.is_meta or torch.allclose(maps, expected)


def _load_from_timm(network: nn.Module, name: str) -> None:
    """Load timm's ImageNet weights of that name, for our input, in place; the network has timm's last layer."""
    with fetching(name):
        given = timm.create_model(name, pretrained=True)
    there = of_unit(given.pretrained_cfg["mean"], given.pretrained_cfg["std"], "RGB")
    state = given.state_dict()
    for path in facts(name).first:
        conv, key = network.get_submodule(path), f"{path}.weight"
        if conv.in_channels != 3:
            state[key] = averaged_kernel(state[key], conv.in_channels)
        elif there != IMAGENET:
            if type(conv) not in (nn.Conv2d, Conv2dSame):
                raise InputError(f"{name}: the input of a {type(conv).__name__} is not converted: {there}")
            state[key], offset = converted(state[key], there, IMAGENET)
            set_offset(conv, offset)
            state[f"{path}.{OFFSET}"] = offset
    network.load_state_dict(state)
