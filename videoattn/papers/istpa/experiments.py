"""What is trained and compared for pyramid attention on RGB alone: jobs, networks, rows."""

from dataclasses import replace

from videoattn.engine.experiment import Job, Row, TestSet, Weights, no_weights
from videoattn.engine.protocol import FROM_SCRATCH, Start
from videoattn.papers.istpa import comparison, inspection
from videoattn.papers.istpa.build import stream_network
from videoattn.papers.istpa.network import StreamNetwork
from videoattn.papers.istpa.protocols import PROTOCOLS
from videoattn.papers.istpa.recipe import IMAGES, PROFILES, SIDES, VARIANTS, VIDEOS, Profile, Variant

__all__ = ["HEADLINE", "IMAGES", "PROFILES", "PROTOCOLS", "VARIANTS", "VIDEOS", "build", "inspect", "job", "rows"]

inspect = inspection.inspected
HEADLINE = comparison.HEADLINE


def job(name: str, profile: Profile, start: Start) -> Job:
    """How a variant is trained, and tested with more frames."""
    variant = VARIANTS[name]
    clips = taken(variant, profile)
    dense = clips is profile.dense
    tests = (
        TestSet(name=comparison.frames_name(frames), settings=clips if dense else replace(clips, frames=frames))
        for frames in profile.tested
    )
    return Job(
        name=name,
        recipe=profile.recipe,
        train=clips if dense else replace(clips, frames=variant.frames or clips.frames),
        test=clips if dense else replace(clips, frames=profile.test_frames),
        extra_tests=tuple(tests),
        probe=profile.probe,
        initial=name,
    )


def taken(variant: Variant, profile: Profile):
    """What a variant takes from a video, but for the number of frames: networks with temporal shifts take the profile's
    dense clips where it has any, VGG-16 and BN-Inception frames of their own size."""
    if variant.shift and profile.dense:
        return profile.dense
    size, short_side = SIDES.get(variant.backbone, (profile.clips.size, profile.clips.short_side))
    return replace(profile.clips, size=size, short_side=short_side)


def rows(profile: Profile) -> tuple[Row, ...]:
    """The rows of the results."""
    return comparison.rows(tuple(map(comparison.frames_name, profile.tested)))


def build(
    variant: Variant, profile: Profile, *, classes: int, start: Start = FROM_SCRATCH, weights: Weights = no_weights
) -> StreamNetwork:
    """The network of one variant; raises `InputError` as `stream_network` does."""
    size = taken(variant, profile).size
    return stream_network(variant, profile, size=size, classes=classes, pretrained=start.pretrained)
