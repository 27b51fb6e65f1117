"""ECO and ECO-Lite as the layers of their public PyTorch port, run by plain functional calls under its names."""

import torch
import torch.nn.functional as F
from caffe_bn_inception import MODULES, Interpreter, random_file
from torch import Tensor

PREFIX = "module.base_model."
MAPS = "inception_3c_double_3x3_1"
BEFORE_4A, BEFORE_3C = (MODULES[: MODULES.index(name)] for name in ("4a", "3c"))


class Kept(Interpreter):
    """BN-Inception that keeps what each layer gives."""

    def __init__(self, table: str, weights: dict[str, Tensor]):
        super().__init__(table, weights)
        self.given: dict[str, Tensor] = {}

    def layer(self, x: Tensor, name: str, *sizes: int) -> Tensor:
        self.given[name] = super().layer(x, name, *sizes)
        return self.given[name]


def stages(widths: tuple[int, ...]) -> list[tuple[str, int, int]]:
    """The convolutions of the 3D part: name, input channels, channels."""
    found = [("res3a_2", 96, widths[0])]
    for stage, width in zip((3, 4, 5), widths, strict=True):
        if stage > 3:
            before = widths[stage - 4]
            found += [(f"res{stage}a_1", before, width), (f"res{stage}a_2", width, width)]
            found.append((f"res{stage}a_down", before, width))
        found += [(f"res{stage}b_1", width, width), (f"res{stage}b_2", width, width)]
    return found


def random_eco(
    *, full: bool, widths: tuple[int, ...] = (128, 256, 512), classes: int = 5, seed: int = 0
) -> dict[str, Tensor]:
    """A state dict of the port with random numbers, as a training on several GPUs with dropout leaves it.

    full: of ECO, else of ECO-Lite. widths: of the 3D part.
    """
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    lite = (MAPS, "inception_3c_double_3x3_reduce")
    file = {}
    for name, tensor in random_file(MODULES if full else BEFORE_4A, seed=seed).items():
        layer = name.partition(".")[0].removesuffix("_bn")
        if layer != "last_linear" and (full or layer in lite or not layer.startswith("inception_3c")):
            file[name] = tensor
    file["conv1_7x7_s2.weight"] = file["conv1_7x7_s2.weight"] / 50  # for values of 0 to 255
    for name, before, width in stages(widths):
        file[f"{name}.weight"] = draw(width, before, 3, 3, 3) / (27 * before) ** 0.5
        file[f"{name}.bias"] = 0.1 * draw(width)
    norms = [
        f"res{stage}{part}_bn"
        for stage in (3, 4, 5)
        for part in ("a", "b_1", "b", "a_1")
        if (stage, part) != (3, "a_1")
    ]
    for name in norms:
        width = widths[int(name[3]) - 3]
        file |= {f"{name}.{entry}": 0.5 + draw(width).abs() for entry in ("weight", "running_var")}
        file |= {f"{name}.{entry}": 0.1 * draw(width) for entry in ("bias", "running_mean")}
    features = 1024 * full + widths[-1]
    last = {"module.new_fc.weight": 4 * draw(classes, features) / features**0.5, "module.new_fc.bias": draw(classes)}
    return {f"{PREFIX}{name}": tensor for name, tensor in file.items()} | last


def resnet18_3d(*, widths: tuple[int, ...], classes: int = 5) -> dict[str, Tensor]:
    """A state dict of the 3D ResNet-18 whose upper part is that of ECO, over 128 channels, in front of which it has
    layers of its own."""
    generator = torch.Generator().manual_seed(9)
    eco = random_eco(full=False, widths=widths, classes=classes, seed=9)
    file = {name: tensor for name, tensor in eco.items() if name.startswith(f"{PREFIX}res")}
    name = f"{PREFIX}res3a_2.weight"
    file[name] = torch.cat([file[name], torch.randn(widths[0], 32, 3, 3, 3, generator=generator)], 1)
    file[f"{PREFIX}res2a_1.weight"] = torch.randn(8, 8, 3, 3, 3, generator=generator)
    return file | {f"module.new_fc.{entry}": eco[f"module.new_fc.{entry}"] for entry in ("weight", "bias")}


def scores(file: dict[str, Tensor], clip: Tensor, *, full: bool) -> Tensor:
    """Of BGR clips (B, 3, T, H, W) with values of 0 to 255 without their means."""
    weights = {name.removeprefix(PREFIX): tensor for name, tensor in file.items()}
    network = Kept(MODULES if full else BEFORE_3C, weights)
    top = network(clip.transpose(1, 2).flatten(0, 1))
    if not full:
        network.layer(network.layer(top, "inception_3c_double_3x3_reduce", 64, 1), MAPS, 96, 3)
    pooled = _temporal(weights, network.given[MAPS].unflatten(0, (len(clip), -1)).transpose(1, 2)).mean((2, 3, 4))
    if full:
        pooled = torch.cat([top.mean((2, 3)).unflatten(0, (len(clip), -1)).mean(1), pooled], 1)
    return F.linear(pooled, file["module.new_fc.weight"], file["module.new_fc.bias"])


def _temporal(w: dict[str, Tensor], x: Tensor) -> Tensor:
    def conv(x: Tensor, name: str, stride: int = 1) -> Tensor:
        return F.conv3d(x, w[f"{name}.weight"], w[f"{name}.bias"], stride, 1)

    def active(x: Tensor, name: str) -> Tensor:
        values = (w[f"{name}.{entry}"] for entry in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, *values).relu()

    for name in ("res3", "res4", "res5"):
        if name == "res3":
            entry = conv(x, "res3a_2")
        else:
            entry = conv(active(conv(x, f"{name}a_1", 2), f"{name}a_1_bn"), f"{name}a_2") + conv(x, f"{name}a_down", 2)
        y = conv(active(entry, f"{name}a_bn"), f"{name}b_1")
        x = active(conv(active(y, f"{name}b_1_bn"), f"{name}b_2") + entry, f"{name}b_bn")
    return x
