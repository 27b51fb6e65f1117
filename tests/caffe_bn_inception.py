"""BN-Inception as a table of the released Caffe network's layers, run by plain functional calls."""

import torch
import torch.nn.functional as F
from torch import Tensor

# One line a module: 1x1, 3x3, double 3x3, pool with its projection; "/2" halves.
MODULES = """
3a 64  64-64      64-96-96      avg-32
3b 64  64-96      64-96-96      avg-64
3c -   128-160/2  64-96-96/2    max/2
4a 224 64-96      96-128-128    avg-128
4b 192 96-128     96-128-128    avg-128
4c 160 128-160    128-160-160   avg-128
4d 96  128-192    160-192-192   avg-128
4e -   128-192/2  192-256-256/2 max/2
5a 352 192-320    160-224-224   avg-128
5b 352 192-320    192-224-224   max-128
"""
SLIM = MODULES.replace("160-160   avg-128", "160-160   avg-96").replace("192-192   avg-128", "192-192   avg-96")


class Interpreter:
    """Runs the table; without weights it only finds shapes.

    `layers` lists what has run, (name, input channels, channels, kernel, places of the output); `maps` holds the output
    of each module.
    """

    def __init__(self, table: str = MODULES, weights: dict[str, Tensor] | None = None):
        self.lines = [line.split() for line in table.strip().split("\n")]
        self.weights, self.layers, self.maps = weights, [], {}

    def __call__(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(self.layer(x, "conv1_7x7_s2", 64, 7, 2), 3, 2, ceil_mode=True)
        x = self.layer(self.layer(x, "conv2_3x3_reduce", 64, 1), "conv2_3x3", 192, 3)
        x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        for module, one, three, double, pool in self.lines:
            name = f"inception_{module}_"
            parts = [] if one == "-" else [self.layer(x, f"{name}1x1", int(one), 1)]
            parts.append(self.chain(x, three, {f"{name}3x3_reduce": 1, f"{name}3x3": 3}))
            double_name = f"{name}double_3x3_"
            parts.append(self.chain(x, double, {f"{double_name}reduce": 1, f"{double_name}1": 3, f"{double_name}2": 3}))
            if pool == "max/2":
                parts.append(F.max_pool2d(x, 3, 2, ceil_mode=True))
            else:
                kind, width = pool.split("-")
                pooled = F.avg_pool2d(x, 3, 1, 1) if kind == "avg" else F.max_pool2d(x, 3, 1, 1)
                parts.append(self.layer(pooled, f"{name}pool_proj", int(width), 1))
            self.maps[module] = x = torch.cat(parts, 1)
        return x

    def chain(self, x: Tensor, text: str, kernels: dict[str, int]) -> Tensor:
        widths, _, halved = text.partition("/")
        for (name, kernel), width in zip(kernels.items(), widths.split("-"), strict=True):
            last = name == list(kernels)[-1]
            x = self.layer(x, name, int(width), kernel, 2 if halved and last else 1)
        return x

    def layer(self, x: Tensor, name: str, channels: int, kernel: int, stride: int = 1) -> Tensor:
        height, width = ((n + 2 * (kernel // 2) - kernel) // stride + 1 for n in x.shape[2:])
        self.layers.append((name, x.shape[1], channels, kernel, height * width))
        if self.weights is None:
            return x.new_empty(len(x), channels, height, width)
        w = self.weights
        x = F.conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"], stride, kernel // 2)
        norm = [w[f"{name}_bn.{entry}"].flatten() for entry in ("running_mean", "running_var", "weight", "bias")]
        return F.batch_norm(x, *norm).relu()


def layers(table: str = MODULES, side: int = 224) -> list[tuple[str, int, int, int, int]]:
    """`Interpreter.layers` for a square image."""
    interpreter = Interpreter(table)
    interpreter(torch.empty(1, 3, side, side, device="meta"))
    return interpreter.layers


def random_file(table: str = MODULES, classes: int = 7, seed: int = 0) -> dict[str, Tensor]:
    """What a public file holds, with random numbers that let no map grow or die."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    file = {}
    for name, before, after, kernel, _ in layers(table):
        file[f"{name}.weight"] = draw(after, before, kernel, kernel) / (before * kernel**2) ** 0.5
        file |= {f"{name}.bias": 0.1 * draw(after), f"{name}_bn.bias": 0.1 * draw(after)}
        file |= {f"{name}_bn.running_mean": 0.1 * draw(after), f"{name}_bn.running_var": 0.5 + draw(after).abs()}
        file[f"{name}_bn.weight"] = 0.5 + draw(after).abs()
    return file | {"last_linear.weight": draw(classes, 1024) / 32, "last_linear.bias": draw(classes)}
