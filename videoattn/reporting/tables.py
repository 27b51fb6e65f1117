"""Result tables as Markdown, made from records; accuracies in percent with the 95% interval over seeds."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from videoattn.engine.record import Record, records
from videoattn.evaluation.metrics import mean_interval, paired_difference
from videoattn.evaluation.ranking import kendall
from videoattn.locations import repository
from videoattn.reporting.printed import Line

NOT_RUN = "not in this profile"


def percent(mean: float, half: float, *, signed: bool = False) -> str:
    """A fraction and the half-width of its interval in percent; no interval for a single seed."""
    shown = round(100 * mean, 1) + 0.0  # no minus in front of a zero
    number = f"{shown:+.1f}" if signed else f"{shown:.1f}"
    return number if half == float("inf") else f"{number} ± {100 * half:.1f}"


def accuracy(record: Record, row: str, metric: str = "top1") -> str:
    """One accuracy of a record, or that its profile does not hold the row."""
    values = record.values(row, metric)
    return percent(*mean_interval(values)) if values else NOT_RUN


def difference(record: Record, row: str, baseline: str) -> tuple[float, float] | None:
    """Mean and half-width of the paired difference in top-1; None unless both rows were run with the same seeds."""
    values, others = record.values(row), record.values(baseline)
    paired = values and record.seeds(row) == record.seeds(baseline)
    return paired_difference(values, others) if paired else None


def run(record: Record | None, lines: Sequence[Line]) -> list[Line]:
    """The lines of a paper's table whose rows the record holds."""
    return [line for line in lines if record and record.values(line.ours, line.metric)]


def agreement(record: Record, lines: Sequence[Line]) -> tuple[float, float] | None:
    """Kendall's tau between the order of a paper's lines and their order in a record: mean and half-width over seeds.

    None unless there are two lines at least, all run with the same seeds.
    """
    found = [record.values(line.ours, line.metric) for line in lines]
    if len(lines) < 2 or not all(found) or len({tuple(record.seeds(line.ours)) for line in lines}) > 1:
        return None
    return kendall([float(line.value) for line in lines], list(zip(*found, strict=True)))


def caption(record: Record) -> str:
    """One line that says what the numbers of a record are: data, profile, seeds, hardware, versions."""
    hardware, versions = record.environment["hardware"], record.environment["versions"]
    machine = hardware.get("gpu") or f"{hardware['cores']} cores of {hardware['cpu']}"
    data = record.data
    seeds = len({result["seed"] for result in record.results})
    steps = record.parameters.get("STEPS")
    dry_run = f"a dry run of {steps} steps and as many test videos at most; " if steps else ""
    return (
        f"{dry_run}{data_name(record)}: {data['train']} training and {data['test']} test videos of "
        f"{len(data['classes'])} classes; profile {record.profile}, {seeds} seed{'s' if seeds > 1 else ''}; {machine}; "
        f"torch {versions['torch']}; {record.wall_s / 60:.1f} minutes of training and testing, added up; "
        f"run {record.digest}"
    )


def published(paper: str, study: str = "") -> dict[Path, Record]:
    """The records that the repository holds of one study of a paper, by folder."""
    found = records(repository() / "runs", paper)
    return {folder: r for folder, r in found if folder.name.startswith("published-") and r.study == study}


def reference(paper: str, study: str = "") -> tuple[Path, Record] | None:
    """Folder and record of the published run on the probe that tables show: of the profile full, else quick."""
    found = {r.profile: (folder, r) for folder, r in published(paper, study).items() if data_name(r) == "probe"}
    return found.get("full") or found.get("quick")


METRICS = {"top1": "top-1 %", "top5": "top-5 %", "mean_class": "mean class %", "map": "mAP %", "wap": "wAP %"}


def measured(record: Record) -> str:
    """All rows of a record with their metrics, as Markdown; a cell is empty where a row has no such metric.

    Top-5 accuracy is left out where there are at most five classes.
    """
    found = dict(item for result in record.results for item in result["metrics"].items())
    idle = {"top5"} if len(record.data["classes"]) <= 5 else set()
    names = [name for name in METRICS if name not in idle and any(name in metrics for metrics in found.values())]
    lines = [
        (row, *(accuracy(record, row, name) if name in metrics else "" for name in names), len(record.seeds(row)))
        for row, metrics in found.items()
        if any(name in metrics for name in names)
    ]
    head = ["row", *(METRICS[name] for name in names), "seeds"]
    return pd.DataFrame(lines, columns=head).to_markdown(index=False, disable_numparse=True)


def data_name(record: Record) -> str:
    """Which data set a record is about: "probe", or its name."""
    return record.parameters.get("DATASET", "probe")
