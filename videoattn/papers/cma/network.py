r"""Two-branch networks with cross-modality attention between the branches, and the single streams that they grow from.

L. Chi, G. Tian, Y. Mu, Q. Tian. Two-Stream Video Classification with Cross-Modality Attention. ICCV Workshops 2019.

    (6) G = 1/K sum_i G_i

Axes: b batch, c channels, t = K snippets in 2D networks (each a frame or a stack of flow) or frames in 3D networks.

Departures: none. The paper does not say whether a block sees the other branch before or after that branch's own block;
here both blocks of a position see the maps from before.
"""

import copy
from collections.abc import Sequence

import torch
from einops import rearrange, reduce
from torch import Tensor, nn

from videoattn.backbones import hosts
from videoattn.errors import InputError, unknown
from videoattn.layers.attach import attach
from videoattn.layers.non_local import NonLocalBlock
from videoattn.papers.cma.attention import CMABlock
from videoattn.papers.cma.rivals import ATTENTION, EXCHANGES, AddedBlock, exchange

STREAMS = ("rgb", "flow")


def every_other_block(backbone: nn.Module, stages: Sequence[int] = (2, 3)) -> tuple[str, ...]:
    """Module paths of every other block of some stages; of 2 and 3 five in ResNet-50: 3_1, 3_3, 4_1, 4_3 and 4_5.

    In a host that is no ResNet the ends of these stages (`videoattn.backbones.hosts`), conv3 for 2.
    """
    if not hasattr(backbone, "layer1"):
        return tuple(hosts.stages(backbone)[f"conv{s + 1}"].path for s in stages)
    return tuple(f"layer{s}.{i}" for s in stages for i in range(0, len(backbone.get_submodule(f"layer{s}")), 2))


def width(backbone: nn.Module, position: str) -> int:
    """Channels of a backbone's maps at a module path such as "layer2.0"."""
    channels = {stage["module"]: stage["num_chs"] for stage in backbone.feature_info}
    return channels[position if position in channels else position.split(".")[0]]


def feature_path(backbone: nn.Module) -> list[str]:
    """Module paths of all that a backbone applies before its head, in order, residual stages block by block.

    Raises:
        InputError: a network that does more than apply its modules in order.
    """
    if not hasattr(backbone, "layer4"):
        return hosts.steps(backbone)
    path = []
    for name, child in backbone.named_children():
        if name.startswith("layer"):
            path += [f"{name}.{i}" for i in range(len(child))]
        else:
            path.append(name)
        if name == "layer4":
            break
    return path


def last_layer(backbone: nn.Module) -> str:
    """Module path of a backbone's last layer: "fc" in ResNets and P3D."""
    if hasattr(backbone, "fc"):
        return "fc"
    last = backbone.get_classifier()
    return next(path for path, module in backbone.named_modules() if module is last)


def all_but(network: nn.Module, path: str) -> list[str]:
    """Module paths of all of a network but the module at `path`."""
    name, _, inner = path.partition(".")
    kept = [child for child, _ in network.named_children() if child != name]
    return kept + ([f"{name}.{child}" for child in all_but(network.get_submodule(name), inner)] if inner else [])


def add_non_local(backbone: nn.Module, positions: Sequence[str], *, dims: int = 2) -> nn.Module:
    """Attach a non-local block after each of the positions (section 5.5), in place."""
    return attach(backbone, {p: NonLocalBlock(channels=width(backbone, p), dims=dims) for p in positions})


def consensus(scores: Tensor, clips: int) -> Tensor:
    """Average the scores (B K, classes) of `clips` = B videos over their K snippets."""
    return reduce(scores, "(b k) c -> b c", "mean", b=clips)  # Eq. (6)


class Freezable(nn.Module):
    """A network of which parts can be kept as they are while the rest is trained."""

    frozen: tuple[str, ...] = ()

    def freeze(self, paths: Sequence[str]) -> None:
        """Keep the parameters and the batch-norm statistics of the modules at `paths`; train all else."""
        self.requires_grad_(True)
        self.frozen = tuple(paths)
        for path in self.frozen:
            self.get_submodule(path).requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> "Freezable":
        super().train(mode)
        for path in self.frozen:
            self.get_submodule(path).eval()
        return self


