"""The study of cross-modality attention: from the notebook's parameters to networks, clips and a folder of results."""

import dataclasses
import functools
import os
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from videoattn.backbones.p3d import P3D
from videoattn.backbones.resnet import resnet
from videoattn.data.flow import FlowSettings
from videoattn.data.listing import Lists, listed
from videoattn.data.snippets import Snippets
from videoattn.data.two_stream import TwoStreamData
from videoattn.errors import InputError
from videoattn.layers.non_local import NonLocalBlock
from videoattn.locations import cache_root
from videoattn.papers.cma import inspection
from videoattn.papers.cma.comparison import ROWS
from videoattn.papers.cma.network import CMANetwork, SingleStream, add_non_local, every_other_block
from videoattn.papers.cma.recipe import CENTRAL, PROFILES, VARIANTS, VIDEOS, Profile, Variant
from videoattn.training.jobs import Job
from videoattn.training.parameters import PROBE, Parameters
from videoattn.training.study import Study
from videoattn.training.user_videos import user_lists

CHANNELS = {"segments": {"rgb": 3, "flow": 10}, "dense": {"rgb": 3, "flow": 2}}  # of a snippet


def study(parameters: Parameters) -> Study:
    """The study that these parameters ask for; nothing is generated or trained yet.

    Raises:
        InputError: the data set is not as it should be, or there is to be no flow.
    """
    if parameters.flow == "none":
        raise InputError("FLOW is 'none', but cma needs flow; good ones: 'auto', 'tvl1', 'dis'")
    parameters = parameters.resolved()
    probe = parameters.dataset == PROBE
    profile = _profile(parameters)
    seeds = tuple(range(parameters.seeds or profile.seeds))
    lists = None if probe else user_lists(parameters)
    names = profile.jobs if probe else tuple(name for name in profile.jobs if name in CENTRAL)
    plan = dataclasses.asdict(profile) | {
        "jobs": names,
        "seeds": seeds,
        "pretrained": parameters.pretrained,
        "variants": {name: dataclasses.asdict(VARIANTS[name]) for name in names},
        "data": "probe" if probe else [v.fingerprint() for v in lists],
    }
    for name in ("workers", "lanes", "max_unreadable", *(() if probe else ("probe",))):
        del plan[name]  # without effect on the results
    classes = profile.probe.classes if probe else len(lists[0].classes)
    data = _Clips(profile, *flow_settings(parameters), lists)
    return Study(
        paper="cma",
        parameters=parameters,
        plan=plan,
        jobs=tuple(_job(name, profile, parameters.pretrained) for name in names),
        rows=tuple(row for row in ROWS if {part[0] for part in row.parts} <= set(names)),
        seeds=seeds,
        build=lambda job, weights: build(
            VARIANTS[job.name], profile, classes=classes, weights=weights, pretrained=parameters.pretrained
        ),
        data=data,
        workers=0 if probe else profile.workers,
        test_batch=profile.test_batch,
        lanes=profile.lanes or len(os.sched_getaffinity(0)),
        inspect=functools.partial(_inspect, data) if probe else None,
    )


def flow_settings(parameters: Parameters) -> tuple[FlowSettings, ...]:
    """The flow that the study of these parameters reads."""
    profile = _profile(parameters.resolved())
    return (FlowSettings(algorithm=profile.flow, short_side=profile.short_side),)


def _profile(parameters: Parameters) -> Profile:
    profile = PROFILES[parameters.profile]
    profile = profile if parameters.dataset == PROBE else replace(profile, **VIDEOS[parameters.profile])
    return profile if parameters.flow == "auto" else replace(profile, flow=parameters.flow)


def _inspect(clips: "_Clips", job: Job, network: nn.Module, scores: dict[str, Tensor], labels: Tensor) -> dict:
    """Rows about the first iteration: is it the place of the motion that counts, and does attention go there?"""
    if job.name != "cma-1":
        return {}
    test = clips.test(job)
    position = network.positions[-1]
    return {
        "cma-1-R-moved-flow": inspection.with_moved_flow(network, test),
        "attention": inspection.on_the_mover(network, test, position),
    }


def build(
    variant: Variant,
    profile: Profile,
    *,
    classes: int,
    weights: Callable[[str], dict[str, Tensor]],
    pretrained: bool = False,
) -> nn.Module:
    """The network of one variant, with the weights of the jobs that it starts from, frozen as the paper says.

    Args:
        weights: state of an earlier job's network, by the job's name.
    """
    dims = 3 if variant.kind.startswith("p3d") else 2
    warm = _warm(variant, profile, pretrained)
    if variant.kind in ("single", "p3d-single"):
        network = SingleStream(
            _backbone(variant, profile, variant.stream, classes, pretrained), stream=variant.stream, dims=dims
        )
        if warm:
            _load_all_but_blocks(network, weights(warm))
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
        if warm:
            _load_all_but_blocks(network.streams[variant.stream], _branch(weights(warm)))
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


def _warm(variant: Variant, profile: Profile, pretrained: bool) -> str | None:
    """The job whose weights stand in for ImageNet's, where they do."""
    return variant.warm if profile.warm_start and not pretrained else None


def _job(name: str, profile: Profile, pretrained: bool) -> Job:
    variant = VARIANTS[name]
    if variant.transfer:
        recipe = profile.transfer
    elif variant.kind.endswith("single") and not variant.non_local:
        recipe = {"rgb": profile.rgb_recipe, "flow": profile.flow_recipe}[variant.stream]
    else:
        recipe = profile.recipe
    warm = _warm(variant, profile, pretrained)
    return Job(name, recipe, variant.stream, after=(*variant.after, *([warm] if warm else ())))


class _Clips:
    """Clips of the data set and, for the transfer, of the second one; prepared when first asked for."""

    def __init__(self, profile: Profile, flow: FlowSettings, lists: Lists | None):
        self.profile, self.flow, self.lists = profile, flow, lists
        self._sets: dict[str, TwoStreamData] = {}

    def train(self, job: Job, seed: int) -> Snippets:
        variant = VARIANTS[job.name]
        return self._set(variant).train(self._use(variant), seed=seed, streams=self._streams(variant))

    def test(self, job: Job) -> Snippets:
        variant = VARIANTS[job.name]
        return self._set(variant).test(self._use(variant), streams=self._streams(variant))

    def description(self) -> dict:
        return self.main.description()

    @property
    def main(self) -> TwoStreamData:
        """The data set itself."""
        return self._set(VARIANTS["rgb"])

    def _use(self, variant: Variant) -> str:
        return "dense" if variant.kind.startswith("p3d") else "segments"

    def _streams(self, variant: Variant) -> tuple[str, ...]:
        return (variant.stream,) if variant.kind.endswith("single") else ("rgb", "flow")

    def _set(self, variant: Variant) -> TwoStreamData:
        key = "second" if variant.transfer else "main"
        if key not in self._sets:
            probe = self.profile.probe.second() if variant.transfer else self.profile.probe
            self._sets[key] = TwoStreamData(
                lambda: self.lists or listed("folder", probe.generate(cache_root() / "probes")),
                flow=self.flow,
                settings={"segments": self.profile.snippets, "dense": self.profile.dense},
                max_unreadable=self.profile.max_unreadable,
            )
        return self._sets[key]
