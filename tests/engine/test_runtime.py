"""How a study runs on this machine: a table by device and data, a parameter for each entry, no part of a digest."""

import os
from dataclasses import fields, replace

import demo as paper
import pytest
import torch

from videoattn.engine.parameters import RUNTIME, check
from videoattn.engine.runtime import Runtime, runtime_of

CORES = len(os.sched_getaffinity(0))
VIDEOS = {"DATASET": "ucf101", "DATA": "/"}


def runtime(device: str | None = "cpu", **values: object) -> Runtime:
    return runtime_of(check("demo", {"PROFILE": "full"} | values, paper.SETS), device)


def test_the_table_by_device_and_data():
    assert runtime() == Runtime(workers=0, test_batch=64, parallel=CORES, accumulation=0)
    assert runtime("cuda") == Runtime(workers=0, test_batch=64, parallel=8, accumulation=0)
    assert runtime(**VIDEOS) == Runtime(workers=min(2, CORES), test_batch=8, parallel=1, accumulation=0)
    assert runtime("cuda", **VIDEOS) == Runtime(workers=min(8, CORES), test_batch=4, parallel=1, accumulation=0)
    assert runtime(PROFILE="check") == replace(runtime(), parallel=1)


def test_the_device_is_what_is_there(monkeypatch):
    for cuda in (True, False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda cuda=cuda: cuda)
        assert runtime(None) == runtime("cuda" if cuda else "cpu")


@pytest.mark.parametrize("more", [{}, VIDEOS, {"PROFILE": "check"}])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_each_entry_has_a_parameter(device, more):
    assert {field.name.upper() for field in fields(Runtime)} == set(RUNTIME)
    own = runtime(device, **more)
    for name in RUNTIME:
        assert runtime(device, **more, **{name: 5}) == replace(own, **{name.lower(): 5})
        assert runtime(device, **more, **{name: -1}) == own
    assert runtime(device, **more, WORKERS=0) == replace(own, workers=0)


def test_none_of_them_changes_a_digest(make):
    digests = {make(**{name: 4}).digest for name in RUNTIME} | {make(**VIDEOS, **{name: 4}).digest for name in RUNTIME}
    assert digests == {make().digest, make(**VIDEOS).digest}
    assert make(WORKERS=3, TEST_BATCH=5, PARALLEL=2, ACCUMULATION=4).runtime == Runtime(
        workers=3, test_batch=5, parallel=2, accumulation=4
    )
