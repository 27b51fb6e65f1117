r"""2D networks that are cut in two: the maps of several scales come out, and merged top maps go in again.

    maps = backbone.maps(images)        one tensor a scale, the lowest first, the top last
    scores = backbone.head(maps[-1])    with nothing in between the scores of the plain network

Between the two, the top maps of a clip's frames can be merged into those of one image. A network is a path of steps,
and any step with a name can be a scale. Maps are taken before the activation that follows them, which becomes the first
step of the head; maps of a ResNet are taken behind it. No step changes maps in place that were taken out.

`backbone.network` is the network as it is published, with its own keys: weights for it load there.

Here are the cut and the ResNets; VGG is in `scaled_vgg`, BN-Inception and Inception-ResNet-V2 in `scaled_inception`,
any other network of timm in `scaled_host`.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import chain
from typing import NamedTuple

import timm
import torch
from timm.models.resnet import ResNet
from torch import Tensor, nn

from videoattn.backbones.checks import check_values
from videoattn.backbones.resnet import average_stem, fetching, resnet
from videoattn.errors import InputError
from videoattn.layers.temporal_shift import STAGES, add_temporal_shift, set_frames

Size = tuple[int, int]
Step = tuple[str, Callable[[Tensor], Tensor]]  # what a network does next, and the name of the result, "" without one


class Scale(NamedTuple):
    """Maps of one scale: C and (H, W)."""

    channels: int
    size: Size


class ScaledBackbone(nn.Module, ABC):
    """A 2D network with named scales; the classes under this one say what its path is.

    Args:
        network: the network. scales: names of its places, in the order of its path; frames are merged at the last.

    Shapes: (N, in_channels, H, W) -> (N, classes).

    Raises:
        InputError: unknown scales, none, or in another order, at construction; images of the wrong shape, at the call.
    """

    def __init__(self, network: nn.Module, *, scales: Sequence[str]):
        super().__init__()
        self.network = network
        names = [name for name, _ in self.path()]
        places = [name for name in names if name]
        if not scales or list(scales) != [name for name in places if name in scales]:
            raise InputError(
                f"scales={tuple(scales)}: at least one is expected of {', '.join(places)}, each once, in this order"
            )
        self.scales = tuple(scales)
        self.behind = names.index(self.scales[-1]) + 1

    @abstractmethod
    def path(self) -> list[Step]:
        """All steps of the network, from the images to the scores."""

    @property
    def fc(self) -> nn.Linear:
        """The last layer."""
        return self.network.get_classifier()

    @property
    def in_channels(self) -> int:
        """Channels of the images."""
        return next(m for m in self.network.modules() if isinstance(m, nn.Conv2d)).in_channels

    def maps(self, images: Tensor, *, frames: int = 1) -> tuple[Tensor, ...]:
        """Maps (N, C_j, H_j, W_j) of each scale.

        Args:
            images: (N, in_channels, H, W). frames: how many of them, one after the other, are a clip; it counts only
                in networks with temporal shifts.
        """
        if images.dim() != 4 or images.shape[1] != self.in_channels:
            raise InputError(f"the images have shape {tuple(images.shape)}; (N, {self.in_channels}, H, W) is expected")
        set_frames(self, frames)
        x, found = images, []
        for name, step in self.path()[: self.behind]:
            x = step(x)
            if name in self.scales:
                found.append(x)
        return tuple(found)

    def head(self, top: Tensor, *, frames: int = 1) -> Tensor:
        """Scores (M, classes) of top maps (M, C, h, w), merged or not; `frames` of them are a clip, as in `maps`."""
        set_frames(self, frames)
        for _, step in self.path()[self.behind :]:
            top = step(top)
        return top

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.maps(images)[-1])

    def shapes(self, size: Size) -> tuple[Scale, ...]:
        """Channels and sizes of each scale for images of (H, W), computed without numbers.

        Raises:
            InputError: a size that the network cannot take.
        """
        twin = copy.deepcopy(self, {id(t): t.detach().to("meta") for t in chain(self.parameters(), self.buffers())})
        try:
            found = twin.eval().maps(torch.empty(1, self.in_channels, *size, device="meta"))
        except RuntimeError as error:
            raise InputError(f"size={tuple(size)}: {type(self.network).__name__} cannot take it ({error})") from error
        return tuple(Scale(x.shape[1], tuple(x.shape[2:])) for x in found)


class ScaledResNet(ScaledBackbone):
    """One of timm's ResNets; its places are the outputs of its stages, which end with an activation."""

    def path(self) -> list[Step]:
        net = self.network
        stem = [("", net.conv1), ("", net.bn1), ("", net.act1), ("", net.maxpool)]
        return [*stem, *((stage, net.get_submodule(stage)) for stage in STAGES), ("", net.forward_head)]


def scaled_resnet(
    name: str = "resnet50",
    *,
    classes: int,
    scales: Sequence[str] = ("layer2", "layer3", "layer4"),
    in_channels: int = 3,
    dropout: float = 0.5,
    pretrained: bool = False,
    shift: bool = False,
    fraction: int = 8,
    channels: Sequence[int] | None = None,
    stem_width: int | None = None,
    layers: Sequence[int] | None = None,
    zero_init: bool = True,
    pool: bool = True,
) -> ScaledResNet:
    """A ResNet with its stages as scales.

    Args:
        name, classes, in_channels, pretrained, channels, stem_width, layers, zero_init: as in
            `videoattn.backbones.resnet.resnet`.
        scales: of layer1 to layer4. At 224 x 224 ResNet-50 has 56 x 56 x 256, 28 x 28 x 512, 14 x 14 x 1024 and
            7 x 7 x 2048.
        dropout: before the last layer.
        pool: whether the stem has its max-pool, which small images can do without.
        shift: a temporal shift in every residual block; `fraction` as in `videoattn.layers.temporal_shift`.

    Raises:
        InputError: impossible values. RunError: the weights cannot be fetched.
    """
    check_values({"classes": classes, "in_channels": in_channels}, dropout=dropout)
    network: ResNet = resnet(
        name,
        classes=classes,
        in_channels=in_channels,
        dropout=dropout,
        pretrained=pretrained,
        channels=channels,
        stem_width=stem_width,
        layers=layers,
        zero_init=zero_init,
    )
    if not pool:
        network.maxpool = nn.Identity()
    if shift:
        add_temporal_shift(network, frames=1, fraction=fraction)
    return ScaledResNet(network, scales=scales)


def from_timm(name: str, *, in_channels: int, dropout: float, pretrained: bool) -> nn.Module:
    """timm's network of that name; with weights it is over RGB.

    Raises:
        RunError: the weights cannot be fetched.
    """
    with fetching(name):
        return timm.create_model(
            name, pretrained=pretrained, in_chans=3 if pretrained else in_channels, drop_rate=dropout
        )


def average_first(network: nn.Module, path: str, in_channels: int) -> None:
    """Give the convolution at `path`, a network's first, `in_channels` inputs as `average_stem` does for a ResNet."""
    stem = nn.Module()
    stem.conv1 = network.get_submodule(path)
    average_stem(stem, in_channels)
    network.set_submodule(path, stem.conv1)
