"""The paper's claims, where each is tested, and what became of it in the published record."""

from collections.abc import Sequence
from decimal import Decimal

from videoattn.engine.record import Record
from videoattn.evaluation.metrics import mean_interval
from videoattn.papers.aia import audit
from videoattn.papers.aia.comparison import TABLE_1
from videoattn.papers.aia.recipe import BEST, KERNELS, VARIANTS, plain
from videoattn.reporting.audit import printed_value
from videoattn.reporting.claims import Claim, judged, ordered
from videoattn.reporting.tables import NOT_RUN, difference, percent

LOCAL = ("tsn-C", "tsn-ST", "tsn-CinST")  # modules with kernels along time
BLIND = ("tsn-SE3D", "tsn-GE3D-G", "tsn-GE3D-DW133", "tsn-S3D-G", "tsn-CBAM3D-177")  # and those without
GUESSING = 0.5  # of the clips of a level, since each comes as a pair


def claims(record: Record | None) -> list[Claim]:
    """All claims, those about accuracy judged on the published record."""
    best = f"tsn-{plain(BEST)}"
    return [
        Claim("C and ST improve a 2D network by far", "IV-C, table I", "11", all_of(record, LOCAL[:2], "tsn-none")),
        Claim("Modules without a local spatio-temporal convolution do not", "IV-C, table I", "7", blind(record)),
        Claim("GE3D-DW333 and CBAM3D-377 are still worse than all AIA modules", "IV-C", "11", worse()),
        Claim("CinST is better than C and than ST", "IV-C, table I", "11", over(record, "tsn-CinST", LOCAL[:2])),
        Claim("STinC is better than C and than ST", "IV-C, table I", "11", over(record, "tsn-STinC", LOCAL[:2])),
        Claim("One in the other is better than one behind the other", "IV-C, table I", "11",
              over(record, "tsn-CinST", ("tsn-C_ST",))),
        Claim("CinST->STinC is best", "IV-C, table I", "11", over(record, best, ("tsn-CinST",))),
        Claim("The order of table I", "table I", "11", ordered(record, "I", run_rows(record))),
        Claim("Attention in attention brings the gain, not the 3x3x3 kernels in it", "I", "7", kernel(record)),
        Claim("Less than 0.02% more FLOPs", "abstract, I, IV-C, V", "8", dearer()),
        Claim("Short and small motions are where C and ST fail and AIA does not", "IV-D, figure 5", "11",
              small(record)),
    ]  # fmt: skip


def all_of(record: Record | None, rows: Sequence[str], baseline: str) -> str:
    """Each row against a baseline."""
    return "; ".join(f"{row.partition('-')[2]}: {judged(record, row, baseline)}" for row in rows)


def over(record: Record | None, row: str, baselines: Sequence[str]) -> str:
    """A row against several."""
    verdicts = [(baseline, judged(record, row, baseline)) for baseline in baselines]
    run = [
        f"over {baseline.partition('-')[2].replace('_', '->')}: {found}"
        for baseline, found in verdicts
        if found != NOT_RUN
    ]
    return "; ".join(run) or NOT_RUN


def blind(record: Record | None) -> str:
    """Whether modules without a kernel along time stay near the network without a module, on the average of levels.

    They do so exactly, by the property that the notebook shows; what a profile trains of them is measured as well.
    """
    found = {row: record.values(row) if record else [] for row in BLIND}
    run = {row: mean_interval(values) for row, values in found.items() if values}
    if not run:
        return "holds on the probe, exactly: they give all orders of the frames the same scores"
    above = [row for row, (mean, half) in run.items() if mean - half > GUESSING]
    shown = ", ".join(f"{row.partition('-')[2]} {percent(*value)}" for row, value in run.items())
    return f"{'does not hold' if above else 'holds'} on the probe, where guessing is {100 * GUESSING:.0f}: {shown}"


def worse() -> str:
    """What table I itself says."""
    value = {
        g: Decimal(printed_value("aia", "I", f"TSN {g}", "Top-1")) for g in ("GE3D-DW333", "CBAM3D-377", "ST", "C+ST")
    }
    return (
        f"does not hold in table I itself: GE3D-DW333 {value['GE3D-DW333']} against ST {value['ST']} and C+ST "
        f"{value['C+ST']}; holds for CBAM3D-377, {value['CBAM3D-377']}"
    )


def run_rows(record: Record | None) -> list[tuple[str, str, str]]:
    """The modules of table I that the record's profile holds."""
    return [row for row in TABLE_1["tsn"][1:] if record and record.values(row[2])]


def kernel(record: Record | None) -> str:
    """Modules whose kernels see one frame, and along time only, against the network without a module."""
    found = {}
    for gate, shape in (("C", "133"), ("CinST", "133"), ("C", "311")):
        gain = difference(record, f"tsn-{gate}-{shape}", "tsn-none") if record else None
        if gain:
            found[f"{gate} with kernels {KERNELS[shape]}"] = (shape, gain)
    seeing = [mean - half > 0 for shape, (mean, half) in found.values() if shape == "133"]
    parts = [f"{what} {percent(*gain, signed=True)} points over TSN alone" for what, (_, gain) in found.items()]
    if not seeing:
        exact = "does not hold, exactly: with kernels of one frame they give all orders of the frames the same scores"
        return "; ".join((exact, *parts))
    return f"{'holds' if all(seeing) else 'does not hold'} on the probe: {'; '.join(parts)}"


def small(record: Record | None) -> str:
    """CinST against C and ST on the levels with a short event and with a small motion."""
    parts = []
    for level in ("short", "small"):
        for baseline in LOCAL[:2]:
            found = difference(record, f"tsn-CinST {level}", f"{baseline} {level}") if record else None
            if found:
                parts.append(f"{level}, over {baseline.partition('-')[2]} {percent(*found, signed=True)}")
    return f"on the probe CinST: {'; '.join(parts)} points" if parts else NOT_RUN


def dearer() -> str:
    """What the modules add by the paper's own rules of counting."""
    whole = audit.built(VARIANTS["tsn-none"], "thop-2020")[1]
    shares = {gate: 100 * Decimal(audit.added(gate, "thop-2020")[1]) / whole for gate in ("C", "ST", BEST)}
    return "holds for C alone: " + ", ".join(f"{gate} {share:.2g}%" for gate, share in shares.items())
