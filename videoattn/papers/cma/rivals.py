"""Exchanges between the modalities that do without attention: what cross-modality attention has to beat on its probe.

Each has the shape of `CMABlock`, with the convolutions v and W_out of eq. (5) and its batch norm, but no q and no k:

    add       z_i = v(y_i)            what the other modality has at the same place
    uniform   z_i = mean_j v(y_j)     what it has anywhere

Axes: b batch, c channels of x, i position in x, j position in y.
"""

from torch import Tensor, nn

from videoattn.errors import InputError
from videoattn.layers.non_local import CONVOLUTIONS, check_block, init_attention, zero_init_norm
from videoattn.papers.cma.attention import CMABlock

ATTENTION, ADD, UNIFORM = EXCHANGES = ("attention", "add", "uniform")


class AddedBlock(nn.Module):
    """The other modality, added: at the same place, or its mean over all places. It starts as the identity.

    Args:
        channels: C of x. context_channels: of y; C when left out. inner: width of v; C // 2 when left out.
        dims: 2 for (B, C, H, W), 3 for (B, C, T, H, W). everywhere: the mean instead of the same place.

    Shapes: x (B, C, [T,] H, W), y (B, context_channels, [T,] H, W), on the same grid unless `everywhere`; output as x.

    Raises:
        InputError: impossible sizes, at construction; maps of another grid, at the call.
    """

    def __init__(
        self,
        *,
        channels: int,
        context_channels: int | None = None,
        inner: int | None = None,
        dims: int = 2,
        everywhere: bool = False,
    ):
        super().__init__()
        inner = channels // 2 if inner is None else inner
        context_channels = channels if context_channels is None else context_channels
        check_block(channels, inner, dims)
        check_block(context_channels, inner, dims)
        self.v = CONVOLUTIONS[dims](context_channels, inner, 1)
        self.out = CONVOLUTIONS[dims](inner, channels, 1)
        self.norm = zero_init_norm(channels, dims)
        self.everywhere = everywhere
        init_attention(queries_and_keys=(), others=(self.v, self.out))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        z = self.v(y)
        if self.everywhere:
            z = z.flatten(2).mean(-1).reshape(*z.shape[:2], *(1,) * (z.dim() - 2)).expand(-1, -1, *x.shape[2:])
        elif z.shape[2:] != x.shape[2:]:
            raise InputError(f"y has the grid {tuple(y.shape[2:])}, x {tuple(x.shape[2:])}: both must have the same")
        return self.norm(self.out(z)) + x

    def is_identity(self) -> bool:
        """As `CMABlock.is_identity`."""
        return CMABlock.is_identity(self)


def exchange(name: str, *, channels: int, context_channels: int, dims: int, pool: bool) -> CMABlock | AddedBlock:
    """The block of one of `EXCHANGES`; `pool` is for attention."""
    sizes = {"channels": channels, "context_channels": context_channels, "dims": dims}
    if name == ATTENTION:
        return CMABlock(**sizes, pool=pool)
    return AddedBlock(**sizes, everywhere=name == UNIFORM)
