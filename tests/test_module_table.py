"""docs/modules.md: every cell of its table is found again, and what it says of PyTorch holds."""

import re

import module_table
import pytest
import torch
from module_table import CASES, COLUMNS, FILE, SLOW, cell, close, written
from torch import nn

import videoattn

TABLE = written()


def test_the_table_has_every_module_and_column():
    offered = {name: getattr(videoattn, name) for name in videoattn.__all__}
    modules = {name for name, value in offered.items() if isinstance(value, type) and issubclass(value, nn.Module)}
    assert list(TABLE) == list(CASES) == sorted(modules | {"aia"})
    assert {(*row,) for row in TABLE.values()} == {(*COLUMNS, *SLOW)}
    assert {entry for row in TABLE.values() for entry in row.values()} <= {"yes", "no"}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("column", COLUMNS)
def test_the_table_is_right(column, name):
    assert cell(name, column) == TABLE[name][column]


class Rounded(nn.Module):
    """The identity in its first call, and a little less in the second."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return x if self.calls == 1 else 0.99 * x


def test_a_cell_says_no_where_numbers_differ_or_something_is_raised(monkeypatch):
    for make in (Rounded, lambda: nn.Conv2d(3, 4, 1)):
        monkeypatch.setitem(CASES, "GE3DG", CASES["GE3DG"]._replace(make=make, shapes=[(4, 5, 6)]))
        assert cell("GE3DG", "channels_last") == cell("GE3DG", "compile") == "no"
    assert not close([torch.ones(2)], [torch.tensor([1, 1.1])], within=0.01)


def test_the_table_is_written_between_its_marks(monkeypatch, tmp_path):
    file = tmp_path / "modules.md"
    file.write_text(f"before\n{module_table.BEGIN}old\n{module_table.END}after\n")
    monkeypatch.setattr(module_table, "FILE", file)
    monkeypatch.setattr(module_table, "CASES", {"GE3DG": CASES["GE3DG"]})
    monkeypatch.setattr(module_table, "COLUMNS", {"a": lambda _: True})
    monkeypatch.setattr(module_table, "SLOW", {"b": lambda _: False})
    module_table.main()
    assert written() == {"GE3DG": {"a": "yes", "b": "no"}}
    assert file.read_text().startswith("before\n")
    assert file.read_text().endswith("<!-- end -->\nafter\n")


def test_the_example_of_the_docs_gives_what_they_say():
    text = FILE.read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict = {}
    torch._dynamo.reset()
    exec(code, names)
    told = re.search(r"gives a gradient of the scale that is off by ([\d.]+)% plain and by ([\d.]+)% compiled", text)
    assert [f"{100 * names['off'][name]:.1f}" for name in ("plain", "compiled")] == list(told.groups())
