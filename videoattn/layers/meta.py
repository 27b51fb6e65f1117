"""Networks on the meta device, where they have shapes and no numbers."""

import copy

from torch import nn


def on_meta(module: nn.Module) -> nn.Module:
    """A copy on the meta device: shapes without numbers. The module itself stays, and no numbers are copied.

    A network that exists only to be counted is better built there: `with torch.device("meta"): network = ...`.
    """
    memo: dict[int, object] = {id(b): b.detach().to("meta") for b in module.buffers()}
    memo |= {id(p): nn.Parameter(p.detach().to("meta"), requires_grad=p.requires_grad) for p in module.parameters()}
    return copy.deepcopy(module, memo)
