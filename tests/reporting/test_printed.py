"""What the papers print, and which rows of records it is compared with."""

import pytest

from videoattn.errors import InputError
from videoattn.reporting.printed import Line, lines


def test_lines_name_a_row_and_a_metric():
    assert lines("cma", "2", columns=("top-5",))[0] == Line("ResNet50-R", "top-5", "87.94", "rgb", "top5")
    assert [line.ours for line in lines("cma", "2", rows=("two-stream",))] == ["two-stream"] * 2
    assert len(lines("cma", "2")) == 6  # not the parameters, which no record has


def test_other_kinds_of_records_have_rows_of_their_own():
    row = {"columns": ("RGB",), "rows": ("Inception-ResNet-V2 with attention",)}
    names = {"both": ("ucf101", ""), "rgb": ("streams",), "residual-both": ("probe", "")}
    for ours, kinds in names.items():
        assert [line.ours for line in lines("istpa", "9", kinds=kinds, **row)] == [ours]
    assert {line.column for line in lines("istpa", "4", kinds=("streams",))} == {"Late fusion"}


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"columns": ("top-9",)}, "table 2 of cma has no column 'top-9'"),
        ({"rows": ("three-stream",)}, "table 2 of cma has no row 'three-stream'"),
        ({"columns": ("params",)}, "no value of table 2 of cma is compared with a row"),
        ({"kinds": ("streams",)}, "no value of table 2 of cma is compared with a row"),
    ],
)
def test_what_is_not_there_is_refused(asked, says):
    with pytest.raises(InputError, match=says):
        lines("cma", "2", **asked)
