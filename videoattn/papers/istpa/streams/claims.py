"""What the paper says of streams and their fusions, and what came of it here."""

from videoattn.engine.record import Record
from videoattn.papers.istpa.streams.experiments import IDT, STREAMS, pair
from videoattn.reporting.claims import UNKNOWN, Claim, Verdict, all_judged, judged, ordered
from videoattn.reporting.printed import lines

SECTION = "11"  # of the notebook
ALL = ("rgb", "flow", "warped", IDT)  # one of `FUSIONS`, named before any was run
# Rows with attention and the same without.
WITHOUT = {"RGB": ("rgb", "rgb-mean"), "flow": ("flow", "flow-mean"), "fused": ("rgb+flow", pair("mean"))}


def claims(record: Record | None) -> list[Claim]:
    """All claims, judged on the published record."""
    return [
        Claim("Late fusion of RGB and flow is better than the better of the two", "5.1.4, table 4", SECTION,
              judged(record, "rgb+flow", best(record, ("rgb", "flow")))),
        Claim("With attention RGB, flow and their late fusion are better than without", "5.1.6, table 9", SECTION,
              all_judged(record, WITHOUT)),
        Claim("Both losses raise the late fusion of three scales", "5.1.4, table 4", SECTION,
              judged(record, pair("both"), pair("scales-3"))),
        Claim("Fusion by the attention layer is better than late fusion", "5.5, table 11", SECTION,
              judged(record, "fused", "rgb+flow")),
        Claim("Where the camera moves, flow without its motion is better than plain flow", "5.5", SECTION,
              judged(record, "warped", "flow")),
        Claim("Such flow as a third stream helps", "5.5, table 11", SECTION,
              judged(record, "rgb+flow+warped", "rgb+flow")),
        Claim("RGB reinforced by motion, in place of RGB, helps the three streams", "5.5, table 11", SECTION,
              judged(record, "reinforced+flow+warped", "rgb+flow+warped")),
        Claim("The order of table 11", "table 11", SECTION, ordered(record, lines("istpa", "11", kinds=("streams",)))),
        Claim("Trajectories help the two streams", "5.7, table 13", SECTION,
              judged(record, "rgb+flow+idt", "rgb+flow")),
        Claim("A late fusion is better than the best of all streams", "5.5, 5.7", SECTION, over_all(record)),
    ]  # fmt: skip


def best(record: Record | None, rows: tuple[str, ...]) -> str:
    """The row with the highest mean; the first without a record."""
    return max(rows, key=lambda row: sum(record.values(row)) if record else 0)


def over_all(record: Record | None) -> Verdict:
    """The late fusion of all streams and trajectories against the best one alone."""
    alone = best(record, (*STREAMS, IDT))
    found = judged(record, "+".join(ALL), alone)
    if found == UNKNOWN:
        return UNKNOWN
    return Verdict(found.word, f"{'+'.join(ALL)} over {alone}: {found.said}", found.reason)
