r"""Motion reinforcement: features of a flow network multiply residual branches of an RGB network.

W. Hu, H. Liu, Y. Du, C. Yuan, B. Li, S. Maybank. Interaction-Aware Spatio-Temporal Pyramid Attention Networks for
Action Classification, section 4, which takes it from C. Feichtenhofer, A. Pinz, R. P. Wildes, Spatiotemporal Multiplier
Networks for Video Action Recognition, CVPR 2017.

At one block of each stage, with x its input, F its residual branch, m features of the flow network and o element by
element, a block is

    act(skip(x) + F(x o m))       side="input"       m: what the same block of the flow network takes
    act(skip(x) + F(x) o m)       side="output"      m: what that block gives

A reinforced network is a backbone for images with the channels of both streams, so that `PyramidNetwork` and
`MeanNetwork` merge its frames as those of RGB alone.

Departures: the paper names the method and leaves the rest to an appendix that is not printed with it.
- As in the code that was published with the work it cites, the product stands before the branch, at the second block of
  a stage, or the first where there is one only. `side="output"` takes "multiplies the residual branch" by the word:
  where the flow has no features, such a block is its skip path alone.
- The flow network ends where its last features are taken. It has no scores, and learns from those of the RGB network.
- The paper's results are of Inception-ResNet-V2; here it is for ResNets.

Start: no features behind a ReLU are 1 everywhere, so the literal product is no identity. It disturbs trained weights in
one branch of a stage, while the skip path and all other blocks do what they did; in training, batch norm behind x o m
takes its scale out. `form="stable"` has 1 + s o m in place of m, with s learned, one a channel, from 0: this starts as
the RGB network exactly, and the flow network learns from the second step on. Random weights whose branches end with a
norm that starts at 0 (`zero_init`) make identities of both forms.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy

import torch
from timm.models.resnet import BasicBlock, Bottleneck
from torch import Tensor, nn

from videoattn.backbones.scales import ScaledResNet
from videoattn.errors import InputError, unknown
from videoattn.layers.temporal_shift import STAGES, set_frames
from videoattn.papers.istpa.losses import check_form

SIDES = ("input", "output")


class ReinforcedResNet(ScaledResNet):
    """A ResNet in which features of a second one multiply residual branches.

    Args:
        streams: two networks of the same blocks, by the name of the stream. The first, such as RGB, is reinforced: its
            scales and the keys of its weights are those of this network. Of the second a copy is kept, up to its last
            features.
        blocks: module paths of the reinforced blocks, none behind the top scale; None for one of each stage.
        side: of the branch, "input" or "output", where the product stands.
        form: "literal", the features themselves, or "stable", 1 + s o m.

    Shapes: (N, in_channels, H, W), the channels of the first stream, then those of the second -> (N, classes).

    A reinforced block is run layer by layer, so that forward hooks of the block itself are left out.

    Raises:
        InputError: impossible values, at construction; images of the wrong shape, features of another size than the
            maps, or a reinforced block to which something was attached, at the call.
    """

    def __init__(
        self,
        streams: Mapping[str, ScaledResNet],
        *,
        blocks: Sequence[str] | None = None,
        side: str = "input",
        form: str = "literal",
    ):
        if len(streams) != 2 or not all(isinstance(backbone, ScaledResNet) for backbone in streams.values()):
            kinds = ", ".join(f"{name} ({type(backbone).__name__})" for name, backbone in streams.items())
            raise InputError(f"streams {kinds or 'none'}: two ScaledResNets are expected")
        if side not in SIDES:
            raise unknown("side", side, SIDES)
        check_form(form)
        first, second = streams.values()
        super().__init__(first.network, scales=first.scales)
        self.channels = {name: backbone.in_channels for name, backbone in streams.items()}
        steps, others = flat(first), flat(second)
        own, other = ([(place, *(w.shape for w in m.parameters())) for place, m in s if place] for s in (steps, others))
        if own != other:
            raise InputError(f"the networks of {' and '.join(streams)} differ in their blocks; the same are expected")
        order = [place for place, _ in steps]
        reached = STAGES[: STAGES.index(self.scales[-1]) + 1]
        places = [place for place in order if place.startswith(reached)]
        blocks = one_a_stage(places) if blocks is None else tuple(blocks)
        if not blocks or len(set(blocks)) < len(blocks) or not set(blocks) <= set(places):
            raise InputError(f"blocks={blocks}: at least one is expected, each once, of {', '.join(places)}")
        for place in blocks:
            branch(self.network.get_submodule(place))
        self.side = side
        self.taken = {order.index(place) - (side == "input"): place for place in blocks}  # step -> whom it reinforces
        self.motion = nn.ModuleList(deepcopy(step) for _, step in others[: max(self.taken) + 1])
        self.scale = nn.ParameterDict()
        if form == "stable":
            outputs = {stage["module"]: stage["num_chs"] for stage in self.network.feature_info}
            for place in blocks:
                inputs = self.network.get_submodule(place).conv1.in_channels
                c = inputs if side == "input" else outputs[place.split(".")[0]]
                self.scale[place.replace(".", "_")] = nn.Parameter(torch.zeros(c, 1, 1))

    @property
    def in_channels(self) -> int:
        """Channels of both streams."""
        return sum(self.channels.values())

    def maps(self, images: Tensor, *, frames: int = 1) -> tuple[Tensor, ...]:
        x, other = split(images, self.channels).values()
        set_frames(self, frames)
        features, found = self.features(other), []
        for name, step in self.path()[: self.behind]:
            if not name:
                x = step(x)
                continue
            for i, block in enumerate(step):
                m = features.get(f"{name}.{i}")
                x = block(x) if m is None else reinforced(block, x, m, side=self.side)
            if name in self.scales:
                found.append(x)
        return tuple(found)

    def features(self, images: Tensor) -> dict[str, Tensor]:
        """What multiplies the branch of each reinforced block: images of the second stream -> {module path: maps}."""
        x, found = images, {}
        for i, step in enumerate(self.motion):
            x = step(x)
            if i in self.taken:
                found[self.taken[i]] = x
        return {p: 1 + self.scale[p.replace(".", "_")] * m for p, m in found.items()} if self.scale else found


def split(images: Tensor, channels: Mapping[str, int]) -> dict[str, Tensor]:
    """Images of each stream: (N, channels of all, H, W) -> {stream: (N, its channels, H, W)}."""
    total = sum(channels.values())
    if images.dim() != 4 or images.shape[1] != total:
        raise InputError(f"the images have shape {tuple(images.shape)}; (N, {total}, H, W) is expected")
    return dict(zip(channels, images.split(list(channels.values()), 1), strict=True))


def flat(backbone: ScaledResNet) -> list[tuple[str, nn.Module]]:
    """All steps of a ResNet before its head: the stem's without a name, then each block by its module path."""
    stem = [("", step) for name, step in backbone.path()[:-1] if not name]
    return stem + [(f"{s}.{i}", block) for s in STAGES for i, block in enumerate(backbone.network.get_submodule(s))]


