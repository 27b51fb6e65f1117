"""Read files of weights of other programs, without executing code that they hold."""

import pickle
import re
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
# What else published training states hold: numbers of numpy, options, logs. It is read as `Ignored`.
HARMLESS = (
    "argparse.Namespace",
    "builtins.getattr",
    "mmengine.logging.history_buffer.HistoryBuffer",
    "numpy.dtype",
    "numpy.ndarray",
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("_reconstruct", "scalar")),
)


class Weights(dict[str, Tensor]):
    """A state dict; `others` names what else its file holds."""

    others: tuple[str, ...] = ()


class Ignored:
    """Stands for an unneeded value in a pickle: it takes any arguments and any state, and keeps none."""

    def __init__(self, *_: object):
        pass

    def __setstate__(self, _: object) -> None:
        pass


def read_weights(path: Path | str) -> Weights:
    """The state dict in a file, on the CPU.

    It is the whole file or lies under one of `PLACES`, as in our own checkpoints ("model"). Only tensors and plain
    values are read: code in a file is refused, and what a few known programs put beside the weights is passed over.

    Raises:
        InputError: no such file, or none of a state dict; a file that is damaged, or would have to be executed.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no file {path}; {EXPECTED}")
    content = _safetensors(path) if path.suffix == ".safetensors" else _pickled(path)
    if _is_state(content):
        return Weights(content)
    found = [place for place in PLACES if isinstance(content, dict) and _is_state(content.get(place))]
    if len(found) != 1:
        raise InputError(f"{path} holds {_kind(content) if not found else ' and '.join(found)}; {EXPECTED}")
    weights = Weights(content[found[0]])
    weights.others = tuple(str(name) for name in content if name != found[0])
    return weights


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
    try:
        with safe_globals([(Ignored, name) for name in HARMLESS]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        code = re.search(r"GLOBAL (\S+)", str(error))
        if code:
            raise InputError(
                f"{path} needs {code[1]}, and nothing in a file is executed here; {EXPECTED}: where the file comes "
                "from, save the state dict alone"
            ) from error
        raise InputError(_damaged(path, error)) from error
    except Exception as error:  # what a damaged file does to the reader is not documented
        raise InputError(_damaged(path, error)) from error


def _damaged(path: Path, error: Exception) -> str:
    return f"{path} is no file of tensors, or only a part of one ({type(error).__name__}); {EXPECTED}"


def _is_state(content: object) -> bool:
    return (
        isinstance(content, dict)
        and len(content) > 0
        and all(isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items())
    )


def _kind(content: object) -> str:
    if not isinstance(content, dict):
        return f"a {type(content).__name__}"
    names = [str(name) for name in content]
    return f"a dict of {', '.join(names[:8]) or 'nothing'}{' and more' if len(names) > 8 else ''}"
