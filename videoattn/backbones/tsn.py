r"""2D networks over the frames of a clip: temporal segment networks (TSN) and, with shifts, TSM.

L. Wang, Y. Xiong, Z. Wang, Y. Qiao, D. Lin, X. Tang, L. Van Gool. Temporal Segment Networks. ECCV 2016.
J. Lin, C. Gan, S. Han. TSM: Temporal Shift Module for Efficient Video Understanding. ICCV 2019.

The frames are folded into the batch; the scores of a clip are the mean of those of its frames. The network over frames
is a ResNet, or any of timm's that can be a host (`videoattn.backbones.hosts`).

Departures: none.
"""

from collections.abc import Sequence

from einops import rearrange, reduce
from torch import Tensor, nn

from videoattn.backbones.checks import check_values
from videoattn.backbones.hosts import add_shift, host, is_resnet, stages
from videoattn.backbones.resnet import resnet
from videoattn.errors import InputError
from videoattn.layers.temporal_shift import set_frames


class FrameNetwork(nn.Module):
    """A 2D network that is applied to every frame of a clip.

    Args:
        backbone: one of timm's ResNets or another host (`videoattn.backbones.hosts`), over RGB.
        frames: T. `network.frames = 16` changes it, in the network and in all shifts and attached blocks within
            (`TemporalShift`, `FoldedTime`).

    Shapes: (B, 3, T, H, W) -> (B, classes).

    Raises:
        InputError: another backbone or `frames` below 1, at construction; a clip of the wrong shape, at the call.
    """

    def __init__(self, backbone: nn.Module, *, frames: int):
        super().__init__()
        try:
            self.stages = stages(backbone)
        except InputError as error:
            raise InputError(
                f"the backbone is a {type(backbone).__name__}; one of timm's is expected: {error}"
            ) from None
        self.backbone = backbone
        self.frames = frames

    @property
    def frames(self) -> int:
        return self._frames

    @frames.setter
    def frames(self, frames: int) -> None:
        self._frames = frames
        set_frames(self, frames)

    @property
    def fc(self) -> nn.Linear:
        """The last layer, in ResNets from the mean of a frame's last maps to its scores."""
        return self.backbone.get_classifier()

    def features(self, clip: Tensor) -> Tensor:
        """Maps before the last pooling: (B, 3, T, H, W) -> (B, C, T, about H/32, about W/32)."""
        return rearrange(self.backbone.forward_features(self._fold(clip)), "(b t) c h w -> b c t h w", t=self.frames)

    def head(self, maps: Tensor) -> Tensor:
        """Scores (B, classes) of the maps that `features` gives."""
        scores = self.backbone.forward_head(rearrange(maps, "b c t h w -> (b t) c h w"))
        return reduce(scores, "(b t) k -> b k", "mean", t=self.frames)

    def forward(self, clip: Tensor) -> Tensor:
        return reduce(self.backbone(self._fold(clip)), "(b t) k -> b k", "mean", t=self.frames)

    def _fold(self, clip: Tensor) -> Tensor:
        if clip.dim() != 5 or clip.shape[1] != 3 or clip.shape[2] != self.frames:
            raise InputError(
                f"the clip has shape {tuple(clip.shape)}; (B, 3, T, H, W) with T = {self.frames} is expected "
                "(set `frames` for another T)"
            )
        return rearrange(clip, "b c t h w -> (b t) c h w")


def tsn(
    name: str = "resnet50",
    *,
    classes: int,
    frames: int = 8,
    shift: bool = False,
    fraction: int = 8,
    dropout: float = 0.5,
    pretrained: bool = False,
    channels: Sequence[int] | None = None,
    stem_width: int | None = None,
    layers: Sequence[int] | None = None,
    zero_init: bool = True,
) -> FrameNetwork:
    """TSN, or TSM with `shift`; input (B, 3, frames, H, W), output (B, classes).

    Args:
        name, classes, dropout, pretrained, channels, stem_width, layers, zero_init: as in
            `videoattn.backbones.resnet.resnet`; of other networks than ResNets, which have none of the sizes, as in
            `videoattn.backbones.hosts.host`.
        frames: T.
        shift: temporal shifts in the residual blocks, as `add_temporal_shift` places them.
        fraction: 1/fraction of the channels shifts each way; it is at most the channels of the narrowest block.

    Raises:
        InputError: impossible values. RunError: the weights cannot be fetched.
    """
    check_values({"classes": classes, "frames": frames}, dropout=dropout)
    sized = channels is not None or stem_width is not None or layers is not None
    if sized or is_resnet(name):
        backbone = resnet(
            name,
            classes=classes,
            dropout=dropout,
            pretrained=pretrained,
            channels=channels,
            stem_width=stem_width,
            layers=layers,
            zero_init=zero_init,
        )
    else:
        backbone = host(name, classes=classes, dropout=dropout, pretrained=pretrained)
    if shift:
        add_shift(backbone, frames=frames, fraction=fraction)
    return FrameNetwork(backbone, frames=frames)
