r"""Squeeze-and-excitation over video: a gate for each channel, from the channel means over space and time.

J. Hu, L. Shen, G. Sun. Squeeze-and-Excitation Networks. CVPR 2018, section 3.

    (2) z_c = 1 / (T H W) sum_thw u_c(t, h, w)
    (3) s = sigmoid(W_2 relu(W_1 z))
    (4) x_c = s_c u_c

Axes: b batch, c channels, t h w positions, r = c / reduction.

Departures: the mean of (2) reaches over time as well; the paper has images.
"""

import torch
from torch import Tensor, nn

from videoattn.errors import InputError


class SqueezeExcitation(nn.Module):
    """Gates the channels of video maps.

    Args:
        channels: C. reduction: C over the units between W_1 and W_2.

    Shapes: (B, C, T, H, W) -> (B, C, T, H, W).

    Raises:
        InputError: a reduction that leaves no unit.
    """

    def __init__(self, *, channels: int, reduction: int = 16):
        super().__init__()
        if not 1 <= reduction <= channels:
            raise InputError(f"reduction={reduction}; a number from 1 to channels={channels} is expected")
        self.down = nn.Linear(channels, channels // reduction, bias=False)
        self.up = nn.Linear(channels // reduction, channels, bias=False)

    def forward(self, u: Tensor) -> Tensor:
        z = u.mean((2, 3, 4))  # Eq. (2)
        s = torch.sigmoid(self.up(torch.relu(self.down(z))))  # Eq. (3)
        return torch.einsum("bc,bcthw->bcthw", s, u)  # Eq. (4)
