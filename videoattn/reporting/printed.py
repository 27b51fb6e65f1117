"""What the papers print: the rows of a paper's `printed.csv`, and where the rows of a record stand among them.

Its columns are table, row, column, value and unit as printed; `ours`, the row of a record that the number is compared
with, and `metric`, which of that row's. Other kinds of records have rows of other names behind it, each with its kind:

    both; streams: rgb; probe: residual-both

is the row `both` of a run of the paper's first study, `rgb` of its study `streams`, and `residual-both` of the first on
the probe.
"""

import csv
import functools
from collections.abc import Sequence
from importlib.resources import files
from typing import NamedTuple

from videoattn.errors import InputError


class Line(NamedTuple):
    """A printed value as text, where it stands in its table, and the row and metric of a record that it is about."""

    row: str
    column: str
    value: str
    ours: str
    metric: str


@functools.cache
def printed(paper: str) -> tuple[dict[str, str], ...]:
    """The rows of a paper's `printed.csv`, all as text."""
    text = (files("videoattn.papers") / paper / "printed.csv").read_text()
    return tuple(csv.DictReader(text.splitlines()))


def printed_value(paper: str, table: str, row: str, column: str) -> str:
    """One printed value as text; InputError where the paper prints none there."""
    return printed_figure(paper, table, row, column)[0]


def printed_figure(paper: str, table: str, row: str, column: str) -> tuple[str, str]:
    """One printed value and its unit as text; InputError where the paper prints none there."""
    found = [r for r in printed(paper) if (r["table"], r["row"], r["column"]) == (table, row, column)]
    if len(found) != 1:
        raise InputError(f"{paper} prints {len(found)} values at table {table!r}, row {row!r}, column {column!r}")
    return found[0]["value"], found[0]["unit"]


def lines(
    paper: str, table: str, *, columns: Sequence[str] = (), rows: Sequence[str] = (), kinds: Sequence[str] = ("",)
) -> list[Line]:
    """The values of a table that rows of a record are compared with, as they stand in `printed.csv`.

    Args:
        columns, rows: which of the paper's; all where left out.
        kinds: of records, the first that a value has a row for; "" is the paper's first study.

    Raises:
        InputError: the paper prints no such row or column in the table, or no value there is compared.
    """
    there = [r for r in printed(paper) if r["table"] == table]
    for name, asked in (("column", columns), ("row", rows)):
        if unknown := set(asked) - {r[name] for r in there}:
            raise InputError(f"table {table} of {paper} has no {name} {sorted(unknown)[0]!r}")
    found = []
    for r in there:
        ours = dict(item.rpartition(": ")[::2] for item in r["ours"].split("; "))
        name = next((ours[kind] for kind in kinds if ours.get(kind)), "")
        if name and (not columns or r["column"] in columns) and (not rows or r["row"] in rows):
            found.append(Line(r["row"], r["column"], r["value"], name, r["metric"]))
    if not found:
        raise InputError(f"no value of table {table} of {paper} is compared with a row")
    return found
