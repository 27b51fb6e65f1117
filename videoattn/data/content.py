"""What a file holds, as a hash of its bytes that is remembered between runs."""

import hashlib
import sqlite3
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from videoattn.errors import RunError
from videoattn.progress import track

_BATCH = 256  # files hashed between two commits
_SETTLED = 2_000_000_000  # ns: a file changed less than this ago may change again with the same time stamp
_SHOWN = 1000  # files to hash from which on progress is shown

Row = tuple[str, int, int, str]  # path, size in bytes, modification time in ns, hash


class ContentIndex:
    """BLAKE2b hashes of files, remembered in a database by path, size and modification time.

    The database only saves reading: where it is missing or damaged the files are hashed again. An index may be copied
    to other processes.
    """

    def __init__(self, database: Path) -> None:
        self.database = Path(database)
        self._known: dict[str, Row] | None = None

    def digest(self, path: Path) -> str:
        """The hash of one file: 40 hexadecimal digits. Raises OSError where it cannot be read."""
        found = self.digests([path])[path]
        if isinstance(found, OSError):
            raise found
        return found

    def digests(self, paths: Iterable[Path], *, threads: int = 1, show: bool = False) -> dict[Path, str | OSError]:
        """The hash of each file, or the error where it cannot be read. Raises RunError where they cannot be stored."""
        if self._known is None:
            self._known = self._load()
        found: dict[Path, str | OSError] = {}
        fresh = []
        for path in dict.fromkeys(paths):
            try:
                stamp = _stamp(path)
            except OSError as error:
                found[path] = error
                continue
            row = self._known.get(stamp[0])
            if row and row[:3] == stamp:
                found[path] = row[3]
            else:
                fresh.append(path)
        with ThreadPoolExecutor(threads) as pool:
            rows = pool.map(_row, fresh)
            pending: list[Row] = []
            show = show and len(fresh) >= _SHOWN
            for path, row in zip(fresh, track(rows, total=len(fresh), what="hash", show=show), strict=True):
                if isinstance(row, OSError):
                    found[path] = row
                    continue
                found[path] = row[3]
                pending.append(row)
                if len(pending) == _BATCH:
                    self._remember(pending)
                    pending = []
        self._remember(pending)
        return found

    def _remember(self, rows: list[Row]) -> None:
        settled = [row for row in rows if abs(time.time_ns() - row[2]) > _SETTLED]
        self._known |= {row[0]: row for row in settled}
        if not settled:
            return
        try:
            with closing(self._open()) as database, database:
                database.executemany("INSERT OR REPLACE INTO contents VALUES (?, ?, ?, ?)", settled)
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


def _stamp(path: Path) -> tuple[str, int, int]:
    status = path.stat()
    return str(path.resolve()), status.st_size, status.st_mtime_ns


def _row(path: Path) -> Row | OSError:
    try:
        stamp = _stamp(path)  # before reading: a later change is then seen
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=20))
    except OSError as error:
        return error
    return (*stamp, digest.hexdigest())
