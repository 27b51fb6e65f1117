"""Claims of a paper, and what the published record says of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from videoattn.engine.record import Record
from videoattn.reporting.tables import NOT_RUN, agreement, difference, percent


@dataclass(frozen=True)
class Claim:
    """A sentence of the paper. `where`: its place there; `section`: of the notebook; `verdict`: here."""

    claim: str
    where: str
    section: str
    verdict: str


def judged(record: Record | None, row: str, baseline: str, *, claimed_none: bool = False) -> str:
    """Whether `row` beats `baseline` in the record, with the difference in points of top-1 and its 95% interval."""
    found = difference(record, row, baseline) if record else None
    if found is None:
        return NOT_RUN
    mean, half = found
    points = f"{percent(mean, half, signed=True)} points"
    if claimed_none:
        return f"{'does not hold' if mean - half > 0 else 'agrees'} on the probe: {points}"
    if mean - half > 0:
        return f"holds on the probe: {points}"
    return f"{'does not hold' if mean + half < 0 else 'undecided'} on the probe: {points}"


def ordered(record: Record | None, table: str, rows: Sequence[tuple[str, str, str]]) -> str:
    """Whether the order of a table's rows agrees with the one in the record, by Kendall's tau; rows as for `beside`."""
    found = agreement(record, table, rows) if record and len(rows) > 1 else None
    if found is None:
        return NOT_RUN
    mean, half = found
    word = "agrees" if mean - half > 0 else "does not agree" if mean + half < 0 else "undecided"
    return f"{word} on the probe: Kendall's tau of {len(rows)} rows {mean:.2f} ± {half:.2f}"
