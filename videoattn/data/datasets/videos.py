"""A list of labelled videos, the form in which every data set is read."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from videoattn.errors import InputError


@dataclass(frozen=True)
class Source:
    """Where frames come from: a video file or a folder of numbered images, or a part of one.

    frames: the part as (first, last + 1), numbers of frames from 0. seconds: the part as (start, end), of video files
    alone. At most one of the two is given. Raises `InputError` for an empty part, or one that starts before 0.
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

    name: unique in the list: its path relative to the root of the data set, with `/`; parts of a video add a number.
    path: the file, or the folder of images. label: index into the classes; None in lists of several labels a video.
    labels: there the indices of all its classes, ascending; in lists with several heads an index for each head.
    frames, seconds: the part, as in `Source`. recording: the longer video that it was cut from, where that is known;
    samples of one recording look alike.
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

    missing: how many more the data set lists, that are not on disk. absent: these samples, where the reader names them.
    heads: (name, classes) of each head where a video has several labels of different kinds, such as verb and noun;
    `classes` are those of the first. multilabel: a video has any number of the classes, or none.
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
        """One class of a video: its label, that of its first head, or the first of several labels; 0 for none."""
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
        """A hash, 16 hex digits, of the classes and of each sample's name, file size, labels and part. It depends
        neither on the order of the samples nor on the root of the data set."""
        sizes = {path: _size(path) for path in {sample.path for sample in self.samples}}  # once for all parts of one
        files = sorted((sample.name, sizes[sample.path], *_labels_and_part(sample)) for sample in self.samples)
        names = [self.classes, *([self.heads] if self.heads else [])]
        return hashlib.sha256(json.dumps([*names, files]).encode()).hexdigest()[:16]


def _size(path: Path) -> int:
    """Bytes of a file; files in a folder."""
    return sum(1 for _ in path.iterdir()) if path.is_dir() else path.stat().st_size


def _labels_and_part(sample: Sample) -> tuple:
    """For the fingerprint; of a whole video with one label the label alone, as before there were others."""
    if (sample.labels, sample.frames, sample.seconds) == ((), None, None):
        return (sample.label,)
    return sample.label or 0, sample.labels, sample.frames or (), sample.seconds or ()
