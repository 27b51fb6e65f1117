"""Networks of other programs, written anew: each draws its weights under its program's names as it runs."""

from collections.abc import Callable, Collection, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Drawn(dict[str, Tensor]):
    """A state dict in float64 that draws what it is asked for and does not have, so that no map grows or dies."""

    def __init__(self, seed: int = 0):
        super().__init__()
        self.generator = torch.Generator().manual_seed(seed)

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.generator, dtype=torch.float64)

    def weight(self, name: str, *shape: int) -> Tensor:
        if name not in self:
            fan_in = torch.Size(shape[1:]).numel()
            self[name] = self.normal(*shape) / fan_in**0.5 if len(shape) > 1 else 0.1 * self.normal(*shape)
        return self[name]

    def norm(self, x: Tensor, name: str) -> Tensor:
        channels = x.shape[1]
        if f"{name}.weight" not in self:
            self[f"{name}.weight"], self[f"{name}.running_var"] = 0.5 + self.normal(2, channels).abs()
            self[f"{name}.bias"], self[f"{name}.running_mean"] = 0.1 * self.normal(2, channels)
            self[f"{name}.num_batches_tracked"] = torch.tensor(7)
        values = (self[f"{name}.{entry}"] for entry in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, *values)

    def linear(self, x: Tensor, name: str, classes: int) -> Tensor:
        return F.linear(x, self.weight(f"{name}.weight", classes, x.shape[1]), self.weight(f"{name}.bias", classes))


def pixels(*shape: int, low: int = 1, seed: int = 3) -> Tensor:
    """Whole numbers from `low` to 255, in float64."""
    return torch.randint(low, 256, shape, generator=torch.Generator().manual_seed(seed)).double()


def coloured(values: Sequence[float], dims: int = 4) -> Tensor:
    """One value for each channel, in a shape for (B, C, ...)."""
    return torch.tensor(values, dtype=torch.float64).view(-1, *[1] * (dims - 2))


def moved(x: Tensor, frames: int, fraction: int = 8) -> Tensor:
    """The shift of TSM, of (B T, C, H, W)."""
    fold = x.shape[1] // fraction
    x = x.unflatten(0, (-1, frames))
    zero = torch.zeros_like(x[:, :1])
    back, on = torch.cat([x[:, 1:], zero], 1), torch.cat([zero, x[:, :-1]], 1)
    return torch.cat([back[:, :, :fold], on[:, :, fold : 2 * fold], x[:, :, 2 * fold :]], 2).flatten(0, 1)


