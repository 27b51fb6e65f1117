"""What self-attention is compared with: other ways from place to place, in the same module.

Z. Zhou, Y. Xu, L. Yang, sections I and III-C, set self-attention against 3D convolutions; the mean is not in the paper.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from videoattn.errors import InputError
from videoattn.layers.checks import check_maps
from videoattn.layers.non_local import init_attention, zero_init_norm


class MixedPlaces(nn.Module):
    """`CascadedAttention` with a fixed mixing of the places instead of attention; (B, C, T, H, W) -> the same shape.

    Args:
        channels: C. inner: C', C // 2 when left out.
        kernel: of a 3D convolution C' -> C', three odd lengths. Without one each place gets the mean of all, which is
            attention with equal weights.

    Raises:
        InputError: impossible sizes, at construction; maps of the wrong shape, at the call.
    """

    def __init__(self, *, channels: int, inner: int | None = None, kernel: Sequence[int] = ()):
        super().__init__()
        inner = channels // 2 if inner is None else inner
        if channels < 1 or inner < 1:
            raise InputError(f"channels={channels}, inner={inner}: both must be at least 1 (inner is channels // 2)")
        if kernel and (len(kernel) != 3 or any(length < 1 or length % 2 == 0 for length in kernel)):
            raise InputError(f"kernel={tuple(kernel)}: three odd lengths are expected, or none for the mean")
        self.reduce = nn.Conv3d(channels, inner, 1)
        self.mix = nn.Conv3d(inner, inner, tuple(kernel), padding="same") if kernel else None
        self.restore = nn.Conv3d(inner, channels, 1)
        self.norm = zero_init_norm(channels, 3)
        mixing = () if self.mix is None else (self.mix,)
        init_attention(queries_and_keys=(), others=(self.reduce, *mixing, self.restore))

    def forward(self, x: Tensor) -> Tensor:
        check_maps(x, dims=3, channels=self.reduce.in_channels)
        z = self.reduce(x)
        z = z.mean((2, 3, 4), keepdim=True).expand_as(z) if self.mix is None else self.mix(z)
        return self.norm(self.restore(z)) + x
