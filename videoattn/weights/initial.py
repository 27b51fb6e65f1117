"""Load weights of other programs into a network: match their names, convert where needed, and say what did not fit.

A file does not say which input its weights are for. Networks here take RGB from 0 to 1, normalised by ImageNet's mean
and standard deviation, as do the ResNets of torchvision, TSN, TSM and MMAction2, and flow from -1 to 1. Only weights of
BN-Inception under Caffe's names, which are for BGR from 0 to 255, are converted.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from videoattn.backbones.inflated import ClipNetwork, inflated_kernel
from videoattn.backbones.resnet import averaged_kernel
from videoattn.errors import InputError
from videoattn.weights.bn_inception import for_imagenet
from videoattn.weights.files import read_initial
from videoattn.weights.key_names import STYLES, block_of, by_name, canonical, is_last, style_of

Shape = tuple[int, ...]
CAFFE_FIRST = ("conv1_7x7_s2.weight", "conv1_7x7_s2.bias")
LISTED = 8


@dataclass(frozen=True)
class LoadReport:
    """What `load_weights` did.

    Args:
        loaded: keys of the network that got weights. missing: those that stay as initialised.
        unused: keys of the file that are for nothing in the network.
        shapes: (key, shape in the file, shape in the network) of a last layer that is for other classes.
        adapted: likewise of kernels that were averaged or inflated to fit.
        others: what the file holds beside the state dict.
    """

    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unused: tuple[str, ...]
    shapes: tuple[tuple[str, Shape, Shape], ...] = ()
    adapted: tuple[tuple[str, Shape, Shape], ...] = ()
    others: tuple[str, ...] = ()


def translated(state: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """The weights of a file under the keys of the network, in the file's order.

    Keys that the network does not have are kept. Shapes are not checked; batch norms in old files that descend from
    Caffe, of shape (1, C), become (C).

    Args:
        state: a state dict in one of the styles of `videoattn.weights.key_names`.
        network: may be on the meta device.

    Raises:
        InputError: two keys of the file, or of the network, are names of the same weights.
    """
    own = by_name(network.state_dict(), canonical, where="the network")
    given = by_name(state, canonical, where="the file")
    style = style_of(given, own)
    wanted = by_name(own, STYLES[style], where="the network")
    keys = {key: own[wanted[name]] if name in wanted else key for name, key in given.items()}
    by_name(keys, keys.__getitem__, where="the file")
    values = _from_caffe({name: state[key] for name, key in given.items()}) if style == "caffe" else {}
    return {key: values.get(canonical(old), state[old]) for old, key in keys.items()}


def load_weights(
    network: nn.Module, state: Mapping[str, Tensor], *, head: bool, average_first: bool = False
) -> LoadReport:
    """Load the weights that file and network share into the network, in place.

    An attached block stays as initialised unless the file has all of its weights. For a `ClipNetwork` 2D kernels are
    inflated, as its own were.

    Args:
        state: as `videoattn.weights.files.read_weights` gives it.
        head: with the last layer, if it is for as many classes; otherwise it stays as initialised.
        average_first: a first convolution over other than three channels, such as flow, takes each from the mean over
            RGB (L. Wang et al., Temporal Segment Networks, section 3.1).

    Raises:
        InputError: weights of the wrong shape; a file with fewer than half of the network's parameters, not counting
            the last layer and attached blocks; and as `translated`. The network is unchanged then.
    """
    expected = network.state_dict()
    names = {key: canonical(key) for key in expected}
    given = translated(state, network)
    use = {key: given[key] for key in expected if key in given}
    last = {key for key in use if is_last(names[key])}
    other = any(use[key].shape[:1] != expected[key].shape[:1] for key in last)
    shapes = [_shapes(key, use, expected) for key in use if head and other and key in last]
    parts = {block_of(name) for key, name in names.items() if key not in use} - {""}
    left = {key for key in use if block_of(names[key]) in parts} | (last if other or not head else set())
    use = {key: tensor for key, tensor in use.items() if key not in left}

    first = next((key for key in expected if expected[key].dim() > 3 and not block_of(names[key])), None)
    inflate = any(isinstance(module, ClipNetwork) for module in network.modules())
    found = {
        key: _fitted(tensor, tuple(expected[key].shape), average=average_first and key == first, inflate=inflate)
        for key, tensor in use.items()
    }
    wrong = [_shapes(key, use, expected) for key in use if found[key].shape != expected[key].shape]
    if wrong:
        raise InputError(f"weights of the file have other shapes than the network: {_listed(map(_changed, wrong))}")
    missing = tuple(key for key in expected if key not in found)
    unused = tuple(old for old, key in zip(state, given, strict=True) if key not in found)
    _check_share(network, names, missing, unused)
    network.load_state_dict(found, strict=False)
    return LoadReport(
        loaded=tuple(found),
        missing=missing,
        unused=unused,
        shapes=tuple(shapes),
        adapted=tuple(_shapes(key, use, expected) for key in use if use[key].shape != expected[key].shape),
        others=getattr(state, "others", ()),
    )


def load_initial(network: nn.Module, path: Path, *, head: bool) -> LoadReport:
    """`load_weights` of the file that INIT names; what it refuses names the file."""
    state = read_initial(path)
    try:
        return load_weights(network, state, head=head)
    except InputError as error:
        raise InputError(f"INIT is {path}: {error}") from error


def describe(matched: LoadReport) -> str:
    """The report as a few lines of text; keys that were not loaded are counted by parts of the network."""
    lines = [f"{len(matched.loaded)} of {len(matched.loaded) + len(matched.missing)} tensors loaded"]
    lines += [f"made to fit: {_listed(map(_changed, matched.adapted))}"] if matched.adapted else []
    lines += [f"last layer for other classes: {_listed(map(_changed, matched.shapes))}"] if matched.shapes else []
    for what, keys in (("as initialised", matched.missing), ("not used of the file", matched.unused)):
        parts = Counter(map(_part, keys))
        lines += [f"{what}: {_listed(f'{part} ({count})' for part, count in parts.items())}"] if keys else []
    lines += [f"also in the file: {_listed(matched.others)}"] if matched.others else []
    return "\n".join(lines)


def _from_caffe(values: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights by Caffe's names, for the input that our networks see and with batch norms of shape (C)."""
    values = {
        name: tensor[0] if name.rpartition(".")[0].endswith("_bn") and tensor.dim() == 2 else tensor
        for name, tensor in values.items()
    }
    if CAFFE_FIRST[0] in values and values[CAFFE_FIRST[0]].shape[1] == 3:  # others are of flow, which has no colours
        if CAFFE_FIRST[1] not in values:
            raise InputError(f"the file has no {CAFFE_FIRST[1]}: weights for BGR cannot be converted to RGB without it")
        values |= zip(CAFFE_FIRST, for_imagenet(*(values[name] for name in CAFFE_FIRST)), strict=True)
    return values


def _fitted(tensor: Tensor, shape: Shape, *, average: bool, inflate: bool) -> Tensor:
    """The tensor, a kernel inflated in time (`inflate`) or averaged over RGB (`average`) where the shape needs it."""
    if inflate and tensor.dim() == 4 and len(shape) == 5:
        tensor = inflated_kernel(tensor, shape[2])
    if average and tensor.dim() == len(shape) and tensor.shape[1] == 3 != shape[1]:
        tensor = averaged_kernel(tensor, shape[1])
    return tensor


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
