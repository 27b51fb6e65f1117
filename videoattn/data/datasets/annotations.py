"""What the readers of data sets share: annotation files, read with errors that name the line, and checks of lists."""

import csv
import io
import json
import os
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from videoattn.data.datasets.videos import VideoList
from videoattn.errors import InputError

T = TypeVar("T")
SHOWN = 3  # names that a message gives of many
PLACES = 2  # where something may lie, which a message names before it tells the layout
LONGEST = 80  # characters of a value in a message
DIGITS = 1000  # of a number in a file; Python refuses some thousands


def read_text(file: Path) -> str:
    """The text of an annotation file, without a byte order mark. Raises `InputError` where it cannot be read."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror or error}") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The positions of this error do not count a byte order mark, and it holds what they are positions in.
        line = error.object[: error.start].count(b"\n") + 1
        raise InputError(f"{file}:{line}: this is not UTF-8 ({error.reason}): save it as UTF-8") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def brief(value: object) -> str:
    """repr of a value for a message, cut after `LONGEST` characters."""
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def read_lines(file: Path) -> list[tuple[str, str]]:
    """(where, line without its end) of each line that is not blank; `where` is file and line number, for messages."""
    lines = read_text(file).split("\n")
    return [(f"{file}:{number}", line.strip("\r")) for number, line in enumerate(lines, 1) if line.strip()]


def read_rows(file: Path, *, delimiter: str = ",") -> Iterator[tuple[str, list[str]]]:
    """(where, fields) of each row of a file of separated values that is not blank; fields may be quoted."""
    # Only "\n" ends a line here: text that people typed may hold other signs that str.splitlines breaks lines at.
    reader = csv.reader(io.StringIO(read_text(file), newline="\n"), delimiter=delimiter, strict=True)
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise InputError(f"{file}:{reader.line_num}: {error}") from error
        if row is None:
            return
        if any(row):
            yield f"{file}:{reader.line_num}", row


def read_records(file: Path, *, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """(where, {column: field}) of each row behind a header that names `columns`, perhaps among others."""
    rows = read_rows(file)
    where, head = next(rows, (f"{file}:1", []))
    lacking = [name for name in columns if name not in head]
    if lacking:
        raise InputError(f"{where}: the header {brief(','.join(head))} lacks {', '.join(lacking)}")
    for where, row in rows:
        if len(row) != len(head):
            raise InputError(f"{where}: {len(row)} fields; expected {len(head)}, as in the header")
        yield where, dict(zip(head, row, strict=True))


def read_json(file: Path) -> Any:
    """What a JSON file holds."""
    try:
        return json.loads(read_text(file))
    except json.JSONDecodeError as error:
        raise InputError(f"{file}:{error.lineno}: {error.msg}") from error


def read_items(file: Path, *, keys: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(where, object) of each object of a JSON file that lists objects with `keys`; `where` counts them from 1."""
    items = read_json(file)
    if not isinstance(items, list):
        raise InputError(f"{file}: expected a list of objects with {', '.join(keys)}")
    for index, item in enumerate(items, 1):
        where = f"{file}: item {index}"
        lacking = [key for key in keys if key not in item] if isinstance(item, dict) else keys
        if lacking:
            raise InputError(f"{where}: it lacks {', '.join(lacking)}")
        yield where, item


def find(root: Path, *places: str, layout: Sequence[str]) -> Path:
    """The first of several places of a file or folder that exists. Raises `InputError`, which tells the layout of the
    data set, where none does."""
    for place in places:
        if (root / place).exists():
            return root / place
    more = " or ..." if len(places) > PLACES else ""
    raise InputError(f"{root} holds no {' or '.join(places[:PLACES])}{more}: expected {'; '.join(layout)}")


def whole_number(where: str, text: str, low: int, high: int, *, what: str = "label") -> int:
    """A whole number from `low` to `high`, both included. Raises `InputError` for another text."""
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= DIGITS and low <= int(text) <= high):
        raise InputError(f"{where}: {what} {brief(text)}: expected a whole number from {low} to {high}")
    return int(text)


def safe_name(where: str, name: str, *, depth: int = 1, form: str = "the name of a file") -> str:
    """A relative path of `depth` parts, which leads out of no folder. Raises `InputError` for any other name; `form`
    says what would be right."""
    parts = name.split("/")
    if len(parts) != depth or any(part in ("", ".", "..") for part in parts) or "\\" in name or "\0" in name:
        raise InputError(f"{where}: {brief(name)}: expected {form}")
    return name


