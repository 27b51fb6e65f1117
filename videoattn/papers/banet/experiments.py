"""What is trained and compared for attention before and after: jobs, networks, rows."""

from dataclasses import replace

from torch import nn

from videoattn.backbones.eco import ECO, eco, eco_lite, load_bn_inception, small_eco
from videoattn.engine.experiment import Job, Row, TestSet, Weights, no_weights
from videoattn.engine.protocol import FROM_SCRATCH, Start
from videoattn.errors import InputError
from videoattn.layers.non_local import NonLocalBlock
from videoattn.locations import cache_root
from videoattn.papers.banet import comparison, inspection
from videoattn.papers.banet.cascade import CascadedAttention
from videoattn.papers.banet.network import BANet
from videoattn.papers.banet.protocols import PROTOCOLS
from videoattn.papers.banet.recipe import PROFILES, VARIANTS, VIDEOS, Profile, Variant
from videoattn.papers.banet.selection import selection
from videoattn.weights.bn_inception import WEIGHTS

__all__ = ["HEADLINE", "PROFILES", "PROTOCOLS", "VARIANTS", "VIDEOS", "build", "inspect", "job", "rows"]

MAPS = 96  # channels of the stacked maps of ECO
inspect = inspection.by_kind
HEADLINE = comparison.HEADLINE


def job(name: str, profile: Profile, start: Start) -> Job:
    """How a variant is trained and tested, also on probes with other shares of irrelevant and redundant frames."""
    clips = replace(profile.clips, frames=sampled(VARIANTS[name], profile))
    tests = []
    for irrelevant, redundant in profile.shares:
        probe = replace(
            profile.probe,
            irrelevant=irrelevant,
            redundant=redundant,
            train=profile.probe.classes,
            test=profile.further,
        )
        tests.append(TestSet(name=comparison.shares_name(irrelevant, redundant), settings=clips, probe=probe))
    return Job(
        name=name,
        recipe=profile.recipe,
        train=clips,
        test=clips,
        extra_tests=tuple(tests),
        probe=profile.probe,
        initial=name,
    )


def rows(profile: Profile) -> tuple[Row, ...]:
    """The rows of the results."""
    return comparison.rows(profile.shares)


def sampled(variant: Variant, profile: Profile) -> int:
    """N: how many frames a variant takes from a video, of which its rule keeps a share."""
    if variant.rule == "all":
        return variant.frames or profile.every
    return round((variant.frames or profile.frames) / profile.keep)


def build(
    variant: Variant, profile: Profile, *, classes: int, start: Start = FROM_SCRATCH, weights: Weights = no_weights
) -> nn.Module:
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
    if start.pretrained:
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
