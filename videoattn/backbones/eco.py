r"""ECO and ECO-Lite: a 2D network over each frame, then a 3D network over the stacked maps.

M. Zolfaghari, K. Singh, T. Brox. ECO: Efficient Convolutional Network for Online Video Understanding. ECCV 2018.

The 2D part is BN-Inception up to the first 3x3 convolution in the double branch of 3c, whose maps have 96 channels and
28 x 28 places at 224 x 224. The means of the 3D part's maps go through dropout into the last layer. ECO also goes on in
2D, with the rest of BN-Inception: its last features, 1024 a frame, go through dropout, and their mean over the frames
stands beside the 512 of the 3D part.

Departures: none. What the paper leaves open follows the networks that its authors released.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from einops import rearrange, reduce
from torch import Tensor, nn

from videoattn.backbones.bn_inception import LAST, TABLE, BNInception, check_frames, conv_norm_relu, init_as_caffe
from videoattn.backbones.checks import check_clip, check_values
from videoattn.backbones.resnet3d import WIDTHS, Resnet3D
from videoattn.errors import InputError
from videoattn.layers.input_offset import NAME
from videoattn.weights.bn_inception import FIRST, bn_inception_weights

AFTER_3C = [f"inception_{name}" for name in TABLE if name > "3c"]


class ECO(nn.Module):
    """A 2D part over each frame, a 3D part over the stacked maps, and perhaps a second 2D part beside it.

    `network.attention`, an identity until another module takes its place, sits between 2D and 3D, on the stacked maps
    (B, C, T, h, w); the side does not pass through it.

    Args:
        spatial: frames (B T, 3, H, W) -> maps (B T, C, h, w), or a tuple of these and of what else `side` needs.
        temporal: stacked maps (B, C, T, h, w) -> (B, features, T', h', w').
        classes: outputs of the last layer.
        features: channels that `temporal` gives.
        dropout: probability for the features of the 3D part, and for those of each frame.
        side: all that `spatial` gives, one by one -> features of each frame (B T, side_features).
        side_features: their number, 0 without a side.

    Shapes: (B, 3, T, H, W) -> (B, classes); T is a multiple of 4.

    Raises:
        InputError: impossible values, at construction; a clip or weights of the wrong shape, at the call.
    """

    def __init__(
        self,
        *,
        spatial: nn.Module,
        temporal: nn.Module,
        classes: int,
        features: int,
        dropout: float = 0.0,
        side: nn.Module | None = None,
        side_features: int = 0,
    ):
        super().__init__()
        check_values({"classes": classes, "features": features}, dropout=dropout)
        if side_features < 0 or (side is None) != (side_features == 0):
            raise InputError(f"side_features={side_features}: 0 is expected without a side, and at least 1 with one")
        self.spatial = spatial
        self.attention = nn.Identity()
        self.temporal = temporal
        self.side = side
        self.drop_rate = dropout
        self.fc = nn.Linear(features + side_features, classes)
        init_as_caffe(self.fc)

    def frames(self, clip: Tensor) -> tuple[Tensor, Tensor | None]:
        """What the 2D parts make of each frame: (B, 3, T, H, W), any T -> maps (B, C, T, h, w) and the features of the
        side (B, T, side_features) or None."""
        maps, given = self._spatial(clip)
        if self.side is None:
            return maps, None
        return maps, rearrange(self.side(*given), "(b t) c -> b t c", b=len(clip))

    def stacked(self, maps: Tensor, weights: Tensor | None = None) -> Tensor:
        """Maps (B, C, T, h, w), each frame's times its weight of (B, T), through attention and the 3D part:
        (B, features, T/4, about h/4, about w/4)."""
        self._check_time(maps, weights)
        if weights is not None:
            maps = maps * weights[:, None, :, None, None]
        return self.temporal(self.attention(maps))

    def scores(self, maps: Tensor, side: Tensor | None = None, weights: Tensor | None = None) -> Tensor:
        """Scores (B, classes) from what `frames` gives and the weights (B, T) of the frames."""
        pooled = reduce(self.stacked(maps, weights), "b c t h w -> b c", "mean")
        pooled = F.dropout(pooled, self.drop_rate, self.training)
        if side is not None:
            side = side if weights is None else side * weights[..., None]
            side = reduce(F.dropout(side, self.drop_rate, self.training), "b t c -> b c", "mean")
            pooled = torch.cat([side, pooled], 1)
        return self.fc(pooled)

    def features(self, clip: Tensor, weights: Tensor | None = None) -> Tensor:
        """Maps of the 3D part before its pooling: (B, 3, T, H, W) -> (B, features, T/4, about H/32, about W/32)."""
        self._check_time(clip, weights)
        return self.stacked(self._spatial(clip)[0], weights)

    def forward(self, clip: Tensor, weights: Tensor | None = None) -> Tensor:
        """Scores; with weights (B, T) the maps and the side's features of each frame are multiplied by its weight."""
        self._check_time(clip, weights)
        return self.scores(*self.frames(clip), weights)

    def _spatial(self, clip: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The stacked maps, and all that the 2D part gives, unstacked."""
        check_clip(clip)
        given = self.spatial(rearrange(clip, "b c t h w -> (b t) c h w"))
        given = given if isinstance(given, tuple) else (given,)
        return rearrange(given[0], "(b t) c h w -> b c t h w", b=len(clip)), given

    @staticmethod
    def _check_time(video: Tensor, weights: Tensor | None) -> None:
        if video.dim() != 5 or video.shape[2] < 1 or video.shape[2] % 4:
            raise InputError(
                f"the clip or its maps have shape {tuple(video.shape)}; (B, C, T, H, W), T a multiple of 4, is expected"
            )
        if weights is not None and weights.shape != (len(video), video.shape[2]):
            raise InputError(
                f"the weights have shape {tuple(weights.shape)}; {(len(video), video.shape[2])} is expected"
            )


class FrameMaps(nn.Module):
    """2D part of ECO: (N, 3, H, W) -> maps (N, 96, about H/8, about W/8); with `trunk` these and those of 3b, a tuple.

    Its modules are taken from a BN-Inception and keep their names.
    """

    def __init__(self, network: BNInception, *, trunk: bool):
        super().__init__()
        self.stem, self.inception_3a, self.inception_3b = network.stem, network.inception_3a, network.inception_3b
        self.inception_3c = nn.ModuleDict({"branch_double": network.inception_3c.branch_double[:2]})
        self.trunk = trunk

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        check_frames(x, channels=3, halvings=2 if self.trunk else 0)
        trunk = self.inception_3b(self.inception_3a(self.stem(x)))
        maps = self.inception_3c["branch_double"](trunk)
        return (maps, trunk) if self.trunk else maps


class FrameFeatures(nn.Module):
    """The 2D side of ECO: what `FrameMaps` gives, (N, 96, h, w) and (N, 320, h, w) -> features (N, 1024)."""

    def __init__(self, network: BNInception):
        super().__init__()
        module = network.inception_3c
        self.inception_3c = nn.ModuleDict(
            {
                "branch_three": module.branch_three,
                "branch_double": module.branch_double[2:],
                "branch_pool": module.branch_pool,
            }
        )
        for name in AFTER_3C:
            self.add_module(name, network.get_submodule(name))

    def forward(self, maps: Tensor, trunk: Tensor) -> Tensor:
        last = self.inception_3c
        x = F.relu(torch.cat([last["branch_three"](trunk), last["branch_double"](maps), last["branch_pool"](trunk)], 1))
        for name in AFTER_3C:
            x = getattr(self, name)(x)
        return reduce(x, "n c h w -> n c", "mean")


def eco_lite(*, classes: int, dropout: float = 0.3) -> ECO:
    """ECO-Lite: (B, 3, T, H, W) with T a multiple of 4, H and W of at least 7 -> (B, classes); errors as in `ECO`."""
    spatial = FrameMaps(BNInception(classes=1), trunk=False)
    return ECO(spatial=spatial, temporal=Resnet3D(), classes=classes, features=WIDTHS[-1], dropout=dropout)


def eco(*, classes: int, dropout: float = 0.5) -> ECO:
    """ECO: (B, 3, T, H, W) with T a multiple of 4, H and W as for `BNInception` -> (B, classes); errors as in `ECO`."""
    network = BNInception(classes=1)
    return ECO(
        spatial=FrameMaps(network, trunk=True),
        temporal=Resnet3D(),
        classes=classes,
        features=WIDTHS[-1],
        dropout=dropout,
        side=FrameFeatures(network),
        side_features=LAST,
    )


def small_eco(
    *,
    classes: int,
    widths: Sequence[int] = (16, 32, 32),
    temporal_widths: Sequence[int] = (32, 32, 32),
    side_widths: Sequence[int] = (),
    dropout: float = 0.0,
) -> ECO:
    """A small ECO, whose 2D part is one 3x3 convolution of stride 2, batch norm and ReLU for each of `widths`.

    Args:
        widths: of the 2D part, at least one. temporal_widths: of the 3D part, three.
        side_widths: of a side, which goes on from the maps of the 2D part; none makes an ECO-Lite.

    Shapes: (B, 3, T, H, W) with T a multiple of 4 -> (B, classes).

    Raises:
        InputError: impossible values.
    """
    if not widths or min(*widths, *side_widths, 1) < 1:
        raise InputError(f"widths={tuple(widths)}, side_widths={tuple(side_widths)}: at least 1 is expected of each")
    units = [conv_norm_relu(before, after, 3, stride=2) for before, after in pairwise((3, *widths, *side_widths))]
    side = nn.Sequential(*units[len(widths) :], nn.AdaptiveAvgPool2d(1), nn.Flatten()) if side_widths else None
    network = ECO(
        spatial=nn.Sequential(*units[: len(widths)]),
        temporal=Resnet3D(in_channels=widths[-1], widths=temporal_widths),
        classes=classes,
        features=temporal_widths[-1],
        dropout=dropout,
        side=side,
        side_features=side_widths[-1] if side_widths else 0,
    )
    init_as_caffe(network)
    return network


def load_bn_inception(network: ECO, path: Path | str, *, inputs: str = "imagenet") -> tuple[str, ...]:
    """Load ImageNet weights into the 2D parts of an `eco` or `eco_lite`; returns the keys that were not loaded.

    Args and errors: as for `bn_inception_weights`; also InputError for a network without layers of BN-Inception.
    """
    with torch.device("meta"):
        whole = BNInception(classes=1)
    weights = bn_inception_weights(path, whole, classifier=False, inputs=inputs)
    keys = set(network.state_dict())
    keys |= {key.removesuffix("weight") + NAME for key in keys if key == f"spatial.{FIRST}.weight"}
    parts = ("spatial", "side")
    found = {f"{part}.{name}": tensor for name, tensor in weights.items() for part in parts if f"{part}.{name}" in keys}
    if not found:
        raise InputError("the 2D part has nothing of BN-Inception; eco and eco_lite make networks that have")
    network.load_state_dict(found, strict=False)
    return tuple(key for key in network.state_dict() if key not in found)
