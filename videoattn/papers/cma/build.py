"""The networks of cross-modality attention, with the weights that they start from."""

import torch
from torch import Tensor, nn

from videoattn.backbones.p3d import P3D
from videoattn.backbones.resnet import resnet
from videoattn.engine.experiment import Weights, no_weights
from videoattn.engine.protocol import FROM_SCRATCH, Start
from videoattn.layers.non_local import NonLocalBlock
from videoattn.papers.cma.network import CMANetwork, SingleStream, add_non_local, every_other_block
from videoattn.papers.cma.recipe import Profile, Variant

CHANNELS = {"segments": {"rgb": 3, "flow": 10}, "dense": {"rgb": 3, "flow": 2}}  # of a snippet


def build(
    variant: Variant,
    profile: Profile,
    *,
    classes: int,
    start: Start = FROM_SCRATCH,
    weights: Weights = no_weights,
) -> nn.Module:
    """The network of one variant, with the weights of the jobs that it starts from, frozen as the paper says.

    Args:
        weights: state of an earlier job's network, by the job's name.
    """
    dims = 3 if variant.kind.startswith("p3d") else 2
    started = warm_job(variant, profile, start)
    pretrained = start.pretrained
    if variant.kind in ("single", "p3d-single"):
        network = SingleStream(
            _backbone(variant, profile, variant.stream, classes, pretrained), stream=variant.stream, dims=dims
        )
        if started:
            _load_all_but_blocks(network, weights(started))
        if variant.transfer:
            _load_all_but_last(network, weights(variant.after[0]))
            network.train_last_layer()
        return network
    branches = {s: _backbone(variant, profile, s, classes, pretrained) for s in ("rgb", "flow")}
    positions = (
        (f"layer3.{len(branches['rgb'].layer3) - 1}",)
        if dims == 3
        else every_other_block(branches["rgb"], profile.stages)
    )
    network = CMANetwork(**branches, positions=positions, dims=dims)
    if variant.transfer:
        _load_all_but_last(network, weights(variant.after[0]))
        network.train_last_layer(variant.stream)
    elif variant.kind == "p3d-cma":
        for s, name in (("rgb", variant.after[0]), ("flow", variant.after[1])):
            network.streams[s].load_state_dict(_branch(weights(name)))
        network.train_behind(variant.stream)
    elif variant.first:
        if started:
            _load_all_but_blocks(network.streams[variant.stream], _branch(weights(started)))
        network.streams["flow"].load_state_dict(_branch(weights(variant.after[0])))
        network.train_only(variant.stream)
    else:
        network.load_state_dict(weights(variant.after[0]))
        network.train_only(variant.stream)
    return network


def _backbone(variant: Variant, profile: Profile, stream: str, classes: int, pretrained: bool) -> nn.Module:
    if variant.kind.startswith("p3d"):
        return P3D(
            classes=classes,
            in_channels=CHANNELS["dense"][stream],
            dropout=profile.dropout,
            layers=profile.p3d_layers,
            width=profile.p3d_width,
        )
    backbone = resnet(
        profile.backbone,
        classes=classes,
        in_channels=CHANNELS["segments"][stream],
        dropout=profile.dropout,
        pretrained=pretrained,
        channels=profile.channels,
        stem_width=profile.stem_width,
        layers=profile.layers,
        padding=variant.padding,
    )
    if variant.non_local and stream == variant.stream:  # section 5.5: in the branch that is trained, not in the other
        add_non_local(backbone, every_other_block(backbone, profile.stages))
    return backbone.to(memory_format=torch.channels_last)  # a quarter faster on CPUs, more under tensor cores


def _branch(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The backbone's state out of a single stream's."""
    return {name.removeprefix("backbone."): value for name, value in state.items()}


def _load_all_but_last(network: nn.Module, state: dict[str, Tensor]) -> None:
    """Take over all but the last layers, which stay as they are initialised."""
    kept = {name: value for name, value in state.items() if ".fc." not in name}
    network.load_state_dict(network.state_dict() | kept)


def _load_all_but_blocks(network: nn.Module, state: dict[str, Tensor]) -> None:
    """Take over the weights of a network without blocks; the blocks stay as they are initialised."""
    blocks = tuple(name for name, module in network.named_modules() if isinstance(module, NonLocalBlock))
    own = {name: value for name, value in network.state_dict().items() if name.startswith(blocks)}
    network.load_state_dict(state | own)


def warm_job(variant: Variant, profile: Profile, start: Start) -> str | None:
    """The job whose weights stand in for ImageNet's, where networks start from scratch and the profile says so."""
    return variant.warm if profile.warm_start and not (start.pretrained or start.path) else None
