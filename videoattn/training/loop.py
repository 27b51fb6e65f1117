"""One training loop for all papers, on Accelerate: mixed precision, accumulation, one or several processes."""

from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Sampler

from videoattn.errors import RunError
from videoattn.reporting.progress import Progress
from videoattn.training import checkpoint
from videoattn.training.recipe import Recipe

MEMORY_ERRORS = ("out of memory", "can't allocate memory", "not enough memory")


class Shuffle(Sampler):
    """Indices of a data set in an order drawn from (seed, epoch), each paired with the epoch.

    The pair is what a data set draws its augmentation from, so that nothing random needs to be stored to resume.
    """

    def __init__(self, length: int, seed: int):
        self.length = length
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[tuple[int, int]]:
        generator = torch.Generator().manual_seed(self.seed * 100_003 + self.epoch)
        return iter([(self.epoch, i) for i in torch.randperm(self.length, generator=generator).tolist()])


def classification_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of (B, classes) scores against (B,) labels."""
    return F.cross_entropy(scores, labels)


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
    workers: int = 0,
) -> list[dict[str, float]]:
    """Train `model` on `data` and leave its checkpoint at `path`; continue there if one lies there.

    Args:
        model: takes a clip (dict of tensors), gives a dict of scores.
        data: item (epoch, i) is a pair of clip and label.
        stream: which of the scores is trained.
        identity: digest of all that determines this training; another one at `path` is an error.

    Returns:
        One row an epoch: epoch, loss, accuracy, lr.

    Raises:
        RunError: NaN loss, memory or disk exhausted; the last checkpoint is intact.
    """
    shuffle = Shuffle(len(data), seed)
    batch = recipe.batch_size // recipe.accumulation // accelerator.num_processes
    loader = DataLoader(
        data,
        batch_size=max(1, batch),
        sampler=shuffle,
        drop_last=len(data) > batch,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=accelerator.device.type == "cuda",
    )
    if accelerator.num_processes > 1:
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, mode="max", factor=recipe.plateau_factor, patience=recipe.plateau_patience
    )
    rows = _resume(path, identity, model, optimizer, plateau)
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    for epoch in range(len(rows), recipe.epochs):
        set_seed(seed * 100_003 + epoch, device_specific=True)
        shuffle.epoch = epoch
        lr = optimizer.param_groups[0]["lr"]
        loss, accuracy = _epoch(model, loader, optimizer, recipe, stream, accelerator, f"epoch {epoch + 1}, lr {lr:g}")
        plateau.step(accuracy)
        rows.append({"epoch": epoch + 1, "loss": loss, "accuracy": accuracy, "lr": lr})
        if accelerator.is_main_process:
            state = {
                "identity": identity,
                "rows": rows,
                "model": accelerator.unwrap_model(model).state_dict(),
                "optimizer": optimizer.state_dict(),
                "plateau": plateau.state_dict(),
            }
            checkpoint.save(path, state)
        progress.advance(epoch + 1, f"loss {loss:.3f}  accuracy {accuracy:.3f}  lr {lr:g}")
    accelerator.wait_for_everyone()
    return rows


def _resume(path: Path, identity: str, model: nn.Module, optimizer, plateau) -> list[dict[str, float]]:
    if not path.exists():
        return []
    state = checkpoint.load(path)
    if state["identity"] != identity:
        raise RunError(f"{path} belongs to another training ({state['identity']}, not {identity}); remove it")
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    plateau.load_state_dict(state["plateau"])
    return state["rows"]


def _epoch(model, loader, optimizer, recipe: Recipe, stream: str, accelerator: Accelerator, where: str):
    model.train()
    totals = torch.zeros(3, device=accelerator.device, dtype=torch.float64)  # loss, correct, videos
    try:
        for step, (clip, labels) in enumerate(loader):
            with accelerator.accumulate(model):
                scores = model(clip)[stream].float()
                loss = classification_loss(scores, labels)
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
            correct = (scores.argmax(1) == labels).sum()
            totals += torch.stack([loss.detach() * len(labels), correct, torch.tensor(len(labels)).to(loss)]).double()
    except (RuntimeError, MemoryError) as error:
        if not isinstance(error, MemoryError) and not any(text in str(error).lower() for text in MEMORY_ERRORS):
            raise
        raise RunError(
            f"out of memory at {where} with batches of {loader.batch_size} videos: raise `accumulation` (smaller "
            "batches, the same step); the checkpoint of the epoch before is intact"
        ) from error
    loss, correct, videos = accelerator.reduce(totals, "sum").tolist()
    return loss / videos, correct / videos
