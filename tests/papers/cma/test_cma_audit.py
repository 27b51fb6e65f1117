"""The audit: closed forms, totals, and that every complexity figure of the paper has its row."""

import json
from dataclasses import asdict

import pytest
import torch

from videoattn.errors import InputError
from videoattn.papers.cma import audit
from videoattn.papers.cma.attention import CMABlock
from videoattn.reporting.audit import (
    MISPRINT,
    NOT_REPRODUCIBLE,
    OTHER_READING,
    REPRODUCED,
    AuditRow,
    as_json,
    as_markdown,
    counted,
    rounds_to,
)
from videoattn.reporting.cost import count, parameters
from videoattn.reporting.printed import printed, printed_value


@pytest.fixture(scope="module")
def rows() -> list[AuditRow]:
    return audit.rows()


@pytest.mark.parametrize(("channels", "height", "width"), [(2, 2, 2), (8, 4, 6), (512, 28, 28), (1024, 14, 14)])
def test_closed_forms_of_a_block_equal_the_counts(channels, height, width):
    with torch.device("meta"):
        block, maps = CMABlock(channels=channels), torch.empty(1, channels, height, width)
    assert audit.block_parameters(channels) == parameters(block)
    assert audit.block_multiply_adds(channels, height, width) == count(block, maps, maps)


def test_closed_forms_by_hand():
    # C = 2, d = 1: q, k, v 2 + 1 each, W_out 2 + 2, norm 2 + 2
    assert audit.block_parameters(2) == 3 * 3 + 4 + 4
    # 2 x 2: four queries, one key: q and W_out 4 * 2 each, k and v 2 each, scores and their product 4 each
    assert audit.block_multiply_adds(2, 2, 2) == 2 * 8 + 2 * 2 + 2 * 4


def test_sizes_of_the_networks():
    size = {name: parameters(net) for name, net in audit.networks().items()}
    both = size["ResNet50-R"] + size["ResNet50-F"]
    assert (size["ResNet50-R"], both, size["CMA-R"], size["CMA"]) == (24_327_632, 48_677_216, 44_390_864, 63_394_144)
    ratios = [round(size[name] / size["ResNet50-R"], 2) for name in ("CMA-R", "CMA", "CMA_iter1-R")]
    assert ratios == [1.82, 2.61, 1.61]
    blocks = 2 * (2 * audit.block_parameters(512) + 3 * audit.block_parameters(1024))
    assert size["CMA"] == both + blocks


def test_every_complexity_figure_is_audited_and_every_row_stands_in_the_paper(rows):
    figures = {
        (r["table"], r["row"], r["column"]): r["value"] for r in printed("cma") if r["unit"] not in ("%", "class")
    }
    assert {(r.table, r.row, r.quantity): r.printed for r in rows} == figures
    assert len(rows) == len(figures)


def test_computed_values_and_verdicts(rows):
    found = {(r.table, r.row): (r.computed, r.in_paper_units, r.verdict) for r in rows}
    assert found == {
        ("2", "ResNet50-R"): (24_327_632, "1x", REPRODUCED),
        ("2", "two-stream"): (48_677_216, "2.001x", REPRODUCED),
        ("2", "CMA_iter1-R"): (44_390_864, "1.82x", OTHER_READING),
        ("section 5.4", "CMA_iter1-R against two-stream"): (44_390_864, "0.91 of two-stream", OTHER_READING),
        ("section 3.2", "conv_q, conv_k, conv_v"): (512, "512 of 1024", REPRODUCED),
        ("section 3.2", "max-pool before k and v"): (2, "2", REPRODUCED),
        ("figure 1", "input of the block"): (1024, "1024 channels", REPRODUCED),
        ("section 4.1", "each branch"): (5, "layer2.0, layer2.2, layer3.0, layer3.2, layer3.4", REPRODUCED),
        ("section 4.4", "RGB branch"): (224 * 224 * 3, "224 x 224 x 3", REPRODUCED),
        ("section 4.4", "flow branch"): (224 * 224 * 10, "224 x 224 x 10", REPRODUCED),
    }
    assert "2.61x" in next(r.reading for r in rows if r.row == "CMA_iter1-R")
    assert "1.61x" in next(r.reading for r in rows if r.row == "CMA_iter1-R")


