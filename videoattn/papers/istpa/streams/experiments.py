"""What is trained and compared where appearance and motion come together: jobs, networks, trajectories, rows."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import chain

import torch
from torch import Tensor

from videoattn.data.datasets import VIDEOS as ALL_VIDEOS
from videoattn.data.flow.cache import FlowSettings
from videoattn.data.tracks.classify import idt_scores
from videoattn.engine.experiment import Job, Row, TestSet, Weights, no_weights
from videoattn.engine.protocol import FROM_SCRATCH, Start
from videoattn.locations import cache_root
from videoattn.papers.istpa.network import StreamNetwork
from videoattn.papers.istpa.recipe import SIDES
from videoattn.papers.istpa.recipe import VARIANTS as ATTENTION
from videoattn.papers.istpa.streams import comparison, network
from videoattn.papers.istpa.streams.comparison import HELD
from videoattn.papers.istpa.streams.protocols import PROTOCOLS
from videoattn.papers.istpa.streams.recipe import IDT, PROFILES, VARIANTS, VIDEOS, Profile, Variant
from videoattn.parallel import cores

__all__ = ["DATA_SETS", "HEADLINE", "PROFILES", "PROTOCOLS", "VARIANTS", "VIDEOS", "build", "job", "rows", "scores"]

# Without flow in sections 5.7.2 and 5.7.3, where trajectories would also need one label a video.
WITHOUT_FLOW = ("kinetics400", "charades", "epic55")
DATA_SETS = tuple(name for name in ALL_VIDEOS if name not in WITHOUT_FLOW)
HEADLINE = comparison.HEADLINE


def job(name: str, profile: Profile, start: Start) -> Job:
    """How a variant is trained and tested, also on the held-out videos, for the weights of late fusion."""
    variant = VARIANTS[name]
    size, short_side = side(variant, profile)
    clips = replace(profile.snippets, size=size, short_side=short_side)
    if variant.kind == IDT:
        recipe, stream = None, IDT
    elif variant.after:
        recipe, stream = profile.joint_recipe, "fused"
    else:
        recipe, stream = (profile.flow_recipe, "flow") if variant.stream == "flow" else (profile.recipe, "rgb")
    return Job(
        name=name,
        recipe=recipe,
        stream=stream,
        streams=streams(variant),
        train=clips,
        test=clips,
        extra_tests=(TestSet(name=HELD, settings=clips, subset="held_out"),),
        probe=profile.probe,
        flow=FlowSettings(algorithm=profile.flow, short_side=short_side, bound=profile.bound),
        held_out=profile.held,
        after=variant.after,
        initial=name if variant.kind == "single" else "",
    )


def side(variant: Variant, profile: Profile) -> tuple[int, int]:
    """Side of the frames that a variant takes, and their shorter side before they are cropped."""
    backbone = ATTENTION[variant.attention].backbone if variant.attention else None
    return SIDES.get(backbone, (profile.snippets.size, profile.snippets.short_side))


def streams(variant: Variant) -> tuple[str, ...]:
    """The streams of a clip that a variant reads."""
    if variant.compensated:
        return ("warped",)
    return (variant.stream,) if variant.stream else ("rgb", "flow")


def rows(profile: Profile) -> tuple[Row, ...]:
    """The rows of the results."""
    return comparison.rows(profile)


def build(
    variant: Variant, profile: Profile, *, classes: int, start: Start = FROM_SCRATCH, weights: Weights = no_weights
) -> StreamNetwork:
    """The network of one variant; raises `InputError` as `network.build` does."""
    size, _ = side(variant, profile)
    return network.build(variant, profile, size=size, classes=classes, weights=weights, pretrained=start.pretrained)


def scores(task, data) -> Mapping[str, Tensor]:
    """Scores of improved dense trajectories, learnt from the videos that networks are trained on.

    Args:
        task: whose seed the mixtures are fitted with. data: of the study.
    """
    videos = data.of(task.job)
    names = {"": videos.subsets["test"].samples, f" {HELD}": videos.subsets["held_out"].samples}
    asked = replace(videos.subsets["test"], samples=tuple(chain(*names.values())))  # the SVMs are fitted once for both
    found = idt_scores(
        videos.subsets["train"],
        asked,
        root=cache_root() / "idt",
        settings=replace(task.profile.idt, seed=task.seed),
        workers=cores(),
    ).scores
    split = torch.from_numpy(found.values).float().split([len(samples) for samples in names.values()])
    result = {f"{IDT}{suffix}": own for suffix, own in zip(names, split, strict=True)}
    for suffix, samples in names.items():
        result[f"labels{suffix}"] = torch.tensor([sample.label for sample in samples])
    return result
