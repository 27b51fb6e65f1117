"""The paper's claims, where each is tested, and what became of it in the published record."""

from videoattn.papers.rcca import audit
from videoattn.papers.rcca.comparison import tables
from videoattn.reporting.claims import Claim, judged
from videoattn.reporting.record import Record
from videoattn.reporting.tables import NOT_RUN, agreement

SOLVED = 0.95  # top-1 from which a task of two classes counts as solved


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
              judged(record, "cells-r3", "cells-nl")),
        Claim("Structure a is better than b, c and d", "4.3, table 1", "11", ordered(record, "1")),
        Claim("C' = C / 4 is best", "4.3, table 4", "11", ordered(record, "4")),
        Claim("30% fewer FLOPs than the non-local block", "abstract, 4.4", "8", saving["FLOPs"]),
        Claim("25% fewer parameters than the non-local block", "abstract, 4.4", "8", saving["parameters"]),
    ]  # fmt: skip


def needed(record: Record | None) -> str:
    """The fewest steps that solve pairs at each distance, pooled and at the place."""
    if not (record and record.values("place-r3 at 3")):
        return NOT_RUN
    found = {p: [fewest(record, p, d) for d in (1, 2, 3)] for p in ("cells", "place")}
    shown = {p: ", ".join("none" if r is None else str(r) for r in steps) for p, steps in found.items()}
    return (
        f"only for a read-out at the place: pairs at distance 1, 2, 3 take {shown['place']} steps there, "
        f"{shown['cells']} pooled (mean top-1 of {SOLVED:.0%} or more)"
    )


def fewest(record: Record, prefix: str, distance: int) -> int | None:
    """Steps from which the mean top-1 at a distance is at least `SOLVED`; None where no R does it."""
    for steps in (1, 2, 3, 4):
        values = record.values(f"{prefix}-r{steps} at {distance}")
        if values and sum(values) / len(values) >= SOLVED:
            return steps
    return None


def ordered(record: Record | None, table: str) -> str:
    """Agreement of a table's ordering with the one on the probe."""
    rows = tables("cells-")[table][1:]  # without the network that has no module
    found = agreement(record, table, rows) if record else None
    if found is None:
        return NOT_RUN
    mean, half = found
    word = "agrees" if mean - half > 0 else "does not agree" if mean + half < 0 else "undecided"
    return f"{word} on the probe: Kendall's tau of the rows {mean:.2f} ± {half:.2f}"
