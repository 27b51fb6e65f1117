"""What the readers of data sets share: annotation files read line by line, with errors that name file and line."""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from videoattn.data.videos import VideoList
from videoattn.errors import InputError

SHOWN = 3  # names that a message gives of many


def text_of(file: Path) -> str:
    """The text of an annotation file, without a byte order mark. Raises `InputError` where it cannot be read."""
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def lines_of(file: Path) -> list[tuple[str, str]]:
    """(where, line without its end) of each line that is not blank; `where` is file and line number, for messages."""
    lines = text_of(file).split("\n")
    return [(f"{file}:{number}", line.strip("\r")) for number, line in enumerate(lines, 1) if line.strip()]


def rows_of(file: Path, *, delimiter: str = ",") -> Iterator[tuple[str, list[str]]]:
    """(where, fields) of each row of a file of separated values that is not blank; fields may be quoted."""
    reader = csv.reader(text_of(file).splitlines(keepends=True), delimiter=delimiter, strict=True)
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise InputError(f"{file}:{reader.line_num}: {error}") from error
        if row is None:
            return
        if any(row):
            yield f"{file}:{reader.line_num}", row


def records_of(file: Path, *, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """(where, {column: field}) of each row behind a header that names `columns`, perhaps among others."""
    rows = rows_of(file)
    where, head = next(rows, (f"{file}:1", []))
    lacking = [name for name in columns if name not in head]
    if lacking:
        raise InputError(f"{where}: the header {','.join(head)!r} lacks {', '.join(lacking)}")
    for where, row in rows:
        if len(row) != len(head):
            raise InputError(f"{where}: {len(row)} fields; expected {len(head)}, as in the header")
        yield where, dict(zip(head, row, strict=True))


def json_of(file: Path) -> Any:
    """What a JSON file holds."""
    try:
        return json.loads(text_of(file))
    except json.JSONDecodeError as error:
        raise InputError(f"{file}:{error.lineno}: {error.msg}") from error


def number(where: str, text: str, low: int, high: int, *, what: str = "label") -> int:
    """A whole number from `low` to `high`, both included. Raises `InputError` for another text."""
    text = text.strip()
    if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
        raise InputError(f"{where}: {what} {text!r}: expected a whole number from {low} to {high}")
    return int(text)


def safe(where: str, name: str, *, depth: int = 1) -> str:
    """A relative path of `depth` parts, which leads out of no folder. Raises `InputError` for any other name."""
    parts = name.split("/")
    if len(parts) != depth or any(part in ("", ".", "..") for part in parts) or "\\" in name or "\0" in name:
        expected = "the name of a file" if depth == 1 else f"a path of {depth} parts, as in {'/'.join('ab'[:depth])}"
        raise InputError(f"{where}: {name!r}: expected {expected}")
    return name


def check_counts(file: Path, found: int, official: int) -> None:
    """Raises `InputError` unless a list of the complete data set is as long as the official one."""
    if found != official:
        raise InputError(f"{file} lists {found} videos, the official list {official}")


def check_disjoint(split: object, train: Iterable[str], test: Iterable[str]) -> None:
    """Raises `InputError` where a video is listed for training and for testing."""
    both = sorted(set(train) & set(test))
    if both:
        raise InputError(f"split {split} lists {len(both)} videos for training and for testing: {', '.join(both[:3])}")


def present(videos: VideoList, *, root: Path, allow_missing: bool) -> VideoList:
    """The list without the samples whose files or folders are not there.

    Raises `InputError` where some are missing and `allow_missing` does not leave these out, where all are, and where
    none is listed.
    """
    if not videos.samples:
        raise InputError(f"data set {videos.data_set} lists no {videos.subset} videos under {root}")
    there = {path: path.exists() for path in {sample.path for sample in videos.samples}}
    kept = tuple(sample for sample in videos.samples if there[sample.path])
    missing = [sample.name for sample in videos.samples if not there[sample.path]]
    if missing and not (allow_missing and kept):
        raise InputError(
            f"{len(missing)} of {len(videos.samples)} listed {videos.subset} videos are missing under {root}: "
            f"{', '.join(missing[:SHOWN])}{', ...' if len(missing) > SHOWN else ''}"
        )
    return replace(videos, samples=kept, missing=len(missing), absent=tuple(missing))
