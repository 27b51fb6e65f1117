"""The clips of a study: of its probes, generated when they are first asked for, or of the videos that a user names."""

import copy
import functools
from collections.abc import Callable, Mapping
from dataclasses import replace

from torch import Tensor

from videoattn.data.clips.clips import Clips
from videoattn.data.clips.video_data import VideoData
from videoattn.data.datasets import cifar100
from videoattn.data.datasets.splits import Lists, load_splits
from videoattn.data.flow.cache import FlowSettings
from videoattn.data.probes.settings import ProbeSettings
from videoattn.data.probes.store import levels, probe_of, read_truth
from videoattn.engine.experiment import Job, Profile
from videoattn.engine.objective import ONE_CLASS, Objective
from videoattn.engine.parameters import PROBE, Parameters
from videoattn.locations import cache_root

Inputs = Callable[[dict], Mapping[str, Mapping[str, Tensor]]]


class StudyData:
    """Training and test clips of the jobs of a study.

    Args:
        parameters: name the data set. profile: holds the probe.
        inputs: from the truth about the probe's clips, {sample name: truth}, to what the clips get besides frames.
    """

    def __init__(self, parameters: Parameters, profile: Profile, *, inputs: Inputs | None = None):
        self.parameters = parameters
        self.profile = profile
        self.inputs = inputs
        self._data: dict[tuple, VideoData] = {}

    @functools.cached_property
    def lists(self) -> Lists | None:
        """The training and the test videos that a user names; None on the probe.

        Raises InputError where the data set is not as it should be.
        """
        own = self.parameters
        if own.dataset == PROBE:
            return None
        return load_splits(own.dataset, own.data, split=own.split, allow_missing=own.allow_missing)

    @property
    def objective(self) -> Objective:
        """What the labels are."""
        return Objective.of(self.lists[0]) if self.lists else ONE_CLASS

    @property
    def outputs(self) -> int:
        """How many scores a network gives; known before a probe is generated."""
        return self.objective.outputs(len(self.lists[0].classes)) if self.lists else len(self.profile.probe.names)

    @property
    def training_videos(self) -> int:
        """How many are listed; known before any is read."""
        return len(self.lists[0].samples) if self.lists else self.profile.probe.train

    @property
    def truth(self) -> dict:
        """`probe.json` of the generated probe."""
        return read_truth(self.profile.probe.generate(cache_root() / "probes"))

    def train(self, job: Job, seed: int) -> Clips:
        """Training clips of a job; (seed, epoch, i) decides all that is random."""
        return self.of(job).clips("train", job.train, streams=job.streams, seed=seed)

    def test(self, job: Job) -> Clips:
        """Test clips of a job, in the order of the list; in a dry run the first ones."""
        return self._first(self.of(job).clips("test", job.test, streams=job.streams))

    def tests(self, job: Job) -> dict[str, Clips]:
        """All test clips of a job by the name of the test, "" for those of `test`."""
        found = {"": self.test(job)}
        for own in job.extra_tests:
            data = self._video_data(own.probe or job.probe, job.flow, job.held_out)
            found[own.name] = self._first(data.clips(own.subset, own.settings, streams=job.streams))
        return found

    def levels(self, clips: Clips) -> Tensor | None:
        """The level of difficulty of each clip, (N,); None where there are no levels."""
        samples = clips.videos.samples
        probe = None if self.lists else probe_of(samples[0].path)
        return levels(read_truth(probe), [sample.name for sample in samples]) if probe else None

    def of(self, job: Job) -> VideoData:
        """The data set of a job."""
        return self._video_data(job.probe, job.flow, job.held_out)

    def _video_data(self, probe: ProbeSettings, flow: FlowSettings | None, held_out: float) -> VideoData:
        key = (None if self.lists else probe, flow, held_out)
        if key not in self._data:
            self._data[key] = self._made(*key)
        return self._data[key]

    def _made(self, probe: ProbeSettings | None, flow: FlowSettings | None, held_out: float) -> VideoData:
        if probe is None:
            images = self.lists[0].data_set == cifar100.NAME
            return VideoData(
                lambda: self.lists,
                flow=flow,
                max_unreadable=None if images else self.profile.max_unreadable,
                held_out=held_out,
                pixels=functools.partial(cifar100.pixels, self.parameters.data) if images else None,
            )
        folder = probe.generate(cache_root() / "probes")
        extra = self.inputs(read_truth(folder)["clips"]) if self.inputs else None
        return VideoData(lambda: load_splits("folder", folder), flow=flow, held_out=held_out, extra=extra)

    def _first(self, clips: Clips) -> Clips:
        """As many of the test clips as a dry run has steps; all of them in a run."""
        steps = self.parameters.steps
        if not steps:
            return clips
        first = copy.copy(clips)
        first.videos = replace(clips.videos, samples=clips.videos.samples[:steps])
        return first
