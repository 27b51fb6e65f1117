r"""A network of cells, in which only a module can relate two places: for the relation probe.

It is ours: no paper has it.
"""

from torch import Tensor, nn

from videoattn.errors import InputError, unknown

READOUTS = ("pooled", "place")


class CellNetwork(nn.Module):
    """Every cell of a frame is looked at alone, so that only `module` can relate two of them.

    Args:
        module: over (B, width, T, rows, columns); `nn.Identity()` for no attention.
        classes: outputs.
        width: C of the module.
        cell: side of a cell in pixels, of which the network sees the mean colour.
        readout: "pooled" averages the maps over all positions before the last layer; "place" takes them at the first of
            clip["places"] instead.

    Only behind the module is there a batch norm: most cells of a clip are ground, and one in front would measure the
    few that matter by what is usual there.

    Shapes:
        clip: {"rgb": (B, 3, T, rows cell, columns cell), "places": (B, 2, 3) indices (t, row, column)}; scores
        {"rgb": (B, classes)}.

    Raises:
        InputError: an unknown read-out, at construction; frames that are not made of whole cells, at the call.
    """

    def __init__(self, module: nn.Module, *, classes: int, width: int, cell: int, readout: str = "pooled"):
        super().__init__()
        if readout not in READOUTS:
            raise unknown("readout", readout, READOUTS)
        self.stem = nn.Sequential(
            nn.AvgPool3d((1, cell, cell)),
            nn.Conv3d(3, width, 1),
            nn.GELU(),
            nn.Conv3d(width, width, 1),
            nn.GELU(),
        )
        self.module = module
        self.head = nn.Sequential(
            nn.BatchNorm3d(width), nn.Conv3d(width, 4 * width, 1), nn.GELU(), nn.Conv3d(4 * width, width, 1)
        )
        self.fc = nn.Linear(width, classes)
        self.cell = cell
        self.readout = readout

    def forward(self, clip: dict[str, Tensor]) -> dict[str, Tensor]:
        maps = self.features(clip["rgb"])
        if self.readout == "pooled":
            return {"rgb": self.fc(maps.mean((2, 3, 4)))}
        t, row, column = clip["places"][:, 0].unbind(1)
        return {"rgb": self.fc(maps.permute(0, 2, 3, 4, 1)[range(len(maps)), t, row, column])}

    def features(self, rgb: Tensor) -> Tensor:
        """The maps before the read-out: (B, width, T, rows, columns)."""
        if any(side % self.cell for side in rgb.shape[-2:]):
            raise InputError(f"frames of {rgb.shape[-2]} x {rgb.shape[-1]} are not made of cells of {self.cell}")
        return self.head(self.module(self.stem(rgb)))
