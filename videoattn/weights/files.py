"""Read files of weights of other programs, without executing code that they hold."""

import pickle
import pickletools
import re
from collections import OrderedDict
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.serialization import safe_globals

from videoattn.errors import InputError

PLACES = ("model", "state_dict", "model_state", "model_state_dict", "module")
EXPECTED = (
    "a state dict is expected, names to tensors, written by torch.save or as .safetensors, alone or under "
    + ", ".join(PLACES)
)
MAGIC = 0x1950A86A20F9469CFC6C  # the first value in a file of torch.save from before 1.6
CAFFE2 = ("blobs", "conv1_w")  # keys that only its files have


class Weights(dict[str, Tensor]):
    """A state dict; `others` names what else its file holds."""

    others: tuple[str, ...] = ()


class Ignored:
    """Stands for an unneeded object in a pickle: it takes any arguments and any state, and keeps none."""

    def __init__(self, *_: object):
        pass

    def __setstate__(self, _: object) -> None:
        pass


class IgnoredDict:
    """Makes, of any arguments, an empty dict, which the reader may fill."""

    def __new__(cls, *_: object) -> OrderedDict:
        return OrderedDict()


class IgnoredList(list):
    """A list that is empty whatever the arguments are, which the reader may fill; it takes any state."""

    def __init__(self, *_: object):
        super().__init__()

    def __setstate__(self, _: object) -> None:
        pass


# What torch says of a class that it does not know, and of objects that are filled as only a dict, or a list, is.
STAND_INS = {
    r"GLOBAL (\S+) was not an allowed global": Ignored,
    r"Can only SETITEMS? for .* but got <class '(\S+)'>": IgnoredDict,
    r"Can only append to lists, but got <class '(\S+)'>": IgnoredList,
}


def read_weights(path: Path | str) -> Weights:
    """The state dict in a file, on the CPU.

    It is the whole file or lies under one of `PLACES`, as in our own checkpoints ("model"). Only tensors and plain
    values are read. Nothing in a file is imported or called: options, paths and the like beside the weights, of
    whatever class, become objects that do nothing.

    Raises:
        InputError: no such file, or none of a state dict; a file that is damaged, or cannot be read without calling
            what it holds; NaN or infinity among the weights.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no file {path}; {EXPECTED}")
    content = _safetensors(path) if path.suffix == ".safetensors" else _pickled(path)
    if _is_state(content):
        return _finite(Weights(content), path)
    found = [place for place in PLACES if isinstance(content, dict) and _is_state(content.get(place))]
    if len(found) != 1:
        raise InputError(f"{path} holds {_kind(content) if not found else ' and '.join(found)}; {EXPECTED}")
    weights = Weights(content[found[0]])
    weights.others = tuple(str(name) for name in content if name != found[0])
    return _finite(weights, path)


def read_initial(path: Path) -> Weights:
    """`read_weights` of the file that INIT names; what it refuses says so."""
    try:
        return read_weights(path)
    except InputError as error:
        raise InputError(f"INIT: {error}") from error


def _safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} is no file of safetensors, or only a part of one ({error}); {EXPECTED}") from error


def _pickled(path: Path) -> object:
    _check_pickle(path)
    kinds: dict[str, type] = {}  # of stand-ins, by what they stand for
    while True:
        try:
            with safe_globals([(_stand_in(name, kind), name) for name, kind in kinds.items()]):
                return torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            name, kind = _unknown(str(error))
            if kind is None or kinds.get(name) is not (None if kind is Ignored else Ignored):
                raise InputError(_refused(path, error)) from error
            kinds[name] = kind
        except Exception as error:  # what a damaged file does to the reader is not documented
            raise InputError(_damaged(path, error)) from error


def _check_pickle(path: Path) -> None:
    """Raise `InputError` for a pickle that torch.save has not written."""
    with path.open("rb") as file:
        if file.read(1) != pickle.PROTO:
            return
        file.seek(0)
        what = "a plain pickle"
        try:
            for _, value, _ in pickletools.genops(file):
                if value == MAGIC:
                    return
                if value in CAFFE2:
                    what = "a pickle of Caffe2, whose layers have other names than those of PyTorch"
                    break
        except (ValueError, MemoryError, OverflowError):  # no pickle, or a damaged one
            return
    raise InputError(f"{path} is {what}; {EXPECTED}")


def _unknown(message: str) -> tuple[str, type | None]:
    """What torch's reader did not know, by its message, and the kind of stand-in for it; None for no kind."""
    for pattern, kind in STAND_INS.items():
        found = re.search(pattern, message)
        if found:
            return (found[1] if "." in found[1] else f"builtins.{found[1]}"), kind
    return "", None


def _stand_in(name: str, kind: type) -> type:
    """A class of that kind, called as what it stands for."""
    module, _, own = name.rpartition(".")
    return type(own, (kind,), {"__module__": module})


def _refused(path: Path, error: pickle.UnpicklingError) -> str:
    call = re.search(r"GLOBAL (\S+)|unrecognized function <(\S+)", str(error))
    if call:
        code = call[1] or call[2]
    elif "persistent_load of storage" in str(error):  # so old files hold each module of a network
        code = "the classes of a network"
    else:
        return _damaged(path, error)
    return (
        f"{path} needs {code}, and nothing in a file is executed here; {EXPECTED}: where the file comes from, save the "
        "state dict alone"
    )


def _damaged(path: Path, error: Exception) -> str:
    return f"{path} is no file of tensors, or only a part of one ({type(error).__name__}); {EXPECTED}"


def _is_state(content: object) -> bool:
    return (
        isinstance(content, dict)
        and len(content) > 0
        and all(isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items())
    )


def _finite(weights: Weights, path: Path) -> Weights:
    """The weights; raises `InputError` where any is NaN or infinite."""
    for name, tensor in weights.items():
        if tensor.is_floating_point() or tensor.is_complex():
            values = tensor.float() if tensor.dtype.itemsize == 1 else tensor  # isfinite does not know all of 8 bits
            wrong = int((~values.isfinite()).sum())
            if wrong:
                raise InputError(
                    f"{path}: {name} holds NaN or infinity ({wrong} of {tensor.numel()} values); finite weights are "
                    "expected, such as those of an earlier epoch"
                )
    return weights


def _kind(content: object) -> str:
    if not isinstance(content, dict):
        return f"a {_class(content) if isinstance(content, Ignored) else type(content).__name__}"
    names = [f"{name} ({_class(v)})" if isinstance(v, Ignored) else str(name) for name, v in content.items()]
    return f"a dict of {', '.join(names[:8]) or 'nothing'}{' and more' if len(names) > 8 else ''}"


def _class(stand_in: Ignored) -> str:
    return f"{type(stand_in).__module__}.{type(stand_in).__name__}"
