r"""Non-local block in its embedded Gaussian form.

X. Wang, R. Girshick, A. Gupta, K. He. Non-local Neural Networks. CVPR 2018, section 3.3.

    z_i = W softmax_j(theta(x_i)^T phi(x_j)) g(x_j) + x_i

theta, phi, g: 1x1 (1x1x1) convolutions C -> C/2 with bias; W: C/2 -> C and batch norm whose scale and shift start at
zero, so that the block starts as the identity. The "downsampling trick" max-pools phi and g over space by 2.

Departures: none. The paper does not divide by sqrt(d); `scale=True` does, for comparison with blocks that do.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from videoattn.errors import InputError
from videoattn.layers.checks import check_maps

CONVOLUTIONS = {2: nn.Conv2d, 3: nn.Conv3d}
BATCH_NORMS = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}


def check_block(channels: int, inner: int, dims: int) -> None:
    """Raise `InputError` unless the sizes can make an attention block over 2D or 3D feature maps."""
    if dims not in CONVOLUTIONS:
        raise InputError(f"dims={dims!r}: 2 (maps of one frame) and 3 (space-time) are possible")
    if channels < 1 or inner < 1:
        raise InputError(f"channels={channels}, inner={inner}: both must be at least 1 (inner is channels // 2)")


def zero_init_norm(channels: int, dims: int) -> nn.Module:
    """Batch norm with scale and shift 0 for the end of a residual branch: the block starts as the identity."""
    norm = BATCH_NORMS[dims](channels)
    nn.init.zeros_(norm.weight)
    nn.init.zeros_(norm.bias)
    return norm


def spatial_max_pool(x: Tensor) -> Tensor:
    """Halve H and W of (B, C, [T,] H, W); an odd last row or column stays as a window of its own."""
    if x.dim() == 5:
        return F.max_pool3d(x, (1, 2, 2), ceil_mode=True)
    return F.max_pool2d(x, 2, ceil_mode=True)


def init_attention(*, queries_and_keys: Sequence[nn.Module], others: Sequence[nn.Module]) -> None:
    """Initialise the convolutions of an attention block so that its attention is nearly uniform at first.

    `others` get weights by He's scheme, which doubles the variance to make up for a ReLU. Queries and keys have no ReLU
    behind them, and large products would make the first attention sharp: they keep PyTorch's default, a sixth of He's
    variance. All biases become 0.
    """
    for layer in others:
        nn.init.kaiming_normal_(layer.weight)
    for layer in (*queries_and_keys, *others):
        nn.init.zeros_(layer.bias)


class NonLocalBlock(nn.Module):
    """Self-attention over all positions of one feature map, with a residual connection.

    Args:
        channels: C of the input.
        inner: width d of theta, phi and g; C // 2 when left out.
        dims: 2 for (B, C, H, W), 3 for (B, C, T, H, W).
        pool: the downsampling trick.
        scale: divide the scores by sqrt(d).

    Shapes: input and output (B, C, [T,] H, W); attention (B, N, M), N queries and M keys in row-major order.

    Raises:
        InputError: impossible sizes, at construction; maps of the wrong shape, at the call.
    """

    def __init__(
        self, *, channels: int, inner: int | None = None, dims: int = 2, pool: bool = True, scale: bool = False
    ):
        super().__init__()
        inner = channels // 2 if inner is None else inner
        check_block(channels, inner, dims)
        conv = CONVOLUTIONS[dims]
        self.theta = conv(channels, inner, 1)
        self.phi = conv(channels, inner, 1)
        self.g = conv(channels, inner, 1)
        self.out = conv(inner, channels, 1)
        self.norm = zero_init_norm(channels, dims)
        self.pool = pool
        self.dims = dims
        self.scale = inner**-0.5 if scale else 1.0
        init_attention(queries_and_keys=(self.theta, self.phi), others=(self.g, self.out))

    def forward(self, x: Tensor, *, return_attention: bool = False) -> Tensor | tuple[Tensor, Tensor]:
        check_maps(x, dims=self.dims, channels=self.theta.in_channels)
        q, k, v = self.theta(x), self.phi(x), self.g(x)
        if self.pool:
            k, v = spatial_max_pool(k), spatial_max_pool(v)
        z, attention = attend(q, k, v, scale=self.scale, return_attention=return_attention)
        out = self.norm(self.out(z)) + x
        return (out, attention) if return_attention else out


def attend(
    q: Tensor, k: Tensor, v: Tensor, *, scale: float, return_attention: bool = False
) -> tuple[Tensor, Tensor | None]:
    """softmax(scale q k^T) v over all positions of feature maps.

    Args:
        q: (B, d, *query positions). k, v: (B, d, *key positions); the two grids may differ.

    Returns:
        z: (B, d, *query positions), and the weights (B, N, M), or None where they were not asked for: without them
        the fused kernels never hold the N x M map.
    """
    queries, keys, values = (rearrange(m.flatten(2), "b d n -> b 1 n d") for m in (q, k, v))
    if return_attention:
        attention = torch.softmax(scale * queries @ keys.mT, dim=-1)
        z = attention @ values
        attention = attention[:, 0]
    else:
        queries, keys, values = (m.contiguous() for m in (queries, keys, values))  # no fused kernel takes other strides
        z, attention = F.scaled_dot_product_attention(queries, keys, values, scale=scale), None
    return rearrange(z, "b 1 n d -> b d n").reshape(q.shape), attention
