"""The paper's claims, where each is tested, and what became of it in the published record."""

from decimal import Decimal

from videoattn.engine.record import Record
from videoattn.evaluation.metrics import mean_interval
from videoattn.papers.aia import audit
from videoattn.papers.aia.experiments import BEST, KERNELS, VARIANTS, plain
from videoattn.reporting.claims import Claim, all_judged, ordered
from videoattn.reporting.printed import lines, printed_value
from videoattn.reporting.tables import NOT_RUN, difference, percent, run

BLIND = ("tsn-SE3D", "tsn-GE3D-G", "tsn-GE3D-DW133", "tsn-S3D-G", "tsn-CBAM3D-177")  # no kernel along time
GUESSING = 0.5  # of the clips of a level, since each comes as a pair


def claims(record: Record | None) -> list[Claim]:
    """All claims, those about accuracy judged on the published record."""
    table_1 = [line for line in lines("aia", "I", columns=("Top-1",)) if line.row.startswith("TSN ")][1:]
    return [
        Claim("C and ST improve a 2D network by far", "IV-C, table I", "11",
              all_judged(record, {name: (f"tsn-{name}", "tsn-none") for name in ("C", "ST")})),
        Claim("Modules without a local spatio-temporal convolution do not", "IV-C, table I", "7", blind(record)),
        Claim("GE3D-DW333 and CBAM3D-377 are still worse than all AIA modules", "IV-C", "11", worse()),
        Claim("CinST is better than C and than ST", "IV-C, table I", "11", over(record, "tsn-CinST", "C", "ST")),
        Claim("STinC is better than C and than ST", "IV-C, table I", "11", over(record, "tsn-STinC", "C", "ST")),
        Claim("One in the other is better than one behind the other", "IV-C, table I", "11",
              over(record, "tsn-CinST", "C_ST")),
        Claim("CinST->STinC is best", "IV-C, table I", "11", over(record, f"tsn-{plain(BEST)}", "CinST")),
        Claim("The order of table I", "table I", "11", ordered(record, run(record, table_1))),
        Claim("Attention in attention brings the gain, not the 3x3x3 kernels in it", "I", "7", kernel(record)),
        Claim("Less than 0.02% more FLOPs", "abstract, I, IV-C, V", "8", dearer()),
        Claim("Short and small motions are where C and ST fail and AIA does not", "IV-D, figure 5", "11",
              small(record)),
    ]  # fmt: skip


def over(record: Record | None, row: str, *modules: str) -> str:
    """A row against TSN with each of several modules."""
    return all_judged(record, {f"over {name.replace('_', '->')}": (row, f"tsn-{name}") for name in modules})


def blind(record: Record | None) -> str:
    """Whether modules without a kernel along time stay near the network without a module, on the average of levels.

    They do so exactly, by the property that the notebook shows; what a profile trains of them is measured as well.
    """
    found = {row: record.values(row) if record else [] for row in BLIND}
    there = {row: mean_interval(values) for row, values in found.items() if values}
    if not there:
        return "holds on the probe, exactly: they give all orders of the frames the same scores"
    above = [row for row, (mean, half) in there.items() if mean - half > GUESSING]
    shown = ", ".join(f"{row.partition('-')[2]} {percent(*value)}" for row, value in there.items())
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
        for name in ("C", "ST"):
            found = difference(record, f"tsn-CinST {level}", f"tsn-{name} {level}") if record else None
            if found:
                parts.append(f"{level}, over {name} {percent(*found, signed=True)}")
    return f"on the probe CinST: {'; '.join(parts)} points" if parts else NOT_RUN


def dearer() -> str:
    """What the modules add by the paper's own rules of counting."""
    whole = audit.built(VARIANTS["tsn-none"], "thop-2020")[1]
    shares = {gate: 100 * Decimal(audit.added(gate, "thop-2020")[1]) / whole for gate in ("C", "ST", BEST)}
    return "holds for C alone: " + ", ".join(f"{gate} {share:.2g}%" for gate, share in shares.items())
