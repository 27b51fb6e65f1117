"""What a trained network does with a clip, measured and drawn."""

from collections.abc import Mapping, Sequence

import torch
from captum.attr import LayerGradCam
from matplotlib.figure import Figure
from torch import Tensor, nn

from videoattn.data.clips import Clips
from videoattn.evaluation.metrics import classification_metrics
from videoattn.reporting.figures import clip_images, heat_strips
from videoattn.training.jobs import Job

FIGURE_6 = ("C", "ST", "C->ST", "ST->C", "C+ST", "STinC", "CinST", "CinST+STinC", "STinC->CinST", "CinST->STinC")


def by_level(data, job: Job, network: nn.Module, scores: dict[str, Tensor], labels: Tensor) -> dict[str, dict]:
    """Metrics of a job's test scores for the clips of each level: rows "<job> <level>"."""
    clips = data.truth["clips"]
    levels = [clips[sample.name]["level"] for sample in data.test(job).videos.samples]
    found = {}
    for level in dict.fromkeys(levels):
        own = torch.tensor([other == level for other in levels])
        found[f"{job.name} {level}"] = classification_metrics(scores["rgb"][own], labels[own])
    return found


def examples(data, test: Clips) -> list[int]:
    """Test clips worth showing: of the probe the first pair of each level, of a user's videos four."""
    if data.lists:
        return list(range(0, len(test), -(-len(test) // 4)))
    clips, found = data.truth["clips"], {}
    for index, sample in enumerate(test.videos.samples):
        found.setdefault((clips[sample.name]["level"], sample.label), index)
    return sorted(found.values(), key=lambda index: test.videos.samples[index].label)


class _Head(nn.Module):
    """The scores of maps (B, C, T, h, w), which pass through `maps` with their axis of time."""

    def __init__(self, fc: nn.Linear):
        super().__init__()
        self.maps = nn.Identity()
        self.fc = fc

    def forward(self, maps: Tensor) -> Tensor:
        return self.fc(self.maps(maps).mean((2, 3, 4)))


def grad_cam(network: nn.Module, clip: Tensor, label: int) -> Tensor:
    """Grad-CAM over a clip: where the last maps speak for a class, (T, h, w), not negative.

    R. R. Selvaraju et al., Grad-CAM, ICCV 2017, over space-time: a channel's weight is the mean, over all frames and
    places, of the derivative of the class's score. A network over frames holds each of them as an image of its own, so
    the maps are looked at where they have their axis of time back.

    Args:
        network: with `features` and `fc`, such as `VideoNetwork`, in evaluation mode. clip: (1, 3, T, H, W).
    """
    with torch.no_grad():
        maps = network.features(clip)
    head = _Head(network.fc)
    shares = LayerGradCam(head, head.maps).attribute(maps.requires_grad_(), target=label, relu_attributions=True)
    return shares[0, 0].detach()


def cam_strips(networks: Mapping[str, nn.Module], data: Clips, index: int) -> Figure:
    """Figure 6: the frames of a test clip, and below them Grad-CAM for its class, a row for each network."""
    label = data.videos.samples[index].label
    clip = data[index][0]["rgb"][:1]
    rows = [("frames", None), *((name, grad_cam(network, clip, label)) for name, network in networks.items())]
    return heat_strips(clip_images(data, index), rows, title=data.videos.classes[label])


def per_class(confusion: Sequence[Sequence[int]]) -> list[float]:
    """Top-1 accuracy of each class in percent, from a confusion matrix with the true classes as rows."""
    return [100 * row[i] / max(sum(row), 1) for i, row in enumerate(confusion)]