class SingleStream(Freezable):
    """One branch alone: the rows of the tables without attention across modalities.

    Args:
        backbone: a network with `forward_head`, 2D or 3D.
        stream: which entry of the clip it reads, "rgb" or "flow".
        dims: 2 folds the snippets into the batch, 3 feeds them as time.

    Shapes: clip {stream: (B, C, T, H, W)}; output {stream: (B, classes)}.
    """

    def __init__(self, backbone: nn.Module, *, stream: str, dims: int = 2):
        super().__init__()
        check_stream(stream)
        self.backbone = backbone
        self.stream = stream
        self.dims = dims

    def forward(self, clip: dict[str, Tensor]) -> dict[str, Tensor]:
        video = clip[self.stream]
        maps = video if self.dims == 3 else rearrange(video, "b c t h w -> (b t) c h w")
        return {self.stream: consensus(self.backbone(maps), len(video))}

    def train_last_layer(self) -> None:
        """Train the last layer alone (section 5.7)."""
        self.freeze([f"backbone.{path}" for path in all_but(self.backbone, last_layer(self.backbone))])


class StackedStreams(nn.Module):
    """One network on the channels of both streams at once, without two branches: fusion before the first layer.

    Args:
        backbone: of as many input channels as RGB and flow have together.

    Shapes: clip {"rgb": (B, 3, T, H, W), "flow": (B, 10, T, H, W)}; output {"rgb": (B, classes)}.
    """

    def __init__(self, backbone: nn.Module):
        super().__init__()
        self.backbone = backbone

    def forward(self, clip: dict[str, Tensor]) -> dict[str, Tensor]:
        maps = torch.cat([rearrange(clip[s], "b c t h w -> (b t) c h w") for s in STREAMS], dim=1)
        return {"rgb": consensus(self.backbone(maps), len(clip["rgb"]))}


