"""What a trained network does with a clip, measured and drawn."""

from collections.abc import Mapping, Sequence

import torch
from captum.attr import LayerGradCam
from einops import rearrange
from ipywidgets import Widget
from matplotlib.figure import Figure
from torch import Tensor, nn

from videoattn.backbones.hosts import stages
from videoattn.backbones.video_network import VideoNetwork
from videoattn.data.clips.clips import Clips
from videoattn.engine.experiment import Job
from videoattn.evaluation.metrics import classification_metrics
from videoattn.reporting.explorer import explorer
from videoattn.reporting.figures import clip_images, heat_strips

EXPLORED = 24  # clips that the widget offers
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


def grad_cam(network: VideoNetwork, clip: Tensor, label: int, *, stage: str = "") -> Tensor:
    """Grad-CAM over a clip: where the maps behind a stage speak for a class, (T, h, w), not negative.

    R. R. Selvaraju et al., Grad-CAM, ICCV 2017, over space-time: a channel's weight is the mean, over all frames and
    places, of the derivative of the class's score. A network over frames holds each of them as an image of its own, so
    the maps get their axis of time back before they are looked at.

    Args:
        network: in evaluation mode. clip: (1, 3, T, H, W). stage: module path of one of its
            network's, such as "layer2"; "" for the last.
    """
    maps = nn.Identity()

    def pass_through(_module: nn.Module, _inputs: tuple, output: Tensor) -> Tensor:
        if output.dim() == 5:
            return maps(output)
        return rearrange(maps(rearrange(output, "(b t) c h w -> b c t h w", b=len(clip))), "b c t h w -> (b t) c h w")

    trunk = network.backbone.backbone
    handle = trunk.get_submodule(stage or stages(trunk)["conv5"].path).register_forward_hook(pass_through)
    try:
        cam = LayerGradCam(lambda rgb: network({"rgb": rgb})["rgb"], maps)
        shares = cam.attribute(clip, target=label, relu_attributions=True)
    finally:
        handle.remove()
    return shares[0, 0].detach()


@torch.no_grad()
def last_stage(network: VideoNetwork, clip: Tensor, *, least: int = 4) -> str:
    """Module path of the last stage whose maps have that many rows and columns or more; the first where none has."""
    sides, handles = {}, []
    trunk = network.backbone.backbone
    for path, _ in stages(trunk).values():
        module = trunk.get_submodule(path)
        handles.append(module.register_forward_hook(lambda _, __, out, name=path: sides.update({name: out.shape[-2:]})))
    try:
        network({"rgb": clip})
    finally:
        for handle in handles:
            handle.remove()
    return next((stage for stage in reversed(sides) if min(sides[stage]) >= least), next(iter(sides)))


def cam_strips(networks: Mapping[str, VideoNetwork], data: Clips, index: int) -> Figure:
    """Figure 6: the frames of a test clip, and below them Grad-CAM for its class, a row for each network.

    All networks have one host; the maps are those of `last_stage`, which the title names.
    """
    label = data.videos.first_label(index)
    clip = data[index][0]["rgb"][:1]
    stage = last_stage(next(iter(networks.values())), clip)
    cams = [(name, grad_cam(network, clip, label, stage=stage)) for name, network in networks.items()]
    title = f"{data.videos.label_text(index)}, behind {stage}"
    return heat_strips(clip_images(data, index), [("frames", None), *cams], title=title)


def explore(networks: Mapping[str, VideoNetwork], data: Clips) -> Widget:
    """A widget: choose a clip and a network; see Grad-CAM for the clip's class."""
    names = [sample.name for sample in data.videos.samples[:EXPLORED]]

    def look(index: int, name: str, _frame: int, _at: tuple[float, float]) -> Figure:
        return cam_strips({name: networks[name]}, data, index)

    return explorer(clips=names, blocks=list(networks), frames=None, look=look)


def per_class(confusion: Sequence[Sequence[int]]) -> list[float]:
    """Top-1 accuracy of each class in percent, from a confusion matrix with the true classes as rows."""
    return [100 * row[i] / max(sum(row), 1) for i, row in enumerate(confusion)]
