"""The audit of BANet: every complexity figure has its row, sizes by a walk of their own, verdicts; and the claims."""

import pytest
import torch
from measured import measured

from videoattn.engine.record import Record
from videoattn.papers.banet import audit, bench
from videoattn.papers.banet.claims import claims
from videoattn.papers.banet.experiments import VARIANTS
from videoattn.reporting import speed
from videoattn.reporting.audit import MISPRINT, NOT_REPRODUCIBLE, REPRODUCED, AuditRow
from videoattn.reporting.claims import FAILS, HOLDS, OPEN, SAME, UNKNOWN, Verdict
from videoattn.reporting.printed import printed

ACCURACIES = ("Top-1", "UCF101", "HMDB51", "VPS")


@pytest.fixture(scope="module")
def rows() -> list[AuditRow]:
    return audit.rows()


def test_every_complexity_figure_is_audited_and_every_row_stands_in_the_paper(rows):
    figures = {(r["table"], r["row"], r["column"]): r["value"] for r in printed("banet")}
    wanted = {key: value for key, value in figures.items() if key[2] not in ACCURACIES}
    assert {(r.table, r.row, r.quantity): r.printed for r in rows} == wanted
    assert len(rows) == len(wanted)


def test_verdicts(rows):
    found = {(r.row, r.quantity): r.verdict for r in rows}
    wrong = {key: verdict for key, verdict in found.items() if verdict != REPRODUCED}
    assert wrong == {
        ("conv3_x", "convolutions"): MISPRINT,
        ("conv3_x", "length"): MISPRINT,
        ("conv4_x", "length"): MISPRINT,
        ("conv5_x", "length"): MISPRINT,
        ("BANet", "FPS"): NOT_REPRODUCIBLE,
    }


def test_integers(rows):
    found = {(r.row, r.quantity): r.computed for r in rows}
    pairs = 16 * 784**2 + 28 * 448**2 + 28 * 448**2  # of positions in one plane, over all planes
    assert found["Eq. (7)", "R"] == 2 * 96 * pairs
    assert found["BANet", "FPS"] == 318  # 19.9 x 16
    assert [found[f"conv{i}_x", "length"] for i in (3, 4, 5)] == [16, 8, 4]
    assert audit.stacked() == (96, 16, 28, 28)
    assert [audit.window(layer) for layer in audit.WINDOWS] == [(7, 2), (3, 2), (3, 1), (3, 2)]
    assert [found[f"conv{i}_x", "channels"] for i in (3, 4, 5)] == [128, 256, 512]
    assert found["pooling", "side"] == 1


def test_what_the_modules_add():
    """A non-local block and a cascade on 96 x 16 x 28 x 28 at half the width, by hand."""
    positions, wide, inner = 16 * 28 * 28, 96, 48
    full = 4 * positions * wide * inner + 2 * inner * positions**2
    pairs = 16 * 784**2 + 2 * 28 * 448**2
    assert audit.added("eco-nl")[1] == full
    assert audit.added("eco-cs")[1] == positions * (2 * wide * inner + 9 * inner**2) + 2 * inner * pairs
    for name in ("eco-nl", "eco-cs"):
        more = [whole - base for whole, base in zip(audit.built(name), audit.built("eco-all"), strict=True)]
        assert tuple(more) == audit.added(name)
    assert audit.added("eco-all") == (0, 0)


def test_choosing_frames_costs_next_to_nothing():
    size, cost = audit.built("lite-learned")
    base = audit.built("lite-uniform")
    weights = 56 * 56 * 64 + 64 * 16 + 16
    assert size - base[0] == weights + 64 + 16 + 1
    # 31 differences; grey: 3 products a pixel of 32 frames
    assert cost - base[1] == 31 * weights + 3 * 32 * 224 * 224
    assert audit.built("lite-both-8f")[0] == audit.built("lite-both")[0]


def test_the_printed_tables_agree_with_each_other():
    value = {(r["table"], r["row"], r["column"]): r["value"] for r in printed("banet")}
    for table, row in (("VI", "ECO(with 1 CS)"), ("VII", "BANet(cascaded self-attention only)")):
        assert value[table, row, "Top-1"] == value["V", "BANet(HW-TW-TH)", "Top-1"]
    assert value["VI", "ECO(with 1 CS)", "VPS"] == value["III", "BANet(16F)", "VPS"]  # without and with frame attention


def verdict(claim: str, one: Record | None, relation: Record | None = None) -> Verdict:
    (found,) = [c.verdict for c in claims(one, relation) if c.claim.startswith(claim)]
    return found


