"""The complexity figures that the paper prints, computed from the networks as built."""

import functools

import torch
from videoattn.papers.squeeze.experiments import PAPER, VARIANTS, build

from videoattn.reporting.audit import AuditRow, compared
from videoattn.reporting.cost import parameters

CLASSES = 1000  # ImageNet
_row = functools.partial(compared, "squeeze")


def rows() -> list[AuditRow]:
    """Section 5: the parameters that the gates add to ResNet-50."""
    with torch.device("meta"):
        plain, gated = (parameters(build(VARIANTS[name], PAPER, classes=CLASSES)) for name in ("none", "se"))
    added = gated - plain
    share = 100 * added / plain
    reading = "two layers without bias behind each of 16 blocks, reduction 16"
    return [
        _row("section 5", "SE-ResNet-50", "added parameters", added, f"{added / 1e6:.1f}M", reading, added / 1e6),
        _row("section 5", "SE-ResNet-50", "added share", added, f"{share:.0f}%", reading, share),
    ]
