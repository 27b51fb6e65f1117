"""Put blocks into any network by module path, and take them out again.

    attach(network, {"layer2.2": block, "layer3.4": other})

A block becomes a child of the module that it follows, its host, under the name "attached" ("attached_2" for a second
one at the same place, and so on), and a forward hook passes the host's output through the blocks in order. So the
blocks take part in `parameters()`, `train()`, `to()` and `state_dict()` of the network, whose own keys stay as they
were; deep copies and pickles take them along, and they work in DDP and torch.compile. Attach before compiling: a
compiled network does not notice hooks that come later.
"""

import difflib
from collections.abc import Mapping

from einops import rearrange
from torch import Tensor, nn

from videoattn.errors import InputError

NAME = "attached"


class FoldedTime(nn.Module):
    """A block over video between layers that fold time into the batch.

    Args:
        block: maps (B, C, T, H, W) to (B, C', T, H', W').
        frames: T. The attribute of that name may be changed between calls, for clips of another length.

    Shapes: (B T, C, H, W) -> (B T, C', H', W'), the frames of a clip one after the other.

    A network with such a block cannot be moved to `torch.channels_last`, which PyTorch refuses for kernels with five
    axes: move it before the block is attached.

    Raises:
        InputError: `frames` below 1, at construction; a batch that is no multiple of `frames`, at the call.
    """

    def __init__(self, block: nn.Module, frames: int):
        super().__init__()
        if frames < 1:
            raise InputError(f"frames={frames}: a clip has at least 1")
        self.block = block
        self.frames = frames

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() != 4 or x.shape[0] % self.frames:
            raise InputError(f"maps of shape {tuple(x.shape)}; (B T, C, H, W) with T = {self.frames} is expected")
        x = rearrange(x, "(b t) c h w -> b c t h w", t=self.frames)
        return rearrange(self.block(x), "b c t h w -> (b t) c h w")


def attach(model: nn.Module, blocks: Mapping[str, nn.Module], *, frames: int | None = None) -> nn.Module:
    """Apply each block to the output of the module at its path, wherever and whenever the network calls that module.

    Args:
        model: the network; it is changed in place.
        blocks: module path, as in `model.named_modules()`, to block. At an `nn.Sequential` the block is placed at the
            last module in it, whose output is the same.
        frames: for blocks over (B, C, T, H, W) in a network that folds time into the batch: T (see `FoldedTime`).

    Returns:
        the network.

    Raises:
        InputError: no module at a path, a container without output of its own, a block that is no module. The network
            is unchanged then.
    """
    modules = dict(model.named_modules(remove_duplicate=False))
    placed = [(_host(modules, path), _block(path, block, frames)) for path, block in blocks.items()]
    for host, block in placed:
        names = _names(host)
        if not names:
            host.register_forward_hook(run_attached)
        host.add_module(f"{NAME}_{len(names) + 1}" if names else NAME, block)
    return model


def detach(model: nn.Module) -> nn.Module:
    """Take out all that `attach` has put into the network, in place; returns the network."""
    for host in [m for m in model.modules() if _is_host(m)]:
        for name in _names(host):
            delattr(host, name)
        for key in [k for k, hook in host._forward_hooks.items() if hook is run_attached]:
            del host._forward_hooks[key]  # a handle from the registration would not survive a deep copy of the network
    return model


def run_attached(host: nn.Module, inputs: tuple, output: Tensor) -> Tensor:
    """Forward hook of a host: its output through the blocks attached to it, in the order in which they came."""
    for name in _names(host):
        output = getattr(host, name)(output)
    return output


def _names(host: nn.Module) -> list[str]:
    return [name for name in host._modules if name == NAME or name.startswith(f"{NAME}_")]


def _is_host(module: nn.Module) -> bool:
    return any(hook is run_attached for hook in module._forward_hooks.values())


def _host(modules: dict[str, nn.Module], path: str) -> nn.Module:
    if not path or path not in modules:
        near = difflib.get_close_matches(path, [name for name in modules if name], n=5, cutoff=0.3)
        raise InputError(f"the network has no module {path!r}; nearest: {', '.join(near) or 'none'}")
    host = modules[path]
    while type(host).forward is nn.Sequential.forward and len(host):
        host = host[-1]
    if isinstance(host, nn.Sequential | nn.ModuleList | nn.ModuleDict):
        raise InputError(
            f"{path!r} is a {type(host).__name__} of {len(host)} modules, where no block can be attached: "
            "name a module in it"
        )
    if hasattr(host, NAME) and not _is_host(host):
        raise InputError(f"{path!r} has an attribute {NAME!r} of its own, so no block can be attached there")
    return host


def _block(path: str, block: nn.Module, frames: int | None) -> nn.Module:
    if not isinstance(block, nn.Module):
        raise InputError(f"the block for {path!r} is a {type(block).__name__}; an nn.Module is expected")
    return block if frames is None else FoldedTime(block, frames)
