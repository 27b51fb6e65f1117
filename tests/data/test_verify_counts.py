"""What verify refuses at once, and what it reports and goes on: lists without the official number of videos."""

import pytest
from official_frames import charades

from videoattn import cli
from videoattn.data.listing import listed
from videoattn.errors import InputError


@pytest.fixture
def homes(tmp_path, monkeypatch):
    """Five and three videos, none of which can be read, listed with all classes of Charades."""
    monkeypatch.setenv("VIDEOATTN_CACHE", str(tmp_path / "cache"))
    root = charades(tmp_path / "homes")
    with (root / "Charades" / "Charades_v1_classes.txt").open("a") as file:
        file.write("".join(f"c{number:03d} Doing {number}\n" for number in range(3, 157)))
    return root


def test_a_part_of_the_official_lists(homes, capsys):
    with pytest.raises(InputError, match="lists 5 videos, the official list 7985"):
        listed("charades", homes)
    assert cli.main(["data", "verify", "charades", str(homes), "--workers", "1"]) == 1
    told = capsys.readouterr()
    rows = [line.split()[:7] for line in told.out.splitlines()]
    assert ["1", "train", "7,985", "5", "5", "0", "5"] in rows
    assert ["1", "test", "1,863", "3", "3", "0", "3"] in rows
    assert "counts: 2\n  split 1 train: 5 listed, 7,985 official, 5 present\n" in told.out
    assert told.err.endswith("counts (2), unreadable (8)\n")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--workers", "-1"], "--workers is -1; it must be 1 or more\n"),
        (["--time-limit", "0"], "--time-limit is 0; it must be a positive number of seconds\n"),
        (["--time-limit", "inf"], "--time-limit is inf; it must be a positive number of seconds\n"),
    ],
)
def test_an_option_out_of_range_is_named_before_anything_is_listed(tmp_path, capsys, arguments, told):
    assert cli.main(["data", "verify", "ucf101", str(tmp_path / "nowhere"), *arguments]) == 2
    assert capsys.readouterr().err == f"videoattn: {told}"
