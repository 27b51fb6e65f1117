"""The audit: closed forms, the paper's units, and that every complexity figure of the paper has its row."""

from collections import Counter
from dataclasses import replace
from decimal import Decimal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from videoattn.layers.non_local import NonLocalBlock
from videoattn.papers.rcca import audit, closed_forms, complexity
from videoattn.papers.rcca.attention import RCCA3D, STRUCTURES
from videoattn.papers.rcca.claims import claims
from videoattn.papers.rcca.experiments import VARIANTS, Variant
from videoattn.reporting.audit import (
    MISPRINT,
    NOT_REPRODUCIBLE,
    OTHER_READING,
    REPRODUCED,
    AuditRow,
    rounds_to,
)
from videoattn.reporting.cost import count, parameters
from videoattn.reporting.printed import printed

TABLES = ("1", "2", "3", "4", "5")
COLUMNS = ("FLOPs", "FLOPs share", "Param", "Param share")
PLACE = (512, 8, 28, 28)


@pytest.fixture(scope="module")
def rows() -> dict[tuple[str, str, str], AuditRow]:
    return {(r.table, r.row, r.quantity): r for r in audit.rows()}


@settings(max_examples=25, deadline=None)
@given(
    widths=st.sampled_from([(2, 1), (4, 2), (8, 4), (12, 3)]),
    lengths=st.tuples(*[st.integers(2, 5)] * 3),
    steps=st.integers(1, 4),
    structure=st.sampled_from(STRUCTURES),
)
def test_closed_forms_of_rcca_equal_the_counts(widths, lengths, steps, structure):
    channels, reduction = widths
    restore = structure == "c"
    with torch.device("meta"):
        block = RCCA3D(channels=channels, reduction=reduction, recurrence=steps, structure=structure)
        maps = torch.empty(1, channels, *lengths)
    size = closed_forms.rcca_parameters(channels, reduction=reduction, restore=restore)
    cost = closed_forms.rcca_multiply_adds((channels, *lengths), reduction=reduction, steps=steps, restore=restore)
    assert (parameters(block), count(block, maps)) == (size, cost)


@pytest.mark.parametrize("recompute", [False, True])
def test_what_runs_on_numbers_costs_as_much(recompute):
    for structure in STRUCTURES:
        block = RCCA3D(channels=8, structure=structure, recompute=recompute)
        cost = closed_forms.rcca_multiply_adds((8, 2, 3, 4), restore=structure == "c")
        assert count(block, torch.randn(1, 8, 2, 3, 4)) == cost
        assert count(block, torch.randn(2, 8, 2, 3, 4), convention="flops-2") == 4 * cost


@pytest.mark.parametrize("pool", [False, True])
@pytest.mark.parametrize("shape", [(2, 1, 2, 2), (8, 3, 4, 6), PLACE, (384, 8, 14, 14)])
def test_closed_forms_of_the_non_local_block_equal_the_counts(pool, shape):
    with torch.device("meta"):
        block, maps = NonLocalBlock(channels=shape[0], dims=3, pool=pool), torch.empty(1, *shape)
    assert closed_forms.non_local_parameters(shape[0]) == parameters(block)
    assert closed_forms.non_local_multiply_adds(shape, pool=pool) == count(block, maps)


def test_closed_forms_by_hand():
    # C = 4, C' = 1: q and k 4 + 1 each, v 16 + 4, gamma; with values of width 1: v 4 + 1, back 4 + 4
    assert closed_forms.rcca_parameters(4) == 2 * 5 + 20 + 1
    assert closed_forms.rcca_parameters(4, restore=True) == 2 * 5 + 5 + 8 + 1
    # 1 x 1 x 2 positions: q, k, v 4 + 4 + 16 each; three keys with v at width 4, q at width 1
    assert closed_forms.rcca_multiply_adds((4, 1, 1, 2), steps=1, keys=2) == 2 * (24 + 2 * 5)
    assert closed_forms.rcca_multiply_adds((4, 1, 1, 2), steps=3) == 3 * 2 * (24 + 4 * 5)
    assert closed_forms.rcca_multiply_adds((4, 1, 1, 2), steps=1, keys=2, restore=True) == 2 * (16 + 2 * 2)
    # C = 2, d = 1, four positions: theta, phi, g, W 2 each; four keys or one, scores and their product
    assert closed_forms.non_local_parameters(2) == 3 * 3 + 4 + 4
    assert closed_forms.non_local_multiply_adds((2, 1, 2, 2), pool=False) == 4 * 4 * 2 + 2 * 4 * 4
    assert closed_forms.non_local_multiply_adds((2, 1, 2, 2), pool=True) == 4 * 4 * 2 + 2 * 4 * 1


