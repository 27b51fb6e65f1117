"""Checks that the networks share: values at construction, clips at the call."""

from collections.abc import Mapping

from torch import Tensor

from videoattn.errors import InputError


def check_values(counts: Mapping[str, int], *, dropout: float) -> None:
    """Raise `InputError` for one of the counts, by name, that is below 1, and for a dropout outside of [0, 1)."""
    for name, value in counts.items():
        if value < 1:
            raise InputError(f"{name}={value}: must be at least 1")
    if not 0 <= dropout < 1:
        raise InputError(f"dropout={dropout}: must lie in [0, 1)")


def check_clip(clip: Tensor) -> None:
    """Raise `InputError` for a clip of another shape than (B, 3, T, H, W)."""
    if clip.dim() != 5 or clip.shape[1] != 3:
        raise InputError(f"the clip has shape {tuple(clip.shape)}; (B, 3, T, H, W) is expected")
