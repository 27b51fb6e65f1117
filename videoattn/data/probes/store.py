"""Write a probe to disk, once: clips in the layout of the data set `folder`, and what they show in `probe.json`."""

import dataclasses
import hashlib
import json
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from videoattn.data.probes.video import write_video
from videoattn.errors import InputError, RunError
from videoattn.parallel import cores, each
from videoattn.progress import track

FPS = 10
CHUNK = 50  # clips that a worker takes at a time
POOL_FROM = 500  # clips; with fewer, starting processes takes longer than they save


class Probe(Protocol):
    """A frozen dataclass of settings, all of them JSON values, that makes each clip independently of the others."""

    NAME: str
    REVISION: int  # to be raised when the same settings give other clips

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the classes, sorted."""

    @property
    def counts(self) -> dict[str, int]:
        """Clips in each subset: {"train": ..., "test": ...}."""

    def clip(self, subset: str, number: int) -> tuple[np.ndarray, int, dict[str, Any]]:
        """Frames (T, H, W, 3) uint8, label, and the truth about the clip for `probe.json`."""


def settings_of(probe: Probe) -> dict[str, Any]:
    """All that determines the clips of a probe: its name, its revision and its settings."""
    return {"probe": probe.NAME, "revision": probe.REVISION, **dataclasses.asdict(probe)}


def folder_name(probe: Probe) -> str:
    """`<name>-<hash of settings>`."""
    text = json.dumps(settings_of(probe), sort_keys=True)
    return f"{probe.NAME}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


Job = tuple[Probe, Path, str, range]
Truth = dict[str, Any]


def _write_clips(job: Job) -> list[tuple[str, Truth]]:
    probe, folder, subset, numbers = job
    truth = []
    for number in numbers:
        frames, label, shown = probe.clip(subset, number)
        name = f"{subset}/{probe.names[label]}/{number:05d}.mp4"
        write_video(folder / name, frames, FPS)
        truth.append((name, {"label": label, **shown}))
    return truth


def _write_all(probe: Probe, folder: Path, workers: int) -> Iterator[tuple[str, Truth]]:
    jobs: list[Job] = [
        (probe, folder, subset, range(first, min(first + CHUNK, count)))
        for subset, count in probe.counts.items()
        for first in range(0, count, CHUNK)
    ]
    if workers == 1 or sum(probe.counts.values()) < POOL_FROM:
        for job in jobs:
            yield from _write_clips(job)
        return
    for _, written in each(_write_clips, jobs, workers=workers, died=None, initializer=int, initargs=()):
        if written is None:
            raise RunError(f"a process that wrote clips into {folder} was killed, perhaps for want of memory")
        yield from written


def generate(probe: Probe, root: Path, *, workers: int | None = None, progress: bool = True) -> Path:
    """Write the probe under `root` unless it is there already; return its folder, a `folder` data set.

    The folder is `<root>/<name>-<hash of settings>`. It appears whole or not at all, also where two processes generate
    the same probe at once. `workers` processes share the work, by default one for each core: a script that calls this
    needs the usual `if __name__ == "__main__":`. `progress` shows how far it is. Raises `RunError` where the folder
    exists and is not a finished probe, or cannot be written.
    """
    if workers is not None and workers < 1:
        raise InputError(f"workers={workers}: expected 1 or more, or None for one for each core")
    folder = Path(root) / folder_name(probe)
    if folder.exists():
        if (folder / "probe.json").is_file():
            return folder
        raise RunError(f"{folder} exists but holds no probe.json: delete it to generate the probe again")
    part = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
    try:
        for subset in probe.counts:
            for name in probe.names:
                (part / subset / name).mkdir(parents=True)
        clips = _write_all(probe, part, workers or cores())
        truth = dict(sorted(track(clips, total=sum(probe.counts.values()), what=probe.NAME, show=progress)))
        found = {"settings": settings_of(probe), "classes": probe.names, "clips": truth}
        (part / "probe.json").write_text(json.dumps(found))
        part.rename(folder)
    except OSError as error:
        if not (folder / "probe.json").is_file():  # else another process has made the same probe meanwhile
            raise RunError(f"cannot write the probe {folder}: {error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def probe_of(video: Path) -> Path | None:
    """The folder of the generated probe that a clip lies in; None for another video."""
    return next((folder for folder in Path(video).parents if (folder / "probe.json").is_file()), None)


def levels(truth: Mapping[str, Any], names: Iterable[str]) -> Tensor | None:
    """The level of difficulty of each clip by its name, from the truth about a probe; None where it is no number."""
    found = [truth["clips"][name].get("level") for name in names]
    return torch.tensor(found) if all(isinstance(level, float) for level in found) else None


def read_truth(folder: Path) -> dict[str, Any]:
    """`probe.json` of a generated probe: "settings", "classes", and "clips", a dict from `Sample.name` to the truth."""
    return json.loads((Path(folder) / "probe.json").read_text())
