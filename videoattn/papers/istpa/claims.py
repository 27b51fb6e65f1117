"""The paper's claims, where each is tested, and what became of it in the published record."""

from videoattn.engine.record import Record
from videoattn.papers.istpa import audit
from videoattn.papers.istpa.experiments import frames_name
from videoattn.papers.istpa.streams import claims as of_streams
from videoattn.reporting.claims import (
    FAILS,
    HOLDS,
    UNKNOWN,
    Claim,
    Verdict,
    all_judged,
    equal,
    judged,
    ordered,
    together,
)
from videoattn.reporting.printed import lines
from videoattn.reporting.tables import run

FUSIONS = {"maximum": "max", "sum": "sum"}  # besides the multiplication


def claims(record: Record | None, streams: Record | None = None) -> list[Claim]:
    """All claims, those about accuracy judged on the published records of the attention layer and of the streams."""
    return [
        Claim("Pyramid attention raises the accuracy of the network that it is put into", "5.1.2, table 2", "11",
              over(record, "mean")),
        Claim("also over a mean of the same maps", "5.1.2", "11", over(record, "mean-maps")),
        Claim("Three scales are better than one", "5.1.2, table 2", "11", judged(record, "scales-3", "scales-1")),
        Claim("The order of table 2", "table 2", "11", ordered(record, run(record, lines("istpa", "2")))),
        Claim("Multiplication is the best fusion", "5.1.3, table 3", "11",
              all_judged(record, {f"over the {name}": ("scales-3", f"fusion-{row}") for name, row in FUSIONS.items()})),
        Claim("The interaction-aware loss helps", "5.1.4, table 4", "11", judged(record, "interaction", "scales-3")),
        Claim("The pyramid attention loss helps", "5.1.4, table 4", "11", judged(record, "pyramid", "scales-3")),
        Claim("Both losses together help", "5.1.4, table 4", "11", judged(record, "both", "scales-3")),
        Claim("An attention vector for each position is better than one for all", "5.1.4, table 5", "11",
              judged(record, "both", "shared")),
        Claim("More frames in testing raise the accuracy", "5.2, figure 4", "11", more_frames(record)),
        Claim("The layer takes more frames in testing than in training as they are", "3.4, 5.2", "11", growth(record)),
        Claim("The order of the frames does not matter", "1, 3.4", "7", Verdict(HOLDS, reason="exactly")),
        Claim("A loss that is smallest where A^T A = I", "3.3, eq. (8)", "7",
              Verdict(HOLDS, "for its second term; entries of A are not negative, so each source may then serve one "
                             "output")),
        Claim("The distance of two attention vectors is at most 1", "3.3, eq. (9)", "7",
              Verdict(FAILS, "up to 1.414; the loss of eq. (10) is then the root of a negative number", "exactly")),
        Claim("The bias of eq. (2) is what removing the mean is in PCA", "3.2", "7",
              Verdict(FAILS, "softmax takes no notice of it", "exactly, with one scale or a sum")),
        Claim("The layer costs O(C W H)", "5.3", "8", 
              Verdict(FAILS, "these are its weights; it computes C K (W H)^2")),
        Claim("It adds only a few parameters", "5.3, table 10", "8", small_share()),
        *of_streams.claims(streams),
    ]  # fmt: skip


def over(record: Record | None, baseline: str) -> Verdict:
    """One scale and three against a network without attention."""
    return all_judged(record, {"1 scale": ("scales-1", baseline), "3 scales": ("scales-3", baseline)})


def growth(record: Record | None) -> Verdict:
    """Networks against themselves without the growth of their maps from the frames of training to those of testing."""
    rows = {"1 scale": "scales-1", "3 scales": "scales-3", "with the pyramid loss": "pyramid"}
    found = together({name: equal(record, f"{row} rescaled", row) for name, row in rows.items()})
    if found == UNKNOWN:
        return UNKNOWN
    return Verdict(
        found.word,
        f"maps grow by up to sqrt(K) for K times the frames; without that growth: {found.said}",
        found.reason,
    )


def more_frames(record: Record | None) -> Verdict:
    """The networks with and without attention, at all frames of the test against as many as in training."""
    if record is None:
        return UNKNOWN
    fewer = frames_name(record.recipe["clips"]["frames"])
    found = all_judged(record, {row: (row, f"{row} {fewer}") for row in ("mean", "scales-1", "scales-3")})
    if found == UNKNOWN:
        return UNKNOWN
    return Verdict(found.word, f"K = {record.recipe['test_frames']} against {fewer}: {found.said}", found.reason)


def small_share() -> Verdict:
    """What three scales add to each network, as built."""
    shares = []
    for name in (audit.VGG, audit.BN, audit.RESIDUAL):
        (plain, _, _), (whole, _, _) = audit.cell(name, 0), audit.cell(name, len(audit.ROWS) - 1)
        shares.append(f"{name} {100 * (whole - plain) / plain:.2f}%")
    return Verdict(HOLDS, ", ".join(shares))