def test_keys_that_are_needed_are_those_with_weight():
    shape = (4, 3, 2, 5)
    _, (lines,) = RCCA3D(channels=4, recurrence=1)(torch.randn(1, *shape), return_attention=True)
    joint = torch.cat(lines, dim=-1)
    assert joint.shape[-1] == closed_forms.computed_keys(shape) == 3 + 2 + 5
    assert ((joint > 0).sum(-1) == closed_forms.needed_keys(shape)).all()


@pytest.mark.parametrize("name", ["tsm-r3", "tsm-c", "tsm-cd16", "tsm-conv5_2", "tsm-nl", "mfnet-nl", "mfnet-rcca"])
def test_networks_are_their_baseline_and_the_closed_forms(name):
    variant = VARIANTS[name]
    (size, cost), (base_size, base_cost) = complexity.built(variant), complexity.built(complexity.bare(variant))
    assert size - base_size == complexity.added_parameters(variant)
    assert cost - base_cost == complexity.added_multiply_adds(variant)


def test_sizes_of_the_networks():
    found = {name: complexity.built(VARIANTS[name]) for name in ("tsm-none", "tsm-r3", "tsm-nl", "mfnet-none")}
    assert found == {
        "tsm-none": (24_327_632, 32_703_643_648),
        "tsm-r3": (24_721_617, 40_873_099_264),
        "tsm-nl": (24_854_224, 56_133_025_792),
        "mfnet-none": (7_996_368, 11_045_449_728),
    }


def test_every_complexity_figure_is_audited_and_every_row_stands_in_the_paper(rows):
    figures = {
        (r["table"], r["row"], r["column"]): r["value"]
        for r in printed("rcca")
        if (r["table"] in TABLES and r["column"] in COLUMNS)
        or (not r["table"].isdecimal() and r["unit"] not in ("videos", "factor"))
    }
    assert {key: r.printed for key, r in rows.items()} == figures
    assert len(audit.rows()) == len(figures) == 4 * 25 + 34


def test_verdicts(rows):
    of = {v: {key for key, r in rows.items() if r.verdict == v} for v in (MISPRINT, NOT_REPRODUCIBLE)}
    assert of[NOT_REPRODUCIBLE] == {("1", "c", column) for column in COLUMNS}
    assert of[MISPRINT] == {
        ("2", "conv3_3", "FLOPs share"),
        ("3", "R = 3", "FLOPs share"),
        ("section 1", "non-local", "complexity"),
        ("section 1", "non-local in 2D", "complexity"),
    }
    assert Counter(r.verdict for r in rows.values()) == {
        REPRODUCED: 49,
        OTHER_READING: 77,
        MISPRINT: 4,
        NOT_REPRODUCIBLE: 4,
    }


@pytest.mark.parametrize(
    ("key", "computed", "shown", "verdict"),
    [
        (("1", "TSM", "FLOPs"), 32_703_643_648, "32.7G", OTHER_READING),
        (("1", "a", "FLOPs"), 40_873_099_264, "40.9G", OTHER_READING),
        (("1", "a", "Param"), 24_721_617, "24.72M", OTHER_READING),
        (("1", "a", "Param share"), 24_721_617, "101.6%", REPRODUCED),
        (("1", "c", "FLOPs"), 37_944_426_496, "37.9G", NOT_REPRODUCIBLE),
        (("2", "conv3_3", "FLOPs share"), 40_873_099_264, "125.0%", MISPRINT),
        (("5", "TSM+NL*1", "FLOPs"), 56_133_025_792, "56.1G", OTHER_READING),
        (("5", "MF-Net", "Param"), 7_996_368, "8.00M", REPRODUCED),
        (("5", "MF-Net+NL*5", "FLOPs"), 17_842_089_984, "17.8G", OTHER_READING),
        (("abstract", "RCCA-3D against non-local", "fewer parameters"), 393_985, "25.2%", REPRODUCED),
        (("abstract", "RCCA-3D against non-local", "fewer FLOPs"), 8_169_455_616, "65.1%", OTHER_READING),
        (("section 4.4", "RCCA-3D against non-local", "fewer parameters"), 24_721_617, "0.5%", OTHER_READING),
        (("section 4.4", "RCCA-3D against non-local", "fewer FLOPs"), 40_873_099_264, "27.2%", OTHER_READING),
        (("section 4.3", "TSM", "FLOPs"), 32_703_643_648, "32.7G", REPRODUCED),
        (("section 4.3", "RCCA-3D in stage 2", "FLOPs"), 42_992_533_504, "43.0G", OTHER_READING),
        (("section 3.2", "RCCA-3D", "steps for every pair"), 3, "3", REPRODUCED),
        (("section 1", "CCA-3D", "connections of a position"), 62, "62 = T + H + W - 2", REPRODUCED),
        (("section 1", "non-local", "complexity"), 6272**2 * 512, "(T H W) (T H W) C", MISPRINT),
    ],
)
def test_computed_values(rows, key, computed, shown, verdict):
    assert (rows[key].computed, rows[key].in_paper_units, rows[key].verdict) == (computed, shown, verdict)


