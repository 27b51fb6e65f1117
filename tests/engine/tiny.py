"""A training of a second, and a driver that starts it in processes of their own, kills and continues them.

`python tiny.py <folder>` leaves what the tests compare in <folder>: a checkpoint for each scenario, `<name>.txt` with
how its processes ended.
"""

import os
import resource
import shutil
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.utils.data import Dataset

from videoattn.engine.loop import fit
from videoattn.engine.pace import Pace
from videoattn.engine.recipe import Recipe
from videoattn.errors import RunError
from videoattn.progress import Progress

RECIPE = Recipe(epochs=4, batch_size=8, lr=0.1, plateau_patience=0, plateau_factor=0.5)
VIDEOS, CLASSES = 16, 3


class Clips(Dataset):
    """Random points, drawn from (epoch, i); `at` maps (epoch, i) to what happens when that item is read."""

    def __init__(self, length: int = VIDEOS, at: dict[tuple[int, int], Callable[[], None]] | None = None):
        self.length = length
        self.at = at or {}

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, item: tuple[int, int]) -> tuple[dict[str, Tensor], int]:
        self.at.get(item, lambda: None)()
        epoch, i = item
        generator = torch.Generator().manual_seed(1000 * epoch + i)
        return {"rgb": torch.randn(4, generator=generator) + i % CLASSES}, i % CLASSES


class Net(nn.Module):
    """With batch norm and dropout, or without either."""

    def __init__(self, *, random: bool = True):
        super().__init__()
        torch.manual_seed(0)
        between = [nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3)] if random else [nn.ReLU()]
        self.layers = nn.Sequential(nn.Linear(4, 8), *between, nn.Linear(8, CLASSES))

    def forward(self, clip: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"rgb": self.layers(clip["rgb"])}


def train(
    path: Path,
    *,
    data: Dataset | None = None,
    net: nn.Module | None = None,
    recipe: Recipe = RECIPE,
    identity: str = "tiny",
    accelerator: Accelerator | None = None,
    pace: Pace | None = None,
    lines: bool = False,
) -> list[dict]:
    """`fit` of the tiny network in this process."""
    return fit(
        Net() if net is None else net,
        Clips() if data is None else data,
        recipe,
        stream="rgb",
        seed=3,
        path=path,
        identity=identity,
        accelerator=accelerator or Accelerator(gradient_accumulation_steps=recipe.accumulation, cpu=True),
        progress=Progress("tiny", recipe.epochs, lines=lines),
        pace=pace,
    )


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fill_disk() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))


def kill_when_replacing(path: Path, nth: int) -> None:
    """Have this process die in the middle of writing the checkpoint of epoch `nth`: it is written, not yet in place."""
    whole, count = Path.replace, [0]

    def replace_or_die(self: Path, target: Path) -> Path:
        count[0] += target == path
        if count[0] == nth:
            kill()
        return whole(self, target)

    Path.replace = replace_or_die


def child(work: Callable[[], object], report: Path, env: dict[str, str] | None = None) -> int:
    """Start `work` in a forked process, which adds to `report` how it ended; returns its id."""
    pid = os.fork()
    if pid:
        return pid
    os.environ.update(env or {})
    try:
        work()
        ended = "done"
    except RunError as error:
        ended = f"RunError: {error}"
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    with report.open("a") as file:
        file.write(ended + "\n")
    os._exit(0)


def wait(pid: int, report: Path) -> None:
    status = os.waitpid(pid, 0)[1]
    if os.WIFSIGNALED(status):
        with report.open("a") as file:
            file.write(signal.Signals(os.WTERMSIG(status)).name + "\n")


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    torch.optim.SGD([torch.zeros(1)], lr=1.0)  # imports much, which the forked processes then need not do

    def run(name: str, work: Callable[[Path], object], **env: str) -> None:
        wait(child(lambda: work(folder / f"{name}.pt"), folder / f"{name}.txt", env), folder / f"{name}.txt")

    run("whole", lambda path: train(path))
    for name, at in {"first": (0, 5), "second": (1, 0), "last": (3, 15)}.items():
        run(name, lambda path, at=at: train(path, data=Clips(at={at: kill})))
        run(name, lambda path: train(path))

    def dies_writing(path: Path) -> None:
        kill_when_replacing(path, 3)
        train(path)

    for name, work in {
        "writing": dies_writing,
        "disk": lambda path: train(path, data=Clips(at={(2, 0): fill_disk})),
    }.items():
        run(name, work)
        shutil.copy(folder / f"{name}.pt", folder / f"{name}-kept.pt")
        run(name, lambda path: train(path))
    plain = replace(RECIPE, epochs=2)
    run("one-process", lambda path: train(path, net=Net(random=False), recipe=plain))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    pids = []
    for rank in ("0", "1"):
        env = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        work = lambda: train(folder / "two-processes.pt", net=Net(random=False), recipe=plain)  # noqa: E731
        pids.append(child(work, folder / f"rank{rank}.txt", env))
    for rank, pid in enumerate(pids):
        wait(pid, folder / f"rank{rank}.txt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
