"""Weights of other programs on pictures: what their network makes of them and what ours does with their weights.

Each case gives both scores of the same pixels, in float64; its name is that of its row in docs/weights.md.
"""

import copy
from collections.abc import Callable, Mapping, Sequence

import torch
import torchvision
from caffe_bn_inception import Interpreter, random_file
from eco_cases import CASES as ECO_CASES
from lite0_cases import CASES as LITE0_CASES
from other_programs import AIA, MEAN, STD, Drawn, ResNet, coloured, gst, mfnet, pixels
from random_weights import randomise
from torch import Tensor, nn

from videoattn.backbones.bn_inception import BNInception
from videoattn.backbones.inflated import ClipNetwork
from videoattn.backbones.mfnet import MFNet
from videoattn.backbones.resnet import resnet
from videoattn.backbones.tsn import FrameNetwork, tsn
from videoattn.data.clips.augment import normalise
from videoattn.layers.attach import attach
from videoattn.layers.non_local import NonLocalBlock
from videoattn.papers.aia.network import gated
from videoattn.weights.initial import load_weights

Pair = tuple[Tensor, Tensor]
WIDTHS, LAYERS = (8, 8, 8, 8), (1, 3, 5, 1)
NON_LOCAL = ("layer2.0", "layer2.2", "layer3.0", "layer3.2", "layer3.4")
ALL = tuple(f"layer{stage}.{i}" for stage, blocks in enumerate(LAYERS, 1) for i in range(blocks))
SMALL = {"classes": 5, "channels": WIDTHS, "layers": LAYERS, "zero_init": False}
FRAMES = 4


def loaded(network: nn.Module, state: Mapping[str, Tensor], source: str) -> nn.Module:
    """The network in float64 with all weights of the file, which is told for one of that source.

    It is another one that took over the state, as one does that goes on with a checkpoint.
    """
    network, first = network.double().eval(), copy.deepcopy(network)
    report = load_weights(first, state, head=True)
    assert report.source.name == source
    assert not report.unused, report.unused
    assert {key for key in report.missing if not key.endswith("num_batches_tracked")} == set()
    network.load_state_dict(first.state_dict())
    return network


def rgb(clip: Tensor) -> Tensor:
    """What our networks see of pixels (B, 3, T, H, W)."""
    return normalise(clip / 255)


def flow(q: Tensor) -> Tensor:
    """What our networks see of quantised flow, as `videoattn.data.flow.algorithms.dequantise` has it."""
    return (q - 128) / 127.5


