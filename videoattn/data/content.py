"""What a video holds, as a hash of its bytes that is remembered between runs."""

import hashlib
import os
import sqlite3
import stat
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from videoattn.data.datasets.videos import Source, source_of
from videoattn.data.decode.images import numbered_images
from videoattn.errors import RunError
from videoattn.progress import track

_BATCH = 256  # files hashed between two commits
_SETTLED = 2_000_000_000  # ns: a file changed less than this ago may change again with the same time stamp
_SHOWN = 1000  # files to hash from which on progress is shown
_PIECE = 1 << 20  # bytes

Row = tuple[str, int, int, str]  # path, size, state, hash
Item = Path | Source


@dataclass(frozen=True)
class _Stamp:
    """What is compared instead of contents. size, state: of a file its bytes and modification time in ns, of a folder
    the number of its images and a hash of their names, sizes and times. newest: time of the last change in ns. listing:
    of a folder, what changes when images come or go."""

    path: str
    size: int
    state: int
    newest: int
    listing: tuple[int, int] | None = None


class ContentIndex:
    """BLAKE2b hashes of files, and of the numbered images of folders with their names, remembered in a database.

    A hash holds while path, size and modification time do, of each image too. The database only saves reading: where it
    is missing or damaged the files are hashed again. An index may be copied to other processes.
    """

    def __init__(self, database: Path) -> None:
        self.database = Path(database)
        self._known: dict[str, Row] | None = None
        self._folders: dict[Path, tuple[tuple[int, int], str]] = {}  # listing, hash

    def digest(self, item: Item) -> str:
        """The hash of a file or folder: 40 hexadecimal digits; of a part of it with the part behind them.

        A folder that was hashed before by this index is only hashed again where images came or went. Raises OSError
        where it cannot be read.
        """
        source = source_of(item)
        listing, known = self._folders.get(source.path, (None, ""))
        if known and _listing(source.path.stat()) == listing:
            return _with_part(known, source)
        found = self.digests([item])[item]
        if isinstance(found, OSError):
            raise found
        return found

    def digests(self, items: Iterable[Item], *, threads: int = 1, show: bool = False) -> dict[Item, str | OSError]:
        """What `digest` gives for each, or the error where it cannot be read; folders are looked through again.

        Raises RunError where hashes cannot be stored.
        """
        sources = {item: source_of(item) for item in items}
        found = self._hashes(dict.fromkeys(source.path for source in sources.values()), threads, show)
        wholes = {item: found[source.path] for item, source in sources.items()}
        return {
            item: whole if isinstance(whole, OSError) else _with_part(whole, sources[item])
            for item, whole in wholes.items()
        }

    def _hashes(self, paths: Iterable[Path], threads: int, show: bool) -> dict[Path, str | OSError]:
        if self._known is None:
            self._known = self._load()
        found: dict[Path, str | OSError] = {}
        fresh = []
        for path in paths:
            try:
                stamp = _stamp(path)
            except OSError as error:
                found[path] = error
                continue
            row = self._known.get(stamp.path)
            if row and row[1:3] == (stamp.size, stamp.state):
                found[path] = row[3]
                self._remember_listing(path, stamp, row[3])
            else:
                fresh.append(path)
        with ThreadPoolExecutor(threads) as pool:
            hashed = pool.map(_hashed, fresh)
            pending: list[tuple[_Stamp, str]] = []
            show = show and len(fresh) >= _SHOWN
            for path, result in zip(fresh, track(hashed, total=len(fresh), what="hash", show=show), strict=True):
                if isinstance(result, OSError):
                    found[path] = result
                    continue
                found[path] = result[1]
                self._remember_listing(path, *result)
                pending.append(result)
                if len(pending) == _BATCH:
                    self._remember(pending)
                    pending = []
        self._remember(pending)
        return found

    def _remember_listing(self, path: Path, stamp: _Stamp, digest: str) -> None:
        if stamp.listing is not None and settled(stamp.listing[1]) and settled(stamp.newest):
            self._folders[path] = stamp.listing, digest

    def _remember(self, hashed: list[tuple[_Stamp, str]]) -> None:
        rows = [(stamp.path, stamp.size, stamp.state, digest) for stamp, digest in hashed if settled(stamp.newest)]
        self._known |= {row[0]: row for row in rows}
        if not rows:
            return
        try:
            with closing(self._open()) as database, database:
                database.executemany("INSERT OR REPLACE INTO contents VALUES (?, ?, ?, ?)", rows)
        except (sqlite3.Error, OSError) as error:
            raise RunError(f"cannot write {self.database}: {error}") from error

    def _load(self) -> dict[str, Row]:
        if not self.database.is_file():
            return {}
        try:
            with closing(self._open()) as database:
                return {row[0]: row for row in database.execute("SELECT path, size, changed, hash FROM contents")}
        except sqlite3.OperationalError as error:
            raise RunError(f"cannot read {self.database}: {error}") from error
        except sqlite3.DatabaseError:  # not a database, or damaged
            self.database.unlink(missing_ok=True)
            return {}

    def _open(self) -> sqlite3.Connection:
        self.database.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(self.database, timeout=60)
        database.execute(
            "CREATE TABLE IF NOT EXISTS contents (path TEXT PRIMARY KEY, size INTEGER, changed INTEGER, hash TEXT)"
        )
        return database


def _with_part(digest: str, source: Source) -> str:
    if source.frames is not None:
        return f"{digest}-frames-{source.frames[0]}-{source.frames[1]}"
    if source.seconds is not None:
        return f"{digest}-seconds-{float(source.seconds[0])!r}-{float(source.seconds[1])!r}"
    return digest


def settled(changed: int) -> bool:
    """Whether a file that was changed at this time, in ns, would get another time if it were changed now."""
    return abs(time.time_ns() - changed) > _SETTLED


def _listing(status: os.stat_result) -> tuple[int, int]:
    return status.st_ino, status.st_mtime_ns


def _stamp(path: Path) -> _Stamp:
    status = path.stat()
    if not stat.S_ISDIR(status.st_mode):
        return _Stamp(str(path.resolve()), status.st_size, status.st_mtime_ns, status.st_mtime_ns)
    images, states, newest = numbered_images(path), hashlib.blake2b(digest_size=7), 0
    for name in images.names():
        own = os.stat(path / name)
        states.update(f"{name}/{own.st_size}/{own.st_mtime_ns}/".encode(errors="surrogateescape"))
        newest = max(newest, own.st_mtime_ns)
    return _Stamp(str(path.resolve()), images.count, int.from_bytes(states.digest()), newest, _listing(status))


def _hashed(path: Path) -> tuple[_Stamp, str] | OSError:
    try:
        stamp = _stamp(path)  # before reading: a later change is then seen
        if stamp.listing is not None:
            return stamp, _hash_of_images(path)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=20))
    except OSError as error:
        return error
    return stamp, digest.hexdigest()


def _hash_of_images(folder: Path) -> str:
    digest = hashlib.blake2b(digest_size=20, person=b"images")  # no file has the same
    for name in numbered_images(folder).names():
        with (folder / name).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            digest.update(f"{name}/{size}/".encode(errors="surrogateescape"))
            while piece := file.read(_PIECE):
                digest.update(piece)
    return digest.hexdigest()
