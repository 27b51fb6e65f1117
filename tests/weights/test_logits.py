"""Scores with the weights of other programs are theirs: every row of docs/weights.md, on the same pixels."""

import pytest
import torch
from logit_cases import CASES

from videoattn.locations import repository
from videoattn.weights.sources import NAMED


def rows() -> dict[str, float]:
    """The bounds of the first table, by source and network."""
    text = (repository() / "docs" / "weights.md").read_text()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return {row[0]: float(row[2].removeprefix("< ")) for row in cells if row[2].startswith("< ")}


def test_every_source_and_every_case_has_a_row():
    assert list(rows()) == list(CASES)
    compared = {row.partition(":")[0] for row in CASES}
    refused = {name for name, source in NAMED.items() if source.marks in source.refused}  # each of its files
    assert compared | refused | {"own"} == set(NAMED)


@pytest.mark.parametrize("row", CASES)
def test_the_difference_is_below_that_of_the_row(row):
    with torch.no_grad():
        found, expected = CASES[row]()
    assert found.shape == expected.shape
    assert expected.std() > 0.5
    difference = ((found - expected).abs().max() / expected.abs().max()).item()
    assert difference < rows()[row] <= 1e-11
