"""One training loop for all papers, on Accelerate: mixed precision, accumulation, one or several processes."""

from collections.abc import Iterator
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import nn
from torch.utils.data import DataLoader, Dataset, Sampler

from videoattn.engine import checkpoint
from videoattn.engine.objective import ONE_CLASS, Objective
from videoattn.engine.pace import Pace
from videoattn.engine.recipe import Recipe
from videoattn.errors import InputError, RunError
from videoattn.progress import Progress

MEMORY_ERRORS = ("out of memory", "can't allocate memory", "not enough memory")


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error of PyTorch or Python says that memory is exhausted, of a GPU or of the machine."""
    return isinstance(error, MemoryError) or any(text in str(error).lower() for text in MEMORY_ERRORS)


class Shuffle(Sampler):
    """Indices of a data set in an order drawn from (seed, epoch), each paired with the epoch.

    The pair is what a data set draws its augmentation from, so that nothing random needs to be stored to resume. Of
    each epoch the last indices that do not fill a `step` are left out, unless there is no full one; and all behind the
    first `steps`, where these are given.
    """

    def __init__(self, length: int, seed: int, step: int = 1, steps: int | None = None):
        self.length = length
        self.used = min(length - length % step or length, length if steps is None else steps * step)
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return self.used

    def __iter__(self) -> Iterator[tuple[int, int]]:
        generator = torch.Generator().manual_seed(self.seed * 100_003 + self.epoch)
        return iter([(self.epoch, i) for i in torch.randperm(self.length, generator=generator)[: self.used].tolist()])


def fit(
    model: nn.Module,
    data: Dataset,
    recipe: Recipe,
    *,
    stream: str,
    seed: int,
    path: Path,
    identity: str,
    accelerator: Accelerator,
    progress: Progress,
    accumulation: int | None = None,
    workers: int = 0,
    objective: Objective = ONE_CLASS,
    pace: Pace | None = None,
) -> list[dict[str, float]]:
    """Train `model` on `data` and leave its checkpoint at `path`; continue there if one lies there.

    Args:
        model: takes a clip (dict of tensors), gives a dict of scores; in training one named "loss", a scalar, is added
            to the loss of the scores.
        data: item (epoch, i) is a pair of clip and label.
        stream: which of the scores is trained. objective: what the labels are, and the loss.
        identity: digest of all that determines this training; another one at `path` is an error.
        accumulation: batches that make up one step; None as the recipe says. pace: is told of the steps.

    Returns:
        One row an epoch: epoch, loss, accuracy, lr.

    Raises:
        RunError: NaN loss or weights, memory or disk exhausted; the last checkpoint is intact.
        InputError: a batch size that does not divide into the processes.
    """
    accumulation = accumulation or recipe.accumulation
    batch, rest = divmod(recipe.batch_size, accumulation * accelerator.num_processes)
    if rest:
        raise InputError(
            f"batch_size={recipe.batch_size} cannot be made of {accumulation} equal batches in each of "
            f"{accelerator.num_processes} processes"
        )
    shuffle = Shuffle(len(data), seed, recipe.batch_size, recipe.max_steps)
    loader = DataLoader(
        data,
        batch_size=batch,
        sampler=shuffle,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=accelerator.device.type == "cuda",
    )
    if accelerator.num_processes > 1:
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    optimizer, schedule = make_optimizer(model, recipe)
    rows = _resume(path, identity, model, optimizer, schedule, accelerator.scaler)
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    for epoch in range(len(rows), recipe.epochs):
        set_seed((seed * 100_003 + epoch) % 2**32, device_specific=True)
        shuffle.epoch = epoch
        lr = optimizer.param_groups[0]["lr"]
        where = f"epoch {epoch + 1}, lr {lr:g}"
        loss, accuracy = _epoch(model, loader, optimizer, recipe, stream, accelerator, objective, where, pace)
        schedule.step(*([accuracy] if recipe.schedule == "plateau" else []))
        rows.append({"epoch": epoch + 1, "loss": loss, "accuracy": accuracy, "lr": lr})
        if not all(torch.isfinite(value).all() for value in model.state_dict().values()):
            raise RunError(
                f"the weights are no longer finite after epoch {epoch + 1}, lr {lr:g}: lower the learning rate; "
                "the checkpoint of the epoch before is intact"
            )
        if accelerator.is_main_process:
            state = {
                "identity": identity,
                "rows": rows,
                "model": accelerator.unwrap_model(model).state_dict(),
                "optimizer": optimizer.state_dict(),
                "schedule": schedule.state_dict(),
                "scaler": accelerator.scaler.state_dict() if accelerator.scaler is not None else None,
            }
            checkpoint.save(path, state)
        progress.advance(epoch + 1, f"loss {loss:.3f}  accuracy {accuracy:.3f}  lr {lr:g}")
    accelerator.wait_for_everyone()
    return rows


def make_optimizer(
    model: nn.Module, recipe: Recipe
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """Optimiser of the parameters that are not frozen, and what changes its learning rate after each epoch."""
    trained = [p for p in model.parameters() if p.requires_grad]
    if recipe.optimizer in ("sgd", "nesterov"):
        optimizer = torch.optim.SGD(
            trained,
            lr=recipe.lr,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
            nesterov=recipe.optimizer == "nesterov",
        )
    else:
        optimizer = torch.optim.AdamW(trained, lr=recipe.lr, weight_decay=recipe.weight_decay, fused=True)
    if recipe.schedule == "linear":
        return optimizer, torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=recipe.epochs)
    if recipe.milestones:
        return optimizer, torch.optim.lr_scheduler.MultiStepLR(optimizer, recipe.milestones, recipe.plateau_factor)
    return optimizer, torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, mode="max", factor=recipe.plateau_factor, patience=recipe.plateau_patience
    )


def _resume(path: Path, identity: str, model: nn.Module, optimizer, schedule, scaler) -> list[dict[str, float]]:
    if not path.exists():
        return []
    state = checkpoint.load(path)
    if state["identity"] != identity:
        raise RunError(f"{path} belongs to another training ({state['identity']}, not {identity}); remove it")
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    schedule.load_state_dict(state["schedule"])
    if scaler is not None:  # precision "fp16"
        scaler.load_state_dict(state["scaler"])
    return state["rows"]


def _epoch(
    model,
    loader,
    optimizer,
    recipe: Recipe,
    stream: str,
    accelerator: Accelerator,
    objective: Objective,
    where: str,
    pace: Pace | None,
) -> tuple[float, float]:
    model.train()
    totals = torch.zeros(3, device=accelerator.device, dtype=torch.float64)  # loss, correct, videos
    try:
        for step, (clip, labels) in enumerate(loader):
            with accelerator.accumulate(model):
                outputs = model(clip)
                scores = outputs[stream].float()
                loss = objective.loss(scores, labels) + outputs.get("loss", 0)
                if not torch.isfinite(loss):
                    raise RunError(
                        f"the loss became {loss.item()} at {where}, step {step + 1}: lower the learning rate; "
                        "the checkpoint of the epoch before is intact"
                    )
                accelerator.backward(loss)
                if recipe.clip_norm is not None and accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(model.parameters(), recipe.clip_norm)
                optimizer.step()
                optimizer.zero_grad()
            if pace and accelerator.sync_gradients:
                pace.step()
            correct = objective.correct(scores, labels).sum()
            totals += torch.stack([loss.detach() * len(labels), correct, torch.tensor(len(labels)).to(loss)]).double()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        size = loader.total_batch_size
        more = f"set ACCUMULATION={2 * accelerator.gradient_accumulation_steps}" if size > 1 else "set PARALLEL=1"
        raise RunError(
            f"out of memory at {where} with batches of {size} videos: {more} (smaller batches, the same steps), or "
            "PARALLEL=1 where several trainings run; the same run goes on from the epoch before"
        ) from error
    loss, correct, videos = accelerator.reduce(totals, "sum").tolist()
    return loss / videos, correct / videos