def one_a_stage(places: Sequence[str]) -> tuple[str, ...]:
    """The second block of each stage, the first of a stage with one."""
    stages = dict.fromkeys(place.split(".")[0] for place in places)
    return tuple(f"{stage}.1" if f"{stage}.1" in places else f"{stage}.0" for stage in stages)


def branch(block: nn.Module) -> tuple[list[nn.Module], nn.Module]:
    """Layers of the residual branch of one of timm's blocks, in order, and the activation behind the sum.

    Raises:
        InputError: another kind of block, or one to which something is attached.
    """
    *layers, (last, activation) = [(name, m) for name, m in block.named_children() if name != "downsample"]
    if not isinstance(block, BasicBlock | Bottleneck) or not last.startswith("act"):
        raise InputError(
            f"a {type(block).__name__} that ends with {last!r} cannot be reinforced; a BasicBlock or a Bottleneck with "
            "nothing attached is expected"
        )
    return [m for _, m in layers], activation


def reinforced(block: nn.Module, x: Tensor, features: Tensor, *, side: str) -> Tensor:
    """A residual block with `features` multiplied into its branch; its skip path does not see them."""
    layers, activation = branch(block)
    y = product(x, features) if side == "input" else x
    for layer in layers:
        y = layer(y)
    y = product(y, features) if side == "output" else y
    return activation(y + (x if block.downsample is None else block.downsample(x)))


def product(maps: Tensor, features: Tensor) -> Tensor:
    """Element by element; `InputError` where the two have not one shape."""
    if maps.shape != features.shape:
        raise InputError(
            f"features of shape {tuple(features.shape)} cannot multiply maps of {tuple(maps.shape)}: both networks "
            "need the same strides"
        )
    return maps * features
