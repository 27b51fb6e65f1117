r"""VGG with its convolutions as scales.

K. Simonyan, A. Zisserman. Very Deep Convolutional Networks for Large-Scale Image Recognition. ICLR 2015.

Places: conv1_1 to conv5_3, each before its ReLU, and pool1 to pool5, the max-pools of the last convolution of a stage,
without ReLU too. A max-pool and a ReLU can change places, so here the pool is the first; the scores stay the same.

At 224 x 224 conv3_3, conv4_3 and conv5_3 have 56 x 56 x 256, 28 x 28 x 512 and 14 x 14 x 512; pool3, pool4 and pool5
have 28 x 28 x 256, 14 x 14 x 512 and 7 x 7 x 512. W. Hu et al., Interaction-Aware Spatio-Temporal Pyramid Attention
Networks, print the names of the first with the sides of the second, and 512 channels for conv3_3.
"""

from collections.abc import Sequence
from itertools import pairwise

from timm.models.vgg import VGG
from torch import nn
from torch.nn import functional

from videoattn.backbones.checks import check_values
from videoattn.backbones.resnet import init_last_layer
from videoattn.backbones.scales import ScaledBackbone, Step, average_first, from_timm


class ScaledVGG(ScaledBackbone):
    """One of timm's VGGs, with batch norm or without."""

    network: VGG

    def path(self) -> list[Step]:
        steps: list[Step] = []
        stage, unit = 1, 1
        for layer, following in pairwise([*self.network.features, nn.Identity()]):
            if isinstance(layer, nn.MaxPool2d):
                steps += [(f"pool{stage}", layer), ("", functional.relu)]
                stage, unit = stage + 1, 1
            elif isinstance(layer, nn.ReLU):
                steps += [] if isinstance(following, nn.MaxPool2d) else [("", functional.relu)]
                unit += 1
            else:
                steps.append((f"conv{stage}_{unit}" if isinstance(following, nn.ReLU) else "", layer))
        return [*steps, ("", self.network.forward_head)]


def scaled_vgg16(
    *,
    classes: int,
    scales: Sequence[str] = ("conv3_3", "conv4_3", "conv5_3"),
    in_channels: int = 3,
    dropout: float = 0.5,
    pretrained: bool = False,
) -> ScaledVGG:
    """VGG-16 without batch norm; input (N, in_channels, H, W) with sides of at least 32, best 224.

    Args:
        classes: outputs of the last layer, which starts as `init_last_layer` says.
        scales: see above. in_channels: 3 for RGB, 10 for five flow fields; other than 3 with weights, the first
            convolution has the mean of their kernels everywhere.
        dropout: behind both hidden layers.
        pretrained: ImageNet weights through timm.

    Raises:
        InputError: impossible values. RunError: the weights cannot be fetched.
    """
    check_values({"classes": classes, "in_channels": in_channels}, dropout=dropout)
    network = from_timm("vgg16", in_channels=in_channels, dropout=dropout, pretrained=pretrained)
    if pretrained and in_channels != 3:
        average_first(network, "features.0", in_channels)
    network.reset_classifier(classes)
    init_last_layer(network.get_classifier())
    return ScaledVGG(network, scales=scales)
