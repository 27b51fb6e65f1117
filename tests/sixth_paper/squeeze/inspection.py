"""What the gates of a trained network do with the test clips."""

import torch
from torch import nn
from videoattn.papers.squeeze.attention import SqueezeExcitation

BATCH = 64  # clips at a time


@torch.no_grad()
def gates(data, job, network: nn.Module, scores: dict, labels: torch.Tensor) -> dict[str, dict]:
    """Row "<job> gates": mean and standard deviation of all gates over the test clips; none without gates."""
    modules = [module for module in network.modules() if isinstance(module, SqueezeExcitation)]
    if not modules:
        return {}
    found: list[torch.Tensor] = []
    handles = [m.up.register_forward_hook(lambda _, __, out: found.append(out.sigmoid().flatten())) for m in modules]
    clips = data.test(job)
    for start in range(0, len(clips), BATCH):
        views = [clips[i][0]["rgb"] for i in range(start, min(start + BATCH, len(clips)))]
        network.eval()({"rgb": torch.cat(views)})
    for handle in handles:
        handle.remove()
    values = torch.cat(found)
    return {f"{job.name} gates": {"mean": values.mean().item(), "spread": values.std().item()}}
