r"""Other networks of timm with their stages as scales.

Places: conv2, conv3, conv4 and conv5, the last maps of a quarter, an eighth, a sixteenth and a 32nd of the side of the
image (`videoattn.backbones.hosts`), as they leave their stage: activations that a network puts there are in them. What
a network applies behind conv5, such as the last convolution of an EfficientNet, stands in the head.

At 224 x 224 EfficientNet-Lite0 has 56 x 56 x 24, 28 x 28 x 40, 14 x 14 x 112 and 7 x 7 x 320; ConvNeXt-T 56 x 56 x 96,
28 x 28 x 192, 14 x 14 x 384 and 7 x 7 x 768.
"""

from collections.abc import Sequence

from torch import nn

from videoattn.backbones.checks import check_values
from videoattn.backbones.hosts import add_shift, host, stages, steps
from videoattn.backbones.scales import ScaledBackbone, Step


class ScaledHost(ScaledBackbone):
    """One of timm's networks that can be a host.

    Raises:
        InputError: also a network that does more than apply its modules one after the other.
    """

    def __init__(self, network: nn.Module, *, scales: Sequence[str]):
        self.steps = tuple(steps(network))
        self.places = {stage.path: name for name, stage in stages(network).items()}
        super().__init__(network, scales=scales)

    def path(self) -> list[Step]:
        found = [(self.places.get(path, ""), self.network.get_submodule(path)) for path in self.steps]
        return [*found, ("", self.network.forward_head)]


def scaled_host(
    name: str,
    *,
    classes: int,
    scales: Sequence[str] = ("conv3", "conv4", "conv5"),
    in_channels: int = 3,
    dropout: float = 0.5,
    pretrained: bool = False,
    shift: bool = False,
    fraction: int = 8,
) -> ScaledHost:
    """timm's network of that name; input (N, in_channels, H, W), output (N, classes).

    Args:
        name, classes, in_channels, dropout, pretrained: as in `videoattn.backbones.hosts.host`.
        scales: see above.
        shift: temporal shifts where `videoattn.backbones.hosts.add_shift` puts them; `fraction` as there.

    Raises:
        InputError: impossible values; a network that cannot be a host, or does more than apply its modules one after
            the other. RunError: the weights cannot be fetched.
    """
    check_values({"classes": classes, "in_channels": in_channels}, dropout=dropout)
    network = host(name, classes=classes, in_channels=in_channels, dropout=dropout, pretrained=pretrained)
    scaled = ScaledHost(network, scales=scales)
    if shift:
        add_shift(network, frames=1, fraction=fraction)
    return scaled
