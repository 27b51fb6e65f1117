"""What blocks ask of the maps that they get."""

from torch import Tensor

from videoattn.errors import InputError

AXES = {2: "(B, C, H, W)", 3: "(B, C, T, H, W)"}


def check_maps(x: Tensor, *, dims: int, channels: int | None = None, name: str = "x") -> None:
    """Raise `InputError` unless x holds feature maps over `dims` axes, 2 or 3, of so many channels."""
    if not isinstance(x, Tensor):
        raise InputError(f"{name} is a {type(x).__name__}; a tensor {AXES[dims]} is expected")
    if x.dim() != dims + 2 or channels not in (None, x.shape[1]):
        wanted = "" if channels is None else f" with C = {channels}"
        raise InputError(f"{name} has shape {tuple(x.shape)}; {AXES[dims]}{wanted} is expected")
