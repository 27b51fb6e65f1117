"""What verify refuses at once, and what it reports and goes on: lists of another length, missing folders, one frame."""

import pytest
from clips import encode, gray
from official_frames import charades, epic55

from videoattn import cli
from videoattn.data.datasets.splits import load_splits
from videoattn.errors import InputError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("VIDEOATTN_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def homes(tmp_path):
    """Five and three videos, none of which can be read, listed with all classes of Charades."""
    root = charades(tmp_path / "homes")
    with (root / "Charades" / "Charades_v1_classes.txt").open("a") as file:
        file.write("".join(f"c{number:03d} Doing {number}\n" for number in range(3, 157)))
    return root


def test_a_part_of_the_official_lists(homes, capsys):
    with pytest.raises(InputError, match="lists 5 videos, the official list 7985"):
        load_splits("charades", homes)
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


def test_a_missing_folder_is_named_once_for_all_of_its_parts(tmp_path, capsys):
    root = epic55(tmp_path / "kitchen")
    for name in ("P25/P25_01", "P26/P26_01"):
        (root / name).rename(root / f"{name}.part")
    assert cli.main(["data", "verify", "epic55", str(root), "--workers", "1"]) == 1
    told = capsys.readouterr()
    rows = [line.split()[:6] for line in told.out.splitlines()]
    assert ["1", "train", "23,191", "6", "3", "3"] in rows
    lines = "  P25/P25_01: 3 parts of it listed\n  P26/P26_01: 3 parts of it listed\n"
    assert f"missing: 2\n{lines}unreadable: 6\n" in told.out


def test_a_video_of_one_frame_has_no_flow(tmp_path, capsys):
    root = tmp_path / "set"
    for frames, name in ((1, "train/a/1"), (2, "train/b/2"), (3, "test/a/3")):
        (root / name).parent.mkdir(parents=True)
        encode(root / f"{name}.avi", gray(frames, 32, 32), codec="mpeg4")
    assert cli.main(["data", "verify", "folder", str(root), "--workers", "1"]) == 0
    told = capsys.readouterr().out
    assert "readable: 3 of 3" in told
    assert f"\nwarning, shorter than two frames: no flow: 1\n  {root}/train/a/1.avi\n" in told
