"""A backbone over RGB clips in the form that a study calls: dicts of streams go in and come out."""

from torch import Tensor, nn

from videoattn.backbones.mfnet import MFNet
from videoattn.backbones.tsn import FrameNetwork


class VideoNetwork(nn.Module):
    """A backbone, called with a clip {"rgb": (B, 3, T, H, W)}; scores {"rgb": (B, classes)}."""

    def __init__(self, backbone: FrameNetwork | MFNet):
        super().__init__()
        self.backbone = backbone

    @property
    def fc(self) -> nn.Linear:
        """The last layer, on the mean of the last maps."""
        return self.backbone.fc

    def forward(self, clip: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"rgb": self.backbone(clip["rgb"])}

    def features(self, rgb: Tensor) -> Tensor:
        """The maps before the read-out: (B, C, T, h, w)."""
        return self.backbone.features(rgb)
