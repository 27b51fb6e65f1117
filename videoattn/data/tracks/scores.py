"""Scores of videos in files, of this program or another: `.npz` or MATLAB's `.mat`, joined by the videos' names.

A file holds `names`, n texts; `scores`, (n, classes), larger where a class is likelier; and, if it says, `classes`, the
texts of the columns.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from zipfile import BadZipFile

import numpy as np
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from videoattn.errors import InputError
from videoattn.io import atomic

_LISTED = 3  # names in a message
_SUFFIXES = (".avi", ".mp4", ".mkv", ".mov", ".webm", ".mpg", ".mpeg", ".m4v", ".wmv", ".flv")
_DAMAGE = (OSError, ValueError, EOFError, BadZipFile, MatReadError, NotImplementedError, TypeError)


@dataclass(frozen=True)
class VideoScores:
    """names: of n videos. classes: of the columns. values: float64 (n, classes)."""

    names: tuple[str, ...]
    classes: tuple[str, ...]
    values: np.ndarray


def save_scores(path: Path, scores: VideoScores) -> None:
    """As an `.npz` that `load_scores` reads; atomically. Raises RunError where the disk refuses."""
    names, classes = (np.array(texts, dtype=str) for texts in (scores.names, scores.classes))
    with atomic(path) as file:
        np.savez(file, names=names, classes=classes, scores=scores.values)


def load_scores(
    path: Path,
    *,
    names: Sequence[str],
    classes: Sequence[str],
    names_key: str = "names",
    scores_key: str = "scores",
    classes_key: str = "classes",
) -> VideoScores:
    """Scores for the videos `names`, in that order; the file may hold more videos, in any order.

    Names are joined as they are, if all are found so; else without the suffix of a video file, by the folders that both
    have: `v_Punch_g01_c01` is then "Punch/v_Punch_g01_c01.avi", if no other is called so. The columns are brought to
    the order of `classes` where the file says which they are; else they are taken to have it. Nothing pickled is read.

    Raises:
        InputError: no such file, another format, arrays missing or of another shape, a name twice or missing, another
            number of classes or other classes, a score that is not finite; it says which.
    """
    path = Path(path)
    arrays = _read(path, (names_key, scores_key, classes_key))
    given, values = _texts(path, names_key, arrays[names_key]), arrays[scores_key]
    if values.ndim != 2 or len(values) != len(given) or values.dtype.kind not in "fiu":
        found = f"{values.dtype} {values.shape}"
        raise InputError(f"{scores_key} in {path} is {found}; it must be numbers, ({len(given)}, {len(classes)})")
    if values.shape[1] != len(classes):
        raise InputError(f"{scores_key} in {path} has {values.shape[1]} classes; the data set has {len(classes)}")
    rows = _joined(path, given, names)
    columns = np.arange(len(classes))
    if classes_key in arrays:
        columns = _columns(path, _texts(path, classes_key, arrays[classes_key]), classes)
    values = values[np.ix_(rows, columns)].astype(np.float64)
    wrong = [name for name, row in zip(names, np.isfinite(values).all(axis=1), strict=True) if not row]
    if wrong:
        raise InputError(f"{scores_key} in {path} has values that are not finite, for {_some(wrong)}")
    return VideoScores(tuple(names), tuple(classes), values)


def _read(path: Path, keys: tuple[str, str, str]) -> dict[str, np.ndarray]:
    """The arrays of that name; the third may be missing."""
    if path.suffix not in (".npz", ".mat"):
        raise InputError(f"{path} is neither .npz nor .mat")
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    try:
        if path.suffix == ".mat":
            held = loadmat(path)
            found = {key: held[key] for key in keys if isinstance(held.get(key), np.ndarray)}
        else:
            with np.load(path, allow_pickle=False) as held:
                found = {key: held[key] for key in keys if key in held}
            held = held.files
    except _DAMAGE as error:
        hint = "; MATLAB has to save it with -v7" if isinstance(error, NotImplementedError) else ""
        raise InputError(f"{path} cannot be read ({str(error).splitlines()[0]}){hint}") from error
    absent = [key for key in keys[:2] if key not in found]
    if absent:
        names = sorted(name for name in held if not name.startswith("__"))
        raise InputError(f"{path} has no array {absent[0]!r}; it holds {', '.join(names) or 'none'}")
    return found


def _texts(path: Path, key: str, array: np.ndarray) -> list[str]:
    """Texts of a numpy array, a MATLAB character matrix (padded with blanks) or a cell array (n x 1 or 1 x n)."""
    cells = [np.ravel(cell) for cell in array.ravel()] if array.dtype == object else None
    if cells is not None and all(len(cell) <= 1 and (cell.dtype.kind == "U" or not len(cell)) for cell in cells):
        return [str(cell[0]) if len(cell) else "" for cell in cells]
    if array.dtype.kind != "U" or max(array.shape, default=0) != array.size:
        raise InputError(f"{key} in {path} is {array.dtype} {array.shape}; it must be a list of texts")
    return [str(text).rstrip() for text in array.ravel()]


def _joined(path: Path, given: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """The row of each wanted name."""
    exact = {*wanted} <= {*given}
    have, want = ([(name,) if exact else _parts(name) for name in names] for names in (given, wanted))
    count, asked = Counter(parts[-1] for parts in have), Counter(parts[-1] for parts in want)
    twice = [key for key in asked if count[key] > 1]
    if twice:
        raise InputError(f"{path} holds more than one row for {_some(twice)}")
    row = {parts[-1]: at for at, parts in enumerate(have)}
    missing = [
        name
        for name, parts in zip(wanted, want, strict=True)
        if parts[-1] not in row or not _alike(parts, have[row[parts[-1]]])
    ]
    if missing:
        raise InputError(f"{path} has no scores for {len(missing)} of {len(wanted)} videos: {_some(missing)}")
    same = [name for name, parts in zip(wanted, want, strict=True) if asked[parts[-1]] > 1]
    if same:
        raise InputError(f"{path} has one row for what are several videos: {_some(same)}")
    return [row[parts[-1]] for parts in want]


def _parts(name: str) -> tuple[str, ...]:
    """The folders and the file of a name, without the suffix of a video file."""
    path = PurePosixPath(name.replace("\\", "/"))
    return (path.with_suffix("") if path.suffix.lower() in _SUFFIXES else path).parts or ("",)


def _alike(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether the shorter of two names is the end of the longer."""
    shared = min(len(one), len(other))
    return one[-shared:] == other[-shared:]


def _columns(path: Path, given: Sequence[str], classes: Sequence[str]) -> np.ndarray:
    if Counter(given) != Counter(classes):
        absent = [name for name in classes if name not in given]
        told = f"lacks {_some(absent)}" if absent else f"names some twice or other ones: {_some(list(given))}"
        raise InputError(f"classes in {path} are not those of the data set: it {told}")
    return np.array([list(given).index(name) for name in classes])


def _some(names: Sequence[str]) -> str:
    rest = [f"and {len(names) - _LISTED} more"] if len(names) > _LISTED else []
    return ", ".join([*map(str, names[:_LISTED]), *rest])
