r"""BN-Inception and Inception-ResNet-V2 with their modules as scales.

S. Ioffe, C. Szegedy. Batch Normalization. ICML 2015.
C. Szegedy, S. Ioffe, V. Vanhoucke, A. Alemi. Inception-v4, Inception-ResNet and the Impact of Residual Connections on
Learning. AAAI 2017.

BN-Inception: inception-3a to inception-5b, the concatenated branches before their ReLU. At 224 x 224, 3b has
28 x 28 x 320, 4d 14 x 14 x 608, 4e 7 x 7 x 1056 and 5b 7 x 7 x 1024. In 3c and 4e a part of the channels is only
pooled, and so is positive or zero already.

Inception-ResNet-V2, at 299 x 299:

    Conv2d_4a_3x3        71 x 71 x 192     before its ReLU
    Block A, B, C        35 x 35 x 320, 17 x 17 x 1088, 8 x 8 x 2080: the sum that the last block of each kind ends
                         with, before its ReLU; the last C block of the network has none
    Fully Connected      1 x 1 x 1536      the means that the last layer works on, behind a ReLU and the pool
"""

from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from einops import rearrange, reduce
from timm.data.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.layers import ConvNormAct
from timm.models.inception_resnet_v2 import InceptionResnetV2
from torch import Tensor, nn
from torch.nn import functional

from videoattn.backbones.bn_inception import TABLE, BNInception, check_frames
from videoattn.backbones.checks import check_values
from videoattn.backbones.resnet import init_last_layer
from videoattn.backbones.scales import ScaledBackbone, Step, average_first, from_timm
from videoattn.weights.bn_inception import bn_inception_weights


class ScaledBNInception(ScaledBackbone):
    """BN-Inception; H and W as for `BNInception`."""

    network: BNInception

    @property
    def fc(self) -> nn.Linear:
        return self.network.fc

    def path(self) -> list[Step]:
        steps: list[Step] = [("", self._stem)]
        for name in TABLE:
            module = self.network.get_submodule(f"inception_{name}")
            steps += [(f"inception-{name}", module.before_relu), ("", module.relu)]
        return [*steps, ("", self._scores)]

    def _stem(self, images: Tensor) -> Tensor:
        check_frames(images, channels=self.in_channels, halvings=2)
        return self.network.stem(images)

    def _scores(self, maps: Tensor) -> Tensor:
        pooled = reduce(maps, "n c h w -> n c", "mean")
        return self.fc(functional.dropout(pooled, self.network.drop_rate, self.network.training))


def scaled_bn_inception(
    *,
    classes: int,
    scales: Sequence[str] = ("inception-3b", "inception-4d", "inception-5b"),
    in_channels: int = 3,
    dropout: float = 0.5,
    slim: bool = False,
    weights: Path | str | None = None,
) -> ScaledBNInception:
    """BN-Inception, without ImageNet weights or with those of a file.

    Args:
        classes: outputs of the last layer, which starts as `init_last_layer` says.
        scales: see above. in_channels: 3 for RGB, 10 for five flow fields; other than 3 with weights, the first
            convolution has the mean of their kernels everywhere.
        dropout: before the last layer. slim: as in `BNInception`.
        weights: a file as `bn_inception_weights` reads it.

    Raises:
        InputError: impossible values, weights that do not fit. RunError: no such file, or not one of tensors.
    """
    check_values({"classes": classes, "in_channels": in_channels}, dropout=dropout)
    first = in_channels if weights is None else 3
    network = BNInception(classes=classes, dropout=dropout, slim=slim, in_channels=first)
    if weights is not None:
        network.load_state_dict(bn_inception_weights(weights, network, classifier=False), strict=False)
    if in_channels != first:
        average_first(network, "stem.conv1.conv", in_channels)
        network.in_channels = in_channels
    init_last_layer(network.fc)
    return ScaledBNInception(network, scales=scales)


