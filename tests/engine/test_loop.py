"""The training loop: killed, starved and poisoned, it goes on or says why not; its steps are the recipe's."""

import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import tiny
import torch
from torch import Tensor, nn

from videoattn.engine import checkpoint
from videoattn.engine.loop import Shuffle, fit, make_optimizer
from videoattn.engine.objective import classification_loss
from videoattn.engine.recipe import Recipe
from videoattn.errors import InputError, RunError
from videoattn.progress import Progress


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the driver of `tiny` leaves."""
    folder = tmp_path_factory.mktemp("tiny")
    env = os.environ | {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "1", "CUDA_VISIBLE_DEVICES": ""}
    subprocess.run([sys.executable, tiny.__file__, str(folder)], check=True, env=env)
    return folder


def same(first: object, second: object) -> None:
    """All that two checkpoints hold is equal, bit for bit."""
    assert type(first) is type(second)
    if isinstance(first, dict):
        same(list(first.items()), list(second.items()))
    elif isinstance(first, list | tuple):
        for one, other in zip(first, second, strict=True):
            same(one, other)
    elif isinstance(first, Tensor):
        torch.testing.assert_close(first, second, rtol=0, atol=0)
    else:
        assert first == second


@pytest.mark.parametrize("when", ["first", "second", "last", "writing"])
def test_a_killed_training_goes_on_and_ends_as_if_it_had_not_been_killed(folder, when):
    assert (folder / f"{when}.txt").read_text().split() == ["SIGKILL", "done"]
    whole = checkpoint.load(folder / "whole.pt")
    assert [row["epoch"] for row in whole["rows"]] == [1, 2, 3, 4]
    same(checkpoint.load(folder / f"{when}.pt"), whole)


def test_killed_while_a_checkpoint_is_written_the_one_before_is_whole(folder):
    kept, whole = (checkpoint.load(folder / f"{name}.pt") for name in ("writing-kept", "whole"))
    assert kept["rows"] == whole["rows"][:2]


def test_a_full_disk_names_the_file_and_leaves_the_last_checkpoint(folder):
    first, second = (folder / "disk.txt").read_text().splitlines()
    assert first.startswith(f"RunError: {folder / 'disk.pt'} could not be written: File too large")
    assert "intact" in first
    assert second == "done"
    kept, whole = (checkpoint.load(folder / f"{name}.pt") for name in ("disk-kept", "whole"))
    assert kept["rows"] == whole["rows"][:2]
    same(checkpoint.load(folder / "disk.pt"), whole)


def test_two_processes_train_as_one_does(folder):
    assert [(folder / f"rank{r}.txt").read_text() for r in (0, 1)] == ["done\n", "done\n"]
    one, two = (checkpoint.load(folder / f"{name}.pt") for name in ("one-process", "two-processes"))
    torch.testing.assert_close(two["model"], one["model"])
    torch.testing.assert_close(two["rows"], one["rows"])


class Prepared(Exception):
    """What `fit` handed to Accelerate."""


def as_one_of(processes: int) -> SimpleNamespace:
    """An accelerator that stops where the model is prepared; SyncBatchNorm itself runs on GPUs only."""

    def prepare(*parts: object) -> None:
        raise Prepared(*parts)

    return SimpleNamespace(num_processes=processes, device=torch.device("cpu"), scaler=None, prepare=prepare)


def start(path: Path, processes: int, recipe: Recipe = tiny.RECIPE) -> None:
    about = {"stream": "rgb", "seed": 0, "path": path, "identity": "", "progress": Progress("", 1, quiet=True)}
    fit(tiny.Net(), tiny.Clips(), recipe, accelerator=as_one_of(processes), **about)


@pytest.mark.parametrize(("processes", "norm"), [(1, nn.BatchNorm1d), (2, nn.SyncBatchNorm)])
def test_batch_norm_is_synchronised_where_there_are_several_processes(tmp_path, processes, norm):
    with pytest.raises(Prepared) as caught:
        start(tmp_path / "x.pt", processes)
    model, optimizer, loader = caught.value.args
    assert type(model.layers[1]) is norm
    assert {id(p) for p in model.parameters()} == {id(p) for p in optimizer.param_groups[0]["params"]}
    assert loader.batch_size == 8 // processes


def test_a_batch_that_the_processes_cannot_share_is_refused(tmp_path):
    with pytest.raises(InputError, match="batch_size=8 cannot be made of 1 equal batches in each of 3 processes"):
        start(tmp_path / "x.pt", 3)


@pytest.mark.parametrize("videos", [16, 22])
def test_accumulated_batches_make_the_step_of_the_large_batch(tmp_path, videos):
    weights = []
    for accumulation in (1, 2, 4):
        recipe = replace(tiny.RECIPE, epochs=2, accumulation=accumulation, weight_decay=0.01)
        path = tmp_path / f"{accumulation}.pt"
        tiny.train(path, net=tiny.Net(random=False), recipe=recipe, data=tiny.Clips(videos))
        weights.append(checkpoint.load(path)["model"])
    assert not torch.equal(weights[0]["layers.0.weight"], tiny.Net(random=False).state_dict()["layers.0.weight"])
    torch.testing.assert_close(weights[1], weights[0])
    torch.testing.assert_close(weights[2], weights[0])


def trained_once(path: Path) -> bytes:
    tiny.train(path, recipe=replace(tiny.RECIPE, epochs=1))
    return path.read_bytes()


class Spoilt(nn.Module):
    """The tiny network until `call`, where `happens` is applied to its scores."""

    def __init__(self, call: int, happens):
        super().__init__()
        self.net, self.call, self.happens, self.calls = tiny.Net(), call, happens, 0

    def forward(self, clip: dict[str, Tensor]) -> dict[str, Tensor]:
        self.calls += 1
        scores = self.net(clip)["rgb"]
        return {"rgb": self.happens(scores) if self.calls == self.call else scores}

    def state_dict(self, *args, **named):
        return self.net.state_dict(*args, **named)

    def load_state_dict(self, state, **named):
        return self.net.load_state_dict(state, **named)


def no_memory(_: Tensor) -> Tensor:
    raise RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: 9 bytes")


def no_host_memory(_: Tensor) -> Tensor:
    raise MemoryError


def a_bug(_: Tensor) -> Tensor:
    raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")


@pytest.mark.parametrize(
    ("happens", "error", "texts"),
    [
        (lambda s: s * math.nan, RunError, ["nan", "epoch 2", "step 2", "lr 0.1", "lower the learning rate"]),
        (no_memory, RunError, ["out of memory at epoch 2", "batches of 8 videos", "accumulation"]),
        (no_host_memory, RunError, ["out of memory at epoch 2", "accumulation"]),
        (a_bug, RuntimeError, ["mat1 and mat2"]),
    ],
)
def test_what_stops_a_training_is_said_and_the_last_checkpoint_is_intact(tmp_path, happens, error, texts):
    before = trained_once(tmp_path / "x.pt")
    with pytest.raises(error) as caught:
        tiny.train(tmp_path / "x.pt", net=Spoilt(2, happens))
    assert type(caught.value) is error
    assert all(text in str(caught.value) for text in texts), caught.value
    assert (tmp_path / "x.pt").read_bytes() == before


def test_weights_that_are_not_finite_are_not_kept(tmp_path):
    before = trained_once(tmp_path / "x.pt")
    with pytest.raises(RunError, match=r"weights are no longer finite after epoch 2, lr 0\.1"):
        tiny.train(tmp_path / "x.pt", net=Spoilt(2, overflow_behind))
    assert (tmp_path / "x.pt").read_bytes() == before


def overflow_behind(scores: Tensor) -> Tensor:
    """Finite scores with an infinite gradient, in the last step of the epoch."""
    scores.register_hook(lambda grad: grad * math.inf)
    return scores


def test_another_trainings_checkpoint_is_refused(tmp_path):
    before = trained_once(tmp_path / "x.pt")
    with pytest.raises(RunError, match=r"belongs to another training \(tiny, not other\)"):
        tiny.train(tmp_path / "x.pt", identity="other")
    assert (tmp_path / "x.pt").read_bytes() == before


def learning_rates(recipe: Recipe, accuracies: list[float]) -> list[float]:
    """The rate of each epoch."""
    optimizer, schedule = make_optimizer(nn.Linear(1, 1), recipe)
    rates = []
    for accuracy in accuracies:
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step(*([accuracy] if recipe.schedule == "plateau" else []))
    return rates


def test_learning_rates_of_the_schedules():
    plateau = Recipe(epochs=8, batch_size=1, lr=1.0, plateau_patience=1, plateau_factor=0.5)
    # better, better, not, not (the second in a row: halved), better, not, not (halved)
    rates = learning_rates(plateau, [0.1, 0.2, 0.2, 0.1, 0.3, 0.3, 0.2, 0.9])
    assert rates == [1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25]
    linear = Recipe(epochs=4, batch_size=1, lr=1.0, schedule="linear", optimizer="adamw")
    assert learning_rates(linear, [0.0] * 4) == pytest.approx([1.0, 0.75, 0.5, 0.25])
    steps = Recipe(epochs=6, batch_size=1, lr=1.0, schedule="steps 2 5", plateau_factor=0.5)
    assert learning_rates(steps, [0.0] * 6) == pytest.approx([1.0, 1.0, 0.5, 0.5, 0.5, 0.25])


def test_the_order_is_drawn_from_seed_and_epoch():
    def order(seed: int, epoch: int, step: int = 1) -> list[tuple[int, int]]:
        shuffle = Shuffle(10, seed, step)
        shuffle.epoch = epoch
        assert len(shuffle) == len(list(shuffle))
        return list(shuffle)

    assert order(1, 2) == order(1, 2)
    assert {e for e, _ in order(1, 2)} == {2}
    assert sorted(i for _, i in order(1, 2)) == list(range(10))
    indices = {tuple(i for _, i in order(s, e)) for s, e in [(1, 2), (1, 3), (2, 2), (2, 3)]}
    assert len(indices) == 4
    assert order(1, 2, step=4) == order(1, 2)[:8]  # whole steps
    assert order(1, 2, step=16) == order(1, 2)  # less than one


def test_cross_entropy_by_loops():
    generator = torch.Generator().manual_seed(0)
    g = torch.randn(5, 4, generator=generator, dtype=torch.float64) * 3
    labels = [0, 3, 3, 1, 2]
    total = 0.0
    for scores, label in zip(g.tolist(), labels, strict=True):
        for c in range(4):
            y = 1.0 if c == label else 0.0
            total -= y * (scores[c] - math.log(sum(math.exp(score) for score in scores)))  # Eq. (7) of CMA
    assert classification_loss(g, torch.tensor(labels)).item() == pytest.approx(total / 5, rel=1e-12)
