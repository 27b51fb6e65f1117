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
from accelerate import Accelerator
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from videoattn.engine import checkpoint, loop
from videoattn.engine.loop import Shuffle, fit, make_optimizer
from videoattn.engine.objective import classification_loss
from videoattn.engine.recipe import Recipe, dry_run
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
    about = {"stream": "rgb", "seed": 0, "path": path, "identity": "", "progress": Progress("", 1, lines=False)}
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
        (no_memory, RunError, ["out of memory at epoch 2", "batches of 8 videos", "ACCUMULATION=2", "PARALLEL=1"]),
        (no_host_memory, RunError, ["out of memory at epoch 2", "ACCUMULATION=2"]),
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


@pytest.mark.parametrize(
    ("batch_size", "accumulation", "advice"),
    [(8, 2, "batches of 4 videos: set ACCUMULATION=4"), (1, 1, "batches of 1 videos: set PARALLEL=1")],
)
def test_out_of_memory_the_message_names_what_helps(tmp_path, batch_size, accumulation, advice):
    net = Spoilt(1, no_memory)
    net.net = tiny.Net(random=False)  # a batch norm would refuse batches of one video
    recipe = replace(tiny.RECIPE, batch_size=batch_size, accumulation=accumulation)
    with pytest.raises(RunError, match=advice):
        tiny.train(tmp_path / "x.pt", net=net, recipe=recipe)


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


def learning_rates(monkeypatch, path: Path, recipe: Recipe, accuracies: list[float]) -> list[float]:
    """The rate of each epoch as `fit` ran it, where the trainings' accuracies were these."""
    rates, given = [], iter(accuracies)

    def epoch(model, loader, optimizer, *_: object) -> tuple[float, float]:
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        return 1.0, next(given)

    monkeypatch.setattr(loop, "_epoch", epoch)
    rows = tiny.train(path, recipe=recipe)
    assert [row["lr"] for row in rows] == rates
    assert [row["accuracy"] for row in rows] == accuracies
    return rates


# better, better, not, not (the second in a row: halved), better, not, not (halved)
ACCURACIES = [0.1, 0.2, 0.2, 0.1, 0.3, 0.3, 0.2, 0.9]


@pytest.mark.parametrize(
    ("changes", "rates"),
    [
        ({"plateau_patience": 1}, [1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25]),
        ({"plateau_patience": 0}, [1.0, 1.0, 1.0, 0.5, 0.25, 0.25, 0.125, 0.0625]),
        ({"schedule": "linear", "optimizer": "adamw"}, [1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125]),
        ({"schedule": "steps 2 5"}, [1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25]),
        ({"schedule": "steps 2", "plateau_factor": 0.1}, [1.0, 1.0, *[0.1] * 6]),
    ],
)
def test_learning_rates_of_the_schedules_as_they_are_run(monkeypatch, tmp_path, changes, rates):
    recipe = replace(tiny.RECIPE, epochs=8, lr=1.0, plateau_factor=0.5)
    found = learning_rates(monkeypatch, tmp_path / "x.pt", replace(recipe, **changes), ACCURACIES)
    assert found == pytest.approx(rates)


def test_a_continued_training_ends_as_if_it_had_not_been_interrupted(monkeypatch, tmp_path):
    """With dropout, batch norm, momentum and a schedule."""
    recipe = replace(tiny.RECIPE, schedule="linear")
    save = checkpoint.save

    def save_twice(path: Path, state: dict) -> None:
        save(path, state)
        if len(state["rows"]) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "save", save_twice)
        with pytest.raises(KeyboardInterrupt):
            tiny.train(tmp_path / "x.pt", recipe=recipe)
    torch.rand(5)  # what happens in between draws numbers
    rows = tiny.train(tmp_path / "x.pt", recipe=recipe)
    assert [row["lr"] for row in rows] == pytest.approx([0.1, 0.075, 0.05, 0.025])
    assert tiny.train(tmp_path / "whole.pt", recipe=recipe) == rows
    same(checkpoint.load(tmp_path / "x.pt"), checkpoint.load(tmp_path / "whole.pt"))


def test_all_that_is_random_follows_from_seed_and_epoch(monkeypatch, tmp_path):
    seeds, read = [], []
    monkeypatch.setattr(loop, "set_seed", lambda seed, **more: seeds.append((seed, more)))
    at = {(epoch, i): lambda key=(epoch, i): read.append(key) for epoch in range(4) for i in range(16)}
    tiny.train(tmp_path / "x.pt", data=tiny.Clips(at=at))
    assert seeds == [(300_009 + epoch, {"device_specific": True}) for epoch in range(4)]
    assert sorted(read) == sorted(at)
    assert len({tuple(i for _, i in read[n : n + 16]) for n in range(0, 64, 16)}) == 4  # four orders


def steps_of(path: Path, **changes: object) -> list[tuple[float, float]]:
    """The norm of the update that each step makes, and of the gradient that it was made with, of plain SGD."""
    net = tiny.Net(random=False)
    found = []

    def noted(optimizer: object, *_: object) -> None:
        after = torch.cat([p.detach().flatten() for p in net.parameters()])
        grad = torch.cat([p.grad.flatten() for p in net.parameters()])
        found.append(((after - before[0]).norm().item(), grad.norm().item()))
        before[0] = after

    before = [torch.cat([p.detach().flatten() for p in net.parameters()])]
    handle = register_optimizer_step_post_hook(noted)
    try:
        tiny.train(path, net=net, recipe=replace(tiny.RECIPE, epochs=2, momentum=0.0, **changes))
    finally:
        handle.remove()
    return found


