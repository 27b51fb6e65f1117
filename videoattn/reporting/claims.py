"""Claims of a paper, and what the published record says of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from videoattn.engine.record import Record
from videoattn.reporting.printed import Line
from videoattn.reporting.tables import NOT_RUN, agreement, difference, percent


@dataclass(frozen=True)
class Claim:
    """A sentence of the paper. `where`: its place there; `section`: of the notebook; `verdict`: here."""

    claim: str
    where: str
    section: str
    verdict: str


def word(mean: float, half: float, *, above: float = 0.0, below: float | None = None) -> str:
    """What an interval says of a claim: it "holds" above a bound, "does not hold" below one, else is "undecided".

    Args:
        mean, half: of the interval, from mean - half to mean + half. above, below: the bounds; one where `below` is
            left out.
    """
    if mean - half > above:
        return "holds"
    return "does not hold" if mean + half < (above if below is None else below) else "undecided"


def judged(record: Record | None, row: str, baseline: str, *, claimed_none: bool = False) -> str:
    """Whether `row` beats `baseline` in the record, with the difference in points of top-1 and its 95% interval."""
    found = difference(record, row, baseline) if record else None
    if found is None:
        return NOT_RUN
    said = word(*found)
    if claimed_none:
        said = "does not hold" if said == "holds" else "agrees"
    return f"{said} on the probe: {percent(*found, signed=True)} points"


def joined(verdicts: Mapping[str, str]) -> str:
    """Those of several verdicts that the record can give, each behind its name."""
    return "; ".join(f"{name}: {verdict}" for name, verdict in verdicts.items() if verdict != NOT_RUN) or NOT_RUN


def all_judged(record: Record | None, pairs: Mapping[str, tuple[str, str]]) -> str:
    """Several pairs of a row and its baseline, by name, `judged` and `joined`."""
    return joined({name: judged(record, *pair) for name, pair in pairs.items()})


def ordered(record: Record | None, lines: Sequence[Line]) -> str:
    """Whether the order of a table's lines agrees with the one in the record, by Kendall's tau."""
    found = agreement(record, lines) if record else None
    if found is None:
        return NOT_RUN
    said = {"holds": "agrees", "does not hold": "does not agree"}.get(word(*found), "undecided")
    return f"{said} on the probe: Kendall's tau of {len(lines)} rows {found[0]:.2f} ± {found[1]:.2f}"
