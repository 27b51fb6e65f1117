"""The study of pyramid attention: from the notebook's parameters to networks, clips and results."""

import functools
from dataclasses import replace

from videoattn.data.clips.clips import Clips
from videoattn.data.clips.settings import ClipSettings
from videoattn.data.datasets import cifar100
from videoattn.engine.jobs import Job
from videoattn.engine.parameters import Parameters
from videoattn.engine.profiles import sized
from videoattn.engine.rgb_study import RGBData, check_rgb, rgb_study
from videoattn.engine.study import Study
from videoattn.papers.istpa import inspection
from videoattn.papers.istpa.build import stream_network
from videoattn.papers.istpa.comparison import frames_name, rows
from videoattn.papers.istpa.network import StreamNetwork
from videoattn.papers.istpa.protocols import PROTOCOLS
from videoattn.papers.istpa.recipe import IMAGES, PROFILES, SIDES, VARIANTS, VIDEOS, Profile, Variant
from videoattn.papers.istpa.streams.recipe import VARIANTS as STREAMS

TRAIN, TEST = "train", "test"


class PyramidData(RGBData):
    """Clips of the probe or of a user's videos; tested with other numbers of frames than trained with."""

    def test(self, job: Job) -> Clips:
        return self.main.test(use(TEST, VARIANTS[job.name], self.profile))

    def further(self, job: Job) -> dict[str, Clips]:
        return {name: self.main.test(use(name, VARIANTS[job.name], self.profile)) for name in self.protocols}


def study(parameters: Parameters) -> Study:
    """The study that these parameters ask for; nothing is generated or trained yet.

    Raises:
        InputError: the data set is not as it should be, or flow is asked for.
    """
    check_rgb(parameters)
    changes = IMAGES if parameters.dataset == cifar100.NAME else VIDEOS
    parameters, profile, start = sized(parameters, PROFILES, changes, PROTOCOLS, elsewhere=STREAMS)
    tested = tuple(frames_name(frames) for frames in profile.tested)
    data = PyramidData(
        parameters,
        profile,
        settings=settings(profile),
        use=lambda name: use(TRAIN, VARIANTS[name], profile),
        protocols=tested,
    )
    return rgb_study(
        parameters,
        profile,
        start,
        data,
        variants=VARIANTS,
        rows=rows(tested),
        recipe=lambda name: profile.recipe,
        build=lambda name: build(VARIANTS[name], profile, classes=data.outputs, pretrained=start.pretrained),
        inspect=functools.partial(inspection.inspected, data),
    )


def use(what: str, variant: Variant, profile: Profile) -> str:
    """A name for what a variant takes from a video: "train", "test" or "K=10", frames, their side, and "dense" runs."""
    clips = taken(what, variant, profile)
    return f"{what} {clips.frames} {clips.size}" + (" dense" if clips.sampling == "dense" else "")


def taken(what: str, variant: Variant, profile: Profile) -> ClipSettings:
    """What a variant takes from a video for one use."""
    if variant.shift and profile.dense:
        return profile.dense
    size, short_side = SIDES.get(variant.backbone, (profile.clips.size, profile.clips.short_side))
    counts = {TRAIN: variant.frames or profile.clips.frames, TEST: profile.test_frames}
    counts |= {frames_name(frames): frames for frames in profile.tested}
    return replace(profile.clips, frames=counts[what], size=size, short_side=short_side)


def settings(profile: Profile) -> dict[str, ClipSettings]:
    """What is taken from a video, by the names of `use`."""
    uses = (TRAIN, TEST, *map(frames_name, profile.tested))
    return {
        use(what, VARIANTS[name], profile): taken(what, VARIANTS[name], profile)
        for name in profile.jobs
        for what in uses
    }


def build(variant: Variant, profile: Profile, *, classes: int, pretrained: bool = False) -> StreamNetwork:
    """The network of one variant; raises `InputError` as `stream_network` does."""
    size = taken(TRAIN, variant, profile).size
    return stream_network(variant, profile, size=size, classes=classes, pretrained=pretrained)