def check_name(path: Path) -> None:
    """Raises `InputError` for a path on disk that is not UTF-8: neither a report nor a cache could hold it."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise InputError(f"the path {os.fsencode(path)!r} is not UTF-8: rename it, so that its name is") from None


def collected(file: Path, entries: Iterable[tuple[str, str, T]]) -> dict[str, T]:
    """name -> value of entries (where, name, value). Raises `InputError` for a name listed twice, and where none is."""
    found: dict[str, T] = {}
    for where, name, value in entries:
        if name in found:
            raise InputError(f"{where}: {brief(name)} is listed twice")
        found[name] = value
    if not found:
        raise InputError(f"{file} lists no videos")
    return found


def at_least_two(file: Path, names: Sequence[str], what: str = "classes") -> tuple[str, ...]:
    """The names of the classes. Raises `InputError` where there are fewer than two."""
    if len(names) < 2:
        raise InputError(f"{file} names {len(names)} {what}: expected two at least")
    return tuple(names)


def read_lists(
    files: Mapping[str, Path],
    read: Callable[[Path], Iterable[tuple[str, str, T]]],
    *,
    split: int,
    official: tuple[int, int] | None,
) -> dict[str, dict[str, T]]:
    """The training and the test list: for each subset name -> value of the entries that `read` gives of its file.

    official: how many videos they must hold; None where these are not the complete lists. Raises `InputError` for other
    numbers, for a list without videos, and where a video is listed twice or in both.
    """
    lists = {subset: collected(file, read(file)) for subset, file in files.items()}
    check_disjoint(split, *lists.values())
    for (subset, file), count in zip(files.items(), official or (), strict=official is not None):
        check_counts(file, len(lists[subset]), count)
    return lists


def check_counts(file: Path | str, count: int, official: int) -> None:
    """Raises `InputError` unless a list of the complete data set is as long as the official one."""
    if count != official:
        raise InputError(f"{file} lists {count} videos, the official list {official}")


def check_disjoint(split: object, train: Iterable[str], test: Iterable[str]) -> None:
    """Raises `InputError` where a video is listed for training and for testing."""
    both = sorted(set(train) & set(test))
    if both:
        raise InputError(f"split {split} lists {len(both)} videos for training and for testing: {', '.join(both[:3])}")


def without_missing(
    videos: VideoList, *, root: Path, allow_missing: bool, there: Container[Path] | None = None
) -> VideoList:
    """The list without the samples whose files or folders are not there.

    there: the paths that exist, where folders have been listed already; None asks the file system for each.

    Raises `InputError` where some are missing and `allow_missing` does not leave these out, where all are, and where
    none is listed.
    """
    if not videos.samples:
        raise InputError(f"data set {videos.data_set} lists no {videos.subset} videos under {root}")
    if there is None:
        paths = {sample.path for sample in videos.samples}
        names = {folder: _names(folder) for folder in {path.parent for path in paths}}  # quicker than to ask for each
        there = {path for path in paths if path.name in names[path.parent]}
    kept = tuple(sample for sample in videos.samples if sample.path in there)
    absent = tuple(sample for sample in videos.samples if sample.path not in there)
    missing = [sample.name for sample in absent]
    if missing and not (allow_missing and kept):
        raise InputError(
            f"{len(missing):,} of {len(videos.samples):,} listed {videos.subset} videos are missing under {root}: "
            f"{', '.join(missing[:SHOWN])}{', ...' if len(missing) > SHOWN else ''}"
            f"{'; ALLOW_MISSING=1 goes on without them' if kept else ''}"
        )
    return replace(videos, samples=kept, missing=len(missing), absent=absent)


def _names(folder: Path) -> frozenset[str]:
    """What lies in a folder, none where there is no such folder; not links that lead nowhere."""
    try:
        with os.scandir(folder) as entries:
            return frozenset(entry.name for entry in entries if not entry.is_symlink() or os.path.exists(entry.path))
    except (FileNotFoundError, NotADirectoryError):
        return frozenset()
    except OSError as error:
        raise InputError(f"{folder} cannot be read: {error.strerror}") from error