class CMANetwork(Freezable):
    """An RGB and a flow branch with CMA blocks in both, each attending to the other (figure 2).

    Args:
        rgb, flow: two backbones of one architecture; the flow branch has its own number of input channels.
        positions: module paths after which the blocks stand, such as ("layer2.0", "layer3.4").
        dims: 2 for image backbones, 3 for video backbones.
        pool: max-pool before keys and values.
        exchanged: by what the branches see each other, of `videoattn.papers.cma.rivals.EXCHANGES`.

    Shapes:
        clip: {"rgb": (B, 3, T, H, W), "flow": (B, 10, T, H, W)}; scores: {"rgb": (B, classes), "flow": (B, classes)}.
        While one branch is trained (`train_only`) the scores of the other are not computed.
    """

    def __init__(
        self,
        *,
        rgb: nn.Module,
        flow: nn.Module,
        positions: Sequence[str],
        dims: int = 2,
        pool: bool = True,
        exchanged: str = ATTENTION,
    ):
        super().__init__()
        if exchanged not in EXCHANGES:
            raise unknown("exchange", exchanged, EXCHANGES)
        path = feature_path(rgb)
        if not positions:
            raise InputError(f"no positions: name at least one of {', '.join(path)}")
        for position in positions:
            if position not in path:
                raise unknown("position", position, path)
        self.streams = nn.ModuleDict({"rgb": rgb, "flow": flow})
        self.path = tuple(path)
        self.positions = tuple(sorted(positions, key=path.index))
        self.dims = dims
        self.blocks = nn.ModuleDict()
        for own, other in (("rgb", "flow"), ("flow", "rgb")):
            self.blocks[own] = nn.ModuleDict()
            for p in self.positions:
                self.blocks[own][p.replace(".", "_")] = exchange(
                    exchanged,
                    channels=width(self.streams[own], p),
                    context_channels=width(self.streams[other], p),
                    dims=dims,
                    pool=pool,
                )
        self.outputs = STREAMS
        self.trained: str | None = None
        self.asleep: frozenset[nn.Module] = frozenset()  # frozen blocks that are the identity, so need no computing

    def block(self, stream: str, position: str) -> CMABlock | AddedBlock | None:
        """The block that writes into `stream` at `position`; None once it has been pruned."""
        return dict(self.blocks[stream].items()).get(position.replace(".", "_"))

    def forward(
        self, clip: dict[str, Tensor], *, return_attention: bool = False
    ) -> dict[str, Tensor] | tuple[dict[str, Tensor], dict[tuple[str, str], Tensor]]:
        wanted = (self.trained,) if self.training and self.trained else self.outputs
        clips = len(clip["rgb"])
        maps = {s: clip[s] if self.dims == 3 else rearrange(clip[s], "b c t h w -> (b t) c h w") for s in STREAMS}
        attention = {}
        path = self.path
        begin = 0
        for position in self.positions:
            end = path.index(position) + 1
            for s in STREAMS:
                maps[s] = self._run(s, path[begin:end], maps[s])
            writers = wanted if position == self.positions[-1] else STREAMS
            maps |= self._cross(maps, position, writers, attention if return_attention else None)
            begin = end
        scores = {}
        for s in wanted:
            features = self._run(s, path[begin:], maps[s])
            scores[s] = consensus(self.streams[s].forward_head(features), clips)
        return (scores, attention) if return_attention else scores

    def _run(self, stream: str, path: Sequence[str], maps: Tensor) -> Tensor:
        for name in path:
            maps = self.streams[stream].get_submodule(name)(maps)
        return maps

    def _cross(
        self, maps: dict[str, Tensor], position: str, writers: Sequence[str], attention: dict | None
    ) -> dict[str, Tensor]:
        crossed = {}
        for own, other in (("rgb", "flow"), ("flow", "rgb")):
            block = self.block(own, position) if own in writers else None
            if block is None or (block in self.asleep and attention is None):
                continue
            if attention is None:
                crossed[own] = block(maps[own], maps[other])
            else:
                crossed[own], attention[own, position] = block(maps[own], maps[other], return_attention=True)
        return crossed

    def train_only(self, stream: str) -> None:
        """Train one branch and its blocks; freeze the other with its blocks and batch-norm statistics (section 4.3)."""
        check_stream(stream)
        other = "flow" if stream == "rgb" else "rgb"
        self.trained = stream
        self.freeze([f"streams.{other}", f"blocks.{other}"])

    def train(self, mode: bool = True) -> "CMANetwork":
        super().train(mode)
        if self.trained:
            other = "flow" if self.trained == "rgb" else "rgb"
            self.asleep = frozenset(block for block in self.blocks[other].values() if block.is_identity())
        return self

    def train_behind(self, stream: str) -> None:
        """Train the last block of one branch and the layers behind it (section 5.6)."""
        self.train_only(stream)
        before = self.path[: self.path.index(self.positions[-1]) + 1]
        earlier = [f"blocks.{stream}.{p.replace('.', '_')}" for p in self.positions[:-1]]
        self.freeze([*self.frozen, *earlier, *(f"streams.{stream}.{name}" for name in before)])

    def train_last_layer(self, stream: str) -> None:
        """Train the last layer of one branch alone (section 5.7)."""
        self.train_only(stream)
        kept = all_but(self.streams[stream], last_layer(self.streams[stream]))
        self.freeze([*self.frozen, f"blocks.{stream}", *(f"streams.{stream}.{path}" for path in kept)])

    def prune(self, stream: str, *, identity_blocks: bool = False) -> "CMANetwork":
        """A copy that gives only the scores of one branch, without the layers of the other that cannot reach them.

        What the last block reads is all that counts of the other branch: its later layers, its head and its own last
        block go. With `identity_blocks` its other blocks go as well: while that branch has not been trained with
        blocks (after iteration 1) they are the identity.
        """
        check_stream(stream)
        pruned = copy.deepcopy(self)
        other = "flow" if stream == "rgb" else "rgb"
        backbone = pruned.streams[other]
        heads = [name for name, _ in backbone.named_children() if name not in {p.split(".")[0] for p in self.path}]
        for name in (*self.path[self.path.index(self.positions[-1]) + 1 :], *heads):
            backbone.set_submodule(name, nn.Identity())
        gone = self.positions if identity_blocks else self.positions[-1:]
        for position in gone:
            del pruned.blocks[other][position.replace(".", "_")]
        pruned.outputs = (stream,)
        return pruned


def check_stream(stream: str) -> None:
    """Raise `InputError` unless `stream` is one of the two."""
    if stream not in STREAMS:
        raise unknown("stream", stream, STREAMS)