def unit(q: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """What networks see that take pixels of 0 to 1 without mean and deviation."""
    return (q / 255 - coloured(mean, q.dim())) / coloured(std, q.dim())


def over_frames(program: str, source: str, *, network: Callable[[], FrameNetwork] | None = None, **parts) -> Pair:
    """A ResNet of the authors over 2 clips of 4 frames of pixels, and ours."""
    clip = pixels(2, 3, FRAMES, 64, 64)
    theirs = ResNet(program, **{"widths": WIDTHS, "layers": LAYERS, "frames": FRAMES} | parts)
    expected = theirs(unit(clip.transpose(1, 2).flatten(0, 1), MEAN, STD))
    own = network() if network else tsn(frames=FRAMES, shift=bool(parts.get("shifts")), **SMALL)
    return loaded(own, theirs.w, source)(rgb(clip)), expected


def over_flow(program: str, source: str, input: Callable[[Tensor], Tensor]) -> Pair:
    """A ResNet of the authors over 3 stacks of 5 fields of flow, and ours."""
    q = pixels(3, 10, 64, 64)
    theirs = ResNet(program, widths=WIDTHS, layers=LAYERS, frames=1)
    expected = theirs(input(q))
    return loaded(resnet("resnet50", in_channels=10, **SMALL), theirs.w, source)(flow(q)), expected


def with_non_local() -> FrameNetwork:
    network = tsn(frames=FRAMES, shift=True, **SMALL)
    blocks = {f"backbone.{path}": NonLocalBlock(channels=32, dims=3) for path in NON_LOCAL}
    return attach(network, blocks, frames=FRAMES)


def tsm_101() -> Pair:
    layers = (3, 4, 23, 3)
    shifts = [f"layer{stage}.{i}" for stage, n in enumerate(layers, 1) for i in range(0, n, 2)]
    assert len(shifts) == 18

    def network() -> FrameNetwork:
        return tsn("resnet101", frames=FRAMES, shift=True, classes=5, channels=WIDTHS, zero_init=False)

    return over_frames("tsn", "tsn", network=network, layers=layers, shifts=shifts)


def aia(name: str, gate: AIA, *, shift: bool) -> Pair:
    """Files of AIA's authors do not say where shifts are: these are in the blocks."""
    clip = pixels(2, 3, FRAMES, 48, 48)
    layers = (1, 1, 1, 1)
    theirs = ResNet("tsn", widths=WIDTHS, layers=layers, frames=FRAMES, shifts=ALL if shift else (), gate=gate)
    expected = theirs(unit(clip.transpose(1, 2).flatten(0, 1), MEAN, STD))
    state = {key.replace(".net.", "."): tensor for key, tensor in theirs.w.items()}
    network = gated(tsn(frames=FRAMES, shift=shift, **SMALL | {"layers": layers}), name)
    return loaded(network, state, "aia")(rgb(clip)), expected


GATES = {
    "C": AIA("C"),
    "ST": AIA("ST"),
    "C->ST": AIA("C", "ST"),
    "ST->C": AIA("ST", "C"),
    "C+ST": AIA("C", "ST", beside=True),
    "CinST": AIA("CinST"),
    "STinC": AIA("STinC"),
    "CinST->STinC": AIA("CinST", "STinC"),
    "STinC->CinST": AIA("STinC", "CinST"),
    "CinST+STinC": AIA("CinST", "STinC", beside=True),
}


def all_gates(*, shift: bool) -> Pair:
    pairs = [aia(name, gate, shift=shift) for name, gate in GATES.items()]
    return tuple(torch.cat(scores) for scores in zip(*pairs, strict=True))


def gst_authors() -> Pair:
    clip, file = pixels(2, 3, FRAMES, 64, 64), Drawn()
    expected = gst(file, unit(clip, MEAN, STD), widths=WIDTHS, layers=LAYERS)
    network = ClipNetwork(resnet("resnet50", **SMALL), kind="gst")
    return loaded(network, file, "gst")(rgb(clip)), expected


def mfnet_authors() -> Pair:
    sizes = {"stem": 4, "width": 16, "groups": 4, "layers": (2, 2, 1, 1)}
    clip, file = pixels(2, 3, 4, 48, 64), Drawn()
    mean, std = (124 / 255, 117 / 255, 104 / 255), [1 / (0.0167 * 255)] * 3
    expected = mfnet(file, unit(clip, mean, std), **sizes)
    return loaded(MFNet(classes=5, **sizes), file, "mfnet")(rgb(clip)), expected


def bn_inception(channels: int) -> Pair:
    q, file = pixels(1, channels, 64, 64), {name: tensor.double() for name, tensor in random_file(classes=5).items()}
    if channels != 3:
        first = file["conv1_7x7_s2.weight"]
        file["conv1_7x7_s2.weight"] = first.repeat(1, channels // 3 + 1, 1, 1)[:, :channels] * (3 / channels) ** 0.5
    file["conv1_7x7_s2.weight"] /= 50  # for values of that size
    seen = q.flip(1) - coloured((104, 117, 128)) if channels == 3 else q - 128
    maps = Interpreter(weights=file)(seen).mean((2, 3))
    expected = nn.functional.linear(maps, file["last_linear.weight"], file["last_linear.bias"])
    network = loaded(BNInception(classes=5, in_channels=channels), file, "bn-inception")
    return network(rgb(q.unsqueeze(2)).squeeze(2) if channels == 3 else flow(q)), expected


def torchvision_resnet() -> Pair:
    theirs = randomise(torchvision.models.resnet18(num_classes=5))
    q = pixels(2, 3, 64, 64)
    network = loaded(tsn("resnet18", frames=1, classes=5), theirs.state_dict(), "plain")
    return network(rgb(q.unsqueeze(2))), theirs(unit(q, MEAN, STD))


CASES: dict[str, Callable[[], Pair]] = {
    "plain: torchvision's ResNet-18": torchvision_resnet,
    "tsn: ResNet, RGB": lambda: over_frames("tsn", "tsn"),
    "tsn: ResNet, flow": lambda: over_flow("tsn", "tsn", lambda q: (q / 255 - 0.5) / (sum(STD) / 3)),
    "tsn: TSM": lambda: over_frames("tsn", "tsn", shifts=ALL),
    "tsn: TSM, ResNet-101": tsm_101,
    "tsn: TSM with non-local blocks": lambda: over_frames(
        "tsn", "tsn", network=with_non_local, shifts=ALL, non_local=NON_LOCAL
    ),
    "mmaction2: TSN, RGB": lambda: over_frames("mmaction2", "mmaction2"),
    "mmaction2: TSN, flow": lambda: over_flow("mmaction2", "mmaction2", lambda q: (q - 128) / 128),
    "mmaction2: TSM": lambda: over_frames("mmaction2", "mmaction2", shifts=ALL),
    "mmaction2: TSM with non-local blocks": lambda: over_frames(
        "mmaction2", "mmaction2", network=with_non_local, shifts=ALL, non_local=NON_LOCAL
    ),
    "aia: ten modules on TSN": lambda: all_gates(shift=False),
    "aia: ten modules on TSM": lambda: all_gates(shift=True),
    "bn-inception: RGB": lambda: bn_inception(3),
    "bn-inception: flow": lambda: bn_inception(10),
    "gst: GST": gst_authors,
    "mfnet: MF-Net": mfnet_authors,
    **ECO_CASES,
    **LITE0_CASES,
}
