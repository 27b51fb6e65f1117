"""The paper's claims, where each is tested, and what became of it in the published record."""

from collections.abc import Sequence

import numpy as np

from videoattn.data.probes.binding import TURNS
from videoattn.engine.record import Record
from videoattn.engine.rows import SHARES
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
    not_worse,
    together,
)
from videoattn.reporting.tables import mean, ranged

BLOCK = "attention "  # rows about blocks, by their positions


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
        Claim("It beats non-local blocks in both streams, even with the RGB scores alone", "5.5, table 4", "11",
              judged(record, "cma-1-R", "two-stream-nl")),
        Claim("It beats one network on both streams, stacked", "not in the paper", "11",
              judged(record, "cma-1-R", "stacked")),
        Claim("It beats the mean of the other stream, added", "not in the paper", "11",
              judged(record, "cma-1-R", "uniform-1-R")),
        Claim("It beats what the other stream has at the same place, added", "not in the paper", "11",
              judged(record, "cma-1-R", "add-1-R")),
        Claim("Adding the flow scores to it helps further", "5.3, table 1", "11", judged(record, "cma-1-S", "cma-1-R")),
        Claim("With any larger weight of the RGB scores that sum beats two streams", "5.2, figure 3", "11",
              any_weight(record)),
        Claim("Iteration 2 brings the flow branch to the level of two streams", "5.3, table 1", "11",
              not_worse(record, "cma-2-F", "two-stream")),
        Claim("Iteration 2 lowers the RGB branch", "5.3, table 1", "11", judged(record, "cma-1-R", "cma-2-R")),
        Claim("Iteration 3 brings it back", "5.3, table 1", "11", not_worse(record, "cma-3-R", "cma-1-R")),
        Claim("The first iteration is almost sufficient", "5.3, table 1", "11",
              together({f"against the {number}": not_worse(record, "cma-1-S", row)
                        for number, row in (("second", "cma-2-S"), ("third", "cma-3-S"))})),
        Claim("Non-local blocks help each stream alone", "5.5, table 4", "11",
              all_judged(record, {"RGB": ("rgb-nl", "rgb"), "flow": ("flow-nl", "flow")})),
        Claim("Non-local blocks beside CMA add nothing", "5.5, table 4", "11", equal(record, "cma-1-nl-R", "cma-1-R")),
        Claim("It is more sensitive to motion than two streams", "5.4, table 3", "11", of_turns(record)),
        Claim("The blocks look at what moves", "5.4, figure 5", "12", looked(record)),
        Claim("Fewer parameters than two streams (1.8 against 2)", "5.4, table 2", "8", Verdict(FAILS, fewer)),
        Claim("It helps 3D networks, too", "5.6, table 5", "11", judged(record, "p3d-cma-1-R", "p3d-S")),
        Claim("and the scores of both branches help further", "5.6, table 5", "11",
              judged(record, "p3d-cma-1-S", "p3d-cma-1-R")),
        Claim("It transfers to a second data set", "5.7, table 6", "11",
              judged(record, "transfer-cma-1-R", "transfer-S")),
    ]  # fmt: skip


def any_weight(record: Record | None) -> Verdict:
    """Whether both scores beat two streams with every weight of the RGB scores above a half.

    Of each seed the worst such weight counts, against the best of all weights for two streams.
    """
    found = compared(record, "cma-1-S", "two-stream", "sweep")
    if found is None:
        return UNKNOWN
    worst = [min(at for at, share in zip(curve, SHARES, strict=True) if share > 1 / 2) for curve in found.ours]
    best = [max(curve) for curve in found.theirs]
    return decided(found._replace(ours=worst, theirs=best))


def of_turns(record: Record | None) -> Verdict:
    """How often the part of the class that only motion shows, which way round, is right, whatever the colour."""
    found = compared(record, "cma-1-R", "two-stream", "confusion")
    if found is None:
        return UNKNOWN
    ours, theirs = ([turn_accuracy(counts) for counts in row] for row in (found.ours, found.theirs))
    verdict = decided(found._replace(ours=ours, theirs=theirs, chance=1 / len(TURNS)))
    return Verdict(verdict.word, f"which way round, whatever the colour: {verdict.said}", verdict.reason)


def turn_accuracy(confusion: Sequence[Sequence[int]]) -> float:
    """The share of clips of which the turn is right, of counts with classes ordered by kind, then by turn."""
    counts = np.asarray(confusion)
    own, told = np.indices(counts.shape) % len(TURNS)
    return float(counts[own == told].sum() / counts.sum())


def looked(record: Record | None) -> Verdict:
    """How much of the attention of each block falls on the moving object, against its share of the area."""
    blocks = sorted({row for r in record.results for row in r["metrics"] if row.startswith(BLOCK)}) if record else []
    verdicts = {}
    for row in blocks:
        found = compared(record, row, row, "share")
        areas = record.values(row, "area")
        verdict = decided(found._replace(theirs=areas))
        keys = record.values(row, "keys")[0]
        said = f"{ranged(found.ours)}% of it on {100 * mean(areas):.0f}% of the area"
        verdicts[f"{row.removeprefix(BLOCK)}, {keys} keys"] = Verdict(verdict.word, said, verdict.reason)
    return together(verdicts)
