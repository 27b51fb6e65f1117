"""A list of labelled videos: what every data set loads as."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Sample:
    """One video. `name`: its path relative to the root of the data set, with `/`; `label`: index into the classes."""

    name: str
    path: Path
    label: int


@dataclass(frozen=True)
class VideoList:
    """The videos of one subset ("train" or "test") of a data set that are present.

    `missing` counts those that the data set lists and that were left out because they are not there.
    """

    data_set: str
    subset: str
    classes: tuple[str, ...]
    samples: tuple[Sample, ...]
    missing: int = 0

    def fingerprint(self) -> str:
        """16 hex digits for what is present: the classes, and name, size in bytes and label of each file. It depends
        neither on the order of the samples nor on where the data set lies."""
        files = sorted((sample.name, sample.path.stat().st_size, sample.label) for sample in self.samples)
        return hashlib.sha256(json.dumps([self.classes, files]).encode()).hexdigest()[:16]
