"""Result tables as Markdown, made from records; accuracies in percent with their 95% intervals."""

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from scipy import stats

from videoattn.engine.record import Record, records
from videoattn.evaluation.intervals import Interval, accuracy_interval
from videoattn.evaluation.psychometric import AtLevel, level_at, level_interval
from videoattn.locations import repository
from videoattn.reporting.printed import Line

NOT_RUN = "not run"
BINOMIAL = ("top1", "top5")  # metrics that count videos, so that the interval over seeds is known


def mean(values: Sequence[float]) -> float:
    """Over seeds."""
    return sum(values) / len(values)


def shown(value: float, interval: Interval | None = None, *, signed: bool = False) -> str:
    """A fraction in percent, with its interval if it has one: "96.6 [83.1, 99.8]"."""
    form = "+.1f" if signed else ".1f"
    numbers = [format(round(100 * number, 1) + 0.0, form) for number in (value, *(interval or ()))]  # no "-0.0"
    return numbers[0] if interval is None else f"{numbers[0]} [{numbers[1]}, {numbers[2]}]"


def accuracy(record: Record, row: str, metric: str = "top1") -> str:
    """A metric of a row, as the mean over seeds with its interval, or that the row was not run.

    Behind a metric that does not count videos stand the lowest and the highest of its seeds instead.
    """
    values = record.values(row, metric)
    if not values:
        return NOT_RUN
    if len(values) == 1 or metric not in BINOMIAL:
        return ranged(values)
    return shown(mean(values), accuracy_interval(values, record.videos(row)))


def ranged(values: Sequence[float]) -> str:
    """The mean of fractions over seeds in percent, and the lowest and the highest: "38.0 (5.0 to 87.0)"."""
    ends = f" ({shown(min(values))} to {shown(max(values))})" if len(values) > 1 else ""
    return f"{shown(mean(values))}{ends}"


def each_seed(record: Record, row: str, metric: str = "top1") -> str:
    """A metric of a row seed by seed in whole percent, the lowest first: "33, 2 x 99, 7 x 100"; and how many of these
    networks were still learning when their training ended."""
    counts = Counter(sorted(round(100 * value) for value in record.values(row, metric)))
    shown = ", ".join(f"{times} x {value}" if times > 1 else str(value) for value, times in counts.items())
    learning = record.learning(row)
    return f"{shown}; {len(learning)} still learning" if learning else shown


def learnt(record: Record, row: str) -> str:
    """In percent of the training videos, how many were right at the end of the training that completed a row, over
    seeds: "99.2 (98.9 to 99.8)"; empty where that was not measured."""
    ends = record.ends(row)
    return ranged([end["accuracy"] for end in ends.values()]) if ends else ""


def level_counts(record: Record, row: str) -> list[list[AtLevel]]:
    """What `by_level` gives of a row, seed by seed; empty where it was not run, or its clips have no levels."""
    with_levels = any("levels" in result["metrics"].get(row, {}) for result in record.results)
    return record.values(row, "levels") if with_levels else []


def level(record: Record, row: str) -> str:
    """The level at which a row is right in 75%, over seeds, with its interval: "0.21 [0.18, 0.25]".

    Where it is outside the levels tested with some seeds, how many these are: "below 0.1 with 2 of 5 seeds".
    """
    counts = level_counts(record, row)
    if not counts:
        return NOT_RUN
    found = [level_at(seed, chance=record.chance(row)) for seed in counts]
    interval = level_interval(found)
    if interval:
        return f"{stats.gmean(found):.2g} [{interval.low:.2g}, {interval.high:.2g}]"
    if len(found) == 1 and 0 < found[0] < math.inf:
        return f"{found[0]:.2g}"
    lowest, highest = counts[0][0][0], counts[0][-1][0]
    outside = {f"below {lowest:g}": found.count(0), f"above {highest:g}": found.count(math.inf)}
    return ", ".join(f"{where} with {times} of {len(found)} seeds" for where, times in outside.items() if times)


def run(record: Record | None, lines: Sequence[Line]) -> list[Line]:
    """The lines of a paper's table whose rows the record holds."""
    return [line for line in lines if record and record.values(line.ours, line.metric)]


def order(record: Record, lines: Sequence[Line]) -> list[list[float]] | None:
    """What a record holds of each of a paper's lines, seed by seed, of the seeds that all were run with; None unless
    there are two lines or more, and such seeds."""
    common = set.intersection(*(set(record.seeds(line.ours)) for line in lines)) if len(lines) > 1 else set()
    return [record.values(line.ours, line.metric, seeds=common) for line in lines] if common else None


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
    lines = []
    for row, metrics in found.items():
        own = [name for name in names if name in metrics]
        if own:
            cells = (accuracy(record, row, name) if name in own else "" for name in names)
            lines.append((row, *cells, each_seed(record, row, own[0])))
    head = ["row", *(METRICS[name] for name in names), "each seed"]
    return pd.DataFrame(lines, columns=head).to_markdown(index=False, disable_numparse=True)


def data_name(record: Record) -> str:
    """Which data set a record is about: "probe", or its name."""
    return record.parameters.get("DATASET", "probe")
