"""Load weights of other programs into a network: match their names, convert where needed, and say what did not fit.

Networks here take RGB from 0 to 1, normalised by ImageNet's mean and standard deviation, and flow from -1 to 1. What
those of a file take, its source says (`videoattn.weights.sources`); the first convolution is converted from it.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from videoattn.backbones.inflated import ClipNetwork, inflated_kernel
from videoattn.backbones.resnet import averaged_kernel
from videoattn.errors import InputError
from videoattn.layers import input_offset
from videoattn.layers.non_local import NonLocalBlock
from videoattn.layers.temporal_shift import NAME as SHIFT
from videoattn.weights.files import Weights, read_initial
from videoattn.weights.inputs import FLOW, IMAGENET, Input, converted
from videoattn.weights.key_names import block_of, by_name, canonical, is_last
from videoattn.weights.sources import OWN, Source, source_of

Shape = tuple[int, ...]
LISTED = 8


@dataclass(frozen=True)
class LoadReport:
    """What `load_weights` did.

    Args:
        loaded: keys of the network that got weights. missing: those that stay as initialised.
        unused: keys of the file that are for nothing in the network.
        shapes: (key, shape in the file, shape in the network) of a last layer for other classes, or over other
            features.
        adapted: likewise of kernels that were averaged or inflated to fit.
        others: what the file holds beside the state dict.
        source: whose file it is taken for. input: what its first convolution was converted from; None where it was not.
        notes: what the file leaves open.
    """

    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unused: tuple[str, ...]
    shapes: tuple[tuple[str, Shape, Shape], ...] = ()
    adapted: tuple[tuple[str, Shape, Shape], ...] = ()
    others: tuple[str, ...] = ()
    source: Source = OWN
    input: Input | None = None
    notes: tuple[str, ...] = ()


def translated(state: Mapping[str, Tensor], network: nn.Module, source: Source) -> dict[str, Tensor]:
    """The weights of a file under the keys of the network, in the file's order.

    Keys that the network does not have are kept. Neither shapes nor the input of the first convolution are changed.

    Args:
        state: the state dict of a file of that source.
        network: may be on the meta device.

    Raises:
        InputError: two keys of the file, or of the network, are names of the same weights; a file of another network.
    """
    source.check(state)
    own = by_name(_keys(network), canonical, where="the network")
    given = by_name(state, canonical, where="the file")
    wanted = by_name(own, source.names, where="the network")
    keys = {key: own[wanted[name]] if name in wanted else key for name, key in given.items()}
    by_name(keys, keys.__getitem__, where="the file")
    return {key: source.values(canonical(key), state[old]) for old, key in keys.items()}


def load_weights(
    network: nn.Module, state: Mapping[str, Tensor], *, head: bool, average_first: bool = False, source: str = ""
) -> LoadReport:
    """Load the weights that file and network share into the network, in place.

    An attached block stays as initialised unless the file has all of its weights. For a `ClipNetwork` 2D kernels are
    inflated, as its own were. Batch norms of shape (1, C), as in old files that descend from Caffe, become (C). The
    first convolution is converted to our input, with an offset (`videoattn.layers.input_offset`) where it needs one.

    Args:
        state: as `videoattn.weights.files.read_weights` gives it.
        head: with the last layer, if it has the same shape; otherwise it stays as initialised.
        average_first: a first convolution over other than three channels, such as flow, takes each from the mean over
            RGB (L. Wang et al., Temporal Segment Networks, section 3.1).
        source: whose file it is, one of `videoattn.weights.sources.NAMED`; left out, as the names in it tell.

    Raises:
        InputError: weights of the wrong shape; a file with fewer than half of the network's parameters, not counting
            the last layer and attached blocks; a source that does not say what its networks see, or whose batch norms
            have another epsilon; and as `translated`. The network is unchanged then.
    """
    expected = network.state_dict()
    origin = source_of(state, expected, source)
    given = translated(state, network, origin)
    offsets = _offset_keys(network)
    expected |= {key: tensor for key, tensor in given.items() if key in offsets}
    names = {key: canonical(key) for key in expected}
    use = {key: given[key] for key in expected if key in given}
    if origin.zero:
        blocks = {block_of(names[key]) for key in use}
        zero = [key for key in expected if key not in use and re.search(origin.zero, names[key])]
        use |= {key: torch.zeros_like(expected[key]) for key in zero if block_of(names[key]) in blocks}
    last = {key for key in use if is_last(names[key])}
    other = any(use[key].shape != expected[key].shape for key in last)
    shapes = [_shapes(key, use, expected) for key in use if head and other and key in last]
    parts = {block_of(name) for key, name in names.items() if key not in use} - {""}
    left = {key for key in use if block_of(names[key]) in parts} | (last if other or not head else set())
    use = {key: tensor for key, tensor in use.items() if key not in left}

    first = next((key for key in expected if expected[key].dim() > 3 and not block_of(names[key])), None)
    inflate = any(isinstance(module, ClipNetwork) for module in network.modules())
    found = {
        key: _fitted(
            tensor,
            tuple(expected[key].shape),
            average=average_first and key == first,
            inflate=inflate,
            lead=bool(origin.leading and re.search(origin.leading, names[key])),
        )
        for key, tensor in use.items()
    }
    wrong = [_shapes(key, use, expected) for key in use if found[key].shape != expected[key].shape]
    if wrong:
        raise InputError(f"weights of the file have other shapes than the network: {_listed(map(_changed, wrong))}")
    for key in offsets:
        weight = f"{key.rpartition('.')[0]}.weight"
        if key in expected and weight in found:  # of weights that were here before
            found.setdefault(key, torch.zeros(expected[weight].shape[1]))
    for key in expected:
        norm, _, entry = key.rpartition(".")
        if entry == "num_batches_tracked" and f"{norm}.running_mean" in found:  # in a file from before there was one
            found.setdefault(key, torch.zeros_like(expected[key]))
    missing = tuple(key for key in expected if key not in found)
    unused = tuple(old for old, key in zip(state, given, strict=True) if key not in found)
    _check_share(network, names, missing, unused)
    _check_norms(network, origin)
    keys = {key: old for old, key in zip(state, given, strict=True)}
    _check_blocks(network, {key: keys[key] for key in found if key in keys})
    shifts = _check_shifts(network, state)
    loaded, there = tuple(found), None
    if first in found:
        there = _input_of(origin, found[first], averaged=found[first].shape[1] != use[first].shape[1])
    if there:
        found |= _for_our_input(first, found[first], there)
    for key in found:
        path, _, entry = key.rpartition(".")
        if entry == input_offset.NAME:
            input_offset.set_offset(network.get_submodule(path), found[key])
    network.load_state_dict(found, strict=False)
    return LoadReport(
        loaded=loaded,
        missing=missing,
        unused=unused,
        shapes=tuple(shapes),
        adapted=tuple(
            _shapes(key, use, expected)
            for key in use
            if use[key].shape != expected[key].shape and use[key].dim() > 2  # others lose an axis of length 1
        ),
        others=getattr(state, "others", ()),
        source=origin,
        input=there,
        notes=origin.left_open(keys[key] for key in found if key in keys) + (() if origin is OWN else shifts),
    )


def load_initial(
    network: nn.Module, path: Path, *, head: bool, source: str = "", second: Path | None = None
) -> LoadReport:
    """`load_weights` of the file that INIT names, or of two (`joined`); what it refuses names the file.

    Weights for RGB may start a network of flow, whose first convolution then takes their mean (`average_first`).
    """
    state, other = read_initial(path), read_initial(second) if second else None
    try:
        state = joined(state, other) if other else state
        return load_weights(network, state, head=head, average_first=True, source=source)
    except InputError as error:
        raise InputError(f"INIT is {path}{f',{second}' if second else ''}: {error}") from error


def joined(first: Weights, second: Weights) -> Weights:
    """The two files that ECO starts from, BN-Inception's and the 3D ResNet-18's, as one of ECO.

    Where both have a name, that of the first file counts; but the last layer is the second's, as in its authors' code.

    Raises:
        InputError: other files, or in another order.
    """
    kinds = [source_of(state, ()).name for state in (first, second)]
    if kinds != ["bn-inception", "eco"]:
        raise InputError(
            f"two files are for ECO alone: first one of BN-Inception (bn-inception), then its 3D ResNet-18 (eco); "
            f"these are taken for {' and '.join(kinds)}"
        )
    found: dict[str, tuple[str, Tensor]] = {}
    flat = ((key, tensor) for key, tensor in first.items() if not is_last(canonical(key)))
    for key, tensor in (*flat, *second.items()):
        found.setdefault(canonical(key), (key, tensor))
    state = Weights(found.values())
    state.others = tuple(dict.fromkeys((*first.others, *second.others)))
    return state


def describe(matched: LoadReport) -> str:
    """The report as a few lines of text; keys that were not loaded are counted by parts of the network."""
    lines = [f"{len(matched.loaded)} of {len(matched.loaded) + len(matched.missing)} tensors loaded"]
    lines += [f"taken for a file of {matched.source.of} ({matched.source.name})"]
    lines += [f"its input: {matched.input}; converted to ours"] if matched.input else []
    lines += [f"left open: {note}" for note in matched.notes]
    averaged = [shapes for shapes in matched.adapted if _averaged(*shapes[1:])]
    fitted = [shapes for shapes in matched.adapted if shapes not in averaged]
    if averaged:
        lines.append(
            "of RGB, for other channels: each takes the mean of the three kernels, the cross-modality start of TSN, "
            f"section 3.1: {_listed(map(_changed, averaged))}"
        )
    lines += [f"made to fit: {_listed(map(_changed, fitted))}"] if fitted else []
    lines += [f"last layer for other classes: {_listed(map(_changed, matched.shapes))}"] if matched.shapes else []
    for what, keys in (("as initialised", matched.missing), ("not used of the file", matched.unused)):
        parts = Counter(map(_part, keys))
        lines += [f"{what}: {_listed(f'{part} ({count})' for part, count in parts.items())}"] if keys else []
    lines += [f"also in the file: {_listed(matched.others)}"] if matched.others else []
    return "\n".join(lines)


def _keys(network: nn.Module) -> list[str]:
    """The keys of the network, and those that offsets of its convolutions would have."""
    return list(dict.fromkeys((*network.state_dict(), *_offset_keys(network))))


def _offset_keys(network: nn.Module) -> dict[str, None]:
    convolutions = (nn.Conv2d, nn.Conv3d)
    paths = (path for path, module in network.named_modules() if isinstance(module, convolutions))
    return dict.fromkeys(f"{path}.{input_offset.NAME}" for path in paths)


def _input_of(source: Source, kernel: Tensor, *, averaged: bool) -> Input | None:
    """What a first convolution with this kernel sees in the source's networks; None where that is what ours see.

    Raises:
        InputError: the source does not say.
    """
    rgb = kernel.shape[1] == 3
    there = source.rgb if rgb else source.flow
    if there is None and not averaged:
        raise InputError(
            f"the file's first convolution is for {'RGB' if rgb else f'flow ({kernel.shape[1]} channels)'}, and the "
            "names of its weights do not say how its values are scaled: name its source behind a colon, as in "
            "INIT=<file>:tsn, or :own for networks of this repository"
        )
    return None if there == (IMAGENET if rgb else FLOW) else there


def _for_our_input(first: str, kernel: Tensor, there: Input) -> dict[str, Tensor]:
    """The first convolution's entries, converted; without an offset where it would be zero."""
    weight, offset = converted(kernel, there, IMAGENET if there.order else FLOW)
    key = f"{first.rpartition('.')[0]}.{input_offset.NAME}"
    return {first: weight} | ({key: offset} if offset.any() else {})


