"""What a verification has found so far: a file of JSON lines, one for each video, with which it goes on later."""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import BinaryIO

from videoattn.errors import InputError, RunError
from videoattn.locations import cache_root

_BEGIN = b'{"name": '  # of each line
State = tuple[int, int]  # bytes, and time of the last change in ns


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one sample of a data set holds, or the reason why it cannot be read. One line of the report.

    name: of the sample. size: bytes; mtime: last change, ns; both of its file, or of all that its folder holds. whole:
    all frames were to be decoded, not the first and the last alone. limit: seconds that the decoder had, see `Decoder`.
    seconds: how long it took. frames, height, width, fps, decoder: as `VideoInfo` has them. declared: how many frames
    its header says that it has, 0 where it does not. reason: "" where all is well.
    """

    name: str
    size: int
    mtime: int
    whole: bool
    limit: float
    seconds: float
    frames: int = 0
    height: int = 0
    width: int = 0
    fps: float = 0.0
    decoder: str = ""
    declared: int = 0
    reason: str = ""

    def answers(self, state: State, *, whole: bool, limit: float) -> bool:
        """Whether decoding the sample now would find nothing else: it is what it was, was looked at as closely, and
        had, where it could not be read, no less time."""
        same = (self.size, self.mtime) == state
        return same and (self.whole or not whole) and (not self.reason or self.limit >= limit)


class Report:
    """An open report. findings: by the name of the sample, the latest of each."""

    def __init__(self, path: Path, file: BinaryIO, findings: dict[str, Finding]):
        self.path = path
        self.findings = findings
        self._file = file

    def add(self, finding: Finding) -> None:
        """Put a finding into the file at once. Raises RunError where the disk refuses."""
        values = {field.name: (getattr(finding, field.name), field.default) for field in fields(finding)}
        told = {name: value for name, (value, default) in values.items() if value != default}
        left = json.dumps(told).encode() + b"\n"
        try:
            while left:  # not into the file's buffer: what a full disk refuses would be tried again when it is closed
                left = left[os.write(self._file.fileno(), left) :]
        except OSError as error:
            raise RunError(f"cannot write {self.path}: {error.strerror}; what it holds is kept") from error
        self.findings[finding.name] = finding


def default_report(name: str, root: Path | str) -> Path:
    """Where the report of data set `name` under `root` lies if the user names no other place."""
    digest = hashlib.sha256(os.fsencode(Path(root).expanduser().resolve())).hexdigest()[:16]
    return cache_root() / "verify" / f"{name}-{digest}.jsonl"


@contextmanager
def open_report(path: Path) -> Iterator[Report]:
    """The report at `path`, which need not exist, to read and to go on with. A torn last line is cut off.

    Raises InputError where the file is no such report, RunError where it cannot be written or another process has it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b")
    except OSError as error:
        raise RunError(f"cannot write the report {path}: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(f"another process writes the report {path}: wait for it, or name another one") from None
        yield Report(path, file, _read(path, file))


def _read(path: Path, file: BinaryIO) -> dict[str, Finding]:
    """The findings; cuts off what a kill or a crash left behind the last whole line."""
    file.seek(0)
    findings, sound = {}, 0
    for number, line in enumerate(file, 1):
        if not line.endswith(b"\n") and (number > 1 or _BEGIN.startswith(line[: len(_BEGIN)])):
            break
        try:
            finding = Finding(**json.loads(line))
        except (ValueError, TypeError):
            raise InputError(f"{path}:{number}: this is no line of a report of videos; name another file") from None
        findings[finding.name] = finding
        sound += len(line)
    file.truncate(sound)
    return findings
