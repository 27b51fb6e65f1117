"""Put blocks into any network by module path, and take them out again.

    attach(network, {"layer2.2": block, "layer3.4": other})

A block becomes a child of the module that it follows, its host, under the name "attached" ("attached_2" for a second
one at the same place, and so on), and a forward hook passes the host's output through the blocks in order. So the
blocks take part in `parameters()`, `train()`, `to()` and `state_dict()` of the network, whose own keys stay as they
were; deep copies and pickles take them along, and they work in DDP and torch.compile. Attach before compiling: a
compiled network does not notice hooks that come later.

Blocks take maps (B, C, [T,] H, W). What else a host may give, maps with the channels last, tokens or a tuple, is found
by a trial run of the network without numbers (`trial`), and the block is arranged for it (`layouts`).
"""

import difflib
from collections.abc import Iterable, Mapping
from itertools import chain
from math import lcm

from torch import nn

from videoattn.errors import InputError
from videoattn.layers.layouts import FoldedTime, arranged
from videoattn.layers.trial import trial

NAME = "attached"


def attach(model: nn.Module, blocks: Mapping[str, nn.Module], *, frames: int | None = None) -> nn.Module:
    """Apply each block to the output of the module at its path, wherever and whenever the network calls that module.

    Args:
        model: the network; it is changed in place.
        blocks: module path, as in `model.named_modules()`, to block. At an `nn.Sequential` the block is placed at the
            last module in it, whose output is the same.
        frames: for blocks over (B, C, T, H, W) in a network that folds time into the batch: T (see `FoldedTime`).

    Behind a host that gives (B, [T,] H, W, C), as in Swin, the block stands in `ChannelsLast`; behind one that gives
    tokens (B, N, C) of a grid, as in ViT and MViT, in `Tokens`, which leaves class tokens alone; behind one that gives
    a tuple or list, in `First`. What is given is known of every network that runs with the clip which `trial` makes up.
    In others, and behind convolutions and batch norms, a block gets it as it is, and refuses at the call what it does
    not take. A block that is one of the three already stays as it is.

    Returns:
        the network.

    Raises:
        InputError: no module at a path, a container without output of its own, a block that is no module or does not
            take what the host gives. The network is unchanged then.
    """
    modules = dict(model.named_modules(remove_duplicate=False))
    wanted = [(path, _host(modules, path), _block(path, block, frames)) for path, block in blocks.items()]
    path_of = {module: path for path, module in modules.items()}
    hosts = {path_of[host]: host for _, host, _ in wanted}
    given = trial(model, hosts, frames=_frames((model, *blocks.values()), frames))
    placed = [(host, arranged(block, given[host], at=path) if host in given else block) for path, host, block in wanted]
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


def run_attached(host: nn.Module, inputs: tuple, output: object) -> object:
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


def _frames(networks: Iterable[nn.Module], frames: int | None) -> int:
    """A number of frames that every module takes which folds or shifts them."""
    found = {getattr(module, "frames", None) for module in chain(*(network.modules() for network in networks))}
    return lcm(frames or 1, *(n for n in found if isinstance(n, int) and n > 0))