def _check_norms(network: nn.Module, source: Source) -> None:
    """Raise `InputError` if the network's batch norms divide by another deviation than those of the source."""
    for path, module in network.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and source.epsilon not in (None, module.eps):
            raise InputError(
                f"batch norms of {source.of} have epsilon {source.epsilon:g}, {path} of the network has {module.eps:g}"
            )


def _check_blocks(network: nn.Module, keys: Mapping[str, str]) -> None:
    """Raise `InputError` if a non-local block of another program is to be loaded into one that computes otherwise.

    Args:
        keys: of the network's weights that are loaded, and theirs in the file.
    """
    for path, block in network.named_modules():
        found = re.search(r"(?<![^.])(?:nl|non_local_block)\.g\.(0\.)?", keys.get(f"{path}.g.weight", ""))
        if found and isinstance(block, NonLocalBlock) and (block.pool, block.scale) != (bool(found[1]), 1.0):
            raise InputError(
                f"the file has {keys[f'{path}.g.weight']}, of a non-local block {'with' if found[1] else 'without'} a "
                f"pool and without a scale; {path} of the network is one {'with' if block.pool else 'without'} a pool "
                f"{'and without' if block.scale == 1.0 else 'but with'} a scale"
            )


def _check_shifts(network: nn.Module, state: Iterable[str]) -> tuple[str, ...]:
    """Raise `InputError` if the file's network shifts frames, and not where this network does; what the file leaves
    open, if it has the names of a network without shifts and this one has some."""
    there = {canonical(key) for key in state if re.search(r"(?<![^.])conv1(\.conv)?\.net\.weight$", key)}
    there = {name.replace(".conv1.conv.", ".conv1.") for name in there}
    here = {canonical(f"{path}.weight") for path, module in network.named_modules() if hasattr(module, SHIFT)}
    if there and there != here:
        raise InputError(
            f"the file's network shifts frames before {len(there)} convolutions ({_listed(sorted(there))}), this one "
            f"before {len(here)} ({_listed(sorted(here)) or 'none'})"
        )
    return (f"whether its network shifts frames; this one does, before {len(here)} convolutions",) * bool(here > there)


