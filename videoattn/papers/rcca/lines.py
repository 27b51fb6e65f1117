r"""Weights and weighted sums on the three lines through a position: Eq. (1) to (3) of `attention`.

Axes: b batch, c channels, d inner width C', t h w position of the query; s, g, v the key's t, h, w; n = t h w.

All of it takes maps in any memory layout. It is fastest where the channels of a position lie side by side
(`torch.channels_last_3d`), which is how the sums come back.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Lines(NamedTuple):
    """Weights of every query on the three lines through it: t (B, T, H, W, T), h (B, T, H, W, H), w (B, T, H, W, W).

    The query itself has its weight in t; in h and w its own place holds zero.
    """

    t: Tensor
    h: Tensor
    w: Tensor


def weights(q: Tensor, k: Tensor) -> Lines:
    """Softmax over the T + H + W - 2 positions on the lines through each query; q, k (B, C', T, H, W)."""
    t, h, w = products(q, k)  # Eq. (1)
    height, width = q.shape[3:]
    h = h.masked_fill(torch.eye(height, dtype=torch.bool, device=q.device)[:, None], -torch.inf)
    w = w.masked_fill(torch.eye(width, dtype=torch.bool, device=q.device), -torch.inf)
    joint = torch.softmax(torch.cat([t, h, w], dim=-1), dim=-1)  # Eq. (2)
    return by_line(joint, q.shape[2:])


def by_line(joint: Tensor, shape: torch.Size) -> Lines:
    """Split (B, T, H, W, T + H + W) into the three lines, each line's matrix in one piece of memory."""
    t, h, w = joint.split(shape, dim=-1)
    t = t.permute(0, 2, 3, 1, 4).contiguous().permute(0, 3, 1, 2, 4)
    h = h.transpose(2, 3).contiguous().transpose(2, 3)
    return Lines(t, h, w.contiguous())


def products(q: Tensor, k: Tensor) -> Lines:
    """Inner products of every position of q with those of k on the lines through it, itself among each of the three."""
    q = _channels_last(q)
    # The keys of a line side by side: matrix products of so few rows are several times faster that way.
    return Lines(
        torch.einsum("bthwd,bhwds->bthws", q, k.permute(0, 3, 4, 1, 2).contiguous()),
        torch.einsum("bthwd,btwdg->bthwg", q, k.permute(0, 2, 4, 1, 3).contiguous()),
        torch.einsum("bthwd,bthdv->bthwv", q, k.permute(0, 2, 3, 1, 4).contiguous()),
    )


def aggregate(lines: Lines, v: Tensor) -> Tensor:
    """Weighted sums of the values (B, C, T, H, W) along the three lines: (B, C, T, H, W)."""
    v = _channels_last(v)
    h = torch.einsum("bthwv,bthvc->bthwc", lines.w, v)  # Eq. (3)
    h += torch.einsum("bthwg,btgwc->bthwc", lines.h, v)
    h += torch.einsum("bthws,bshwc->bthwc", lines.t, v)
    return h.movedim(-1, 1)


def spread(lines: Lines, h: Tensor) -> Tensor:
    """The transpose of `aggregate`: what every key gets from the queries on the lines through it."""
    h = _channels_last(h)
    v = torch.einsum("bthwv,bthwc->bthvc", lines.w, h)
    v += torch.einsum("bthwg,bthwc->btgwc", lines.h, h)
    v += torch.einsum("bthws,bthwc->bshwc", lines.t, h)
    return v.movedim(-1, 1)


def _channels_last(x: Tensor) -> Tensor:
    """(B, C, T, H, W) as (B, T, H, W, C), the channels of a position side by side in memory."""
    return x.movedim(1, -1).contiguous()
