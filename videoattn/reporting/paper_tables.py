"""The paper's tables with what a run measured; on a real data set where its protocol is the paper's, or why not."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from videoattn.engine.protocol import Protocol, started_from
from videoattn.engine.recipe import values
from videoattn.engine.record import Record
from videoattn.reporting.printed import Line, lines
from videoattn.reporting.tables import METRICS, NOT_RUN, accuracy, data_name, mean, shown

# What a protocol leaves open, and what a plan holds besides the profile.
OTHER = {"jobs", "seeds", "probe", "max_unreadable", "variants"}
OTHER |= {"data", "pretrained", "init"}
SHOWN = 5  # differences that a message names


def split_of(record: Record) -> int:
    """Which official split a record is about."""
    return record.parameters.get("SPLIT", 1)


def departures(record: Record, protocol: Protocol, profile: Any, counts: Mapping[int, tuple[int, int]]) -> list[str]:
    """In what a run is not the protocol's: nothing where its results may stand beside the paper's.

    Args:
        profile: the dataclass that the protocol's changes make of the paper's profile `paper`.
        counts: official numbers of training and test videos, by split; empty where they differ from copy to copy.
    """
    if record.profile != "paper":
        return [f"its profile is {record.profile}, not paper"]
    if record.parameters.get("STEPS"):
        return [f"it is a dry run (STEPS={record.parameters['STEPS']})"]
    departs = protocol.departs(record) if callable(protocol.departs) else protocol.departs
    found = [departs] if departs else []
    found += [] if record.complete else ["it is not complete"]
    start = started_from(record.recipe)
    found += [] if start == protocol.start else [f"its networks start from {start}, not from {protocol.start}"]
    plan = json.loads(json.dumps(values(profile)))
    names = sorted((plan.keys() | record.recipe.keys()) - OTHER)
    different = [line for name in names for line in _differ(name, record.recipe.get(name), plan.get(name))]
    found += different[:SHOWN] + ([f"and {len(different) - SHOWN} more values"] if len(different) > SHOWN else [])
    official, own = counts.get(split_of(record)), (record.data["train"], record.data["test"])
    if official and own != official:
        found.append(f"it has {own[0]} training and {own[1]} test videos, not {official[0]} and {official[1]}")
    return found


def paper_table(
    record: Record,
    table: str,
    *,
    data_set: str,
    columns: Sequence[str] = (),
    rows: Sequence[str] = (),
    kinds: Sequence[str] = (),
) -> str:
    """The top-1 accuracies of a table of the paper, as Markdown, with those measured here in a column of their own.

    Args:
        data_set: the paper's, named in the head of its column. columns, rows: of the paper's table; all where left out.
        kinds: of records, as `lines` takes them; those that the record is where left out.
    """
    found = lines(record.paper, table, columns=columns, rows=rows, kinds=kinds or kinds_of(record))
    cells = [(line, accuracy(record, line.ours)) for line in found if line.metric == "top1"]
    return _markdown(cells, f"paper, {data_set}, %", f"here, {data_name(record)}, {METRICS['top1']}")


def filled_tables(records: Mapping[int, Record], protocol: Protocol) -> Iterator[str]:
    """The tables of the paper that a run fills, as Markdown, one for each metric.

    Args:
        records: of one protocol, by split, each without departures from it.
    """
    for cells in protocol.cells:
        if set(cells.splits) <= records.keys():
            chosen = [records[split] for split in cells.splits]
            several = f"mean of splits {', '.join(map(str, cells.splits))}"
            splits = several if len(chosen) > 1 else f"split {cells.splits[0]}"
            found = lines(
                chosen[0].paper, cells.table, columns=cells.columns, rows=cells.rows, kinds=kinds_of(chosen[0])
            )
            for metric in dict.fromkeys(line.metric for line in found):
                table = [(line, _mean(chosen, line.ours, metric)) for line in found if line.metric == metric]
                head = f"here, {data_name(chosen[0])}, {splits}, {METRICS[metric]}"
                yield f"**Table {cells.table}**\n\n{_markdown(table, 'paper, %', head)}"


def kinds_of(record: Record) -> tuple[str, ...]:
    """The kinds of records that one is, as `lines` takes them."""
    return (record.study,) if record.study else (data_name(record), "")


def _markdown(cells: Sequence[tuple[Line, str]], paper: str, here: str) -> str:
    """The rows that were run, and a line that counts the others."""
    rows = [(line.row, line.column, line.value, value) for line, value in cells if value != NOT_RUN]
    table = pd.DataFrame(rows, columns=["model", "column", paper, here]).to_markdown(index=False, disable_numparse=True)
    left = len(cells) - len(rows)
    told = f"Not run: {left} of the paper's {len(cells)} rows." if left else ""
    return "\n\n".join(filter(None, (table if rows else "", told)))


def _mean(records: Sequence[Record], row: str, metric: str) -> str:
    """Over the seeds, with their interval, of one split; the mean over several splits of their means over the seeds."""
    found = [record.values(row, metric) for record in records]
    if not all(found):
        return NOT_RUN
    if len(found) == 1:
        return accuracy(records[0], row, metric)
    return shown(mean([mean(own) for own in found]))


def _differ(name: str, found: Any, expected: Any) -> Iterator[str]:
    """Where two plain values differ, by the path to each value."""
    if isinstance(found, dict) and isinstance(expected, dict):
        for key in sorted(found.keys() | expected.keys()):
            yield from _differ(f"{name}.{key}", found.get(key), expected.get(key))
    elif found != expected:
        yield f"{name} is {found}, not {expected}"
