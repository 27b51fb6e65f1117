"""The paper's claims, where each is tested, and what became of it in the published record."""

from decimal import Decimal

from videoattn.engine.record import Record
from videoattn.papers.aia import audit
from videoattn.papers.aia.experiments import BEST, KERNELS, VARIANTS, plain
from videoattn.reporting.claims import FAILS, HOLDS, Claim, Verdict, above, all_judged, compared, ordered
from videoattn.reporting.printed import lines, printed_value
from videoattn.reporting.tables import accuracy, run

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


def over(record: Record | None, row: str, *modules: str) -> Verdict:
    """A row against TSN with each of several modules."""
    return all_judged(record, {f"over {name.replace('_', '->')}": (row, f"tsn-{name}") for name in modules})


def blind(record: Record | None) -> Verdict:
    """Modules without a kernel along time cannot tell orders of frames apart, as the notebook shows; and what a run
    measured of them."""
    exact = "they give all orders of the frames the same scores"
    there = [row for row in BLIND if record and record.values(row)]
    if not there:
        return Verdict(HOLDS, exact, "exactly")
    rose = any(above(record, row, GUESSING).word == HOLDS for row in there)
    measured = ", ".join(f"{row.partition('-')[2]} {accuracy(record, row)}" for row in there)
    return Verdict(FAILS if rose else HOLDS, f"{exact}; where guessing is {100 * GUESSING:.0f}: {measured}", "exactly")


def worse() -> Verdict:
    """What table I itself says."""
    value = {
        g: Decimal(printed_value("aia", "I", f"TSN {g}", "Top-1")) for g in ("GE3D-DW333", "CBAM3D-377", "ST", "C+ST")
    }
    return Verdict(
        FAILS,
        f"GE3D-DW333 {value['GE3D-DW333']} against ST {value['ST']} and C+ST {value['C+ST']}; it "
        f"does for CBAM3D-377, {value['CBAM3D-377']}",
        "in table I itself",
    )


def kernel(record: Record | None) -> Verdict:
    """Modules whose kernels see one frame, and along time only, against the network without a module."""
    parts = ["with kernels of one frame they give all orders of the frames the same scores"]
    for gate, shape in (("C", "133"), ("CinST", "133"), ("C", "311")):
        gain = compared(record, f"tsn-{gate}-{shape}", "tsn-none")
        parts += [f"{gate} with kernels {KERNELS[shape]} over TSN alone {gain}"] if gain else []
    return Verdict(FAILS, "; ".join(parts), "exactly")


def small(record: Record | None) -> Verdict:
    """CinST against C and ST on the levels with a short event and with a small motion."""
    pairs = {
        f"{level}, over {name}": (f"tsn-CinST {level}", f"tsn-{name} {level}")
        for level in ("short", "small")
        for name in ("C", "ST")
    }
    return all_judged(record, pairs)


def dearer() -> Verdict:
    """What the modules add by the paper's own rules of counting."""
    whole = audit.built(VARIANTS["tsn-none"], "thop-2020")[1]
    shares = {gate: 100 * Decimal(audit.added(gate, "thop-2020")[1]) / whole for gate in ("C", "ST", BEST)}
    found = [f"{gate} {share:.2g}%" for gate, share in shares.items()]
    return Verdict(FAILS, f"{', '.join(found[1:])}; it does for {found[0]}")
