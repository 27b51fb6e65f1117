"""A part of the training videos held out, to choose what must not be chosen on the test videos.

Videos that were cut from one recording look alike, and a network knows them all once it has seen one. So they stay
together, on one side of the split.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from itertools import accumulate

from videoattn.data.clips.targets import stratum
from videoattn.data.datasets.splits import Lists
from videoattn.data.datasets.videos import Sample, VideoList
from videoattn.errors import InputError


def held_out(
    videos: VideoList, *, share: float = 0.2, seed: int = 0, recording: Callable[[Sample], str] | None = None
) -> Lists:
    """Split training videos into those that networks are fitted to, and the held-out ones.

    Each class gives `share` of its videos, as nearly as whole recordings allow: one recording at least, and at least
    one stays. Which ones follows from a hash of `seed`, class and recording alone, not from the order of the videos,
    and one video more or less in the list changes little. A class without videos, all of which are missing, has none
    in either part. Of several heads the classes of the first count; where videos have several labels, all videos
    together give `share` of them.

    Args:
        share: between 0 and 1.
        recording: sample -> name of the recording within its class; None takes the sample's own, and where it has none
            the sample by itself.

    Returns:
        both parts, in the order of the list; both are lists of the subset "train".

    Raises:
        InputError: a list of test videos, an impossible share, no videos, or a class with videos of one recording only.
    """
    if videos.subset != "train":
        raise InputError(f'videos of the subset {videos.subset!r} cannot be held out; those of "train" are expected')
    if not 0 < share < 1:
        raise InputError(f"share={share}: must lie between 0 and 1, so that neither part is empty")
    if not videos.samples:
        raise InputError(f"data set {videos.data_set} has no training videos to hold out")
    recording = recording or _recording
    classes: dict[int | None, dict[str, list[Sample]]] = defaultdict(lambda: defaultdict(list))
    for sample in videos.samples:
        classes[stratum(videos, sample)][recording(sample)].append(sample)
    kept_back = set()
    for label, recordings in classes.items():
        name = "" if label is None else videos.classes[label]
        if len(recordings) < 2:
            count = sum(map(len, recordings.values()))
            whose = f"data set {videos.data_set}" if label is None else f"class {name}"
            raise InputError(f"{whose}: one recording of {count} training videos; two recordings at least are needed")
        order = sorted(recordings, key=lambda r: hashlib.sha256(f"{seed} {name} {r}".encode()).digest())
        counts = list(accumulate(len(recordings[r]) for r in order))
        taken = min(range(1, len(order)), key=lambda k: abs(counts[k - 1] - share * counts[-1]))
        kept_back |= {sample.name for r in order[:taken] for sample in recordings[r]}
    fitted = tuple(sample for sample in videos.samples if sample.name not in kept_back)
    held = tuple(sample for sample in videos.samples if sample.name in kept_back)
    return replace(videos, samples=fitted), replace(videos, samples=held, missing=0, absent=())


def _recording(sample: Sample) -> str:
    return sample.recording or sample.name
