r"""Cross-modality attention (CMA).

L. Chi, G. Tian, Y. Mu, Q. Tian. Two-Stream Video Classification with Cross-Modality Attention. ICCV Workshops 2019.

    (1) CMA(Q_1, K_2, V_2) = softmax(Q_1 K_2^T / sqrt(d_k)) V_2
    (2) z_i = 1 / C(x, y)  sum_j f(x_i, y_j) v(y_j)
    (3) f(x_i, y_j) = exp(q(x_i) k(y_j)^T / sqrt(d_k))
    (4) C(x, y) = sum_j f(x_i, y_j)
    (5) out_i = W_out z_i + x_i

Axes: b batch, c channels of x, d = d_k inner width, i query position in x, j key position in y (pooled).

Departures: eq. (3) is printed with sqrt(d_k) under the whole exponential, where (4) would cancel it; this is the form
that agrees with (1). At odd sizes the max-pool before k and v keeps the last row and column, so that a 1 x 1 map works.
q and k start smaller than by He's scheme, see `init_attention`.
"""

from torch import Tensor, nn

from videoattn.errors import InputError
from videoattn.layers.checks import check_maps
from videoattn.layers.non_local import (
    CONVOLUTIONS,
    attend,
    check_block,
    init_attention,
    spatial_max_pool,
    zero_init_norm,
)


class CMABlock(nn.Module):
    """Attention of one modality (queries) over all positions of another (keys and values), with a residual connection.

    It starts as the identity: the batch norm after W_out has zero scale and shift (section 3.2).

    Args:
        channels: C of x.
        context_channels: channels of y; C when left out.
        inner: d_k; C // 2 when left out.
        dims: 2 for (B, C, H, W), 3 for (B, C, T, H, W).
        pool: max-pool y over 2 x 2 of space before k and v (section 3.2).

    Shapes:
        x: (B, C, [T,] H, W); y: (B, context_channels, [T',] H', W'), its grid free.
        output: the shape of x; attention (B, N, M): N positions of x, M positions of pooled y, both in row-major order.

    Raises:
        InputError: impossible sizes, at construction; maps of the wrong shape, at the call.
    """

    def __init__(
        self,
        *,
        channels: int,
        context_channels: int | None = None,
        inner: int | None = None,
        dims: int = 2,
        pool: bool = True,
    ):
        super().__init__()
        inner = channels // 2 if inner is None else inner
        context_channels = channels if context_channels is None else context_channels
        check_block(channels, inner, dims)
        check_block(context_channels, inner, dims)
        conv = CONVOLUTIONS[dims]
        self.q = conv(channels, inner, 1)
        self.k = conv(context_channels, inner, 1)
        self.v = conv(context_channels, inner, 1)
        self.out = conv(inner, channels, 1)
        self.norm = zero_init_norm(channels, dims)
        self.pool = pool
        self.dims = dims
        self.scale = inner**-0.5
        init_attention(queries_and_keys=(self.q, self.k), others=(self.v, self.out))

    def forward(self, x: Tensor, y: Tensor, *, return_attention: bool = False) -> Tensor | tuple[Tensor, Tensor]:
        self._check(x, y)
        context = spatial_max_pool(y) if self.pool else y
        q, k, v = self.q(x), self.k(context), self.v(context)
        z, attention = attend(q, k, v, scale=self.scale, return_attention=return_attention)  # Eq. (1), (2), (3), (4)
        out = self.norm(self.out(z)) + x  # Eq. (5)
        return (out, attention) if return_attention else out

    def is_identity(self) -> bool:
        """Whether the block returns x whatever y is: scale and shift of its batch norm are all zero."""
        return not (self.norm.weight.any() or self.norm.bias.any())

    def _check(self, x: Tensor, y: Tensor) -> None:
        check_maps(x, dims=self.dims, channels=self.q.in_channels)
        check_maps(y, dims=self.dims, channels=self.k.in_channels, name="y")
        if x.shape[0] != y.shape[0]:
            raise InputError(f"x holds {x.shape[0]} samples, y {y.shape[0]}: they must be as many")
