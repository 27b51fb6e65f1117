"""The paper's claims, where each is tested, and what became of it in the published record."""

from videoattn.engine.record import Record
from videoattn.evaluation.metrics import mean_interval
from videoattn.papers.rcca import audit
from videoattn.reporting.claims import Claim, judged, ordered
from videoattn.reporting.printed import Line, lines
from videoattn.reporting.tables import NOT_RUN, percent

GUESSING = 0.5  # top-1 of two classes


def claims(record: Record | None) -> list[Claim]:
    """All claims, those about accuracy judged on the published record."""
    saving = audit.savings()
    return [
        Claim("A position attends to the T + H + W - 2 on its lines, itself once", "3.1", "5", "holds, exactly"),
        Claim("Three steps carry information between any two positions", "3.2", "7",
              "holds, exactly; with a pooled read-out two steps are enough"),
        Claim("R = 3 is best, since a position needs three steps to know all others", "4.3, table 3", "11",
              needed(record)),
        Claim("Criss-cross attention relates distant positions", "1", "11", judged(record, "cells-r3", "cells-none")),
        Claim("It is at least as accurate as the non-local block", "4.4, table 5", "11",
              judged(record, "cells-nl", "cells-r3", claimed_none=True)),
        Claim("Structure a is better than b, c and d", "4.3, table 1", "11", ordered(record, cells("1"))),
        Claim("C' = C / 4 is best", "4.3, table 4", "11", ordered(record, cells("4"))),
        Claim("30% fewer FLOPs than the non-local block", "abstract, 4.4", "8", saving["FLOPs"]),
        Claim("25% fewer parameters than the non-local block", "abstract, 4.4", "8", saving["parameters"]),
    ]  # fmt: skip


def cells(table: str) -> list[Line]:
    """The lines of a table with attention, on networks of cells."""
    return lines("rcca", table, kinds=("cells",))[1:]


def needed(record: Record | None) -> str:
    """Whether two steps relate pairs at distance 3, read out pooled and at the place."""
    found = [record.values(f"{readout}-r2 at 3") if record else [] for readout in ("cells", "place")]
    if not all(found):
        return NOT_RUN
    (pooled, pooled_half), (place, place_half) = map(mean_interval, found)
    if pooled - pooled_half > GUESSING >= place - place_half:
        word = "holds on the probe only for a read-out at the place"
    elif pooled - pooled_half > GUESSING:
        word = "does not hold on the probe"
    else:
        word = "undecided on the probe" if pooled + pooled_half > GUESSING else "holds on the probe"
    shown = percent(pooled, pooled_half), percent(place, place_half)
    return f"{word}: with R = 2 pairs at distance 3 reach {shown[0]} pooled, {shown[1]} at the place"
