"""Small networks to cut."""

import copy
import functools

import torch
from random_weights import randomise
from timm.models.inception_resnet_v2 import InceptionResnetV2
from timm.models.vgg import VGG
from torch import nn

from videoattn.backbones.scales import ScaledResNet, scaled_resnet

RESNET = {"channels": (8, 8, 16, 16), "stem_width": 4, "layers": (1, 2, 1, 2)}


def vgg() -> VGG:
    torch.manual_seed(0)
    cfg = [4, 4, "M", 6, 6, "M", 8, 8, 8, "M"]
    return randomise(VGG(cfg, num_classes=5, mlp_ratio=1 / 256))


def inception_resnet() -> InceptionResnetV2:
    """The full network with few blocks of each kind, and with statistics that no new norm has."""
    return copy.deepcopy(_inception_resnet())


@functools.cache
def _inception_resnet() -> InceptionResnetV2:
    torch.manual_seed(0)
    network = InceptionResnetV2(num_classes=5)
    for name, blocks in (("repeat", 2), ("repeat_1", 2), ("repeat_2", 1)):
        network.set_submodule(name, network.get_submodule(name)[:blocks])
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.running_mean, module.bias.data):
                tensor.normal_(std=0.1)
            for tensor in (module.running_var, module.weight.data):
                tensor.uniform_(0.3, 0.6)
    return network.eval()


def resnet(shift: bool = False) -> ScaledResNet:
    torch.manual_seed(0)
    return randomise(scaled_resnet("resnet18", classes=5, scales=("layer2", "layer4"), shift=shift, **RESNET))
