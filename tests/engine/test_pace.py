"""What the first steps of a training say: seconds a step, memory, the time left for all that is pending."""

import itertools
from dataclasses import replace

import pytest
import tiny
import torch

from videoattn.engine import pace as module
from videoattn.engine import task
from videoattn.engine.pace import Pace, Pending, peak_memory
from videoattn.engine.study import _Left


@pytest.fixture
def clock(monkeypatch):
    """A clock that its user sets: seconds in a list of one."""
    now = [100.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(module, "peak_memory", lambda device: 3 * 2**29)
    return now


def walked(pace: Pace, clock: list[float], seconds: list[float], capsys) -> list[str]:
    """What is said when steps take these seconds, with the number of the step before it."""
    said = []
    for number, took in enumerate(seconds, 1):
        clock[0] += took
        pace.step()
        said += [f"{number} {line}" for line in capsys.readouterr().out.splitlines()]
    return said


@pytest.mark.parametrize(
    ("steps", "seconds", "told"),
    [
        (100, [9, 2, 2, 3, 3, 50, 50], "5 n: 2.5 s a step"),  # the first, which warms up, does not count
        (3, [9, 2, 4], "3 n: 3 s a step"),
        (2, [9, 4], "2 n: 4 s a step"),
        (1, [9], "1 n: 9 s a step"),
    ],
)
def test_the_first_steps_tell_once_what_a_step_takes(clock, capsys, steps, seconds, told):
    pace = Pace("n", steps, Pending(), torch.device("cpu"))
    assert walked(pace, clock, seconds, capsys) == [
        f"{told}, 1.5 GiB at the peak; about 00:00 left for all that is pending"
    ]


def test_the_time_left_is_that_of_what_is_known_and_of_steps_like_these(clock, capsys):
    pending = Pending(seconds=100.0, steps=3000, parallel=2)
    (told,) = walked(Pace("n", 9, pending, torch.device("cpu")), clock, [5, 2, 2, 2, 2], capsys)
    assert told.endswith("about 51:40 left for all that is pending")  # 100 s + 3000 steps of 2 s, two at a time
    (told,) = walked(Pace("n", 9, Pending(steps=3000), torch.device("cpu")), clock, [5, 2, 2, 2, 2], capsys)
    assert told.endswith("about 1:40:00 left for all that is pending")


def test_the_peak_is_of_the_device(monkeypatch):
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 12)
    assert peak_memory(torch.device("cuda", 0)) == 12
    assert 2**26 < peak_memory(torch.device("cpu")) < 2**40


def test_a_gpu_is_waited_for_before_the_clock_is_read(monkeypatch, clock, capsys):
    def wait(device: torch.device) -> None:
        clock[0] += 1

    monkeypatch.setattr(torch.cuda, "synchronize", wait)
    (told,) = walked(Pace("n", 9, Pending(), torch.device("cuda", 0)), clock, [0, 0, 0, 0, 0, 0], capsys)
    assert told.startswith("5 n: 1 s a step")
    assert clock[0] == 105


@pytest.mark.parametrize("accumulation", [1, 2])
def test_a_training_tells_its_pace_by_optimisation_steps(tmp_path, accumulation):
    class Counted:
        steps = 0

        def step(self) -> None:
            self.steps += 1

    pace = Counted()
    tiny.train(tmp_path / "x.pt", recipe=replace(tiny.RECIPE, accumulation=accumulation), pace=pace)
    assert pace.steps == 4 * 2


def test_a_task_tells_its_name_and_steps(make, monkeypatch):
    made = []

    class Noted(Pace):
        def __init__(self, *arguments):
            made.append(arguments)
            super().__init__(*arguments)

    monkeypatch.setattr(task, "Pace", Noted)
    make(JOBS="a,b", SEEDS=1).run()
    assert [(name, steps, pending.steps) for name, steps, pending, _ in made] == [
        ("a seed 0", 4, 8),
        ("b seed 0", 4, 4),
    ]
    assert {device.type for *_, device in made} == {"cpu"}


def test_steps_are_whole_batches_of_each_epoch(make):
    def steps(videos: int, **changes: object) -> int:
        own = make().task("a", 0)
        recipe = replace(own.job.recipe, **changes) if changes.pop("network", True) else None
        return task.steps_of(replace(own, job=replace(own.job, recipe=recipe)), videos)

    assert (steps(16), steps(23), steps(24), steps(7)) == (4, 4, 6, 2)
    assert (steps(80, max_steps=3), steps(16, max_steps=3), steps(80, epochs=1)) == (6, 4, 10)
    assert task.steps_of(make(JOBS="a,d").task("d", 0), 80) == 0


def test_what_is_pending_counts_jobs_that_have_ended_by_their_time(make):
    study = make()
    tasks = [study.task(name, seed) for seed in (0, 1) for name in "abc"]
    left = _Left(tasks, 2)
    assert left.told(tasks[0]).pending == Pending(seconds=0.0, steps=6 * 4, parallel=2)
    left.ended(tasks[0], 30.0)
    left.ended(tasks[1], 50.0)
    told = left.told(tasks[2])
    assert (told.job, told.seed) == (tasks[2].job, tasks[2].seed)
    assert told.pending == Pending(seconds=(30.0 + 50.0) / 2, steps=2 * 4, parallel=2)
    assert _Left(tasks[:3], 8).told(tasks[0]).pending.parallel == 3
    assert _Left([], 8).parallel == 1


def test_a_study_says_when_all_that_is_pending_will_have_ended(make, monkeypatch, capsys):
    """With a clock that goes on by a second whenever it is read."""
    ticks = itertools.count()
    monkeypatch.setattr(module.time, "perf_counter", lambda: float(next(ticks)))
    make(JOBS="a,b").run()
    told = [line for line in capsys.readouterr().out.splitlines() if " s a step" in line]
    assert [line.partition(":")[0] for line in told] == ["a seed 0", "b seed 0", "a seed 1", "b seed 1"]
    # of a job that has not been trained each step counts as one of this training: 4 in 2 epochs of 2 steps
    assert told[0].split("; ")[1] == "about 00:05 left for all that is pending"
