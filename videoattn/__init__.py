"""Attention for video action recognition: five papers as modules, audits, probes and notebooks.

The modules that a user takes home are offered here: `from videoattn import CMABlock, attach`. Each is imported when it
is first asked for, so that `import videoattn` needs no other package.
"""

import importlib

__version__ = "0.1.0"

_MODULES = {
    "layers.attach": ("attach", "detach"),
    "layers.gates": ("CBAM3D", "GE3DDW", "GE3DG", "S3DG", "SE3D"),
    "layers.layouts": ("ChannelsLast", "First", "FoldedTime", "Tokens"),
    "layers.non_local": ("NonLocalBlock",),
    "layers.temporal_shift": ("TemporalShift", "add_temporal_shift"),
    "papers.aia.attention": ("aia",),
    "papers.banet.attention": ("FrameAttention",),
    "papers.banet.cascade": ("CascadedAttention", "PlaneAttention"),
    "papers.cma.attention": ("CMABlock",),
    "papers.istpa.attention": ("PyramidAttention",),
    "papers.rcca.attention": ("CCA3D", "RCCA3D"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}
__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