def test_costs_are_those_of_the_networks():
    costs = audit.costs()
    assert costs["CMA"][1] - costs["ResNet50-R"][1] - costs["ResNet50-F"][1] == 2 * (
        2 * audit.block_multiply_adds(512, 28, 28) + 3 * audit.block_multiply_adds(1024, 14, 14)
    )
    assert costs["CMA-R"][1] < costs["CMA"][1]


@pytest.mark.parametrize(
    ("value", "figure", "expected"),
    [
        (1.82, "1.8", True),
        (1.86, "1.8", False),
        (1.7500001, "1.8", True),
        (1.74, "1.8", False),
        (1.82, "1.80", False),
        (2.001, "2", True),
        (2.6, "2", False),
        (2.6, "3", True),
        (150528, "150528", True),
        (150529, "150528", False),
        (0.49, "0.5", True),
        (-1.24, "-1.2", True),
    ],
)
def test_rounding_to_the_printed_decimals(value, figure, expected):
    assert rounds_to(value, figure) is expected


def test_a_figure_that_the_paper_does_not_print_is_an_error():
    assert printed_value("cma", "2", "CMA_iter1-R", "params") == "1.8"
    with pytest.raises(InputError, match="cma prints 0 values at table '2', row 'I3D', column 'params'"):
        printed_value("cma", "2", "I3D", "params")


@pytest.mark.parametrize(
    ("row", "quantity", "count", "changes", "shown", "verdict"),
    [
        ("one RCCA-3D module", "extra parameters", 393_985, {}, "0.39M", REPRODUCED),
        ("one RCCA-3D module", "extra parameters", 396_000, {}, "0.40M", NOT_REPRODUCIBLE),
        ("one RCCA-3D module", "extra parameters", 396_000, {"otherwise": MISPRINT}, "0.40M", MISPRINT),
        ("R = 3", "extra FLOPs", 8_169_455_616, {"value": 16_290_000_000}, "8.2G", REPRODUCED),
        ("R = 3", "extra FLOPs", 8 * 10**9, {"value": 16_290_000_000, "instead": 8 * 10**9}, "8.0G", OTHER_READING),
        ("TSM", "parameters", 24_327_632, {"places": 2}, "24.33M", REPRODUCED),
        ("TSM", "parameters", 24_327_632, {"shown": "24 million"}, "24 million", REPRODUCED),
    ],
)
def test_counts_are_compared_in_the_unit_of_the_figure(row, quantity, count, changes, shown, verdict):
    found = counted("rcca", "section 4.3", row, quantity, count, "plain", **changes)
    assert (found.computed, found.in_paper_units, found.reading, found.verdict) == (count, shown, "plain", verdict)


def test_a_count_without_a_unit_is_whole():
    assert counted("aia", "II", "GST 16x1x1", "views", 1, "").in_paper_units == "1"


def test_rows_hold_exact_integers_and_known_verdicts():
    good = AuditRow("1", "net", "params", "1.8", 12_345, "1.8x", "plain", NOT_REPRODUCIBLE)
    with pytest.raises(InputError, match=r"computed is 1\.5; an exact integer is expected"):
        AuditRow(**asdict(good) | {"computed": 1.5})
    with pytest.raises(InputError, match="unknown verdict 'nearly'; choose from reproduced"):
        AuditRow(**asdict(good) | {"verdict": "nearly"})


def test_forms(rows):
    assert json.loads(as_json(rows)) == [asdict(row) for row in rows]
    head, _, first, *_ = as_markdown(rows).splitlines()
    assert [cell.strip() for cell in head.strip("|").split("|")] == [
        *("table", "row", "quantity", "printed", "computed", "in paper units", "reading", "verdict")
    ]
    assert [cell.strip() for cell in first.strip("|").split("|")][3:6] == ["1", "24,327,632", "1x"]
