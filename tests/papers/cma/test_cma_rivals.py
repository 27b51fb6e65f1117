"""Exchanges without attention: by loops, and the networks that have them."""

import pytest
import torch

from videoattn.backbones.resnet import resnet
from videoattn.errors import InputError
from videoattn.papers.cma.attention import CMABlock
from videoattn.papers.cma.network import CMANetwork, StackedStreams
from videoattn.papers.cma.rivals import AddedBlock, exchange


def small_networks():
    small = {"channels": (4, 8, 8, 16), "stem_width": 4, "layers": (1, 1, 1, 1)}
    return {s: resnet("resnet18", classes=5, in_channels=n, **small) for s, n in (("rgb", 3), ("flow", 10))}


def lively(block: AddedBlock) -> AddedBlock:
    """The block with a batch norm that lets its branch through, in float64."""
    torch.nn.init.normal_(block.norm.weight)
    torch.nn.init.normal_(block.norm.bias)
    return block.double().eval()


@pytest.mark.parametrize("everywhere", [False, True])
def test_by_loops(everywhere):
    torch.manual_seed(0)
    block = lively(AddedBlock(channels=4, context_channels=3, inner=2, everywhere=everywhere))
    x, y = torch.randn(2, 4, 3, 2).double(), torch.randn(2, 3, 3, 2).double()
    wv, wo = block.v.weight[:, :, 0, 0], block.out.weight[:, :, 0, 0]
    expected = torch.empty_like(x)
    for b in range(2):
        v = {(i, j): wv @ y[b, :, i, j] + block.v.bias for i in range(3) for j in range(2)}
        mean = sum(v.values()) / 6
        for (i, j), own in v.items():
            z = wo @ (mean if everywhere else own) + block.out.bias
            expected[b, :, i, j] = z / (1 + block.norm.eps) ** 0.5 * block.norm.weight + block.norm.bias + x[b, :, i, j]
    torch.testing.assert_close(block(x, y), expected)


def test_it_starts_as_the_identity():
    block = AddedBlock(channels=4, dims=3)
    x = torch.randn(2, 4, 2, 3, 3)
    assert block.is_identity()
    assert torch.equal(block(x, torch.randn(2, 4, 2, 3, 3)), x)
    assert not lively(block).is_identity()


def test_only_the_mean_takes_another_grid():
    x, y = torch.randn(1, 4, 3, 3), torch.randn(1, 4, 5, 2)
    assert AddedBlock(channels=4, everywhere=True)(x, y).shape == x.shape
    with pytest.raises(InputError, match=r"y has the grid \(5, 2\), x \(3, 3\)"):
        AddedBlock(channels=4)(x, y)


@pytest.mark.parametrize(("name", "kind"), [("attention", CMABlock), ("add", AddedBlock), ("uniform", AddedBlock)])
def test_a_network_has_blocks_of_one_kind(name, kind):
    network = CMANetwork(**small_networks(), positions=("layer2.0",), exchanged=name)
    blocks = [block for own in network.blocks.values() for block in own.values()]
    assert [type(block) for block in blocks] == [kind, kind]
    assert getattr(blocks[0], "everywhere", False) == (name == "uniform")
    clip = {"rgb": torch.randn(2, 3, 1, 32, 32), "flow": torch.randn(2, 10, 1, 32, 32)}
    assert network(clip)["rgb"].shape == (2, 5)


def test_an_unknown_exchange_is_refused():
    with pytest.raises(InputError, match="unknown exchange 'sum'"):
        CMANetwork(**small_networks(), positions=("layer2.0",), exchanged="sum")


def test_attention_and_the_exchanges_share_their_sizes():
    sizes = {"channels": 8, "context_channels": 6, "dims": 2, "pool": True}
    own, other = exchange("attention", **sizes), exchange("add", **sizes)
    assert {name: w.shape for name, w in other.state_dict().items()} == {
        name: w.shape for name, w in own.state_dict().items() if name.split(".")[0] not in ("q", "k")
    }


def test_stacked_streams_are_one_image():
    seen = []
    network = StackedStreams(torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()))
    network.backbone.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    clip = {"rgb": torch.randn(2, 3, 2, 4, 4), "flow": torch.randn(2, 10, 2, 4, 4)}
    scores = network(clip)["rgb"]
    assert torch.equal(seen[0][1], torch.cat([clip["rgb"][0, :, 1], clip["flow"][0, :, 1]]))
    torch.testing.assert_close(scores[:, :3], clip["rgb"].mean((2, 3, 4)))
