r"""Weights of BN-Inception from the public files that descend from Caffe.

Such a file is a state dict, or holds one under "state_dict". Its names are those of the Caffe layers, such as
inception_3a_double_3x3_1.weight and inception_3a_double_3x3_1_bn.running_mean, perhaps behind "module." or
"base_model.". In old files the tensors of batch norms have the shape (1, C).

The public networks see BGR from 0 to 255 with (104, 117, 128) taken off.
"""

import pickle
from pathlib import Path

import torch
from torch import Tensor

from videoattn.backbones.bn_inception import BNInception
from videoattn.errors import InputError, RunError, unknown
from videoattn.layers.input_offset import NAME
from videoattn.weights.inputs import CAFFE, IMAGENET, converted

WEIGHTS = "weights/bn_inception.pth"  # in the cache: where a user puts the file
INPUTS = ("imagenet", "caffe")
PREFIXES = ("module.", "base_model.")
CLASSIFIERS = ("last_linear", "fc", "new_fc")
STEM = {"conv1": "conv1_7x7_s2", "reduce": "conv2_3x3_reduce", "conv2": "conv2_3x3"}
BRANCHES = {
    "branch_one": "1x1",
    "branch_three.reduce": "3x3_reduce",
    "branch_three.last": "3x3",
    "branch_double.reduce": "double_3x3_reduce",
    "branch_double.first": "double_3x3_1",
    "branch_double.last": "double_3x3_2",
    "branch_pool.project": "pool_proj",
}
FIRST = "stem.conv1.conv"


def bn_inception_weights(
    path: Path | str, network: BNInception, *, classifier: bool = True, inputs: str = "imagenet"
) -> dict[str, Tensor]:
    """State dict for `network`, which itself stays as it is; it may be on the meta device.

    Args:
        path: the file.
        network: says which names and shapes are needed.
        classifier: with the last layer; without it "fc.weight" and "fc.bias" are not in the result.
        inputs: what the network will see. "imagenet": RGB from 0 to 1 with ImageNet's mean and deviation removed, to
            which the first convolution is converted, with an entry more, its offset (`videoattn.layers.input_offset`).
            "caffe": BGR as above, or flow; no conversion.

    Raises:
        InputError: names or shapes that do not fit, all in one message; an unknown value of `inputs`.
        RunError: no file, or not one of tensors.
    """
    if inputs not in INPUTS:
        raise unknown("inputs", inputs, INPUTS)
    if inputs == "imagenet" and network.in_channels != 3:
        raise InputError("inputs='imagenet' is for RGB; inputs='caffe' is possible")
    found = _read(Path(path))
    weights, problems = {}, []
    for key, expected in network.state_dict().items():
        if key == f"{FIRST}.{NAME}" or (key.startswith("fc.") and not classifier):
            continue
        name = caffe_name(key)
        if name not in found:
            if key.endswith("num_batches_tracked"):  # older than this count
                weights[key] = torch.zeros(expected.shape, dtype=expected.dtype)
            else:
                problems.append(f"{name} is missing")
            continue
        tensor = found.pop(name)
        if ".norm." in key and tensor.dim() == 2 and len(tensor) == 1:
            tensor = tensor[0]
        if tensor.shape != expected.shape:
            problems.append(f"{name} has shape {tuple(tensor.shape)} instead of {tuple(expected.shape)}")
        weights[key] = tensor
    problems += [f"{name} is unknown" for name in found if classifier or not name.startswith("fc.")]
    if problems:
        more = f" and {len(problems) - 8} more" if len(problems) > 8 else ""
        raise InputError(f"{path} does not fit this BN-Inception: {'; '.join(problems[:8])}{more}")
    if inputs == "imagenet":
        first = f"{FIRST}.weight"
        weights[first], weights[f"{FIRST}.{NAME}"] = converted(weights[first], CAFFE, IMAGENET)
    return weights


def caffe_name(key: str) -> str:
    """Name in the files of an entry of BNInception's state dict, such as inception_3a_1x1_bn.bias.

    The last layer, whose name differs between files, keeps "fc".
    """
    module, _, rest = key.partition(".")
    if module == "fc":
        return key
    path, layer, entry = rest.rsplit(".", 2)
    name = STEM[path] if module == "stem" else f"{module}_{BRANCHES[path]}"
    return f"{name}{'_bn' if layer == 'norm' else ''}.{entry}"


def _read(path: Path) -> dict[str, Tensor]:
    """Tensors by their Caffe names, without prefixes; those of the last layer under "fc"."""
    if not path.is_file():
        raise RunError(
            f"there is no file {path}: put the weights of BN-Inception there, a state dict with Caffe's layer names "
            "(of ImageNet bn_inception-52deb4733.pth; TSN's, of Kinetics, for BANet), or start from random weights"
        )
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError) as error:
        raise RunError(f"{path} is no file of tensors ({type(error).__name__}); fetch it again") from error
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict) or not all(isinstance(tensor, Tensor) for tensor in content.values()):
        raise RunError(f"{path} holds no state dict: a mapping from names to tensors is expected")
    found = {}
    for name, tensor in content.items():
        while name.startswith(PREFIXES):
            name = name.partition(".")[2]
        layer, _, entry = name.rpartition(".")
        found[f"fc.{entry}" if layer in CLASSIFIERS else name] = tensor
    return found
