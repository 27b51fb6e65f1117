"""What is known of files: found out once, and remembered until they change."""

import hashlib
import os
import sqlite3
import stat
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from videoattn.data.datasets.videos import Source, source_of
from videoattn.data.decode.images import numbered_images
from videoattn.errors import RunError
from videoattn.io import Stamp, file_stamp, settled
from videoattn.locations import cache_root
from videoattn.progress import track

HASH = "blake2b"  # the fact that is a file's hash
_BATCH = 256  # files hashed between two commits
_SHOWN = 1000  # files to hash from which on progress is shown
_PIECE = 1 << 20  # bytes

Item = Path | Source
Key = tuple[str, Stamp]  # the name of a fact, and of what file it is


class FileIndex:
    """Facts about files and folders of images, in a database: texts under the fact's name and the file's stamp.

    A fact holds while the stamp does (path, size and time of the last change, of each image of a folder too). The
    database only saves work: where it is missing or damaged, files are read again. An index may be copied to other
    processes.

    database: `files.sqlite` in the cache where None, which all share.
    """

    def __init__(self, database: Path | None = None) -> None:
        self.database = cache_root() / "files.sqlite" if database is None else Path(database)
        self._known: dict[Key, str] = {}
        self._folders: dict[Path, tuple[tuple[int, int], str]] = {}  # state of a folder's list, hash

    def find(self, keys: Iterable[Key]) -> dict[Key, str]:
        """The facts that are known. Raises RunError where the database cannot be read."""
        keys = list(keys)
        unknown = [key for key in keys if key not in self._known]
        if unknown and self.database.is_file():
            query = "SELECT value FROM facts WHERE path = ? AND fact = ? AND size = ? AND state = ?"
            try:
                with closing(self._open()) as database:
                    for fact, at in unknown:
                        for (value,) in database.execute(query, (os.fsencode(at.path), fact, at.size, at.state)):
                            self._known[fact, at] = value
            except sqlite3.OperationalError as error:
                raise RunError(f"cannot read {self.database}: {error}") from error
            except sqlite3.DatabaseError:  # not a database, or damaged
                self.database.unlink(missing_ok=True)
        return {key: self._known[key] for key in keys if key in self._known}

    def add(self, values: Mapping[Key, str]) -> None:
        """Remember facts, but not of files that changed a moment ago. Raises RunError where the disk refuses.

        Stamps must be from before the file was read.
        """
        values = {key: value for key, value in values.items() if key[1].settled}
        self._known |= values
        if not values:
            return
        rows = [(os.fsencode(at.path), fact, at.size, at.state, value) for (fact, at), value in values.items()]
        try:
            with closing(self._open()) as database, database:
                database.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?, ?, ?, ?)", rows)
        except (sqlite3.Error, OSError) as error:
            raise RunError(f"cannot write {self.database}: {error}") from error

    def digest(self, item: Item) -> str:
        """The BLAKE2b hash of a file or a folder of images: 40 hexadecimal digits; of a part with the part behind them.

        A folder that this index has hashed is looked through again only where images came or went. Raises OSError
        where it cannot be read.
        """
        source = source_of(item)
        state, known = self._folders.get(source.path, (None, ""))
        if known and _list_state(source.path.stat()) == state:
            return known + part_name(source)
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
            item: whole if isinstance(whole, OSError) else whole + part_name(sources[item])
            for item, whole in wholes.items()
        }

    def _hashes(self, paths: Iterable[Path], threads: int, show: bool) -> dict[Path, str | OSError]:
        found: dict[Path, str | OSError] = {}
        stamps, folders = {}, {}
        for path in paths:
            try:
                status = path.stat()
                stamps[path] = stamp_of(path)
            except OSError as error:
                found[path] = error
                continue
            if stat.S_ISDIR(status.st_mode) and settled(status.st_mtime_ns) and stamps[path].settled:
                folders[path] = _list_state(status)
        known = self.find((HASH, stamp) for stamp in stamps.values())
        found |= {path: known[HASH, stamp] for path, stamp in stamps.items() if (HASH, stamp) in known}
        fresh, pending = [path for path in stamps if path not in found], {}
        with ThreadPoolExecutor(threads) as pool:
            show = show and len(fresh) >= _SHOWN
            hashed = track(pool.map(_hashed, fresh), total=len(fresh), what="hash", show=show)
            for path, result in zip(fresh, hashed, strict=True):
                found[path] = result
                if isinstance(result, str):
                    pending[HASH, stamps[path]] = result
                if len(pending) == _BATCH:
                    self.add(pending)
                    pending = {}
        self.add(pending)
        self._folders |= {path: (state, found[path]) for path, state in folders.items() if isinstance(found[path], str)}
        return found

    def _open(self) -> sqlite3.Connection:
        self.database.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(self.database, timeout=60)
        database.execute("PRAGMA synchronous = OFF")  # a crash of the machine may cost the index, which only saves work
        database.execute(
            "CREATE TABLE IF NOT EXISTS facts "
            "(path BLOB, fact TEXT, size INTEGER, state INTEGER, value TEXT, PRIMARY KEY (path, fact)) WITHOUT ROWID"
        )
        return database


def stamp_of(path: Path) -> Stamp:
    """Of a file, or of a folder of numbered images. Raises OSError where it is neither."""
    if not path.is_dir():
        return file_stamp(path)
    images, states, newest = numbered_images(path), hashlib.blake2b(digest_size=7), 0
    for name in images.names():
        own = os.stat(path / name)
        states.update(f"{name}/{own.st_size}/{own.st_mtime_ns}/".encode(errors="surrogateescape"))
        newest = max(newest, own.st_mtime_ns)
    return Stamp(str(path.resolve()), images.count, int.from_bytes(states.digest()), settled(newest))


def part_name(source: Source) -> str:
    """What tells a part of a video from the whole, in names of files and facts: "" for the whole."""
    if source.frames is not None:
        return f"-frames-{source.frames[0]}-{source.frames[1]}"
    if source.seconds is not None:
        return f"-seconds-{float(source.seconds[0])!r}-{float(source.seconds[1])!r}"
    return ""


def _list_state(status: os.stat_result) -> tuple[int, int]:
    """Of a folder, what changes when images come or go."""
    return status.st_ino, status.st_mtime_ns


def _hashed(path: Path) -> str | OSError:
    try:
        if path.is_dir():
            return _hash_of_images(path)
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=20)).hexdigest()
    except OSError as error:
        return error


def _hash_of_images(folder: Path) -> str:
    digest = hashlib.blake2b(digest_size=20, person=b"images")  # no file has the same
    for name in numbered_images(folder).names():
        with (folder / name).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            digest.update(f"{name}/{size}/".encode(errors="surrogateescape"))
            while piece := file.read(_PIECE):
                digest.update(piece)
    return digest.hexdigest()
