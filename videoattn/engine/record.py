"""Records: what a run measured, with all that is needed to judge and to repeat it."""

import functools
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import get_origin

import psutil
import torch

from videoattn.errors import RunError
from videoattn.io import write_atomically
from videoattn.locations import repository

PACKAGES = ("torch", "torchvision", "timm", "accelerate", "decord", "av", "opencv-contrib-python-headless", "numpy")
PUBLISHED = "published-"
STILL, LEARNT, HEART = 0.005, 0.98, 0.03  # of accuracies; see `Record.learning`


@dataclass
class Record:
    """The content of one `record.json`.

    `results` holds a dict a job and seed: {"job", "seed", "metrics": {row: metrics}, "wall_s"}, and for a training
    "training", how it ended (`engine.task.learning`), with "test", the top-1 of what it trained. A metrics dict is what
    `evaluation.metrics.classification_metrics` gives, or other values under names of their own. `study` names a study
    of a paper besides its first.
    """

    paper: str
    profile: str
    digest: str
    parameters: dict
    recipe: dict
    data: dict
    results: list[dict] = field(default_factory=list)
    environment: dict = field(default_factory=dict)
    wall_s: float = 0.0
    complete: bool = False
    study: str = ""

    def has(self, job: str, seed: int) -> bool:
        """Whether this job has been trained and tested with this seed."""
        return any(r["job"] == job and r["seed"] == seed for r in self.results)

    def values(self, row: str, metric: str = "top1", *, seeds: Iterable[int] | None = None) -> list[float]:
        """A metric of one row, seed by seed in ascending order; empty where the row was not run.

        seeds: those wanted; None for all.
        """
        found = {r["seed"]: r["metrics"][row][metric] for r in self.results if row in r["metrics"]}
        return [found[seed] for seed in sorted(found if seeds is None else seeds)]

    def videos(self, row: str) -> int:
        """How many test videos a row is measured on."""
        return next(r["metrics"][row].get("videos", self.data["test"]) for r in self.results if row in r["metrics"])

    def chance(self, row: str) -> float:
        """What always guessing the commonest of a row's classes would reach; of all classes where they are not told."""
        counts = next((r["metrics"][row].get("confusion") for r in self.results if row in r["metrics"]), None)
        if not counts:
            return 1 / len(self.data["classes"])
        videos = [sum(true) for true in counts]
        return max(videos) / sum(videos)

    def ends(self, row: str) -> dict[int, dict[str, float]]:
        """How the training that completed a row ended, by seed, ascending.

        That is its accuracy on the training videos, how much that rose an epoch, and its accuracy on the test videos.
        Records from before this was measured have none.
        """
        found = {r["seed"]: r["training"] for r in self.results if row in r["metrics"] and "training" in r}
        return dict(sorted(found.items()))

    def learning(self, row: str) -> list[int]:
        """The seeds with which the training that completed a row was still learning when it ended.

        Its accuracy on the training videos then rose by more than `STILL` an epoch, was below `LEARNT`, and not more
        than `HEART` above its own on the test videos: beyond that a network learns its training videos by heart.
        Records from before this was measured say nothing of it.
        """
        return [
            seed
            for seed, end in self.ends(row).items()
            if end["slope"] > STILL and end["accuracy"] < min(LEARNT, end.get("test", 1.0) + HEART)
        ]

    def seeds(self, row: str) -> list[int]:
        """The seeds for which a row is measured, ascending."""
        return sorted(r["seed"] for r in self.results if row in r["metrics"])

    def trained(self, row: str) -> set[str]:
        """The jobs whose trainings completed a row, one for all seeds; their networks have a part in it."""
        return {r["job"] for r in self.results if row in r["metrics"]}

    def save(self, folder: Path) -> None:
        """Write `record.json` into `folder`, atomically."""
        write_atomically(folder / "record.json", (json.dumps(self.__dict__, indent=1) + "\n").encode())


def read(folder: Path) -> Record:
    """The record of a run's folder.

    Raises:
        RunError: no record there, or one that is not whole.
    """
    path = folder / "record.json"
    try:
        record = Record(**json.loads(path.read_text()))
    except FileNotFoundError:
        raise RunError(f"{folder} holds no record.json") from None
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}") from error
    except (json.JSONDecodeError, TypeError, UnicodeDecodeError) as error:
        raise RunError(f"{path} is no record: {error}") from error
    for own in fields(Record):
        value, kind = getattr(record, own.name), get_origin(own.type) or own.type
        if not isinstance(value, (int, float) if kind is float else kind):
            raise RunError(f"{path} is no record: {own.name} is {value!r}")
    return record


def records(root: Path, paper: str, *, strict: bool = True) -> Iterator[tuple[Path, Record]]:
    """All readable records of a paper with their folders, by folder name; of any other, a line on stderr.

    Raises:
        RunError: one in a published run is not readable, if `strict`.
    """
    for path in sorted((root / paper).glob("*/record.json")):
        try:
            record = read(path.parent)
        except RunError as error:
            if strict and path.parent.name.startswith(PUBLISHED):
                raise
            print(f"left out: {error}", file=sys.stderr)
        else:
            yield path.parent, record


def environment(device: torch.device | str = "cpu") -> dict:
    """Versions, hardware, commit and whether the tree was clean."""
    return {
        "versions": {"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in PACKAGES},
        "hardware": _hardware(torch.device(device)),
        "commit": _git("rev-parse", "HEAD"),
        "clean": _git("status", "--porcelain") == "",
    }


def _hardware(device: torch.device) -> dict:
    hardware = {
        "cpu": _cpu_name(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
    }
    if device.type == "cuda":
        hardware["gpu"] = f"{torch.cuda.device_count()} x {torch.cuda.get_device_name(device)}"
    return hardware


@functools.cache
def _cpu_name() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _git(*arguments: str) -> str | None:
    command = ["git", "-C", str(repository()), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None  # installed without its checkout: the record says that the commit is unknown


def publish(folder: Path) -> Path:
    """Copy what git should keep of a finished run into the folder that tables and tests read.

    The notebook that a paper's studies share lies with the first.

    Raises:
        RunError: the run is not complete, lacks one of the files, or was made from a tree that was not clean.
    """
    record = read(folder)
    files = ("record.json", "log.csv", *(() if record.study else ("notebook.ipynb",)))
    if not record.complete:
        raise RunError(f"{folder} is not complete: run the same command again to finish it")
    if not record.environment["clean"]:
        raise RunError(
            f"{folder} was made from a tree that was not clean: no commit holds its code; commit and run again"
        )
    target = folder.with_name(f"{PUBLISHED}{folder.name}")
    for name in files:
        if not (folder / name).is_file():
            raise RunError(f"{folder} has no {name}: publish a run that `videoattn reproduce` has finished")
    for name in [*files, *(f"figures/{p.name}" for p in sorted((folder / "figures").glob("*.png")))]:
        write_atomically(target / name, (folder / name).read_bytes())
    return target
