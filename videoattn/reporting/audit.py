"""Audits: each complexity figure that a paper prints beside what its network really costs."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from decimal import Decimal

import pandas as pd

from videoattn.errors import InputError, unknown
from videoattn.reporting.printed import printed_figure, printed_value

REPRODUCED = "reproduced"
OTHER_READING = "reproduced only under another reading"
MISPRINT = "misprint"
NOT_REPRODUCIBLE = "not reproducible"
GIGA, MEGA = Decimal(10**9), Decimal(10**6)
SCALES = {"G": GIGA, "M": MEGA}  # of a unit in `printed.csv`
VERDICTS = (REPRODUCED, OTHER_READING, MISPRINT, NOT_REPRODUCIBLE)


@dataclass(frozen=True)
class AuditRow:
    """One printed figure.

    Args:
        table, row, quantity: where it stands in the paper. printed: as it stands there.
        computed: exact integer of the network as built: parameters, multiply-adds of one clip, or a size.
        in_paper_units: `computed` as the paper would print it.
        reading: what was counted, and what else was tried. verdict: one of `VERDICTS`.
    """

    table: str
    row: str
    quantity: str
    printed: str
    computed: int
    in_paper_units: str
    reading: str
    verdict: str

    def __post_init__(self):
        if self.verdict not in VERDICTS:
            raise unknown("verdict", self.verdict, VERDICTS)
        if not isinstance(self.computed, int):
            raise InputError(f"computed is {self.computed!r}; an exact integer is expected")


def rounds_to(value: float | Decimal, figure: str) -> bool:
    """Whether `value`, rounded to as many decimals as `figure` is printed with, is that figure."""
    places = Decimal(figure).as_tuple().exponent
    return round(Decimal(value), -int(places)) == Decimal(figure)


def compared(
    paper: str,
    table: str,
    row: str,
    quantity: str,
    computed: int,
    in_paper_units: str,
    reading: str,
    value: float | Decimal | bool,
    instead: float | Decimal | bool | None = None,
    otherwise: str = NOT_REPRODUCIBLE,
) -> AuditRow:
    """One row, with the verdict that follows from rounding as the figure is printed.

    Args:
        value: the figure under the reading that the row names; a truth value where the figure is no number.
        instead: the same under the plain reading, where that is another.
        otherwise: verdict where neither is the printed figure.

    Raises:
        InputError: the paper prints no such figure.
    """
    figure = printed_value(paper, table, row, quantity)

    def holds(v: float | Decimal | bool) -> bool:
        return v if isinstance(v, bool) else rounds_to(v, figure)

    if instead is not None and holds(instead):
        verdict = REPRODUCED
    elif holds(value):
        verdict = REPRODUCED if instead is None else OTHER_READING
    else:
        verdict = otherwise
    return AuditRow(table, row, quantity, figure, computed, in_paper_units, reading, verdict)


def counted(
    paper: str,
    table: str,
    row: str,
    quantity: str,
    count: int,
    reading: str,
    value: int | Decimal | None = None,
    instead: int | Decimal | None = None,
    *,
    places: int | None = None,
    shown: str = "",
    otherwise: str = NOT_REPRODUCIBLE,
) -> AuditRow:
    """One row of a count, as `compared`: whole, or in the millions (M) or milliards (G) that the figure is printed in.

    Args:
        value, instead: counts as `compared` takes figures; `count` itself where `value` is left out.
        places: decimals of `in_paper_units`; those of the printed figure where left out. shown: it, as it is.
    """
    figure, unit = printed_figure(paper, table, row, quantity)
    scale = SCALES.get(unit, 1)
    if not shown and scale == 1:
        shown = str(count)
    elif not shown:
        places = -int(Decimal(figure).as_tuple().exponent) if places is None else places
        shown = f"{count / scale:.{places}f}{unit}"
    value = (count if value is None else value) / scale
    instead = None if instead is None else instead / scale
    return compared(paper, table, row, quantity, count, shown, reading, value, instead, otherwise)


def millions(count: int) -> str:
    """A count as papers print parameters: "24.30M"."""
    return f"{count / MEGA:.2f}M"


def as_markdown(rows: Sequence[AuditRow]) -> str:
    """A Markdown table, integers with thousands separators."""
    table = pd.DataFrame([asdict(row) for row in rows], columns=[f.name for f in fields(AuditRow)])
    table["computed"] = table["computed"].map("{:,}".format)
    return table.rename(columns={"in_paper_units": "in paper units"}).to_markdown(index=False, disable_numparse=True)


def as_json(rows: Sequence[AuditRow]) -> str:
    """The rows as a JSON list of objects."""
    return json.dumps([asdict(row) for row in rows], indent=1)
