"""The list of data sets: each is in it, with all that its reader says of it, in lines that are not too long."""

import importlib.util
import re

import pytest

from videoattn import cli
from videoattn.data.datasets import NAMES, dataset_info
from videoattn.data.datasets import catalogue as module
from videoattn.data.datasets.catalogue import WIDTH, catalogue

READ = tuple(name for name in NAMES if importlib.util.find_spec(f"videoattn.data.datasets.{name}"))


def words(text):
    return re.sub(r"\s+", " ", text)


def test_a_block():
    assert catalogue(["ucf101"]).splitlines() == [
        "ucf101: UCF101, video files",
        "  page    https://www.crcv.ucf.edu/data/UCF101.php",
        "  get it  download UCF101.rar and UCF101TrainTestSplits-RecognitionTask.zip from the page and unpack",
        "            both",
        "  root    UCF-101/<Class>/v_<Class>_g01_c01.avi",
        "          ucfTrainTestlist/classInd.txt, trainlist01.txt, testlist01.txt, ...",
        "  videos  split 1: 9,537 for training, 3,783 for testing",
        "          split 2: 9,586 for training, 3,734 for testing",
        "          split 3: 9,624 for training, 3,696 for testing",
    ]


def test_what_a_data_set_does_not_have_is_left_out():
    heads = [line[:8].strip() for line in catalogue(["folder"]).splitlines()]
    assert heads == ["folder:", "get it", "root", ""]
    assert "  videos  50,000 for training, 10,000 for testing" in catalogue(["cifar100"]).splitlines()


@pytest.mark.parametrize("name", READ)
def test_all_that_is_known_is_said(name):
    own, text = dataset_info(name), catalogue([name])
    for part in (own.title, own.kind, own.page, own.access, *own.layout):
        assert words(part) in words(text)
    for train, test in own.counts.values():
        assert f"{train:,} for training, {test:,} for testing" in text
    assert [line for line in text.splitlines() if len(line) > WIDTH and " " in line.strip()] == []


def test_the_command_lists_all(monkeypatch, capsys):
    monkeypatch.setattr(module, "NAMES", READ)
    assert cli.main(["data", "list"]) == 0
    blocks = capsys.readouterr().out.rstrip("\n").split("\n\n")
    assert [block.partition(":")[0] for block in blocks] == list(READ)
