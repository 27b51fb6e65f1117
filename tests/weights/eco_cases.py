"""ECO of the public PyTorch port and torchvision's VGG, beside ours with their weights.

Each case gives both scores of the same pixels, in float64; its name is that of its row in docs/weights.md.
"""

from collections.abc import Callable, Mapping, Sequence

import torch.nn.functional as F
from caffe_eco import random_eco, scores
from other_programs import MEAN, STD, Drawn, coloured, pixels
from timm.models.vgg import VGG
from torch import Tensor

from videoattn.backbones.bn_inception import BNInception
from videoattn.backbones.eco import ECO, FrameFeatures, FrameMaps
from videoattn.backbones.resnet3d import Resnet3D
from videoattn.backbones.scaled_vgg import ScaledVGG
from videoattn.data.clips.augment import normalise
from videoattn.weights.initial import load_weights

WIDTHS = (6, 10, 14)  # of the 3D part of ECO
STAGES = ((4, 4), (6, 6), (8, 8, 8), (8, 8, 8), (8, 8, 8))  # of VGG


def narrow_eco(*, full: bool, classes: int = 5) -> ECO:
    """With the 2D part of `eco` or `eco_lite`, and a narrow 3D part."""
    whole = BNInception(classes=1)
    side = {"side": FrameFeatures(whole), "side_features": 1024} if full else {}
    spatial, temporal = FrameMaps(whole, trunk=full), Resnet3D(widths=WIDTHS)
    return ECO(spatial=spatial, temporal=temporal, classes=classes, features=WIDTHS[-1], **side).double().eval()


def eco_scores(*, full: bool) -> tuple[Tensor, Tensor]:
    clip, network = pixels(2, 3, 4, 32, 37), narrow_eco(full=full)
    file = {name: tensor.double() for name, tensor in random_eco(full=full, widths=WIDTHS).items()}
    report = load_weights(network, file, head=True)
    assert (report.source.name, report.missing, report.unused) == ("eco", (), ())
    return network(normalise(clip / 255)), scores(file, clip.flip(1) - coloured((104, 117, 128), 5), full=full)


def vgg(file: Drawn, x: Tensor, *, classes: int = 5) -> Tensor:
    """The scores of torchvision's VGG without batch norm."""
    index = 0
    for stage in STAGES:
        for width in stage:
            kernel = file.weight(f"features.{index}.weight", width, x.shape[1], 3, 3)
            x = F.conv2d(x, kernel, file.weight(f"features.{index}.bias", width), padding=1).relu()
            index += 2
        x, index = F.max_pool2d(x, 2), index + 1
    x = F.adaptive_avg_pool2d(x, 7).flatten(1)
    x = file.linear(x, "classifier.0", 16).relu()
    return file.linear(file.linear(x, "classifier.3", 4096).relu(), "classifier.6", classes)


def narrow_vgg(*, classes: int = 5, scales: Sequence[str] = ("conv3_3", "pool5")) -> ScaledVGG:
    sizes = [width for stage in STAGES for width in (*stage, "M")]
    return ScaledVGG(VGG(sizes, num_classes=classes, mlp_ratio=16 / 4096), scales=scales).double().eval()


def vgg_scores() -> tuple[Tensor, Tensor]:
    q, file, network = pixels(2, 3, 224, 224), Drawn(), narrow_vgg()
    seen = (q / 255 - coloured(MEAN)) / coloured(STD)
    vgg(file, seen)
    file["classifier.6.weight"] *= 20  # so that scores differ
    report = load_weights(network, file, head=True)
    assert (report.source.name, report.missing, report.unused) == ("vgg", (), ())
    return network(normalise(q.unsqueeze(2) / 255).squeeze(2)), vgg(file, seen)


CASES: Mapping[str, Callable[[], tuple[Tensor, Tensor]]] = {
    "eco: ECO-Lite": lambda: eco_scores(full=False),
    "eco: ECO": lambda: eco_scores(full=True),
    "vgg: torchvision's VGG": vgg_scores,
}
