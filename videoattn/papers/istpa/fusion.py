r"""Networks that take appearance and motion together: attention-layer fusion, and what a study calls.

W. Hu, H. Liu, Y. Du, C. Yuan, B. Li, S. Maybank. Interaction-Aware Spatio-Temporal Pyramid Attention Networks for
Action Classification, section 4. Motion reinforcement is in `reinforcement`, late fusion in
`videoattn.evaluation.fusion`.

A network over several streams is a backbone for images that hold the channels of all, one stream after the other. So
`PyramidNetwork` and `MeanNetwork` merge its frames as those of a single stream, with the same losses. In fusion by the
attention layer, with X^s the top maps of stream s, C x K n, and Y_j^s the scores of its scales below:

    X = the X^s one above the other                                A: (3) of all Y_j^s and of Y, the scores of X
    M = X A, of which the rows that come from X^s are M^s          scores = mean over s of head^s(M^s)

Departures: the paper names this fusion, which aggregates the middle layers of both streams, and leaves the rest to an
appendix that is not printed with it. So what is merged and what stands behind is a choice: one A, to which all streams
give scores, merges the top maps of each, with the same places and frames for all; behind it each stream keeps the
layers that it had alone, and the scores are averaged. In a ResNet, whose head is linear, this is as much as one layer
over the channels of all.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from videoattn.backbones.scales import Scale, ScaledBackbone, Size
from videoattn.errors import InputError
from videoattn.papers.istpa.network import MeanNetwork, PyramidNetwork, StreamNetwork
from videoattn.papers.istpa.reinforcement import ReinforcedResNet, split


class FusedBackbone(nn.Module):
    """Networks side by side, with one pyramid for all; it has the calls of a `ScaledBackbone`.

    Its scales are those below the top of each stream, one stream after the other, then the top maps of all, joined in
    channels.

    Args:
        streams: a network for each, by the name of the stream; their top maps have one shape.

    Shapes: (N, in_channels, H, W), the channels of the streams one after the other -> (N, classes).

    Raises:
        InputError: fewer than two streams, at construction; top maps that differ, in `shapes` and at the call; images
            of the wrong shape, at the call.
    """

    def __init__(self, streams: Mapping[str, ScaledBackbone]):
        super().__init__()
        if len(streams) < 2:
            raise InputError(f"streams {', '.join(streams) or 'none'}: at least two are expected")
        self.streams = nn.ModuleDict(streams)
        self.channels = {name: backbone.in_channels for name, backbone in streams.items()}

    @property
    def in_channels(self) -> int:
        """Channels of all streams."""
        return sum(self.channels.values())

    @property
    def fc(self) -> nn.ModuleList:
        """The last layers of all streams."""
        return nn.ModuleList(backbone.fc for backbone in self.streams.values())

    def maps(self, images: Tensor, *, frames: int = 1) -> tuple[Tensor, ...]:
        """Maps (N, C_j, H_j, W_j) of each scale; `frames` as in `ScaledBackbone.maps`."""
        found = [self.streams[name].maps(own, frames=frames) for name, own in split(images, self.channels).items()]
        self._check([Scale(maps[-1].shape[1], tuple(maps[-1].shape[2:])) for maps in found])
        return (*(x for maps in found for x in maps[:-1]), torch.cat([maps[-1] for maps in found], 1))

    def head(self, top: Tensor, *, frames: int = 1) -> Tensor:
        """Scores (M, classes) of top maps (M, C, h, w), merged or not: the mean of those of all streams."""
        tops = top.chunk(len(self.streams), 1)
        scores = [own.head(x, frames=frames) for own, x in zip(self.streams.values(), tops, strict=True)]
        return torch.stack(scores).mean(0)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.maps(images)[-1])

    def shapes(self, size: Size) -> tuple[Scale, ...]:
        """Channels and sizes of each scale for images of (H, W), computed without numbers.

        Raises:
            InputError: a size that the networks cannot take, or at which their top maps differ.
        """
        found = [backbone.shapes(size) for backbone in self.streams.values()]
        tops = [scales[-1] for scales in found]
        self._check(tops)
        joined = Scale(sum(top.channels for top in tops), tops[0].size)
        return (*(scale for scales in found for scale in scales[:-1]), joined)

    def _check(self, tops: Sequence[Scale]) -> None:
        if len(set(tops)) > 1:
            found = ", ".join(f"{name} {h} x {w} x {c}" for name, (c, (h, w)) in zip(self.streams, tops, strict=True))
            raise InputError(f"top maps of {found}: those of all streams must have one shape")


class JoinedNetwork(StreamNetwork):
    """What a study calls: a network over several streams of a clip, and in training what its attention adds.

    Args:
        network: a `PyramidNetwork` or a `MeanNetwork` with a `FusedBackbone` or a `ReinforcedResNet`.
        stream: name of the scores. beta, gamma, form: as in `StreamNetwork`.

    Shapes: {each stream of the backbone: (B, its channels, K, H, W)} -> {stream: (B, classes)}, in training with a
        weight other than 0 also "loss", as in `StreamNetwork`.

    Raises:
        InputError: impossible values, at construction; at the call a clip that lacks a stream, or whose streams have
            the wrong channels or differ in B, K, H or W.
    """

    def __init__(
        self,
        network: PyramidNetwork | MeanNetwork,
        *,
        stream: str = "fused",
        beta: float = 0.0,
        gamma: float = 0.0,
        form: str = "stable",
    ):
        super().__init__(network, stream=stream, beta=beta, gamma=gamma, form=form)
        if not isinstance(network.backbone, FusedBackbone | ReinforcedResNet):
            kind = type(network.backbone).__name__
            raise InputError(f"the backbone is a {kind}; a FusedBackbone or a ReinforcedResNet is expected")

    def forward(self, clip: dict[str, Tensor]) -> dict[str, Tensor]:
        return super().forward({self.stream: joined(clip, self.network.backbone.channels)})


def joined(clip: Mapping[str, Tensor], channels: Mapping[str, int]) -> Tensor:
    """One clip of all streams: {stream: (B, its channels, K, H, W)} -> (B, channels of all, K, H, W)."""
    absent = [name for name in channels if name not in clip]
    if absent:
        raise InputError(f"the clip lacks {', '.join(absent)}; it holds {', '.join(clip) or 'nothing'}")
    shapes = {name: tuple(clip[name].shape) for name in channels}
    (b, _, *rest), *_ = [shape if len(shape) == 5 else (None,) * 5 for shape in shapes.values()]
    if any(shapes[name] != (b, c, *rest) for name, c in channels.items()):
        found = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        wanted = ", ".join(f"{name} (B, {c}, K, H, W)" for name, c in channels.items())
        raise InputError(f"the clip holds {found}; {wanted} with the same B, K, H and W is expected")
    return torch.cat([clip[name] for name in channels], 1)


def load_stream(backbone: ScaledBackbone, state: Mapping[str, Tensor]) -> None:
    """Give a backbone the weights that it had in a trained `StreamNetwork`, whose `state_dict` this is.

    Raises:
        InputError: a state without a backbone, or with another one.
    """
    prefix = "network.backbone."
    try:
        backbone.load_state_dict({k.removeprefix(prefix): w for k, w in state.items() if k.startswith(prefix)})
    except RuntimeError as error:
        raise InputError(f"these are not the weights of a StreamNetwork with this backbone: {error}") from error
