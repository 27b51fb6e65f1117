r"""Networks that merge the frames of a clip at one place by pyramid attention, and by means for comparison.

W. Hu, H. Liu, Y. Du, C. Yuan, B. Li, S. Maybank. Interaction-Aware Spatio-Temporal Pyramid Attention Networks for
Action Classification, sections 3.4 and 4, figures 2 and 3.

The network runs over each frame up to the top scale, the layer merges the top maps of all K frames into those of one
image, and what the network does behind them runs once a clip.

Axes: b clip, c channel, k frame of K, h w place.

Departures: none.
"""

from math import isfinite

from einops import rearrange, reduce
from torch import Tensor, nn

from videoattn.backbones.scales import ScaledBackbone
from videoattn.errors import InputError, unknown
from videoattn.papers.istpa.attention import PyramidAttention, Scores, Size
from videoattn.papers.istpa.losses import check_form, interaction_loss, pyramid_loss

MERGES = ("scores", "maps")


class PyramidNetwork(nn.Module):
    """A backbone in which pyramid attention over its scales merges the frames.

    Args:
        backbone: its scales are those of the pyramid.
        size: (H, W) of the frames, which the layer is built for.
        downsample, fusion, normalise, shared: as in `PyramidAttention`.

    Shapes: (B, in_channels, K, H, W), any K of at least 1, another at each call -> (B, classes).

    Raises:
        InputError: impossible values, at construction; a clip of another shape or resolution, at the call.
    """

    def __init__(
        self,
        backbone: ScaledBackbone,
        *,
        size: Size,
        downsample: str = "max",
        fusion: str = "product",
        normalise: str = "l2",
        shared: bool = False,
    ):
        super().__init__()
        scales = backbone.shapes(size)
        self.size = tuple(size)
        self.backbone = backbone
        self.attention = PyramidAttention(
            channels=[scale.channels for scale in scales],
            sizes=[scale.size for scale in scales],
            downsample=downsample,
            fusion=fusion,
            normalise=normalise,
            shared=shared,
        )

    @property
    def fc(self) -> nn.Linear:
        """The last layer of the backbone."""
        return self.backbone.fc

    def forward(self, clip: Tensor, *, return_attention: bool = False) -> Tensor | tuple[Tensor, Tensor, Scores]:
        """Scores; with `return_attention` also the top maps (B, C, K, h, w), not yet merged, and the `Scores`."""
        images, frames = folded(clip, self.backbone), clip.shape[2]
        if clip.shape[-2:] != self.size:
            raise InputError(
                f"the clip has frames of {clip.shape[-2]} x {clip.shape[-1]}; this network was built for "
                f"{self.size[0]} x {self.size[1]}: pyramid attention has weights for each place"
            )
        maps = self.backbone.maps(images, frames=frames)
        maps = [rearrange(x, "(b k) c h w -> b c k h w", k=frames) for x in maps]
        merged, attended = self.attention(maps, return_attention=True)
        scores = self.backbone.head(merged[:, :, 0])
        return (scores, maps[-1], attended) if return_attention else scores


class MeanNetwork(nn.Module):
    """The same backbone, in which a mean merges the frames.

    Args:
        backbone: frames are merged at its last scale, or behind all.
        merge: what the mean is of, "scores" of the frames as in TSN, or "maps" of the top scale, in whose place
            `PyramidNetwork` has a weighted sum.

    Shapes: (B, in_channels, K, H, W), any K of at least 1, another at each call -> (B, classes).

    Raises:
        InputError: an unknown `merge`, at construction; a clip of the wrong shape, at the call.
    """

    def __init__(self, backbone: ScaledBackbone, *, merge: str = "scores"):
        super().__init__()
        if merge not in MERGES:
            raise unknown("merge", merge, MERGES)
        self.backbone = backbone
        self.merge = merge

    @property
    def fc(self) -> nn.Linear:
        """The last layer of the backbone."""
        return self.backbone.fc

    def forward(self, clip: Tensor) -> Tensor:
        images, frames = folded(clip, self.backbone), clip.shape[2]
        top = self.backbone.maps(images, frames=frames)[-1]
        if self.merge == "maps":
            return self.backbone.head(reduce(top, "(b k) c h w -> b c h w", "mean", k=frames))
        return reduce(self.backbone.head(top, frames=frames), "(b k) c -> b c", "mean", k=frames)


class StreamNetwork(nn.Module):
    """What a study calls: a network over the clips of one stream, and in training what its attention adds to the loss.

    Args:
        network: a `PyramidNetwork`, or a `MeanNetwork`, which has no attention and so no weights for its losses.
        stream: which entry of the clip it reads, such as "rgb" or "flow".
        beta: weight of the interaction-aware loss. gamma: weight of the pyramid attention loss. A loss of weight 0 is
            not computed.
        form: of both losses, "stable" or "literal"; of the literal ones the second is undefined for some K.

    Shapes: {stream: (B, in_channels, K, H, W)} -> {stream: (B, classes)}, in training with a weight other than 0 also
        "loss", one number: beta L_interactive + gamma L_attn of eq. (12).

    Raises:
        InputError: impossible values, at construction; a clip of the wrong shape, at the call.
    """

    def __init__(
        self,
        network: PyramidNetwork | MeanNetwork,
        *,
        stream: str = "rgb",
        beta: float = 0.0,
        gamma: float = 0.0,
        form: str = "stable",
    ):
        super().__init__()
        check_form(form)
        for name, weight in (("beta", beta), ("gamma", gamma)):
            if not (isfinite(weight) and weight >= 0):
                raise InputError(f"{name}={weight}: a finite weight of at least 0 is expected")
        if (beta or gamma) and not isinstance(network, PyramidNetwork):
            raise InputError(f"beta={beta}, gamma={gamma}: a {type(network).__name__} has no attention; 0 is possible")
        self.network = network
        self.stream = stream
        self.beta = beta
        self.gamma = gamma
        self.form = form

    @property
    def fc(self) -> nn.Linear:
        """The last layer."""
        return self.network.fc

    def forward(self, clip: dict[str, Tensor]) -> dict[str, Tensor]:
        video = clip[self.stream]
        if not self.training or not (self.beta or self.gamma):
            return {self.stream: self.network(video)}
        scores, top, attended = self.network(video, return_attention=True)
        loss = scores.new_zeros((), dtype=attended.attention.dtype)
        if self.beta:
            loss = loss + self.beta * interaction_loss(top, attended.attention, form=self.form)
        if self.gamma:
            frames = video.shape[2]
            loss = loss + self.gamma * pyramid_loss(attended.attention, attended.scales, frames=frames, form=self.form)
        return {self.stream: scores, "loss": loss}


def folded(clip: Tensor, backbone: ScaledBackbone) -> Tensor:
    """The frames of clips as images: (B, C, K, H, W) -> (B K, C, H, W); `InputError` for another shape."""
    if clip.dim() != 5 or clip.shape[1] != backbone.in_channels or clip.shape[2] < 1:
        raise InputError(
            f"the clip has shape {tuple(clip.shape)}; (B, {backbone.in_channels}, K, H, W) with K of at least 1 is "
            "expected"
        )
    return rearrange(clip, "b c k h w -> (b k) c h w")
