"""The paper's claims, where each is tested, and what became of it in the published record."""

from videoattn.engine.record import Record
from videoattn.papers.cma import audit
from videoattn.reporting.claims import (
    FAILS,
    HOLDS,
    UNKNOWN,
    Claim,
    Verdict,
    all_judged,
    compared,
    decided,
    equal,
    judged,
)
from videoattn.reporting.tables import mean


def claims(record: Record | None) -> list[Claim]:
    """All claims, those about accuracy judged on the published record."""
    size = {name: audit.parameters(net) for name, net in audit.networks().items()}
    both = size["ResNet50-R"] + size["ResNet50-F"]
    pruned, trained = size["CMA-R"] / 1e6, size["CMA"] / 1e6
    fewer = f"as trained {trained:.1f} M against {both / 1e6:.1f} M; once pruned {pruned:.1f} M"
    return [
        Claim("A block is the identity at the start", "3.2", "7", Verdict(HOLDS, reason="by construction")),
        Claim("Non-local attention is the case of one modality", "3.1", "7",
              Verdict(HOLDS, "without the max-pool", "exactly")),
        Claim("Attention between the modalities beats adding their scores", "5.3, table 1", "11",
              judged(record, "cma-1-R", "two-stream")),
        Claim("It beats non-local blocks, even with the RGB scores alone", "5.5, table 4", "11",
              judged(record, "cma-1-R", "two-stream-nl")),
        Claim("It beats one network on both streams, stacked", "not in the paper", "11",
              judged(record, "cma-1-R", "stacked")),
        Claim("It beats an exchange without attention", "not in the paper", "11",
              all_judged(record, {"the same place added": ("cma-1-R", "add-1-R"),
                                  "the mean added": ("cma-1-R", "uniform-1-R")})),
        Claim("Adding the flow scores to it helps further", "5.3, table 1", "11", judged(record, "cma-1-S", "cma-1-R")),
        Claim("Iteration 2 brings the flow branch to the level of RGB", "5.3, table 1", "11",
              judged(record, "cma-2-F", "two-stream")),
        Claim("Iteration 2 lowers the RGB branch", "5.3, table 1", "11", judged(record, "cma-1-R", "cma-2-R")),
        Claim("Non-local blocks beside CMA add nothing", "5.5, table 4", "11", equal(record, "cma-1-nl-R", "cma-1-R")),
        Claim("The block looks at what moves", "5.4, figure 5", "12", looked(record)),
        Claim("Fewer parameters than two streams (1.8 against 2)", "5.4, table 2", "8", Verdict(FAILS, fewer)),
        Claim("It helps 3D networks, too", "5.6, table 5", "11", judged(record, "p3d-cma-1-R", "p3d-S")),
        Claim("It transfers to a second data set", "5.7, table 6", "11",
              judged(record, "transfer-cma-1-R", "transfer-S")),
    ]  # fmt: skip


def looked(record: Record | None) -> Verdict:
    """How much attention falls on the moving object, against its share of the area."""
    found = compared(record, "attention", "attention", "share")
    if found is None:
        return UNKNOWN
    areas = record.values("attention", "area")
    verdict = decided(found._replace(theirs=areas))
    said = f"{100 * mean(found.ours):.0f}% of the attention on {100 * mean(areas):.0f}% of the area"
    return Verdict(verdict.word, f"{said}; {verdict.said}", verdict.reason)
