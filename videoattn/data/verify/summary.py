"""What a verification says: what was listed and found in each subset, what is wrong, and where it stands in full."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tabulate import tabulate

from videoattn.data.datasets.videos import VideoList
from videoattn.data.verify.inspect import Finding

CUT = 0.9  # of the frames that a header declares: a video with fewer is taken for one that was cut short
HEAD = ("split", "subset", "official", "listed", "present", "missing", "unreadable", "frames", "hours")


@dataclass(frozen=True)
class Subset:
    """One subset of one split. official: how many samples it should list, None where nobody says; videos: what is
    present, None where the lists cannot be read, with the reason in `error`."""

    split: int
    name: str
    official: int | None
    videos: VideoList | None
    error: str = ""

    @property
    def listed(self) -> int:
        return len(self.videos.samples) + self.videos.missing

    def __str__(self) -> str:
        return f"split {self.split} {self.name}"


@dataclass(frozen=True)
class Verification:
    """What was found. root: of the data set; findings: by the sample's name, of all that is present; overlaps: samples
    for training and testing at once; copies: pairs of a training and a test sample with the same bytes."""

    name: str
    root: Path
    subsets: tuple[Subset, ...]
    findings: dict[str, Finding]
    overlaps: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()
    report: Path = field(default_factory=Path)

    def problems(self) -> dict[str, list[str]]:
        """What makes a data set fail, by kind, each as a line; kinds without any are left out."""
        read = [subset for subset in self.subsets if subset.videos]
        found = {
            "annotations": _unread(self.subsets),
            "counts": [
                f"{s}: {_n(s.listed)} listed, {_n(s.official)} official, {_n(len(s.videos.samples))} present"
                for s in read
                if s.official not in (None, s.listed)
            ],
            "in training and test": list(self.overlaps),
            "missing": _missing(read, self.root),
            "unreadable": [f"{self.root / name}: {f.reason}" for name, f in self.findings.items() if f.reason],
        }
        return {kind: lines for kind, lines in found.items() if lines}

    def warnings(self) -> dict[str, list[str]]:
        """What a user should know and what official copies may have, as `problems` gives it."""
        sound = {self.root / name: f for name, f in self.findings.items() if f.info}
        cut = {path: f for path, f in sound.items() if f.info.frames < CUT * f.declared}
        found = {
            "same bytes in training and test": list(self.copies),
            "shorter than two frames: no flow": [str(path) for path, f in sound.items() if f.info.frames < 2],
            "shorter than its header says": [
                f"{path}: {f.info.frames} of {f.declared} frames" for path, f in cut.items()
            ],
        }
        return {kind: lines for kind, lines in found.items() if lines}

    def as_text(self, most: int | None = None) -> str:
        """The table, and at most `most` problems and warnings of each kind."""
        lines = [f"{self.name} in {self.root}", "", _table(self), ""]
        readable = [finding.info for finding in self.findings.values() if finding.info]
        decoders = Counter(info.decoder for info in readable)
        by = f" ({', '.join(f'{_n(n)} by {name}' for name, n in sorted(decoders.items()))})" if readable else ""
        lines += [f"readable: {_n(len(readable))} of {_n(len(self.findings))}{by}"] if self.findings else []
        untimed = sum(not info.fps for info in readable)
        lines += [f"without a frame rate, and so not in the hours: {_n(untimed)}"] if untimed else []
        for prefix, found in (("", self.problems()), ("warning, ", self.warnings())):
            for kind, told in found.items():
                lines += [f"{prefix}{kind}: {_n(len(told))}", *(f"  {line}" for line in told[:most])]
                rest = len(told) - len(told[:most])
                lines += [f"  and {_n(rest)} more"] if rest else []
        return "\n".join(lines)


def _table(found: Verification) -> str:
    rows = []
    for subset in found.subsets:
        row = [subset.split, subset.name, "-" if subset.official is None else _n(subset.official)]
        if subset.videos:
            rows.append([*row, *map(_n, (subset.listed, len(subset.videos.samples), subset.videos.missing))])
            own = [found.findings[s.name] for s in subset.videos.samples if s.name in found.findings]
            infos = [finding.info for finding in own if finding.info]
            hours = sum(info.frames / info.fps for info in infos if info.fps) / 3600
            rows[-1] += [_n(len(own) - len(infos)), _n(sum(info.frames for info in infos)), f"{hours:,.2f}"]
        else:
            rows.append(row + ["-"] * (len(HEAD) - len(row)))
    return tabulate(rows, HEAD, disable_numparse=True, colalign=("right", "left", *["right"] * (len(HEAD) - 2)))


def _unread(subsets: Iterable[Subset]) -> list[str]:
    """A line for each error of the lists, with the subsets of a split that it keeps from being read."""
    names: dict[tuple[int, str], list[str]] = {}
    for subset in subsets:
        if not subset.videos:
            names.setdefault((subset.split, subset.error), []).append(subset.name)
    return [f"split {split} {' and '.join(those)}: {error}" for (split, error), those in names.items()]


def _missing(subsets: Iterable[Subset], root: Path) -> list[str]:
    """A line for each missing file or folder, with the number of its parts where it is listed by parts; one for all of
    a subset where the reader does not name them."""
    lines, absent = [], {}
    for subset in subsets:
        if subset.videos.missing and not subset.videos.absent:
            lines.append(f"{subset}: {_n(subset.videos.missing)}")
        for sample in subset.videos.absent:
            absent.setdefault(sample.path, {})[sample.name] = sample
    for path, samples in absent.items():
        name, sample = next(iter(samples.items()))
        whole = sample.source == sample.source.whole
        parts = f"{_n(len(samples))} part{'s' if len(samples) > 1 else ''} of it listed"
        lines.append(name if whole else f"{path.relative_to(root)}: {parts}")
    return lines


def _n(number: int) -> str:
    return f"{number:,}"
