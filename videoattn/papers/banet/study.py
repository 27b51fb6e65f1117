"""The study of attention before and after: from the notebook's parameters to networks, clips and results."""

import functools
from collections.abc import Mapping
from dataclasses import replace

from torch import nn

from videoattn.backbones.eco import ECO, eco, eco_lite, load_bn_inception, small_eco
from videoattn.data.clips.clip_data import ClipData
from videoattn.data.clips.clips import Clips
from videoattn.data.clips.settings import ClipSettings
from videoattn.data.datasets.splits import load_splits
from videoattn.engine.jobs import Job
from videoattn.engine.parameters import Parameters
from videoattn.engine.profiles import sized
from videoattn.engine.rgb_study import RGBData, check_rgb, rgb_study
from videoattn.engine.study import Study
from videoattn.errors import InputError
from videoattn.layers.non_local import NonLocalBlock
from videoattn.locations import cache_root
from videoattn.papers.banet import inspection
from videoattn.papers.banet.cascade import CascadedAttention
from videoattn.papers.banet.comparison import rows, shares_name
from videoattn.papers.banet.network import BANet
from videoattn.papers.banet.protocols import PROTOCOLS
from videoattn.papers.banet.recipe import PROFILES, VARIANTS, VIDEOS, Profile, Variant
from videoattn.papers.banet.selection import selection
from videoattn.weights.bn_inception import WEIGHTS

MAPS = 96  # channels of the stacked maps of ECO


class SharesData(RGBData):
    """Clips of the probe or of a user's videos, and of further probes with other shares of frames of each kind."""

    def further(self, job: Job) -> dict[str, Clips]:
        return {name: data.test(self.use(job.name)) for name, data in self._others.items()}

    def description(self) -> dict:
        if not self.lists:
            _ = self._others  # generated once, before anything is trained
        return super().description()

    @functools.cached_property
    def _others(self) -> Mapping[str, ClipData]:
        main, found = self.profile.probe, {}
        for irrelevant, redundant in self.profile.shares:
            kinds = {"irrelevant": irrelevant, "redundant": redundant}
            folder = replace(main, **kinds, train=main.classes, test=self.profile.further).generate(
                cache_root() / "probes"
            )
            videos = functools.partial(load_splits, "folder", folder)
            found[shares_name(**kinds)] = ClipData(videos, settings=self.settings, max_unreadable=None)
        return found


def study(parameters: Parameters) -> Study:
    """The study that these parameters ask for; nothing is generated or trained yet.

    Raises:
        InputError: the data set is not as it should be, or flow is asked for.
    """
    check_rgb(parameters)
    parameters, profile, start = sized(parameters, PROFILES, VIDEOS, PROTOCOLS)
    data = SharesData(
        parameters,
        profile,
        settings=settings(profile),
        use=lambda name: str(sampled(VARIANTS[name], profile)),
    )
    return rgb_study(
        parameters,
        profile,
        start,
        data,
        variants=VARIANTS,
        rows=rows(profile.shares),
        recipe=lambda name: profile.recipe,
        build=lambda name: build(VARIANTS[name], profile, classes=data.outputs, pretrained=start.pretrained),
        inspect=functools.partial(inspection.by_kind, data),
    )


def sampled(variant: Variant, profile: Profile) -> int:
    """N: how many frames a variant takes from a video, of which its rule keeps a share."""
    if variant.rule == "all":
        return variant.frames or profile.every
    return round((variant.frames or profile.frames) / profile.keep)


def settings(profile: Profile) -> dict[str, ClipSettings]:
    """What is taken from a video, by the number of frames."""
    counts = sorted({sampled(VARIANTS[name], profile) for name in profile.jobs})
    return {str(count): replace(profile.clips, frames=count) for count in counts}


def build(variant: Variant, profile: Profile, *, classes: int, pretrained: bool = False) -> nn.Module:
    """The network of one variant.

    Raises:
        InputError: a number of frames that the rule or the 3D network cannot take.
    """
    length = variant.frames or (profile.every if variant.rule == "all" else profile.frames)
    if length % 4:
        raise InputError(f"{length} frames would go into the 3D network; a multiple of 4 is expected")
    count = sampled(variant, profile)
    select = selection(
        variant.rule,
        frames=count,
        keep=profile.keep,
        size=profile.pooled,
        reading=variant.reading,
        gradient=variant.gradient,
    )
    network = backbone(variant, profile, classes=classes)
    if pretrained:
        if profile.small:
            raise InputError("there are no weights for the small ECO: leave PRETRAINED off, or take PROFILE='paper'")
        load_bn_inception(network, cache_root() / WEIGHTS)
    channels = profile.widths[-1] if profile.small else MAPS
    if variant.non_local:
        network.attention = NonLocalBlock(channels=channels, dims=3, pool=False)
    elif variant.order:
        network.attention = CascadedAttention(
            channels=channels, order=variant.order, parallel=variant.parallel, project=variant.project
        )
    return BANet(select=select, eco=network)


def backbone(variant: Variant, profile: Profile, *, classes: int) -> ECO:
    """ECO or ECO-Lite, small or as the paper has it."""
    if profile.small:
        return small_eco(
            classes=classes,
            widths=profile.widths,
            temporal_widths=profile.temporal_widths,
            side_widths=profile.side_widths if variant.full else (),
            dropout=profile.dropout,
        )
    return (eco if variant.full else eco_lite)(classes=classes, dropout=profile.dropout)