class ResNet:
    """A ResNet of bottleneck blocks over frames (B T, C, H, W), as TSN's and TSM's authors and MMAction2 have it.

    Args:
        program: "tsn" or "mmaction2", which names the layers.
        widths, layers: of the four stages. shifts: blocks whose first convolution sees shifted frames.
        non_local: blocks with a non-local block behind them.
        gate: what stands behind the second batch norm of each block: (weights, path, maps) -> maps.
    """

    def __init__(
        self,
        program: str,
        *,
        widths: Sequence[int],
        layers: Sequence[int],
        frames: int,
        classes: int = 5,
        shifts: Collection[str] = (),
        non_local: Collection[str] = (),
        gate: Callable[[Drawn, str, Tensor, int], Tensor] | None = None,
    ):
        self.program, self.widths, self.layers, self.frames, self.classes = program, widths, layers, frames, classes
        self.shifts, self.non_local, self.gate = shifts, non_local, gate
        self.w = Drawn()

    def __call__(self, x: Tensor) -> Tensor:
        trunk, head = {"tsn": ("module.base_model", "module.new_fc"), "mmaction2": ("backbone", "cls_head.fc_cls")}[
            self.program
        ]
        x = self.unit(x, trunk, "1", 64, 7, 2).relu()
        x = F.max_pool2d(x, 3, 2, 1)
        for stage, (width, blocks) in enumerate(zip(self.widths, self.layers, strict=True), 1):
            for i in range(blocks):
                x = self.block(x, f"{trunk}.layer{stage}.{i}", width, 2 if stage > 1 and i == 0 else 1)
        scores = self.w.linear(x.mean((2, 3)), head, self.classes)
        return scores.unflatten(0, (-1, self.frames)).mean(1)

    def unit(
        self, x: Tensor, path: str, n: str, channels: int, k: int, stride: int = 1, *, shift: bool = False
    ) -> Tensor:
        """A convolution and its batch norm, `n` of a block or "" for that of the shortcut."""
        conv, norm = {
            "tsn": (f"conv{n}", f"bn{n}") if n else ("downsample.0", "downsample.1"),
            "mmaction2": (f"conv{n}.conv", f"conv{n}.bn") if n else ("downsample.conv", "downsample.bn"),
        }[self.program]
        if shift:
            x, conv = moved(x, self.frames), f"{conv}.net"
        x = F.conv2d(
            x, self.w.weight(f"{path}.{conv}.weight", channels, x.shape[1], k, k), stride=stride, padding=k // 2
        )
        return self.w.norm(x, f"{path}.{norm}")

    def block(self, x: Tensor, path: str, width: int, stride: int) -> Tensor:
        name = path.split(".", path.count(".") - 1)[-1]
        attended = name in self.non_local
        inner = f"{path}.block" if attended else path
        y = self.unit(x, inner, "1", width, 1, shift=name in self.shifts).relu()
        y = self.unit(y, inner, "2", width, 3, stride)
        if self.gate:
            y = self.gate(self.w, inner, y, self.frames)
        y = self.unit(y.relu(), inner, "3", 4 * width, 1)
        if stride > 1 or x.shape[1] != 4 * width:
            x = self.unit(x, inner, "", 4 * width, 1, stride)
        y = (y + x).relu()
        return self.attention(y, path) if attended else y

    def attention(self, x: Tensor, path: str) -> Tensor:
        """The non-local block, with a pool before keys and values."""
        c = x.shape[1]
        x = x.unflatten(0, (-1, self.frames)).transpose(1, 2)
        names = {
            "tsn": {"theta": "nl.theta", "phi": "nl.phi.0", "g": "nl.g.0", "out": "nl.W.0", "norm": "nl.W.1"},
            "mmaction2": {
                "theta": "non_local_block.theta.conv",
                "phi": "non_local_block.phi.0.conv",
                "g": "non_local_block.g.0.conv",
                "out": "non_local_block.conv_out.conv",
                "norm": "non_local_block.conv_out.bn",
            },
        }[self.program]
        theta, phi, g = (self.project(x, f"{path}.{names[part]}", c // 2) for part in ("theta", "phi", "g"))
        phi, g = (F.max_pool3d(part, (1, 2, 2)).flatten(2) for part in (phi, g))
        weights = torch.softmax(torch.einsum("bcn,bcm->bnm", theta.flatten(2), phi), 2)
        y = torch.einsum("bnm,bcm->bcn", weights, g).view_as(theta)
        y = self.project(y, f"{path}.{names['out']}", c, bias=self.program == "tsn")
        y = self.w.norm(y, f"{path}.{names['norm']}") + x
        return y.transpose(1, 2).flatten(0, 1)

    def project(self, x: Tensor, name: str, channels: int, *, bias: bool = True) -> Tensor:
        kernel = self.w.weight(f"{name}.weight", channels, x.shape[1], 1, 1, 1)
        return F.conv3d(x, kernel, self.w.weight(f"{name}.bias", channels) if bias else None)


class AIA:
    """The gates of AIA's authors: `kinds` is one of C, ST, CinST and STinC, or two of them."""

    def __init__(self, *kinds: str, beside: bool = False):
        self.kinds, self.beside = kinds, beside

    def __call__(self, w: Drawn, path: str, x: Tensor, frames: int) -> Tensor:
        x = x.unflatten(0, (-1, frames))  # b t c h w
        if len(self.kinds) == 1:
            return self.one(w, f"{path}.eft", x, self.kinds[0]).flatten(0, 1)
        first = self.one(w, f"{path}.eft1", x, self.kinds[0])
        if self.beside:
            return (0.5 * first + 0.5 * self.one(w, f"{path}.eft2", x, self.kinds[1])).flatten(0, 1)
        return self.one(w, f"{path}.eft2", first, self.kinds[1]).flatten(0, 1)

    def one(self, w: Drawn, path: str, x: Tensor, kind: str) -> Tensor:
        if kind == "C":
            return x * self.context(w, path, x, "C")
        if kind == "ST":
            return x * self.places(w, path, x)
        if kind == "CinST":
            return x * self.places(w, path, x * self.context(w, path, x, "C"))
        return x * self.context(w, path, x * self.places(w, path, x), "C")

    def places(self, w: Drawn, path: str, x: Tensor) -> Tensor:
        return sum(self.context(w, path, x, axis) for axis in "THW") / 3

    @staticmethod
    def context(w: Drawn, path: str, x: Tensor, axis: str) -> Tensor:
        # The axes of x are b t c h w; the pooled one goes to the front, the channels take its place in H and W.
        pooled = {
            "C": (2, "btchw->bcthw"),
            "T": (1, "btchw->btchw"),
            "H": (3, "btchw->bhtcw"),
            "W": (4, "btchw->bwthc"),
        }
        dim, order = pooled[axis]
        y = torch.cat([x.amax(dim, keepdim=True), x.mean(dim, keepdim=True)], dim)
        y = F.conv3d(torch.einsum(order, y), w.weight(f"{path}.{axis}_conv.weight", 1, 2, 3, 3, 3), padding=1)
        y = w.norm(y, f"{path}.{axis}_bn").sigmoid()
        return torch.einsum("->".join(order.split("->")[::-1]), y)


def gst(w: Drawn, x: Tensor, *, widths: Sequence[int], layers: Sequence[int], classes: int = 5) -> Tensor:
    """The network of GST's authors, over clips (B, 3, T, H, W)."""

    def conv(x: Tensor, name: str, channels: int, k: tuple[int, int, int], stride: int = 1) -> Tensor:
        kernel = w.weight(f"module.base_model.{name}.weight", channels, x.shape[1], *k)
        return F.conv3d(x, kernel, stride=(1, stride, stride), padding=tuple(n // 2 for n in k))

    def norm(x: Tensor, name: str) -> Tensor:
        return w.norm(x, f"module.base_model.{name}")

    x = norm(conv(x, "conv1", 64, (1, 7, 7), 2), "bn1").relu()
    x = F.max_pool3d(x, (1, 3, 3), (1, 2, 2), (0, 1, 1))
    for stage, (width, blocks) in enumerate(zip(widths, layers, strict=True), 1):
        for i in range(blocks):
            path, stride, before = f"layer{stage}.{i}", 2 if stage > 1 and i == 0 else 1, x
            y = norm(conv(x, f"{path}.conv1", width, (1, 1, 1)), f"{path}.bn1").relu()
            left, right = y[:, : width // 2], y[:, width // 2 :]
            left = conv(left, f"{path}.conv2", width // 4 * 3, (1, 3, 3), stride)
            right = conv(right, f"{path}.Tconv", width // 4, (3, 3, 3), stride)
            y = norm(torch.cat([left, right], 1), f"{path}.bn2").relu()
            y = norm(conv(y, f"{path}.conv3", 4 * width, (1, 1, 1)), f"{path}.bn3")
            if stride > 1 or before.shape[1] != 4 * width:
                before = norm(conv(x, f"{path}.downsample.0", 4 * width, (1, 1, 1), stride), f"{path}.downsample.1")
            x = (y + before).relu()
    frames = x.mean((3, 4)).transpose(1, 2)  # b t c
    return w.linear(frames.flatten(0, 1), "module.new_fc", classes).unflatten(0, frames.shape[:2]).mean(1)


def mfnet(
    w: Drawn, x: Tensor, *, stem: int, width: int, groups: int, layers: Sequence[int], classes: int = 5
) -> Tensor:
    """The network of MF-Net's authors, over clips (B, 3, T, H, W)."""

    def unit(x: Tensor, path: str, channels: int, k: tuple, stride: tuple = (1, 1, 1), groups: int = 1) -> Tensor:
        x = w.norm(x, f"{path}.bn").relu()
        kernel = w.weight(f"{path}.conv.weight", channels, x.shape[1] // groups, *k)
        return F.conv3d(x, kernel, stride=stride, padding=tuple(n // 2 for n in k), groups=groups)

    kernel = w.weight("module.conv1.conv.weight", stem, 3, 3, 5, 5)
    x = w.norm(F.conv3d(x, kernel, stride=(1, 2, 2), padding=(1, 2, 2)), "module.conv1.bn").relu()
    x = F.max_pool3d(x, (1, 3, 3), (1, 2, 2), (0, 1, 1))
    for stage, blocks in enumerate(layers):
        channels = width * 2**stage
        for i in range(1, blocks + 1):
            path, first = f"module.conv{stage + 2}.B{i:02d}", i == 1
            stride = (1, 1, 1) if not first else (2, 1, 1) if stage == 0 else (1, 2, 2)
            y = unit(unit(x, f"{path}.conv_i1", channels // 4, (1, 1, 1)), f"{path}.conv_i2", x.shape[1], (1, 1, 1))
            y = unit(x + y, f"{path}.conv_m1", channels, (3, 3, 3), stride, groups)
            y = unit(y, f"{path}.conv_m2", channels, (1, 1, 1) if first else (1, 3, 3), groups=1 if first else groups)
            x = y + (unit(x, f"{path}.conv_w1", channels, (1, 1, 1), stride) if first else x)
    return w.linear(w.norm(x, "module.tail.bn").relu().mean((2, 3, 4)), "module.classifier", classes)
