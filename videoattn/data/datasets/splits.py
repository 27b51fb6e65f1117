"""The training and the test list of a study: read, freed of unreadable videos, and described for records."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from videoattn.data.datasets import load
from videoattn.data.datasets.videos import Source, VideoList
from videoattn.data.decode.decoder import UnreadableVideo
from videoattn.errors import InputError, RunError

LISTED = 3  # unreadable files that a message names
Lists = tuple[VideoList, VideoList]


def load_splits(name: str, root: Path, *, split: int = 1, allow_missing: bool = False) -> Lists:
    """The training and the test list of a data set. Args and errors as for `data.datasets.load`."""
    train, test = (load(name, root, subset, split=split, allow_missing=allow_missing) for subset in ("train", "test"))
    return train, test


class Unreadable:
    """The unreadable videos of a data set. share: the part of all videos, 0 to 1, that may be so before a run stops."""

    def __init__(self, share: float = 0.05):
        if not 0 <= share <= 1:
            raise InputError(f"the share of unreadable videos is {share}; it must lie between 0 and 1")
        self.share = share
        self.errors: dict[Source, UnreadableVideo] = {}

    def __len__(self) -> int:
        return len(self.errors)

    def add(self, error: UnreadableVideo) -> None:
        """Add the error of a video or a part of one; the same video is counted once."""
        self.errors[error.source] = error

    def check(self, total: int) -> None:
        """Raises RunError where more than the share of `total` videos is unreadable."""
        if len(self) <= self.share * total:
            return
        listed = [str(error) for error in self.errors.values()][:LISTED]
        rest = [f"and {len(self) - LISTED} more"] if len(self) > LISTED else []
        part = f"{len(self)} of {total} videos cannot be read ({len(self) / max(total, 1):.1%})"
        raise RunError(f"{part}, more than the {self.share:.1%} that may be: {'; '.join(listed + rest)}")


def readable(
    videos: VideoList, failures: Iterable[UnreadableVideo], max_unreadable: float
) -> tuple[VideoList, list[str]]:
    """The list without the videos that failed, and for each of these a line with its name and the reason.

    A failure of a whole file drops all parts of it; a failure of a part drops that part. Failures of videos that are
    not in the list are ignored.

    Raises:
        RunError: more than the share `max_unreadable` of the list failed.
    """
    count = Unreadable(max_unreadable)
    reasons = {failure.source: failure.reason for failure in failures}
    kept, lines = [], []
    for sample in videos.samples:
        source = sample.source
        reason = reasons.get(source, reasons.get(source.whole))
        if reason is None:
            kept.append(sample)
        else:
            count.add(UnreadableVideo(source, reason))
            lines.append(f"{sample.name}: {reason}")
    count.check(len(videos.samples))
    return replace(videos, samples=tuple(kept)), lines


def describe(lists: Lists, unreadable: Sequence[str]) -> dict:
    """For a record: name and classes, numbers of videos, the lines about unreadable ones, and a hash of both lists."""
    train, test = lists
    return {
        "name": train.data_set,
        "classes": list(train.classes),
        "train": len(train.samples),
        "test": len(test.samples),
        "missing": train.missing + test.missing,
        "unreadable": list(unreadable),
        "fingerprint": f"{train.fingerprint()}-{test.fingerprint()}",
    }