class ScaledInceptionResNet(ScaledBackbone):
    """timm's Inception-ResNet-V2. Its batch norms become plain ones with a ReLU behind, under the same keys: timm's own
    hold the ReLU, and lose it where batch norms are synchronised between processes."""

    network: InceptionResnetV2

    def __init__(self, network: InceptionResnetV2, *, scales: Sequence[str]):
        separate_activations(network)
        super().__init__(network, scales=scales)

    def path(self) -> list[Step]:
        net = self.network
        return [
            *(("", m) for m in (net.conv2d_1a, net.conv2d_2a, net.conv2d_2b, net.maxpool_3a, net.conv2d_3b)),
            ("Conv2d_4a_3x3", net.conv2d_4a[:2]),
            ("", functional.relu),
            *(("", m) for m in (net.maxpool_5a, net.mixed_5b, *net.repeat[:-1])),
            ("Block A", partial(before_relu, net.repeat[-1])),
            *(("", m) for m in (functional.relu, net.mixed_6a, *net.repeat_1[:-1])),
            ("Block B", partial(before_relu, net.repeat_1[-1])),
            *(("", m) for m in (functional.relu, net.mixed_7a, net.repeat_2)),
            ("Block C", net.block8),
            ("", net.conv2d_7b),
            ("Fully Connected", self._pooled),
            ("", self._scores),
        ]

    def _pooled(self, maps: Tensor) -> Tensor:
        return rearrange(self.network.global_pool(maps), "n c -> n c 1 1")

    def _scores(self, pooled: Tensor) -> Tensor:
        return self.fc(self.network.head_drop(pooled.flatten(1)))


def scaled_inception_resnet_v2(
    *,
    classes: int,
    scales: Sequence[str] = ("Block A", "Block B", "Block C"),
    in_channels: int = 3,
    dropout: float = 0.5,
    pretrained: bool = False,
) -> ScaledInceptionResNet:
    """Inception-ResNet-V2; input (N, in_channels, H, W) with sides of at least 75, best 299.

    Args:
        classes: outputs of the last layer, which starts as `init_last_layer` says.
        scales: see above. in_channels: 3 for RGB, 10 for five flow fields; other than 3 with weights, the first
            convolution has the mean of their kernels everywhere.
        dropout: before the last layer.
        pretrained: ImageNet weights through timm, made to fit RGB with ImageNet's mean and deviation removed.

    Raises:
        InputError: impossible values. RunError: the weights cannot be fetched.
    """
    check_values({"classes": classes, "in_channels": in_channels}, dropout=dropout)
    network = from_timm("inception_resnet_v2", in_channels=in_channels, dropout=dropout, pretrained=pretrained)
    if pretrained:
        for_imagenet(network)
        if in_channels != 3:
            average_first(network, "conv2d_1a.conv", in_channels)
    network.reset_classifier(classes)
    init_last_layer(network.get_classifier())
    return ScaledInceptionResNet(network, scales=scales)


def before_relu(block: nn.Module, x: Tensor) -> Tensor:
    """What a residual block of kind A or B gives before its ReLU: (N, C, H, W) -> the same shape."""
    branches = [branch(x) for name, branch in block.named_children() if name.startswith("branch")]
    return block.conv2d(torch.cat(branches, 1)) * block.scale + x


def separate_activations(network: nn.Module) -> None:
    """Replace, in place, timm's convolutions with norm and activation by those three, one after the other."""
    for path, module in list(network.named_modules()):
        if isinstance(module, ConvNormAct):
            old = module.bn
            norm = nn.BatchNorm2d(old.num_features, eps=old.eps, momentum=old.momentum).to(old.weight)
            norm.load_state_dict(old.state_dict())
            unit = nn.Sequential(OrderedDict(conv=module.conv, bn=norm, act=old.act))
            network.set_submodule(path, unit.train(module.training))


def for_imagenet(network: InceptionResnetV2) -> None:
    """Let a network for x = 2 RGB - 1 take z with RGB = deviation z + mean of ImageNet instead, in place and exactly.

    The deviation goes into the kernels of the first convolution, which has neither a bias nor a border; what the mean
    adds to its output, into the mean that its batch norm takes off.
    """
    kernel, norm = network.conv2d_1a.conv.weight, network.conv2d_1a.bn
    mean, deviation = (2 * kernel.new_tensor(values) for values in (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD))
    with torch.no_grad():
        norm.running_mean -= torch.einsum("ochw,c->o", kernel, mean - 1)
        kernel *= deviation[:, None, None]
