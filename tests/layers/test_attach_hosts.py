"""Blocks in networks of torchvision and timm: each in the layout of its host, as if it had been written in by hand."""

import copy
from collections.abc import Callable
from typing import NamedTuple

import pytest
import timm
import torch
from random_weights import noise, randomise
from torch import Tensor, nn
from torchvision.models import resnet50
from torchvision.models.video import mvit_v2_s, r2plus1d_18, r3d_18, swin3d_t

from videoattn.layers.attach import attach, detach
from videoattn.layers.layouts import ChannelsLast, Tokens
from videoattn.layers.non_local import NonLocalBlock


def behind_maps(block: nn.Module, x: Tensor) -> Tensor:
    return block(x)


def behind_channels_last(block: nn.Module, x: Tensor) -> Tensor:
    order = (0, x.dim() - 1, *range(1, x.dim() - 1))
    back = (0, *range(2, x.dim()), 1)
    return block(x.permute(order)).permute(back)


def behind_tokens(block: nn.Module, x: Tensor) -> Tensor:
    maps = torch.stack([x[:, 1 + 4 * row : 5 + 4 * row].mT for row in range(4)], 2)  # a grid of 4 x 4 behind the class
    return torch.cat([x[:, :1], block(maps).permute(0, 2, 3, 1).flatten(1, 2)], 1)


def behind_tokens_and_grid(block: nn.Module, given: tuple[Tensor, tuple[int, ...]]) -> tuple[Tensor, tuple[int, ...]]:
    x, (t, h, w) = given
    maps = x[:, 1:].reshape(len(x), t, h, w, -1).permute(0, 4, 1, 2, 3)
    return torch.cat([x[:, :1], block(maps).permute(0, 2, 3, 4, 1).reshape(len(x), t * h * w, -1)], 1), (t, h, w)


def small_mvit() -> nn.Module:
    """For a clip of 4 frames of 64 x 64 in place of 16 of 224 x 224: MViT holds the grid, and adapts its positions."""
    network = mvit_v2_s()
    network.pos_encoding.temporal_size, network.pos_encoding.spatial_size = 2, (16, 16)
    return network


class Host(NamedTuple):
    make: Callable[[], nn.Module]
    path: str
    stage: str  # a module that holds the host and takes one tensor, to be compiled
    channels: int
    dims: int
    clip: tuple[int, ...]
    behind: Callable = behind_maps
    kind: type = NonLocalBlock


HOSTS = {
    "torchvision r3d_18": Host(r3d_18, "layer2.1", "layer2.1", 128, 3, (3, 4, 32, 32)),
    "torchvision r2plus1d_18": Host(r2plus1d_18, "layer2.1", "layer2.1", 128, 3, (3, 4, 32, 32)),
    "torchvision resnet50": Host(resnet50, "layer2.3", "layer2.3", 512, 2, (3, 64, 64)),
    "torchvision swin3d_t": Host(
        swin3d_t, "features.2.1", "features.2", 192, 3, (3, 4, 48, 64), behind_channels_last, ChannelsLast
    ),
    "torchvision mvit_v2_s": Host(
        small_mvit,
        "blocks.14",
        "blocks.14",
        768,
        3,
        (3, 4, 64, 64),
        behind_tokens_and_grid,
        Tokens,
    ),
    "timm resnet50": Host(lambda: timm.create_model("resnet50"), "layer2.3", "layer2.3", 512, 2, (3, 64, 64)),
    "timm convnext_tiny": Host(
        lambda: timm.create_model("convnext_tiny"), "stages.1.blocks.2", "stages.1", 192, 2, (3, 64, 64)
    ),
    "timm efficientnet_b0": Host(
        lambda: timm.create_model("efficientnet_b0"), "blocks.4.2", "blocks.4", 112, 2, (3, 64, 64)
    ),
    "timm mobilenetv3": Host(
        lambda: timm.create_model("mobilenetv3_small_100"), "blocks.3.1", "blocks.3", 48, 2, (3, 64, 64)
    ),
    "timm vit": Host(
        lambda: timm.create_model("vit_tiny_patch16_224", img_size=64),
        "blocks.5",
        "blocks.5",
        192,
        2,
        (3, 64, 64),
        behind_tokens,
        Tokens,
    ),
    "timm swin": Host(
        lambda: timm.create_model("swin_tiny_patch4_window7_224"),
        "layers.2.blocks.1",
        "layers.2.blocks.1",
        384,
        2,
        (3, 224, 224),
        behind_channels_last,
        ChannelsLast,
    ),
}


def awake(host: Host) -> nn.Module:
    """A block that does something."""
    return randomise(NonLocalBlock(channels=host.channels, inner=8, dims=host.dims)).float()


@pytest.mark.parametrize("name", HOSTS)
def test_forward_backward_copy_and_compile(name):
    host = HOSTS[name]
    torch.manual_seed(0)
    network, block, clip = host.make().eval(), awake(host), noise(1, *host.clip).float()
    expected = []
    by_hand = network.get_submodule(host.path).register_forward_hook(lambda _, __, x: host.behind(block, x))
    network(clip).sum().backward()
    expected.append(block.theta.weight.grad.clone())
    with torch.no_grad():
        expected.append(network(clip))
    by_hand.remove()
    block.zero_grad()

    state = torch.get_rng_state()
    attach(network, {host.path: block})
    assert torch.equal(torch.get_rng_state(), state)
    assert type(network.get_submodule(host.path).attached) is host.kind
    out = network(clip)
    out.sum().backward()
    torch.testing.assert_close([block.theta.weight.grad, out], expected)
    with torch.no_grad():
        assert not torch.allclose(detach(copy.deepcopy(network))(clip), expected[1])
        torch.testing.assert_close(copy.deepcopy(network)(clip), expected[1])
        torch._dynamo.reset()
        network.get_submodule(host.stage).compile(backend="eager", fullgraph=True)
        torch.testing.assert_close(network(clip), expected[1])
