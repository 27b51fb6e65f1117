r"""ECO and ECO-Lite around another network of timm in place of BN-Inception.

    maps       the host over each frame up to the end of its stage conv3, an eighth of the side, then a 1x1 convolution
               with batch norm and ReLU to the channels of the 3D part
    3D part    that of ECO, over the stacked maps
    side       of ECO alone: the rest of the host over each frame, up to what its last layer works on

The 1x1 convolution is ours: ECO has no such layer, but the last one of its 2D part, a 3x3 convolution of BN-Inception
with batch norm and ReLU, gives the 96 channels as part of a module of that network. ImageNet weights, which go into the
host, know nothing of it.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from videoattn.backbones.bn_inception import conv_norm_relu, init_as_caffe
from videoattn.backbones.eco import ECO
from videoattn.backbones.hosts import facts, host, stages, steps
from videoattn.backbones.resnet3d import WIDTHS, Resnet3D

MAPS = 96  # channels of the stacked maps


class Steps(nn.Module):
    """Modules of a network that it applies one after the other, under their own names; (N, C, H, W) -> maps."""

    def __init__(self, network: nn.Module, paths: Sequence[str]):
        super().__init__()
        self.paths = tuple(paths)
        for path in self.paths:
            *above, name = path.split(".")
            parent: nn.Module = self
            for part in above:
                if part not in dict(parent.named_children()):
                    parent.add_module(part, nn.Module())
                parent = parent.get_submodule(part)
            parent.add_module(name, network.get_submodule(path))

    def forward(self, x: Tensor) -> Tensor:
        for path in self.paths:
            x = self.get_submodule(path)(x)
        return x


class HostMaps(nn.Module):
    """2D part: (N, 3, H, W) -> maps (N, channels, about H/8, about W/8); with `trunk` these and those of conv3, a
    tuple.

    Args:
        network: the host. paths: of its modules up to the end of conv3, which gives `width` channels.
    """

    def __init__(self, network: nn.Module, paths: Sequence[str], *, width: int, channels: int, trunk: bool):
        super().__init__()
        self.host = Steps(network, paths)
        self.project = conv_norm_relu(width, channels, 1)
        self.trunk = trunk
        init_as_caffe(self.project)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        trunk = self.host(x)
        maps = self.project(trunk)
        return (maps, trunk) if self.trunk else maps


class HostFeatures(nn.Module):
    """The 2D side: what `HostMaps` gives -> features (N, C) that the host's last layer works on.

    Args:
        network: the host, of which all but its head is replaced, in place. last: path of its last layer.
        before, behind: paths of its modules up to the end of conv3, and of the others before its head.
    """

    def __init__(self, network: nn.Module, before: Sequence[str], behind: Sequence[str], *, last: str):
        super().__init__()
        self.behind = tuple(behind)
        for path in (*before, last):
            network.set_submodule(path, nn.Identity())
        self.host = network

    def forward(self, _: Tensor, trunk: Tensor) -> Tensor:
        for path in self.behind:
            trunk = self.host.get_submodule(path)(trunk)
        return self.host.forward_head(trunk, pre_logits=True)


def eco_host(
    name: str,
    *,
    classes: int,
    full: bool = False,
    channels: int = MAPS,
    temporal_widths: Sequence[int] = WIDTHS,
    dropout: float = 0.5,
    pretrained: bool = False,
) -> ECO:
    """ECO-Lite, or ECO with `full`, around timm's network of that name.

    Args:
        classes, dropout: as in `ECO`. channels: of the stacked maps. temporal_widths: of the 3D part, three.
        pretrained: ImageNet weights in the host, as in `videoattn.backbones.hosts.host`.

    Shapes: (B, 3, T, H, W) with T a multiple of 4 -> (B, classes).

    Raises:
        InputError: impossible values; a network that cannot be a host, or does more than apply its modules one after
            the other. RunError: the weights cannot be fetched.
    """
    network = host(name, classes=1, pretrained=pretrained)
    paths, stage, features = steps(network), stages(network)["conv3"], network.get_classifier().in_features
    end = paths.index(stage.path) + 1
    before, behind = paths[:end], paths[end:]
    spatial = HostMaps(network, before, width=stage.channels, channels=channels, trunk=full)
    return ECO(
        spatial=spatial,
        temporal=Resnet3D(in_channels=channels, widths=temporal_widths),
        classes=classes,
        features=temporal_widths[-1],
        dropout=dropout,
        side=HostFeatures(network, before, behind, last=facts(name).last) if full else None,
        side_features=features if full else 0,
    )