def _fitted(tensor: Tensor, shape: Shape, *, average: bool, inflate: bool, lead: bool) -> Tensor:
    """The tensor, a kernel inflated in time (`inflate`), averaged over RGB (`average`) or of the first input channels
    alone (`lead`) where the shape needs it, a batch norm's without the axis in front."""
    if tensor.dim() == 2 and len(tensor) == 1 and len(shape) == 1:
        tensor = tensor[0]
    if inflate and tensor.dim() == 4 and len(shape) == 5:
        tensor = inflated_kernel(tensor, shape[2])
    if average and _averaged(tuple(tensor.shape), shape):
        tensor = averaged_kernel(tensor, shape[1])
    if lead and tensor.dim() == len(shape) and tensor.shape[1] > shape[1]:
        tensor = tensor[:, : shape[1]]
    return tensor


def _averaged(found: Shape, expected: Shape) -> bool:
    """Whether a kernel for RGB can be made one for other channels by averaging."""
    return len(found) == len(expected) > 2 and found[1] == 3 != expected[1]


def _check_share(network: nn.Module, names: Mapping[str, str], missing: Iterable[str], unused: Iterable[str]) -> None:
    """Raise `InputError` if fewer than half of the parameters, the last layer and blocks aside, have been found."""
    counted = {
        key: parameter.numel()
        for key, parameter in network.named_parameters(remove_duplicate=False)
        if not is_last(names[key]) and not block_of(names[key])
    }
    lacking = [key for key in missing if key in counted]
    share = 1 - sum(counted[key] for key in lacking) / max(1, sum(counted.values()))
    if not counted or share < 0.5:
        raise InputError(
            f"the file has {share:.0%} of the network's weights, the last layer and attached blocks aside; at least "
            f"half is expected. The network has {_listed(lacking)}; the file has {_listed(unused)}"
        )


def _shapes(key: str, use: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> tuple[str, Shape, Shape]:
    return key, tuple(use[key].shape), tuple(expected[key].shape)


def _changed(shapes: tuple[str, Shape, Shape]) -> str:
    key, found, expected = shapes
    return f"{key} {found} instead of {expected}"


def _part(key: str) -> str:
    """The part of a network that a key is in: its first module, and whether in a block there."""
    name = canonical(key)
    return f"{name.split('.')[0]}{' attached' if '.attached' in block_of(name) else ''}"


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:LISTED]) + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")
