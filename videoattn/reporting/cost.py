"""Parameters and arithmetic cost of networks, as exact integers under a named convention.

    count(on_meta(network), torch.empty(1, 3, 16, 224, 224))

A network on the meta device computes no numbers, so that counting takes neither time nor memory; `on_meta` of
`videoattn.layers.meta` copies one there. A network on another device really runs, once.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from math import prod
from operator import floordiv

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.pooling import _AdaptiveAvgPoolNd, _AvgPoolNd
from torch.utils._pytree import tree_map_only
from torch.utils.flop_counter import FlopCounterMode, bmm_flop, mm_flop

from videoattn.errors import InputError, unknown

CONVENTIONS = {
    "multiply-adds": "1 for each multiply-add of a convolution, linear layer, matrix product or attention; nothing for "
    "biases, norms, activations, softmax, pools and other element-wise work",
    "flops-2": "the same operations, 2 for each multiply-add",
    "thop-2020": "the rules of the thop package in 2020, by module: convolutions 1 for each multiply-add and 1 for "
    "each biased output; linear layers 1 for each multiply-add; batch norm 2 an element; average pools 1 an output; "
    "adaptive average pools k + 1 an output, k the elements averaged; nothing for all else, functions among it",
}

# Products that PyTorch's counter leaves out: operator -> floating-point operations from the shapes of its arguments.
PRODUCTS = {
    torch.ops.aten.mv: lambda a, x, **_: 2 * prod(a),
    torch.ops.aten.addmv: lambda y, a, x, **_: 2 * prod(a),
    torch.ops.aten.dot: lambda a, b, **_: 2 * prod(a),
    torch.ops.aten.vdot: lambda a, b, **_: 2 * prod(a),
    torch.ops.aten.addbmm: lambda y, a, b, **_: bmm_flop(a, b),
    torch.ops.aten.addmm_: lambda y, a, b, **_: mm_flop(a, b),
    torch.ops.aten.baddbmm_: lambda y, a, b, **_: bmm_flop(a, b),
}

# thop's rules: module class -> cost from the module, its first input and its output.
THOP_2020 = {
    _ConvNd: lambda m, x, y: y.numel() * (m.in_channels // m.groups * prod(m.kernel_size) + (m.bias is not None)),
    nn.Linear: lambda m, x, y: y.numel() * m.in_features,
    _BatchNorm: lambda m, x, y: 2 * x.numel(),
    _AvgPoolNd: lambda m, x, y: y.numel(),
    _AdaptiveAvgPoolNd: lambda m, x, y: y.numel() * (1 + prod(map(floordiv, x.shape[2:], y.shape[2:]))),
}


@dataclass(frozen=True)
class Row:
    """One module of a breakdown: its path ("" for the network itself), its parameters and its cost."""

    module: str
    parameters: int
    cost: int


def parameters(module: nn.Module, trainable: bool = False) -> int:
    """Number of parameters, shared ones once; with `trainable` only those that require gradients."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad or not trainable)


def count(module: nn.Module, *inputs: object, convention: str = "multiply-adds") -> int:
    """Cost of one forward pass in evaluation mode, without gradients.

    Args:
        module: on the meta device, or where it can run.
        inputs: arguments of its forward method; tensors in them are moved to the module's device.
        convention: one of `CONVENTIONS`, which says what is counted.

    A recurrent layer counts as nothing where one fused kernel holds it, as an LSTM on a CPU does: count it on meta.

    Raises:
        InputError: unknown convention.
    """
    return sum(_costs(module, inputs, convention).values())


def breakdown(module: nn.Module, *inputs: object, convention: str = "multiply-adds", depth: int = 1) -> list[Row]:
    """Parameters and cost, module by module; the rows add up to `parameters` and to `count`.

    A row holds all that lies in and under a module `depth` levels down. A module above that level has a row for what is
    its own (parameters of its own, functions that it calls). A module with neither parameters nor cost has none. A
    module with several paths counts under the first.

    Args: as for `count`; depth: 0 gives the network as one row, 1 its children, and so on.

    Raises:
        InputError: unknown convention, negative depth.
    """
    if depth < 0:
        raise InputError(f"depth={depth}: must be at least 0")

    def level(path: str) -> str:
        return ".".join(path.split(".")[:depth])

    costs, sizes = Counter(), Counter()
    for path, cost in _costs(module, inputs, convention).items():
        costs[level(path)] += cost
    for name, parameter in module.named_parameters():
        sizes[level(name.rpartition(".")[0])] += parameter.numel()
    paths = dict.fromkeys(level(path) for path, _ in module.named_modules())
    return [Row(path, sizes[path], costs[path]) for path in paths if sizes[path] or costs[path]]


def _costs(module: nn.Module, inputs: tuple, convention: str) -> Counter[str]:
    """Module path -> cost of what that module does itself, without its children."""
    if convention not in CONVENTIONS:
        raise unknown("convention", convention, CONVENTIONS)
    paths = {m: path for path, m in module.named_modules()}
    if convention == "thop-2020":
        return _by_modules(module, inputs, paths)
    costs = _by_operators(module, inputs, paths)
    return costs if convention == "flops-2" else Counter({path: cost // 2 for path, cost in costs.items()})


def _by_operators(module: nn.Module, inputs: tuple, paths: dict[nn.Module, str]) -> Counter[str]:
    costs, running, seen = Counter(), [""], 0
    counter = FlopCounterMode(display=False, custom_mapping=PRODUCTS)

    def settle() -> None:
        nonlocal seen
        total = counter.get_total_flops()
        costs[running[-1]] += total - seen
        seen = total

    def enter(m: nn.Module, args: tuple) -> None:
        settle()
        running.append(paths[m])

    def leave(m: nn.Module, args: tuple, output: object) -> None:
        settle()
        running.pop()

    handles = [m.register_forward_pre_hook(enter) for m in paths] + [m.register_forward_hook(leave) for m in paths]
    with counter:
        _run(module, inputs, handles)
        settle()
    return costs


def _by_modules(module: nn.Module, inputs: tuple, paths: dict[nn.Module, str]) -> Counter[str]:
    costs = Counter()

    def hook(rule: Callable[[nn.Module, Tensor, Tensor], int]) -> Callable[[nn.Module, tuple, Tensor], None]:
        def add(m: nn.Module, args: tuple, output: Tensor) -> None:
            costs[paths[m]] += rule(m, args[0], output)

        return add

    # Prepended: attached blocks change the output of their host in a hook of their own.
    rules = [(m, rule) for m in paths for kind, rule in THOP_2020.items() if isinstance(m, kind)]
    _run(module, inputs, [m.register_forward_hook(hook(rule), prepend=True) for m, rule in rules])
    return costs


def _run(module: nn.Module, inputs: tuple, handles: list) -> None:
    """One forward pass in which products are visible as such; then remove the hooks and restore all modes."""
    device = next((t.device for t in chain(module.parameters(), module.buffers())), None)
    training = {m: m.training for m in module.modules()}
    fused = torch.backends.mha.get_fastpath_enabled()
    try:
        if device is not None:
            inputs = tree_map_only(Tensor, lambda t: t.to(device), inputs)
        module.eval()
        # The counter sees into neither a fused transformer layer nor the CPU's attention kernel.
        torch.backends.mha.set_fastpath_enabled(False)
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
            module(*inputs)
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
        for m, mode in training.items():
            m.training = mode
        for handle in handles:
            handle.remove()
