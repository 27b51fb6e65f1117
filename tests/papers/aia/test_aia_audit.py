"""The audit: closed forms, and that every complexity figure of the paper's own networks has its row."""

from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from videoattn.papers.aia import audit, closed_forms
from videoattn.papers.aia.attention import NAMES, aia
from videoattn.reporting.audit import MISPRINT, NOT_REPRODUCIBLE, REPRODUCED, AuditRow
from videoattn.reporting.cost import count, parameters
from videoattn.reporting.printed import printed


@pytest.fixture(scope="module")
def rows() -> list[AuditRow]:
    return audit.rows()


@given(
    name=st.sampled_from(NAMES),
    shape=st.tuples(*(st.integers(2, 9) for _ in range(4))),
    kernel=st.sampled_from([(3, 3, 3), (1, 3, 3), (3, 1, 1)]),
)
def test_closed_forms_equal_the_counts(name, shape, kernel):
    with torch.device("meta"):
        module, maps = aia(name, kernel=kernel), torch.empty(1, *shape)
    assert closed_forms.gate_parameters(name, kernel=kernel) == parameters(module)
    assert closed_forms.gate_multiply_adds(name, shape, kernel=kernel) == count(module, maps)


def test_closed_forms_by_hand():
    assert closed_forms.contexts("CinST->STinC") == "CTHWTHWC"
    assert closed_forms.gate_parameters("CinST") == 4 * 56
    # C, T, H, W = 2, 3, 4, 5: C over 60 places, T over 40, H over 30, W over 24
    assert closed_forms.gate_multiply_adds("CinST", (2, 3, 4, 5)) == 54 * (60 + 40 + 30 + 24)


def test_what_modules_add_to_the_network_is_the_closed_form_of_its_blocks():
    stages = ((64, 56, 3), (128, 28, 4), (256, 14, 6), (512, 7, 3))  # width, side and blocks of ResNet-50
    for name in ("C", "ST", "CinST->STinC"):
        cost = sum(n * closed_forms.gate_multiply_adds(name, (c, 8, side, side)) for c, side, n in stages)
        assert audit.added(name) == (16 * closed_forms.gate_parameters(name), cost)


def test_every_complexity_figure_is_audited_and_every_row_stands_in_the_paper(rows):
    figures = {
        (r["table"], r["row"], r["column"]): r["value"] for r in printed("aia") if r["column"][-2:] not in ("-1", "-5")
    }
    accuracies = {key for key in figures if key[0] in ("IV", "V")}
    assert {(r.table, r.row, r.quantity): r.printed for r in rows} == {
        key: value for key, value in figures.items() if key not in accuracies
    }


def test_verdicts(rows):
    found = {(r.table, r.row, r.quantity): r.verdict for r in rows}
    by_table = {table: Counter(v for (t, *_), v in found.items() if t == table) for table in ("I", "II")}
    assert by_table["I"][NOT_REPRODUCIBLE] == 1
    assert found["I", "TSN CBAM3D-177", "Params"] == NOT_REPRODUCIBLE
    assert [key for key, verdict in found.items() if verdict == MISPRINT] == [("I", "TSM CinST->STinC", "FLOPs")]
    assert [key for key, v in found.items() if key[0] == "II" and v == NOT_REPRODUCIBLE] == [
        ("II", "GST 16x1x1", "FLOPs")
    ]
    assert found["section III-A", "3D convolution", "parameters"] == REPRODUCED
    assert found["section IV-C", "C and ST", "extra parameters share"] == REPRODUCED
    assert not any(v == REPRODUCED for key, v in found.items() if key[2] == "extra FLOPs share")  # right for C alone


def test_integers(rows):
    found = {(r.row, r.quantity): r.computed for r in rows if r.table == "I"}
    assert found["TSN None", "Params"] == 23_864_558
    assert found["TSN CinST->STinC", "Params"] - found["TSN None", "Params"] == 16 * 8 * 56
    assert found["TSN None", "FLOPs"] == found["TSM None", "FLOPs"] == 32_699_940_864
    assert found["TSN CinST->STinC", "FLOPs"] == 32_960_035_104
