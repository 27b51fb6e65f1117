"""Parameters, multiply-adds and sizes of maps of the paper's networks, counted on networks without memory for weights.

All have 101 classes, as for UCF101, where nothing else is said.
"""

import functools
from collections.abc import Sequence

import torch
from torch import nn
from torchvision.models import googlenet

from videoattn.backbones.bn_inception import BNInception
from videoattn.backbones.scaled_inception import scaled_bn_inception, scaled_inception_resnet_v2
from videoattn.backbones.scaled_vgg import scaled_vgg16
from videoattn.backbones.scales import Scale, ScaledBackbone
from videoattn.papers.istpa.closed_forms import layer_parameters
from videoattn.papers.istpa.network import PyramidNetwork
from videoattn.reporting.cost import count, parameters

CLASSES = 101
VGG, BN, SLIM, RESIDUAL = "VGGNet-16", "BN-Inception", "BN-Inception, narrow", "Inception-ResNet-V2"
# What the first convolution of BN-Inception saves as a separable one: 7 x 7 over each of 3 channels to 8, then 1 x 1.
SEPARABLE = 49 * 3 * 64 - (49 * 3 * 8 + 3 * 8 * 64)
SIDES = {VGG: 224, BN: 224, SLIM: 224, RESIDUAL: 299}
BUILD = {
    VGG: scaled_vgg16,
    BN: scaled_bn_inception,
    SLIM: functools.partial(scaled_bn_inception, slim=True),
    RESIDUAL: scaled_inception_resnet_v2,
}


@functools.cache
def network(name: str, scales: tuple[str, ...] | None = None, classes: int = CLASSES) -> ScaledBackbone:
    """A network as the library builds it; without `scales` with those that it has by itself."""
    with torch.device("meta"):
        return BUILD[name](classes=classes, **({"scales": scales} if scales else {})).eval()


@functools.cache
def shapes(name: str) -> dict[str, Scale]:
    """Channels and sizes at all places of a network, for frames of the size that it is made for."""
    places = tuple(place for place, _ in network(name).path() if place)
    return dict(zip(places, network(name, places).shapes((SIDES[name],) * 2), strict=True))


@functools.cache
def googlenet_shapes() -> dict[str, Scale]:
    """Channels and sizes behind the modules 3a to 5b of GoogLeNet, which has no batch norm in its paper."""
    with torch.device("meta"):
        net = googlenet(init_weights=False, aux_logits=False).eval()
        x, found = torch.empty(1, 3, 224, 224), {}
        for name, module in net.named_children():
            if name == "avgpool":
                return found
            x = module(x)
            if name.startswith("inception"):
                found[name.removeprefix("inception")] = Scale(x.shape[1], tuple(x.shape[2:]))
    return found


def layer(name: str, places: Sequence[str]) -> int:
    """Parameters of pyramid attention over places of a network, the top last; 0 without places."""
    found = [shapes(name)[place] for place in places]
    return layer_parameters([s.channels for s in found], [s.size for s in found]) if found else 0


def as_built(name: str) -> int:
    """Parameters of a network without attention as the library builds it."""
    return parameters(network(name))


def norm_channels(net: nn.Module) -> int:
    """How many scales the batch norms have, and so how many shifts."""
    return sum(m.num_features for m in net.modules() if isinstance(m, nn.BatchNorm2d))


def without_scale(name: str) -> int:
    """Parameters with TensorFlow's batch norms, which only shift; of BN-Inception also without biases."""
    if name == RESIDUAL:
        return as_built(name) - norm_channels(network(name))
    with torch.device("meta"):
        net = BNInception(classes=CLASSES, slim=name == SLIM, bias=False)
    return parameters(net) - norm_channels(net)


def auxiliary_head(*, scale: bool) -> int:
    """Parameters of the second classifier that Inception-ResNet-V2 is trained with, on the last B block.

    A mean over 5 x 5 with stride 3, a 1x1 convolution to 128 channels, one over all 5 x 5 places to 768, and a linear
    layer. Behind both convolutions is a batch norm, with or without `scale`.
    """
    channels, norm = shapes(RESIDUAL)["Block B"].channels, 1 + scale
    return (channels + norm) * 128 + (25 * 128 + norm) * 768 + (768 + 1) * CLASSES


@functools.cache
def multiply_adds(frames: int) -> tuple[int, int]:
    """Of Inception-ResNet-V2 with three scales, for one clip: of the layer, and of the whole."""
    with torch.device("meta"):
        net = PyramidNetwork(network(RESIDUAL), size=(SIDES[RESIDUAL],) * 2).eval()
        maps = [torch.empty(1, s.channels, frames, *s.size) for s in net.backbone.shapes(net.size)]
        return count(net.attention, maps), count(net, torch.empty(1, 3, frames, *net.size))
