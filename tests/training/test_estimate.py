"""Estimates: arithmetic by a clock that stands still, what they say, and that a study ends as it would without."""

import os
import random
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import timed
import torch
from timed import CLASSES, RECIPE, Net, Points, pending, study_of
from torch import nn
from torch.utils.data import DataLoader

from videoattn.training import estimate as estimates
from videoattn.training import measure_job, run_job
from videoattn.training.estimate import estimate
from videoattn.training.jobs import Job
from videoattn.training.loop import Shuffle
from videoattn.training.measure import Cost


@pytest.fixture(autouse=True)
def _clock():
    with timed.by_the_clock():
        yield


@pytest.mark.parametrize("videos", [1, 2, 5, 7, 8, 20])
@pytest.mark.parametrize("accumulation", [1, 2])
def test_every_batch_of_every_epoch_counts(tmp_path, videos, accumulation):
    recipe = replace(RECIPE, accumulation=accumulation)
    study = study_of(
        tmp_path,
        lambda: Net(fixed=0.5, each=0.25, view=0.125),
        training=Points(videos, seconds=2.0),
        testing=Points(7, seconds=4.0, views=6),
        jobs=(Job("a", recipe, "rgb"),),
        test_batch=5,
    )
    (found,) = estimate(study, pending(study), device="cpu").jobs
    batches = [len(b) for b in DataLoader(range(len(Shuffle(videos, 0, 8))), batch_size=8 // accumulation)]
    epoch = sum(0.5 + 0.25 * size + 2.0 * size for size in batches)
    if batches[0] > 1:
        assert found.training == pytest.approx(3 * epoch)
    else:  # one size alone is known
        assert found.training == pytest.approx(3 * (0.75 + 2.0))
    assert found.testing == pytest.approx(7 * (6 * 0.125 + 4.0))


def test_further_ways_of_testing_and_all_seeds_count(tmp_path):
    study = study_of(
        tmp_path,
        lambda: Net(each=1.0, view=0.5),
        jobs=(Job("a", RECIPE, "rgb"), Job("b", replace(RECIPE, epochs=1), "rgb")),
        testing=Points(3, views=1),
        further=lambda job: {"3x2": Points(3, views=6, seconds=1.0), "held": Points(5, views=1)},
        seeds=(0, 1),
    )
    found = estimate(study, pending(study)[1:], device="cpu")
    tests = 3 * 0.5 + 3 * (3.0 + 1.0) + 5 * 0.5
    assert [(j.name, j.trainings, j.training, j.testing) for j in found.jobs] == [
        ("b", 2, 16.0, tests),
        ("a", 1, 48.0, tests),
    ]
    assert found.seconds == pytest.approx(2 * 16.0 + 48.0 + 3 * tests)


@pytest.mark.parametrize(
    ("device", "workers", "lanes", "seconds"),
    [
        ("cpu", 0, 1, 8 * 3.0 + 10.0),
        ("cpu", 2, 1, 8 * 1.5 + 10.0),  # both need the cores
        ("cpu", 9, 1, 8 * 0.75 + 10.0),  # no more than there are cores
        ("cuda", 0, 1, 8 * 3.0 + 10.0),
        ("cuda", 2, 1, 8 * 1.5),
        ("cuda", 4, 1, 10.0),
        ("cuda", 4, 2, 8 * 1.5),  # which share the cores
        ("cuda", 4, 9, 8 * 3.0),
    ],
)
def test_workers_load_while_a_gpu_computes(monkeypatch, device, workers, lanes, seconds):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    study = SimpleNamespace(workers=workers, lanes=lanes)
    cost = Cost((4, 4), (4.0, 6.0), (0, 0), 0)
    found = measure_job._pass(study, torch.device(device), videos=8, at_once=4, loading=3.0, cost=cost)
    assert found == pytest.approx(seconds)


A, B, C, D = (
    Job("a", RECIPE, "rgb"),
    *(Job(n, RECIPE, "rgb", after=(b,)) for n, b in (("b", "a"), ("c", "b"), ("d", "x"))),
)
TAKES = {"a": 2.0, "b": 3.0, "c": 4.0, "d": 1.0}


@pytest.mark.parametrize(
    ("jobs", "lanes", "seconds"),
    [
        ([(A, 0), (B, 0), (C, 0), (D, 0)], 1, 10.0),
        ([(A, 0), (B, 0), (C, 0), (D, 0)], 2, 9.0),  # each of three starts from the one before
        ([(A, 0), (A, 1), (A, 2)], 2, 4.0),
        ([(A, 0), (A, 1), (B, 0), (B, 1), (D, 0)], 2, 6.0),
        ([(B, 0), (D, 0)], 8, 3.0),  # a is done already
        ([], 2, 0.0),
    ],
)
def test_trainings_side_by_side_wait_for_those_that_they_start_from(jobs, lanes, seconds):
    assert estimates._until_the_end(jobs, TAKES, lanes) == seconds


def test_lanes_compute_in_one_thread(tmp_path):
    threads = []

    class Noting(Net):
        def forward(self, clip):
            threads.append(torch.get_num_threads())
            return super().forward(clip)

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        for lanes, expected in ((1, {3}), (2, {1})):
            threads.clear()
            study = study_of(tmp_path, Noting, lanes=lanes)
            estimate(study, pending(study), device="cpu")
            assert set(threads) == expected
            assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_networks_start_from_untrained_ones_that_are_built_once_and_forgotten(tmp_path, monkeypatch):
    built, kept = [], []

    def build(job, weights):
        net = Net()
        for earlier in job.after:
            net.load_state_dict(weights(earlier))
            kept.append((job.name, sorted(weights.states)))
        built.append(job.name)
        return net

    jobs = (A, B, C, Job("e", RECIPE, "rgb", after=("a",)), Job("f", RECIPE, "rgb", after=("elsewhere",)))
    study = study_of(tmp_path, build=build, jobs=jobs)
    whole = measure_job.memory_of
    monkeypatch.setattr(measure_job, "memory_of", lambda device: built.append("memory") or whole(device))
    found = estimate(study, pending(study)[2:], device="cpu")  # c, e and f: a and b are trained already
    assert [job.name for job in found.jobs if not job.unknown] == ["c", "e", "f"]
    assert built == ["a", "b", "memory", "c", "memory", "e", "elsewhere", "memory", "f"]
    assert kept == [("b", ["a"]), ("c", ["a", "b"]), ("e", ["a"]), ("f", ["elsewhere"])]


def test_the_study_ends_as_it_would_without(tmp_path, monkeypatch):
    monkeypatch.setattr(run_job, "environment", lambda device: {"device": str(device)})
    read = []

    class Random(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, CLASSES))

        def forward(self, clip):
            return {"rgb": self.layers(clip["rgb"] + random.random() / 1e3 + np.random.random() / 1e3)}  # noqa: NPY002

    jobs = (Job("a", RECIPE, "rgb"), Job("b", replace(RECIPE, optimizer="adamw", clip_norm=1.0), "rgb"))

    def run(root: Path, first: bool) -> tuple[list[dict], list]:
        folder = root / str(first)
        folder.mkdir()
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002
        torch.manual_seed(1)
        read.clear()
        study = study_of(folder, Random, jobs=jobs, training=Points(16, read=read.append))
        if first:
            assert not estimate(study, pending(study), device="cpu").text().count("not estimated")
            assert read == []  # neither is anything kept here
            assert list(folder.iterdir()) == []
        states = [random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()]  # noqa: NPY002
        study.run()
        return [study.scores(name, 0) for name in "ab"], states

    (one, before), (other, after) = (
        run(tmp_path / name, name == "b") for name in "ab" if not (tmp_path / name).mkdir()
    )
    assert before == after
    for mine, yours in zip(one, other, strict=True):
        assert mine.keys() == yours.keys() == {"rgb", "labels"}
        assert all(torch.equal(mine[key], yours[key]) for key in mine)


def test_checkpoints_are_held_against_the_disk(tmp_path, monkeypatch):
    weights = 4 * (4 * CLASSES + CLASSES)
    jobs = (A, Job("b", replace(RECIPE, optimizer="adamw"), "rgb"))
    study = study_of(tmp_path / "later", jobs=jobs, seeds=(0, 1))
    asked = []
    monkeypatch.setattr(estimates.shutil, "disk_usage", lambda path: asked.append(path) or SimpleNamespace(free=5))
    found = estimate(study, pending(study), device="cpu")
    assert [job.checkpoint for job in found.jobs] == [2 * weights, 3 * weights + 2 * 4]  # AdamW counts steps of each
    assert found.disk == 2 * (5 * weights + 8) + 3 * weights + 8
    assert (found.free, asked) == (5, [tmp_path])
    assert len(found.warnings()) == 1
