"""What videos hold, remembered between runs: a file of JSON lines, one for each video or part of one."""

import json
import os
from collections.abc import Mapping
from dataclasses import astuple
from importlib.metadata import version
from pathlib import Path

from videoattn.data.content import settled
from videoattn.data.datasets.videos import Source
from videoattn.data.decode.decoder import VideoInfo, chosen_backend
from videoattn.errors import RunError
from videoattn.locations import cache_root

Key = tuple[str, tuple | None, tuple | None]  # path, frames, seconds
State = tuple[int, int]  # bytes, and time of the last change in ns


class Seen:
    """What is remembered in the file `path`, which need not exist; a line that is torn is a video less.

    A video is remembered while its size and time of change stay. Folders of images are not, nor what cannot be read.
    """

    def __init__(self, path: Path):
        self.path = path
        self._known: dict[Key, tuple[State, VideoInfo]] | None = None

    def info(self, source: Source) -> VideoInfo | None:
        """What a video held when it was last looked at; None where it has changed since, or is not known."""
        if self._known is None:
            self._known = self._load()
        state, info = self._known.get(_key(source), (None, None))
        return info if state is not None and state == _state(source) else None

    def add(self, found: Mapping[Source, VideoInfo]) -> None:
        """Remember videos. Raises RunError where the disk refuses."""
        lines = []
        for source, info in found.items():
            state = _state(source)
            if state is not None and settled(state[1]):
                lines.append(json.dumps([_key(source), state, astuple(info)]) + "\n")
        if not lines:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a") as file:
                file.write("".join(lines))
        except OSError as error:
            raise RunError(f"cannot write {self.path}: {error.strerror}") from error

    def _load(self) -> dict[Key, tuple[State, VideoInfo]]:
        known = {}
        for line in self.path.read_text(errors="replace").splitlines() if self.path.is_file() else ():
            try:
                (path, frames, seconds), state, info = json.loads(line)
                known[path, _tuple(frames), _tuple(seconds)] = tuple(state), VideoInfo(*info)
            except (ValueError, TypeError):  # torn by a kill or a full disk
                continue
        return known


def seen_videos() -> Seen:
    """What this machine remembers of videos, as the chosen backend and the installed decoders read them."""
    versions = f"decord-{version('decord')}-av-{version('av')}"
    return Seen(cache_root() / f"videos-{chosen_backend()}-first-{versions}.jsonl")


def _tuple(values: list | None) -> tuple | None:
    return None if values is None else tuple(values)


def _key(source: Source) -> Key:
    return os.path.abspath(source.path), source.frames, source.seconds


def _state(source: Source) -> State | None:
    """None of a folder, and of what is not there."""
    try:
        status = os.stat(source.path)
    except OSError:
        return None
    return (status.st_size, status.st_mtime_ns) if source.path.is_file() else None
