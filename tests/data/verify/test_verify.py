"""A data set verified: what makes it fail, what is decoded, and what is not decoded again."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from clips import encode, gray

from videoattn import cli
from videoattn.data.datasets import dataset_info, ucf101
from videoattn.data.verify import inspect as module
from videoattn.data.verify.verify import default_report, verify
from videoattn.errors import InputError
from videoattn.io import locked

OLD = 1_600_000_000_000_000_000  # ns


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("VIDEOATTN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def decoded(monkeypatch):
    """The names of the files that are decoded, which happens here, without processes."""
    names = []

    def here(work, jobs, *, workers, died, initializer, initargs):
        initializer(*initargs)
        for job in jobs:
            names.append(job.path.name)
            yield job, work(job)

    monkeypatch.setattr(module, "each", here)
    return names


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return encode(tmp_path_factory.mktemp("clip") / "1.avi", gray(40, 32, 32), codec="mpeg4").read_bytes()


@pytest.fixture
def ucf(tmp_path, clip, monkeypatch):
    """Two classes of UCF101 with two training videos and one test video, which are all that is official."""
    monkeypatch.setattr(ucf101, "INFO", replace(ucf101.INFO, counts={1: (2, 1)}, splits=(1,)))
    root = tmp_path / "ucf"
    lists = {"classInd": "1 A\n2 B\n", "trainlist01": "A/1.avi 1\nB/2.avi 2\n", "testlist01": "B/3.avi\n"}
    for name, text in lists.items():
        put(root / "ucfTrainTestlist" / f"{name}.txt", text.encode())
    for number, name in enumerate(("A/1.avi", "B/2.avi", "B/3.avi")):
        put(root / "UCF-101" / name, clip + bytes(number))  # junk behind the end: other bytes, the same pictures
    return root


def put(path, content, changed=OLD):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, ns=(changed, changed))


def run(root, *more, name="ucf101"):
    return cli.main(["data", "verify", name, str(root), "--workers", "1", *more])


def test_a_whole_data_set_passes(ucf, decoded, cache, capsys):
    assert run(ucf) == 0
    assert decoded == ["1.avi", "2.avi", "3.avi"]
    told = capsys.readouterr()
    rows = [line.split() for line in told.out.splitlines()]
    assert ["1", "train", "2", "2", "2", "0", "0", "80", "0.00"] in rows
    assert ["1", "test", "1", "1", "1", "0", "0", "40", "0.00"] in rows
    assert "videos: 3 of 3, 00:00 left" in told.out
    assert "readable: 3 of 3 (3 by pyav)" in told.out
    assert told.err == ""
    (full,) = cache.glob("verify/*.txt")
    assert f"in full: {full}\n" in told.out
    assert full.read_text().splitlines()[0] == f"ucf101 in {ucf}"


def test_what_was_decoded_is_not_decoded_again(ucf, decoded, cache, capsys):
    assert run(ucf) == 0
    (report,) = cache.glob("verify/*.jsonl")
    lines = report.read_bytes()
    report.unlink()
    put(ucf / "UCF-101/B/3.avi", (ucf / "UCF-101/B/3.avi").read_bytes(), changed=OLD + 1)
    decoded.clear()
    capsys.readouterr()
    assert run(ucf) == 0
    assert decoded == ["3.avi"]
    assert report.read_bytes().splitlines()[:2] == lines.splitlines()[:2]
    out = capsys.readouterr().out
    assert "3 videos, 2 of them inspected before\n" in out
    assert "readable: 3 of 3" in out
    assert run(ucf, "--quick") == 0  # all frames are more than two
    assert decoded == ["3.avi"]


def test_the_report_holds_a_line_for_each_sample(ucf, decoded, tmp_path, capsys):
    put(ucf / "UCF-101/B/2.avi", b"")
    assert run(ucf, "--report", str(tmp_path / "new" / "mine.jsonl")) == 1
    lines = [json.loads(line) for line in (tmp_path / "new/mine.jsonl").read_text().splitlines()]
    assert [line["name"] for line in lines] == ["UCF-101/A/1.avi", "UCF-101/B/2.avi", "UCF-101/B/3.avi"]
    assert (lines[0]["info"]["frames"], lines[0]["whole"], lines[0]["declared"], lines[0]["reason"]) == (
        40,
        True,
        40,
        "",
    )
    assert (lines[1]["info"], lines[1]["reason"]) == (None, "an empty file")
    assert (tmp_path / "new/mine.jsonl.txt").is_file()


@pytest.mark.parametrize("text", ["my notes\n", '{"frames": 3}', "{"])
def test_a_file_of_another_kind_is_refused_and_left_as_it_is(ucf, decoded, tmp_path, capsys, text):
    (tmp_path / "file").write_text(text)
    assert run(ucf, "--report", str(tmp_path / "file")) == 2
    assert f"{tmp_path / 'file'} is no report of videos; name another file" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == text
    assert decoded == []


def test_a_report_that_cannot_be_written_is_named_before_anything_is_decoded(ucf, decoded, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert run(ucf, "--report", str(tmp_path / "file" / "report")) == 2
    assert "file/report cannot be read: Not a directory; name another file" in capsys.readouterr().err
    with locked(tmp_path / ".report.lock", busy=""):
        assert run(ucf, "--report", str(tmp_path / "report")) == 1
    assert f"another process writes the report {tmp_path / 'report'}: wait for it" in capsys.readouterr().err
    assert decoded == []
    assert run(ucf, "--report", str(tmp_path / "report")) == 0


def test_the_default_place_is_of_the_folder_itself(tmp_path, cache, monkeypatch):
    (tmp_path / "set").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "set")
    place = default_report("ucf101", tmp_path / "set")
    assert place.parent == cache / "verify"
    assert place.name.startswith("ucf101-")
    assert place.suffix == ".jsonl"
    monkeypatch.chdir(tmp_path)
    assert default_report("ucf101", tmp_path / "link") == default_report("ucf101", Path("set")) == place
    assert len({place, default_report("ucf101", tmp_path), default_report("folder", tmp_path / "set")}) == 3


def test_a_changed_file_is_decoded_again(ucf, decoded, clip, capsys):
    assert run(ucf) == 0
    decoded.clear()
    put(ucf / "UCF-101/B/2.avi", clip + bytes(1), changed=OLD + 1)
    assert run(ucf) == 0
    assert decoded == ["2.avi"]
    put(ucf / "UCF-101/A/1.avi", b"no video\n" * 50)
    assert run(ucf) == 1
    assert decoded == ["2.avi", "1.avi"]
    assert f"{ucf}/UCF-101/A/1.avi: Invalid data found" in capsys.readouterr().out


def test_more_frames_or_more_time_decode_again(ucf, decoded, tmp_path, monkeypatch):
    put(ucf / "UCF-101/A/1.avi", b"")
    report, asked, inspect = ["--report", str(tmp_path / "mine.jsonl")], [], module.inspect

    def spy(decoder, path, *, whole):
        asked.append(whole)
        return inspect(decoder, path, whole=whole)

    monkeypatch.setattr(module, "inspect", spy)
    assert run(ucf, "--quick", *report) == 1
    assert run(ucf, "--quick", *report) == 1
    assert decoded == ["1.avi", "2.avi", "3.avi"]
    assert run(ucf, "--quick", "--time-limit", "11", *report) == 1
    assert decoded[3:] == ["1.avi"]  # the others are readable
    assert module._decoder.time_limit == 11.0
    assert run(ucf, *report) == 1
    assert decoded[4:] == ["1.avi", "2.avi", "3.avi"]
    assert asked == [False] * 4 + [True] * 3
    assert (tmp_path / "mine.jsonl.txt").is_file()


def test_an_interrupt_keeps_what_is_done_and_says_how_to_go_on(ucf, decoded, monkeypatch, cache, capsys):
    inspect = module._inspect

    def interrupted(source, *, whole):
        if source.path.name == "2.avi":
            raise KeyboardInterrupt
        return inspect(source, whole=whole)

    with monkeypatch.context() as patch:
        patch.setattr(module, "_inspect", interrupted)
        assert run(ucf) == 130
    assert capsys.readouterr().err == "stopped; what is done is remembered, and the same command goes on from there\n"
    decoded.clear()
    assert run(ucf) == 0
    assert decoded == ["2.avi", "3.avi"]


def test_missing_videos_fail_and_are_all_named(ucf, decoded, cache, capsys):
    (ucf / "UCF-101/B/2.avi").unlink()
    assert run(ucf) == 1
    told = capsys.readouterr()
    assert ["1", "train", "2", "2", "1", "1", "0", "40", "0.00"] in [line.split() for line in told.out.splitlines()]
    assert "missing: 1\n  UCF-101/B/2.avi\n" in told.out
    assert told.err == "videoattn: data set ucf101 does not hold what it should: missing (1)\n"


def test_counts_that_are_not_official_fail(ucf, decoded, monkeypatch, capsys):
    monkeypatch.setattr(ucf101, "INFO", replace(ucf101.INFO, counts={1: (2, 3)}))
    (ucf / "UCF-101/B/2.avi").unlink()
    assert run(ucf) == 1
    told = capsys.readouterr()
    assert "counts: 1\n  split 1 test: 1 listed, 3 official, 1 present\n" in told.out
    assert told.err.endswith("counts (1), missing (1)\n")


def test_lists_that_cannot_be_read_do_not_hide_the_others(ucf, decoded, monkeypatch, capsys):
    monkeypatch.setattr(ucf101, "INFO", replace(ucf101.INFO, splits=(1, 2)))
    (ucf / "ucfTrainTestlist/trainlist02.txt").write_text("A/1.avi 1\nA/9.avi two\n")
    assert run(ucf) == 1
    assert decoded == ["1.avi", "2.avi", "3.avi"]
    told = capsys.readouterr()
    assert (
        f"annotations: 1\n  split 2 train and test: {ucf}/ucfTrainTestlist/trainlist02.txt:2: label 'two'" in told.out
    )
    assert told.err.endswith("annotations (1)\n")
    assert run(ucf, "--split", "1") == 0
    assert run(ucf, "--split", "2") == 2
    assert "trainlist02.txt:2: label 'two'" in capsys.readouterr().err


def test_a_video_in_both_lists_fails(ucf, decoded, capsys):
    (ucf / "ucfTrainTestlist/testlist01.txt").write_text("B/2.avi\n")
    assert run(ucf) == 2
    assert "split 1 lists 1 videos for training and for testing: B/2.avi" in capsys.readouterr().err


def test_a_copy_in_training_and_test_is_a_warning(ucf, decoded, clip, capsys):
    put(ucf / "UCF-101/B/3.avi", clip)
    assert run(ucf) == 0
    told = capsys.readouterr()
    assert "same bytes in training and test: 1\n  split 1: UCF-101/B/3.avi = UCF-101/A/1.avi\n" in told.out


def test_videos_of_several_splits_are_decoded_once(ucf, decoded, monkeypatch, capsys):
    monkeypatch.setattr(ucf101, "INFO", replace(ucf101.INFO, counts={1: (2, 1), 2: (1, 2)}, splits=(1, 2)))
    (ucf / "ucfTrainTestlist/trainlist02.txt").write_text("B/3.avi 2\n")
    (ucf / "ucfTrainTestlist/testlist02.txt").write_text("A/1.avi\nB/2.avi\n")
    assert run(ucf) == 0
    assert decoded == ["1.avi", "2.avi", "3.avi"]
    rows = [line.split()[:8] for line in capsys.readouterr().out.splitlines()]
    assert ["2", "train", "1", "1", "1", "0", "0", "40"] in rows
    assert ["2", "test", "2", "2", "2", "0", "0", "80"] in rows


def test_images_are_not_decoded(ucf, decoded, monkeypatch, capsys):
    monkeypatch.setattr(ucf101, "INFO", replace(ucf101.INFO, kind="images"))
    assert run(ucf) == 0
    assert decoded == []
    assert "readable" not in capsys.readouterr().out.splitlines()[-3]
    assert dataset_info("cifar100").kind == "images"


def test_of_many_problems_the_first_are_printed_and_all_are_written(ucf, decoded, clip, cache, capsys):
    for number in range(7):
        put(ucf / "UCF-101/A" / f"bad{number}.avi", b"no video")
    (ucf / "ucfTrainTestlist/trainlist01.txt").write_text("".join(f"A/bad{number}.avi\n" for number in range(7)))
    assert run(ucf) == 1
    out = capsys.readouterr().out
    assert "unreadable: 7\n" in out
    assert "bad4.avi: Invalid data" in out
    assert "bad5.avi: Invalid data" not in out
    assert "\n  and 2 more\n" in out
    (full,) = cache.glob("verify/*.txt")
    assert "bad6.avi: Invalid data" in full.read_text()
    assert "more" not in full.read_text()


def test_another_layout_is_a_wrong_argument(tmp_path, capsys):
    assert run(tmp_path) == 2
    assert "holds no folder UCF-101" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [{"workers": 0}, {"time_limit": 0.0}, {"time_limit": float("nan")}])
def test_values_out_of_range(ucf, tmp_path, wrong):
    with pytest.raises(InputError, match=f"^{next(iter(wrong))} is .*; it must be positive$"):
        verify("ucf101", ucf, report=tmp_path / "r", splits=(1,), **{"workers": 1} | wrong)