@pytest.mark.parametrize("accumulation", [1, 2])
def test_an_update_is_at_most_the_clipped_gradient_times_the_rate(tmp_path, accumulation):
    free = steps_of(tmp_path / "free.pt", accumulation=accumulation)
    clipped = steps_of(tmp_path / "clipped.pt", accumulation=accumulation, clip_norm=0.05)
    assert (len(free), len(clipped)) == (4, 4)
    assert min(norm for norm, _ in free) > 0.1 * 0.05
    assert [norm for norm, _ in clipped] == pytest.approx([0.1 * 0.05] * 4, rel=1e-3)
    assert [grad for _, grad in clipped] == pytest.approx([0.05] * 4, rel=1e-3)


def test_the_loss_and_accuracy_of_an_epoch_are_means_over_its_videos(tmp_path):
    """With a rate near nothing, so that the weights stay: they can be computed at the end."""
    net = tiny.Net(random=False)
    recipe = replace(tiny.RECIPE, epochs=1, batch_size=4, lr=1e-12)
    (row,) = tiny.train(tmp_path / "x.pt", net=net, recipe=recipe, data=tiny.Clips(12))
    clips, labels = zip(*(tiny.Clips(12)[0, i] for i in range(12)), strict=True)
    scores, labels = net({"rgb": torch.stack([clip["rgb"] for clip in clips])})["rgb"], torch.tensor(labels)
    assert row["loss"] == pytest.approx(classification_loss(scores, labels).item(), rel=1e-5)
    assert row["accuracy"] == pytest.approx((scores.argmax(1) == labels).float().mean().item())


class Modes(tiny.Net):
    """Notes the mode and the type of what it computes."""

    def __init__(self):
        super().__init__(random=False)
        self.seen: set[tuple[bool, torch.dtype]] = set()

    def forward(self, clip: dict[str, Tensor]) -> dict[str, Tensor]:
        scores = self.layers(clip["rgb"])
        self.seen.add((self.training, scores.dtype))
        return {"rgb": scores}


def test_networks_are_trained_in_training_mode(tmp_path):
    net = Modes().eval()
    tiny.train(tmp_path / "x.pt", net=net)
    assert net.seen == {(True, torch.float32)}


def test_frozen_weights_have_no_optimiser(tmp_path):
    net = tiny.Net(random=False)
    net.layers[0].weight.requires_grad_(False)
    optimizer, _ = make_optimizer(net, replace(tiny.RECIPE, weight_decay=0.1))
    assert [tuple(p.shape) for p in optimizer.param_groups[0]["params"]] == [(8,), (3, 8), (3,)]


@pytest.mark.parametrize(
    ("name", "kind", "values"),
    [
        ("sgd", torch.optim.SGD, {"momentum": 0.5, "nesterov": False}),
        ("nesterov", torch.optim.SGD, {"momentum": 0.5, "nesterov": True}),
        ("adamw", torch.optim.AdamW, {"betas": (0.9, 0.999)}),
    ],
)
def test_optimisers_are_those_of_the_recipe(name, kind, values):
    recipe = replace(tiny.RECIPE, optimizer=name, momentum=0.5, weight_decay=0.25, lr=0.125)
    optimizer, _ = make_optimizer(tiny.Net(), recipe)
    (group,) = optimizer.param_groups
    assert type(optimizer) is kind
    assert {key: group[key] for key in ("lr", "weight_decay", *values)} == {"lr": 0.125, "weight_decay": 0.25} | values


def test_each_epoch_is_told(tmp_path, capsys):
    rows = tiny.train(tmp_path / "x.pt", recipe=replace(tiny.RECIPE, epochs=2), lines=True)
    assert capsys.readouterr().out.splitlines() == [
        f"tiny: epoch {row['epoch']} of 2  loss {row['loss']:.3f}  accuracy {row['accuracy']:.3f}  lr {row['lr']:g}"
        for row in rows
    ]


def test_a_training_that_is_complete_is_not_trained_again(tmp_path):
    rows = tiny.train(tmp_path / "x.pt")
    reads: list[int] = []
    again = tiny.train(tmp_path / "x.pt", data=tiny.Clips(at={(0, i): lambda i=i: reads.append(i) for i in range(16)}))
    assert (again, reads) == (rows, [])


def test_the_state_of_the_gradients_scale_is_kept_in_half_precision(tmp_path):
    """CPUs have no scale of gradients: one that stands in for a GPU's."""
    accelerator = Accelerator(cpu=True)
    accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    path = tmp_path / "x.pt"
    tiny.train(path, accelerator=accelerator, recipe=replace(tiny.RECIPE, epochs=1))
    assert checkpoint.load(path)["scaler"]["scale"] == 8.0
    other = Accelerator(cpu=True)
    other.scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
    tiny.train(path, accelerator=other, recipe=replace(tiny.RECIPE, epochs=1))
    assert other.scaler.get_scale() == 8.0


@given(st.integers(1, 40), st.integers(1, 9), st.integers(1, 5))
def test_an_epoch_of_a_dry_run_ends_after_its_steps(length, batch, steps):
    whole = list(Shuffle(length, 3, batch))
    cut = Shuffle(length, 3, batch, steps)
    assert list(cut) == whole[: steps * batch]
    assert len(cut) == len(whole[: steps * batch])


def test_a_dry_run_reads_the_videos_of_its_steps_alone(tmp_path):
    seen = set()
    at = {(epoch, i): lambda key=(epoch, i): seen.add(key) for epoch in range(4) for i in range(16)}
    recipe = replace(tiny.RECIPE, schedule="steps 2 3")
    (row,) = tiny.train(tmp_path / "x.pt", data=tiny.Clips(at=at), recipe=dry_run(recipe, 1))
    assert len(seen) == tiny.RECIPE.batch_size
    assert {epoch for epoch, _ in seen} == {0}
    assert row["lr"] == tiny.RECIPE.lr
    assert dry_run(recipe, 0) == recipe


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