def test_only_exactly_the_needed_keys_reproduce_all_flops():
    """Neither T + H + W nor one key less gives the printed FLOPs of every row with RCCA-3D."""
    cells = [("48.2", "tsm-conv4_5"), ("47.9", "tsm-conv5_2"), ("54.5", "tsm-cd2"), ("23.1", "mfnet-rcca")]
    cells += [(figure, f"tsm-r{r}") for r, figure in enumerate(("38.4", "43.9", "49.3", "54.7"), start=1)]
    cells += [("46.7", "tsm-cd8"), ("45.4", "tsm-cd16")]
    missed = {}
    for extra in (0, 1, 2):
        missed[extra] = set()
        for figure, name in cells:
            variant = VARIANTS[name]
            cost = sum(
                closed_forms.rcca_multiply_adds(
                    shape,
                    reduction=variant.reduction,
                    steps=variant.recurrence,
                    keys=closed_forms.needed_keys(shape) + extra,
                )
                for shape in complexity.shapes(variant)
            )
            if not rounds_to(complexity.quoted(variant)[0] + 2 * Decimal(cost) / 10**9, figure):
                missed[extra].add(name)
    assert missed == {0: set(), 1: {"tsm-r4", "tsm-cd2"}, 2: {"tsm-r4", "tsm-cd2"}}


def test_structure_c_fits_one_reading_that_the_text_does_not_describe():
    fits = {
        name: (rounds_to(flops, "49.0"), rounds_to(size, "24.69"))
        for name, (flops, size) in complexity.structure_c().items()
    }
    assert fits == {
        "as described, all at C / 4 and back to C": (False, False),
        "all at C / 2 and back": (False, False),
        "q, k at C / 4, v at C / 2 and back": (False, True),
        "all at C / 2 and back, one of the four convolutions left out": (True, True),
    }
    described = complexity.quoted(Variant(kind="tsm"))[0] + complexity.added_as_printed(VARIANTS["tsm-c"])
    assert complexity.structure_c()["as described, all at C / 4 and back to C"][0] == described


def test_what_is_saved():
    share = complexity.saved()
    assert {name: round(s, 3) for name, s in share.items()} == {
        "parameters": 0.252,
        "no max-pool": 0.651,
        "max-pool": 0.019,
        "between units": 0.305,
    }
    table = complexity.saving_table()
    assert list(table["multiply-adds"]) == ["23,429,382,144", "8,323,596,288", "8,169,455,616", "8,145,371,136"]
    assert list(table["saved by RCCA-3D"]) == ["65.1%", "1.9%", "", ""]
    assert list(table["FLOPs that the paper adds"]) == ["23.4G", "", "", "16.3G"]
    assert audit.savings()["FLOPs"].startswith("it does only between two units, 30%; in one, 65%")
    assert {c.verdict.said for c in claims(None)} >= set(audit.savings().values())


def test_places_of_another_stage_are_other_shapes():
    variant = replace(VARIANTS["mfnet-rcca"], positions=("conv3_1", "conv4_5", "conv2_2"))
    assert complexity.shapes(variant) == [(192, 8, 28, 28), (384, 8, 14, 14), (96, 8, 56, 56)]
    assert complexity.shapes(VARIANTS["tsm-none"]) == []
