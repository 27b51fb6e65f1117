"""Peaks of memory: of this process, with and without Linux's help, and of a GPU as PyTorch tells it."""

import gc
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
import timed
import torch
from timed import Net, Points, pending, study_of

from videoattn.training import memory
from videoattn.training.estimate import estimate

MIB = 2**20


class Hold(torch.autograd.Function):
    """Keeps 64 MiB for each clip until the gradient is there."""

    @staticmethod
    def forward(ctx, scores):
        ctx.save_for_backward(torch.ones(len(scores), 16 * MIB))
        return scores.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient


class Holding(Net):
    """In testing it takes 48 MiB for each view, and gives them back at once."""

    def forward(self, clip):
        outputs = super().forward(clip)
        if self.training:
            return {"rgb": Hold.apply(outputs["rgb"])}
        return {"rgb": outputs["rgb"] * torch.ones(len(clip["rgb"]), 12 * MIB).mean()}


def measured(folder, forgets):
    """In a process of its own: what is found of one job."""
    memory.PROC = memory.PROC if forgets else folder / "none"
    fewer = {"2": Points(2, views=2)}
    study = study_of(folder, Holding, testing=Points(9, views=2), test_batch=6, further=lambda _: fewer)
    with timed.by_the_clock():
        (found,) = estimate(study, pending(study), device="cpu").jobs
    return found


@pytest.mark.parametrize("forgets", [True, False])
def test_memory_grows_with_the_batch(tmp_path, forgets):
    if forgets and not os.access("/proc/self/clear_refs", os.W_OK):
        pytest.skip("this kernel does not forget a peak")
    with ProcessPoolExecutor(1, get_context("spawn")) as fresh:  # no other test has used its memory
        found = fresh.submit(measured, tmp_path, forgets).result()
    assert found.training_memory == pytest.approx(8 * 64 * MIB, rel=0.05)
    if forgets:
        assert found.testing_memory == pytest.approx(6 * 2 * 48 * MIB, rel=0.05)
    else:  # nobody looked in time
        assert found.testing_memory < 48 * MIB


def test_freed_memory_does_not_count():
    circle = [torch.ones(100, MIB)]
    circle.append(circle)
    del circle
    found = memory.Resident()
    gc.collect()
    assert abs(found.held()) < 20 * MIB
    block = torch.ones(100, MIB)
    found = memory.Resident()
    block = None
    assert block is None
    assert found.held() == pytest.approx(-400 * MIB, rel=0.05)
    found.reset()
    assert found.peak() < -380 * MIB
    small = [torch.ones(4000) for _ in range(10_000)]  # on the heap, under the size that is mapped
    assert found.held() > -260 * MIB
    del small[::2], small[:-1]
    found.settle()
    assert found.held() < -330 * MIB


def test_memory_of_a_gpu_is_what_pytorch_counts(monkeypatch):
    state = {"allocated": 100, "peak": 100}
    cuda = {
        "memory_allocated": lambda device: state["allocated"],
        "max_memory_allocated": lambda device: state["peak"],
        "reset_peak_memory_stats": lambda device: state.update(peak=state["allocated"]),
        "empty_cache": lambda: state.update(emptied=True),
        "mem_get_info": lambda device: (70, 80),
    }
    for name, value in cuda.items():
        monkeypatch.setattr(torch.cuda, name, value)
    found = memory.memory_of(torch.device("cuda"))
    assert isinstance(found, memory.Allocated)
    assert state.pop("emptied")
    state.update(allocated=130, peak=190)
    assert (found.held(), found.peak()) == (30, 90)
    found.reset()
    assert found.peak() == 30
    assert memory.available(torch.device("cuda")) == 70
