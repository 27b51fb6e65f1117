"""Tasks side by side: what each needs comes first; a process that dies is told."""

import os
from concurrent.futures import Future
from contextlib import contextmanager
from types import SimpleNamespace

import demo as paper
import pytest
import torch
from tasks import die_at_three, square

from videoattn.engine import schedule
from videoattn.engine import study as studies
from videoattn.engine.schedule import in_order
from videoattn.errors import RunError


def test_tasks_start_when_what_they_need_is_there():
    done: list[int] = []
    needs = {1: {3}, 2: set(), 3: {2}, 4: {1, 2}}
    prepared = []

    def prepare(task: int) -> int:
        prepared.append((task, set(done)))
        return 10 * task

    for task, (result, pid, threads) in in_order(
        square, [1, 2, 3, 4], parallel=2, ready=lambda t: needs[t] <= set(done), prepare=prepare
    ):
        assert result == (10 * task) ** 2
        assert (pid != os.getpid(), threads) == (True, 1)
        done.append(task)
    assert done == [2, 3, 1, 4]
    assert prepared == [(2, set()), (3, {2}), (1, {2, 3}), (4, {1, 2, 3})]


def test_a_dead_process_is_told_and_what_was_yielded_stands():
    seen = []
    with pytest.raises(RunError, match=r"a training process died .* what is finished is kept, and the same command"):
        seen.extend(in_order(die_at_three, [1, 2, 3], parallel=1, ready=lambda _: True))
    assert seen == [(1, 1), (2, 2)]


class Alive:
    """In place of a pool: tasks end when they are waited for, in the order in which they began."""

    most = 0

    def __init__(self):
        self.running: dict[Future, tuple] = {}

    def submit(self, work, item) -> Future:
        future = Future()
        self.running[future] = (work, item)
        Alive.most = max(Alive.most, len(self.running))
        return future

    def wait(self, running, return_when: str) -> SimpleNamespace:
        first = next(iter(running))
        work, item = self.running.pop(first)
        first.set_result(work(item))
        return SimpleNamespace(done=[first])


@pytest.fixture
def in_process(monkeypatch):
    """`in_order` without processes; what starts one is run once."""
    alive = Alive()
    Alive.most = 0

    @contextmanager
    def pool(size, start, arguments):
        alive.size, alive.start = size, (start, arguments)
        yield alive

    monkeypatch.setattr(schedule, "pool", pool)
    monkeypatch.setattr(schedule, "wait", alive.wait)
    return alive


def test_as_many_run_as_are_asked_for(in_process):
    found = list(in_order(lambda n: 2 * n, [1, 2, 3, 4, 5], parallel=3, ready=lambda _: True))
    assert found == [(n, 2 * n) for n in (1, 2, 3, 4, 5)]
    assert (in_process.size, Alive.most) == (3, 3)


def test_a_need_that_is_never_met_is_told(in_process):
    with pytest.raises(RunError, match="nothing can start: 7 needs what no training gives"):
        list(in_order(square, [7], parallel=1, ready=lambda _: False))


def test_each_process_has_one_thread_and_a_line_of_the_terminal(in_process, monkeypatch):
    list(in_order(square, [1], parallel=3, ready=lambda _: True))
    start, (lock, places) = in_process.start
    told, threads = [], []
    monkeypatch.setattr(schedule, "share_terminal", lambda *own: told.append(own))
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    for _ in range(3):
        start(lock, places)
    assert (told, threads) == ([(lock, 0), (lock, 1), (lock, 2)], [1, 1, 1])


def test_trainings_side_by_side_give_the_same_record(make, in_process, monkeypatch, trained):
    one = make().run()
    studies.RunFolder(make().folder).path.rename(make().folder.with_name("elsewhere"))
    trained.clear()
    several = make(PARALLEL=2)
    assert several.folder == make().folder
    record = several.run()
    assert Alive.most == 2
    assert trained == ["a-seed0", "b-seed0", "c-seed0", "a-seed1", "b-seed1", "c-seed1"]
    assert [(r["job"], r["seed"], r["metrics"]) for r in record.results] == [
        (r["job"], r["seed"], r["metrics"]) for r in one.results
    ]


def test_probes_are_generated_before_processes_look_for_them(make, in_process, monkeypatch):
    made = []
    run_task = studies.run_task

    def noted(task: studies.Task) -> dict:
        made.append(len(paper.Data.made))
        return run_task(task)

    monkeypatch.setattr(studies, "run_task", noted)
    make(PARALLEL=2, JOBS="a,transfer", SEEDS=1).run()
    assert made == [2, 2]


def test_a_training_waits_for_the_scores_of_the_one_that_it_starts_from(make):
    study = make()
    for seed in (0, 1):
        assert study._ready(study.task("a", seed))
        assert not study._ready(study.task("c", seed))
    study.run_folder.scores_path("a", 1).parent.mkdir(parents=True)
    study.run_folder.scores_path("a", 1).touch()
    assert [study._ready(study.task("c", seed)) for seed in (0, 1)] == [False, True]
