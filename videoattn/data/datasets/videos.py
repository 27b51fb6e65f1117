"""A list of labelled videos: what every data set loads as."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from videoattn.errors import InputError


@dataclass(frozen=True)
class Source:
    """Where frames come from: a video file or a folder of numbered images, whole or a part of it.

    frames: the numbers, from 0, of the first frame of a part and of the one behind its last. seconds: its start and its
    end, of a video file alone. At most one of the two; a wrong part raises InputError.
    """

    path: Path
    frames: tuple[int, int] | None = None
    seconds: tuple[float, float] | None = None

    def __post_init__(self):
        if self.frames is not None and self.seconds is not None:
            raise InputError(
                f"{self.path}: a part by frames {self.frames} and by seconds {self.seconds}: one is enough"
            )
        for unit in ("frames", "seconds"):
            part = getattr(self, unit)
            if part is not None and not 0 <= part[0] < part[1]:
                raise InputError(
                    f"{self.path}: a part of {unit} {part}: it must begin at 0 or later, and before its end"
                )

    def __str__(self) -> str:
        if self.frames is not None:
            return f"{self.path}, frames {self.frames[0]} to {self.frames[1]}"
        if self.seconds is not None:
            return f"{self.path}, {self.seconds[0]:g} to {self.seconds[1]:g} s"
        return str(self.path)

    @property
    def whole(self) -> "Source":
        """The file or folder that it is a part of; itself where it is no part."""
        return self if self.frames is None and self.seconds is None else Source(self.path)


def source_of(item: Path | str | Source) -> Source:
    """A source as it is; of a path the whole file or folder."""
    return item if isinstance(item, Source) else Source(Path(item))


@dataclass(frozen=True)
class Sample:
    """One labelled video, or a part of one.

    name: its path relative to the root of the data set, with `/`, and what tells parts of one video apart; unique.
    path: the file, or the folder of images. label: index into the classes; None where there may be several. labels:
    all of its classes, ascending, in a list of several labels a video; an index for each head in one of several heads.
    frames, seconds: the part, as `Source` has it. recording: what it was cut from; samples of one look alike.
    """

    name: str
    path: Path
    label: int | None
    labels: tuple[int, ...] = ()
    frames: tuple[int, int] | None = None
    seconds: tuple[float, float] | None = None
    recording: str = ""

    @property
    def source(self) -> Source:
        """Where its frames come from."""
        return Source(self.path, self.frames, self.seconds)


@dataclass(frozen=True)
class VideoList:
    """The videos of one subset ("train" or "test") of a data set that are present.

    `missing` counts those that the data set lists and that were left out because they are not there; `absent` holds
    them. `heads`: where each video has several labels of different kinds, such as verb and noun, the names of
    the kinds and their classes; `classes` are then those of the first. `multilabel`: a video may have several of the
    classes, or none.
    """

    data_set: str
    subset: str
    classes: tuple[str, ...]
    samples: tuple[Sample, ...]
    missing: int = 0
    heads: tuple[tuple[str, tuple[str, ...]], ...] = ()
    multilabel: bool = False
    absent: tuple[Sample, ...] = ()

    def first_label(self, index: int) -> int:
        """A class of a video: its label, that of its first head, or the first of several; 0 where it has none."""
        sample = self.samples[index]
        return next(iter(sample.labels), 0) if sample.label is None else sample.label

    def label_text(self, index: int) -> str:
        """The names of a video's classes, for a title."""
        sample = self.samples[index]
        if self.heads:
            pairs = zip(self.heads, sample.labels, strict=True)
            return ", ".join(classes[label] for (_, classes), label in pairs)
        labels = sample.labels if sample.label is None else (sample.label,)
        return ", ".join(self.classes[label] for label in labels) or "no class"

    def fingerprint(self) -> str:
        """16 hex digits for what is present: the classes, and of each sample its name, size, labels and part. It
        depends neither on the order of the samples nor on where the data set lies."""
        sizes = {path: _size(path) for path in {sample.path for sample in self.samples}}  # once for all parts of one
        files = sorted((sample.name, sizes[sample.path], *_told(sample)) for sample in self.samples)
        names = [self.classes, *([self.heads] if self.heads else [])]
        return hashlib.sha256(json.dumps([*names, files]).encode()).hexdigest()[:16]


def _size(path: Path) -> int:
    """Bytes of a file; files in a folder."""
    return sum(1 for _ in path.iterdir()) if path.is_dir() else path.stat().st_size


def _told(sample: Sample) -> tuple:
    """What else tells samples apart; of a whole video with one label the label alone."""
    if (sample.labels, sample.frames, sample.seconds) == ((), None, None):
        return (sample.label,)
    return sample.label or 0, sample.labels, sample.frames or (), sample.seconds or ()
