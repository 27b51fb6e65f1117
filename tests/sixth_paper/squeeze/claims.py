"""The paper's claims, where each is tested, and what became of it in the published record."""

from videoattn.papers.squeeze import audit

from videoattn.engine.record import Record
from videoattn.reporting.claims import HOLDS, Claim, Verdict, judged


def claims(record: Record | None) -> list[Claim]:
    """All claims, those about accuracy judged on the published record."""
    added = audit.rows()[0].in_paper_units
    return [
        Claim("Gates improve a network", "6.1", "11", judged(record, "se", "none")),
        Claim("They add 2.5 million parameters to ResNet-50", "5", "8", Verdict(HOLDS, str(added))),
        Claim(
            "The order of the frames does not matter to them", "not in the paper", "7", Verdict(HOLDS, reason="exactly")
        ),
    ]
