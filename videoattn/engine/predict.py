"""Scores of whole videos: several segments and crops of each, averaged."""

import torch
from accelerate import Accelerator
from einops import rearrange, reduce
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from videoattn.progress import Progress


@torch.inference_mode()
def predict(
    model: nn.Module,
    data: Dataset,
    *,
    accelerator: Accelerator,
    batch_size: int,
    progress: Progress,
    workers: int = 0,
) -> tuple[dict[str, Tensor], Tensor]:
    """Scores of every video: the mean over its views (clips and crops). Segments within a clip are up to the network.

    Args:
        model: takes a clip (dict of tensors, (B, C, T, H, W) if they are frames), gives a dict of (B, classes) scores.
        data: item i is a pair of clip (dict of tensors with the axis of views in front) and label.
        batch_size: videos at a time.

    Returns:
        {stream: (videos, classes)} on the CPU in the order of `data`, and the labels (videos,).
    """
    loader = DataLoader(data, batch_size=batch_size, num_workers=workers)
    model = accelerator.unwrap_model(model).to(accelerator.device).eval()
    loader = accelerator.prepare(loader)
    scores: dict[str, list[Tensor]] = {}
    labels: list[Tensor] = []
    for clip, label in loader:
        videos = len(label)
        views = {name: rearrange(part, "b v ... -> (b v) ...") for name, part in clip.items()}
        with accelerator.autocast():
            outputs = model(views)
        for stream, score in outputs.items():
            mean = reduce(score.float(), "(b v) c -> b c", "mean", b=videos)
            scores.setdefault(stream, []).append(accelerator.gather_for_metrics(mean).cpu())
        labels.append(accelerator.gather_for_metrics(label).cpu())
        progress.advance(sum(map(len, labels)), "testing")
    return {stream: torch.cat(parts) for stream, parts in scores.items()}, torch.cat(labels)
