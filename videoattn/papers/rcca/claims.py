"""The paper's claims, where each is tested, and what became of it in the published record."""

from videoattn.engine.record import Record
from videoattn.papers.rcca import audit
from videoattn.reporting.claims import (
    FAILS,
    HOLDS,
    OPEN,
    SAME,
    UNKNOWN,
    Claim,
    Verdict,
    above,
    judged,
    not_worse,
    ordered,
)
from videoattn.reporting.printed import Line, lines

GUESSING = 0.5  # top-1 of two classes


def claims(record: Record | None) -> list[Claim]:
    """All claims, those about accuracy judged on the published record."""
    saving = audit.savings()
    return [
        Claim("A position attends to the T + H + W - 2 on its lines, itself once", "3.1", "5",
              Verdict(HOLDS, reason="by construction")),
        Claim("Three steps carry information between any two positions", "3.2", "7",
              Verdict(HOLDS, "with a pooled read-out two steps are enough", "exactly")),
        Claim("R = 3 is best, since a position needs three steps to know all others", "4.3, table 3", "11",
              needed(record)),
        Claim("Criss-cross attention relates distant positions", "1", "11", judged(record, "cells-r3", "cells-none")),
        Claim("It is at least as accurate as the non-local block", "4.4, table 5", "11",
              not_worse(record, "cells-r3", "cells-nl")),
        Claim("Structure a is better than b, c and d", "4.3, table 1", "11", ordered(record, cells("1"))),
        Claim("C' = C / 4 is best", "4.3, table 4", "11", ordered(record, cells("4"))),
        Claim("30% fewer FLOPs than the non-local block", "abstract, 4.4", "8", Verdict(FAILS, saving["FLOPs"])),
        Claim("25% fewer parameters than the non-local block", "abstract, 4.4", "8",
              Verdict(HOLDS, saving["parameters"])),
    ]  # fmt: skip


def cells(table: str) -> list[Line]:
    """The lines of a table with attention, on networks of cells."""
    return lines("rcca", table, kinds=("cells",))[1:]


def needed(record: Record | None) -> Verdict:
    """Whether pairs at distance 3 are out of the reach of two steps, read out pooled and at the place."""
    found = {how: above(record, f"{row}-r2 at 3", GUESSING) for how, row in (("pooled", "cells"), ("place", "place"))}
    if UNKNOWN in found.values():
        return UNKNOWN
    pooled, place = (verdict.word for verdict in found.values())
    word = FAILS if pooled == HOLDS else HOLDS if {pooled, place} <= {SAME, FAILS} else OPEN
    alone = ", but it does for one at the place" if pooled == HOLDS and place in (SAME, FAILS) else ""
    said = f"with R = 2 pairs at distance 3 reach {found['pooled'].said} pooled, {found['place'].said} at the place"
    reason = next((verdict.reason for verdict in found.values() if word == verdict.word == OPEN), "")
    return Verdict(word, f"for a pooled read-out{alone}; {said}" if word == FAILS else said, reason)