@pytest.mark.parametrize(
    ("learned", "word"), [([0.9, 0.95, 0.92, 0.91, 0.93], HOLDS), ([0.3] * 5, FAILS), ([0.9, 0.1, 0.5, 0.7, 0.3], OPEN)]
)
def test_what_is_kept(learned, word):
    one = measured("banet", {"lite-learned kept": learned, "lite-random kept": [0.5] * 5}, "relevant")
    told = verdict("Frame attention drops", one)
    assert told.word == word
    assert "are relevant, of random ones 50.0 (50.0 to 50.0)%; " in told.said


def test_claims_without_a_record_and_with_rows():
    assert verdict("Frame attention drops", None) == verdict("Both together", None) == UNKNOWN
    assert str(verdict("at 13.4%", None)) == "holds: for Q K^T, 13.4%; of the modules 15.6%"
    assert str(verdict("BANet runs", None)) == "does not hold (by table III): 318; BANet-Lite, at 4 frames, 455"
    assert str(verdict("The network is trained", None)).endswith("passes no gradient to the scores")
    one = measured("banet", {"lite-learned": [0.9] * 5, "lite-random": [0.5] * 5, "lite-both": [0.9] * 5})
    assert "trained scores: over random frames holds: +40.0 [" in verdict("The network is trained", one).said
    assert "untrained scores" not in verdict("The network is trained", one).said
    both = verdict("Both together", one)
    assert (both.word, both.said.startswith("over before alone: +0.0 [")) == (SAME, True)


def test_a_gain_over_all_frames_is_told_with_the_number_of_clips():
    one = measured("banet", {"lite-learned": [0.9] * 5, "lite-uniform": [0.5] * 5, "lite-all": [0.9] * 5})
    over = [verdict(claim, one) for claim in ("It raises the accuracy over as many uniform", "and over all sampled")]
    assert [told.word for told in over] == [HOLDS, SAME]
    assert over[0].reason == "from 160 training clips"
    assert "clips" not in over[1].reason
    assert verdict("and over all sampled", None) == UNKNOWN


def test_claims_of_the_relation_probe():
    rows = {"cs": [0.8] * 5, "cs-tw-hw-th": [0.8] * 5, "cs-th-tw-hw": [0.8] * 5}
    assert verdict("The order of the planes", None, measured("banet", rows)).word == HOLDS
    rows["cs-th-tw-hw"] = [0.6] * 5
    rows |= {"none": [0.5] * 5, "mean": [0.8] * 5, "nl": [0.9] * 5, "cs-hw-tw": [0.8] * 5, "cs at 3": [0.9] * 5}
    one = measured("banet", rows | {"cs-sum at 3": [0.5] * 5})
    words = {
        claim: verdict(claim, None, one).word for claim in ("The order", "Cascaded self-attention helps", "It is as")
    }
    assert words == {"The order": FAILS, "Cascaded self-attention helps": HOLDS, "It is as": FAILS}
    assert verdict("and over the mean of all places", None, one).word == SAME
    two = verdict("Two kinds of planes", None, one)
    assert (two.word, two.said.endswith("not run: TW, TH")) == (HOLDS, True)
    reach = verdict("In a cascade every position", None, one)
    assert reach.word == HOLDS
    assert "at distance 3 the cascade over the sum: holds: +40.0 [" in reach.said
    assert "the sum over guessing: no difference" in reach.said


def test_what_no_record_decides():
    told = verdict("Self-attention contributes more", None)
    assert (told.word, "a probe made for its module" in told.reason) == (OPEN, True)
    faster = verdict("With it ECO is faster", None)
    assert (faster.word, faster.said) == (OPEN, "printed: 2.5 times as many videos a second")


def test_what_the_bench_measures():
    cpu = torch.device("cpu")
    modules = speed.bench(lambda: bench.modules((8, 4, 6, 6)), device=cpu, seconds=0.001)
    assert [row.what for row in modules[:3]] == [
        "non-local, fused, no max-pool",
        "non-local, fused, max-pool",
        "cascade HW-TW-TH",
    ]
    assert modules[0].ratio == modules[0].backward_ratio == 1
    assert list(bench.modules((8, 4, 6, 6), names=("cascade HW-TW",))) == ["cascade HW-TW"]
    networks = speed.bench(lambda: bench.networks(32, names=("BANet-Lite(4F)",)), device=cpu, seconds=0.001)
    assert [row.what for row in networks] == ["ECO(16F)", "BANet-Lite(4F)"]
    assert networks[1].backward is None
    files = speed.bench(lambda: bench.files(32, names=("BANet-Lite(4F)",)), device=cpu, seconds=0.001)
    assert [row.what for row in files] == ["BANet-Lite(4F)", "reading for BANet-Lite(4F)"]
    assert set(audit.NETWORKS.values()) | set(bench.TABLE_6.values()) <= set(VARIANTS)
