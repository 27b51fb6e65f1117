"""Table 6's way through the study, on random images."""

import functools

import pytest
import torch
from cifar import small_cifar100

from videoattn.errors import InputError
from videoattn.papers.istpa.experiments import IMAGES, PROFILES, VARIANTS, build
from videoattn.reporting.paper_tables import paper_table


@pytest.fixture
def of(study_of, tmp_path):
    return functools.partial(study_of, "istpa", DATASET="cifar100", DATA=str(tmp_path / "data"))


def test_one_frame_is_trained_and_tested_and_stands_in_table_6(of, tmp_path, monkeypatch):
    small_cifar100(tmp_path / "data", monkeypatch, train=16, test=9)
    one = of(PROFILE="check", SEEDS=1)
    record = one.run()
    assert record.complete
    assert record.data["name"] == "cifar100"
    assert [row.name for row in one.rows] == ["mean", "both"]
    labels = torch.tensor([sample.label for sample in one.data.lists[1].samples])
    for name in ("mean", "both"):
        scores = one.scores(name, 0)
        assert scores["rgb"].shape == (9, 100)
        assert record.values(name) == [pytest.approx((scores["rgb"].argmax(1) == labels).float().mean().item())]
    assert one.data.test(one.jobs[0]).pixels.shape == (9, 32, 32, 3)  # not decoded
    text = paper_table(record, "6", data_set="CIFAR-100+")
    assert "81.7" in text
    assert "79.5" in text


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_takes_images(of, tmp_path, monkeypatch, name):
    small_cifar100(tmp_path / "data", monkeypatch, train=2, test=2)
    one = of(PROFILE=name, PRETRAINED=False)
    clip, _ = one.data.train(one.jobs[-1], 0)[0, 1]
    size = IMAGES[name]["clips"].size
    assert clip["rgb"].shape == (3, 1, size, size)
    with torch.device("meta"):
        network = build(VARIANTS[one.jobs[-1].name], one.profile, classes=one.data.outputs)
    assert network.network.size == (size, size)


def test_data_that_are_not_there(of, tmp_path):
    (tmp_path / "data").mkdir()
    with pytest.raises(InputError, match="cifar-100-python is missing"):
        of(PROFILE="check")
