"""Where the two kinds of attention stand in ECO.

Frames are chosen before the 2D network sees them; self-attention works on the stacked maps in front of the 3D network.
"""

import torch
from torch import Tensor, nn

from videoattn.backbones.eco import ECO


class BANet(nn.Module):
    """ECO over the frames of a clip that a rule keeps.

    Args:
        select: from a clip to `Kept`: `FrameAttention`, or one of `videoattn.papers.banet.selection`.
        eco: the network over the kept frames, with self-attention at `eco.attention` where it has any.

    Shapes: {"rgb": (B, 3, N, H, W)} -> {"rgb": (B, classes)}.
    """

    def __init__(self, *, select: nn.Module, eco: ECO):
        super().__init__()
        self.select = select
        self.eco = eco

    def forward(self, clip: dict[str, Tensor]) -> dict[str, Tensor]:
        rgb = clip["rgb"]
        kept = self.select(rgb)
        if kept.feature_mix is not None:
            maps, side = self.eco.frames(rgb)
            maps = torch.einsum("bmn,bcnhw->bcmhw", kept.feature_mix, maps)
            side = None if side is None else kept.feature_mix @ side
            return {"rgb": self.eco.scores(maps, side)}
        if kept.frame_mix is not None:
            return {"rgb": self.eco(torch.einsum("bmn,bcnhw->bcmhw", kept.frame_mix, rgb))}
        chosen = kept.indices[:, None, :, None, None].expand(-1, 3, -1, *rgb.shape[-2:])
        return {"rgb": self.eco(rgb.gather(2, chosen), weights=kept.weights)}
