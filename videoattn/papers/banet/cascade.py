r"""Cascaded self-attention: what comes after feature extraction.

Z. Zhou, Y. Xu, L. Yang. Attention Before and After Feature Extraction for Action Recognition, section III-C.

Self-attention within planes of space-time, one kind behind the other: HW within each frame, TW within each row, TH
within each column. In each plane softmax(Q K^T) V over its positions. What Q K^T costs: `closed_forms`.

Departures: none. The inner width C', the projections to Q, K and V and a scale of the products are not in the paper,
and are arguments; nor is the sum with the input.
"""

from collections.abc import Sequence

import torch
from einops import rearrange
from torch import Tensor, nn

from videoattn.errors import InputError, unknown
from videoattn.layers.checks import check_maps
from videoattn.layers.non_local import attend, init_attention, zero_init_norm

PLANES = {"HW": "(b t) c h w", "TW": "(b h) c t w", "TH": "(b w) c t h"}


class PlaneAttention(nn.Module):
    """Self-attention within each plane of one kind; (B, C, T, H, W) -> the same shape.

    Args:
        plane: "HW", "TW" or "TH". channels: C.
        project: Q, K and V by 1x1x1 convolutions of their own; otherwise all three are the maps themselves.
        scale: of the products; None for 1 / sqrt(C).

    Raises:
        InputError: an unknown plane or impossible C, at construction; maps of the wrong shape, at the call.
    """

    def __init__(self, plane: str, *, channels: int, project: bool = True, scale: float | None = None):
        super().__init__()
        if plane not in PLANES:
            raise unknown("plane", plane, PLANES)
        if channels < 1:
            raise InputError(f"channels={channels}: must be at least 1")
        self.plane = plane
        self.channels = channels
        self.scale = channels**-0.5 if scale is None else scale
        self.project = project
        if project:
            self.q, self.k, self.v = (nn.Conv3d(channels, channels, 1) for _ in range(3))
            init_attention(queries_and_keys=(self.q, self.k), others=(self.v,))

    def forward(self, z: Tensor, *, return_attention: bool = False) -> Tensor | tuple[Tensor, Tensor]:
        """The maps; with `return_attention` also the weights, (planes, positions, positions)."""
        check_maps(z, dims=3, channels=self.channels, name="z")
        maps = (self.q(z), self.k(z), self.v(z)) if self.project else (z, z, z)
        q, k, v = (rearrange(m, f"b c t h w -> {PLANES[self.plane]}") for m in maps)
        out, attention = attend(q, k, v, scale=self.scale, return_attention=return_attention)
        t, h, w = z.shape[2:]
        out = rearrange(out, f"{PLANES[self.plane]} -> b c t h w", t=t, h=h, w=w)
        return (out, attention) if return_attention else out


class CascadedAttention(nn.Module):
    """Self-attention within planes of each kind in turn, at a reduced width, added to the maps.

    Args:
        channels: C. inner: C', C // 2 when left out.
        order: of the planes; two of the three already let every position reach every other.
        project, scale: of each `PlaneAttention`; the paper's figure 6 divides by nothing.
        parallel: figure 5's rival, which adds up what each kind of plane makes of the same maps.

    Shapes: (B, C, T, H, W) -> the same. The batch norm of the restoring convolution starts at zero, and with it the
    module as the identity.

    Raises:
        InputError: impossible values, at construction; maps of the wrong shape, at the call.
    """

    def __init__(
        self,
        *,
        channels: int,
        inner: int | None = None,
        order: Sequence[str] = ("HW", "TW", "TH"),
        project: bool = True,
        scale: float | None = 1.0,
        parallel: bool = False,
    ):
        super().__init__()
        inner = channels // 2 if inner is None else inner
        if channels < 1 or inner < 1:
            raise InputError(f"channels={channels}, inner={inner}: both must be at least 1 (inner is channels // 2)")
        if not order or len(set(order)) < len(order):
            raise InputError(f"order={tuple(order)}: different ones of {', '.join(PLANES)} are expected")
        self.parallel = parallel
        self.reduce = nn.Conv3d(channels, inner, 1)
        self.planes = nn.ModuleList(
            PlaneAttention(plane, channels=inner, project=project, scale=scale) for plane in order
        )
        self.restore = nn.Conv3d(inner, channels, 1)
        self.norm = zero_init_norm(channels, 3)
        init_attention(queries_and_keys=(), others=(self.reduce, self.restore))

    def forward(self, x: Tensor) -> Tensor:
        check_maps(x, dims=3, channels=self.reduce.in_channels)
        z = self.reduce(x)
        if self.parallel:
            z = torch.stack([plane(z) for plane in self.planes]).sum(0)
        else:
            for plane in self.planes:
                z = plane(z)
        return self.norm(self.restore(z)) + x
