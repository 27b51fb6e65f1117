"""Blocks put into networks by module path: what they compute, and that the network stays whole."""

import copy
import pickle

import pytest
import torch
import torch.distributed as dist
from einops import rearrange
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from videoattn.errors import InputError
from videoattn.layers.attach import FoldedTime, attach, detach


class Network(nn.Module):
    """Two stages of two convolutions each, and a head."""

    def __init__(self):
        super().__init__()
        self.layer1 = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1))
        self.layer2 = nn.Sequential(nn.Conv2d(4, 6, 3, stride=2), nn.Conv2d(6, 6, 1))
        self.fc = nn.Linear(6, 5)

    def forward(self, x):
        return self.fc(torch.tanh(self.layer2(torch.tanh(self.layer1(x)))).mean(dim=(2, 3)))


class Named(nn.Module):
    """A convolution with a child of its own under the name that attach uses."""

    def __init__(self):
        super().__init__()
        self.attached = nn.Identity()


class Affine(nn.Module):
    """scale x + shift, to tell the order of blocks."""

    def __init__(self, scale, shift):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(scale))
        self.shift = nn.Parameter(torch.tensor(shift))

    def forward(self, x):
        return self.scale * x + self.shift


def run(compute):
    torch.manual_seed(0)
    return compute()


@pytest.fixture
def network():
    return run(Network)


@pytest.fixture
def x():
    return run(lambda: torch.randn(4, 3, 9, 8))


def test_output_is_that_of_manual_insertion(network, x):
    inner, outer = nn.Conv2d(4, 4, 1), nn.Conv2d(6, 6, 3, padding=1)
    plain = copy.deepcopy(network)
    expected = plain.layer1[1](inner(plain.layer1[0](x)))
    expected = outer(plain.layer2[1](plain.layer2[0](torch.tanh(expected))))
    expected = plain.fc(torch.tanh(expected).mean(dim=(2, 3)))
    assert attach(network, {"layer1.0": inner, "layer2.1": outer}) is network
    torch.testing.assert_close(network(x), expected)
    assert not torch.allclose(network(x), plain(x))


def test_gradients_reach_block_and_host(network, x):
    block = nn.Conv2d(6, 6, 1)
    attach(network, {"layer2.0": block})(x).sum().backward()
    assert block.weight.grad.abs().sum() > 0
    assert network.layer1[0].weight.grad.abs().sum() > 0


def test_own_keys_stay_and_state_round_trips(network, x):
    own = set(network.state_dict())
    block = nn.Conv2d(6, 6, 1)
    attach(network, {"layer2.0": block})
    assert set(network.state_dict()) == own | {"layer2.0.attached.weight", "layer2.0.attached.bias"}
    other = attach(Network(), {"layer2.0": nn.Conv2d(6, 6, 1)})
    other.load_state_dict(network.state_dict())
    torch.testing.assert_close(other(x), network(x), rtol=0, atol=0)


def test_blocks_at_one_place_run_in_order(network, x):
    before = network.layer1(x)
    shared = Affine(2.0, 1.0)
    attach(network, {"layer1.1": shared})
    attach(network, {"layer1.1": Affine(3.0, -1.0)})
    attach(network, {"layer1.1": shared})
    torch.testing.assert_close(network.layer1(x), 2 * (3 * (2 * before + 1) - 1) + 1)
    names = [name for name, _ in network.layer1[1]._modules.items()]
    assert names == ["attached", "attached_2", "attached_3"]


def test_sequential_places_the_block_at_its_last_module(network, x):
    before = network.layer1(x)
    attach(network, {"layer1": Affine(2.0, 0.0)})
    torch.testing.assert_close(network.layer1(x), 2 * before)
    assert len(network.layer1) == 2
    assert "layer1.1.attached.scale" in network.state_dict()


def test_detach_gives_back_the_plain_network(network, x):
    plain, expected = copy.deepcopy(network), network(x)
    attach(network, {"layer1.0": Affine(2.0, 1.0), "layer2": Affine(2.0, 1.0)})
    attach(network, {"layer1.0": Affine(3.0, 1.0)})
    copied = copy.deepcopy(network)
    for changed in (network, copied):
        assert detach(changed) is changed
        assert list(changed.state_dict()) == list(plain.state_dict())
        assert not any(module._forward_hooks for module in changed.modules())
        torch.testing.assert_close(changed(x), expected, rtol=0, atol=0)
    attach(network, {"layer1.0": Affine(1.0, 0.0)})
    torch.testing.assert_close(network(x), expected)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_copies_have_blocks_of_their_own(network, x, duplicate):
    attach(network, {"layer1.0": Affine(2.0, 1.0)})
    expected = network(x)
    twin = duplicate(network)
    with torch.no_grad():
        network.layer1[0].attached.scale.zero_()
    torch.testing.assert_close(twin(x), expected, rtol=0, atol=0)
    assert not torch.allclose(network(x), expected)


def test_compiles_to_one_graph(network, x):
    attach(network, {"layer1.0": nn.Conv2d(4, 4, 1), "layer2": Affine(2.0, 1.0)})
    attach(network, {"layer2": FoldedTime(nn.Conv3d(6, 6, 3, padding=1), 2)})
    expected = network(x)
    expected.sum().backward()
    gradients = [p.grad.clone() for p in network.parameters()]
    network.zero_grad()
    torch._dynamo.reset()
    compiled = torch.compile(network, fullgraph=True, backend="aot_eager")
    out = compiled(x)
    torch.testing.assert_close(out, expected)
    out.sum().backward()
    torch.testing.assert_close([p.grad for p in network.parameters()], gradients)


def test_distributed_data_parallel(network, x, tmp_path):
    block = Affine(2.0, 1.0)
    attach(network, {"layer2.0": block})
    expected = network(x)
    dist.init_process_group("gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1)
    try:
        parallel = DistributedDataParallel(network)
        out = parallel(x)
        out.sum().backward()
    finally:
        dist.destroy_process_group()
    torch.testing.assert_close(out, expected)
    assert block.scale.grad.abs() > 0


def test_channels_last_and_meta(network, x):
    pointwise, block = nn.Conv2d(4, 4, 1), nn.Conv3d(6, 6, 1)
    attach(network, {"layer1.0": pointwise})
    attach(network, {"layer2.0": block}, frames=2)
    expected = network(x)
    detach(network).to(memory_format=torch.channels_last)
    attach(network, {"layer1.0": pointwise, "layer2.0": FoldedTime(block, 2)})
    torch.testing.assert_close(network(x.contiguous(memory_format=torch.channels_last)), expected)
    assert network.to("meta")(x.to("meta")).shape == (4, 5)


def test_frames_unfold_time_around_the_block(network):
    x = run(lambda: torch.randn(6, 3, 9, 8))
    block = nn.Conv3d(4, 4, (3, 1, 1), padding=(1, 0, 0))
    maps = rearrange(network.layer1[0](x), "(b t) c h w -> b c t h w", b=2)
    expected = network.layer1[1](rearrange(block(maps), "b c t h w -> (b t) c h w"))
    attach(network, {"layer1.0": block}, frames=3)
    torch.testing.assert_close(network.layer1(x), expected)
    network.layer1[0].attached.frames = 6  # one clip of six frames
    assert not torch.allclose(network.layer1(x), expected)
    network.layer1[0].attached.frames = 4
    with pytest.raises(InputError, match=r"\(6, 4, 9, 8\).*T = 4"):
        network(x)


def test_unknown_path_names_the_nearest(network):
    state = list(network.state_dict())
    with pytest.raises(InputError, match=r"no module 'layer1\.7'; nearest: .*layer1\.1"):
        attach(network, {"layer1.0": Affine(1.0, 0.0), "layer1.7": Affine(1.0, 0.0)})
    assert list(network.state_dict()) == state  # nothing was attached
    with pytest.raises(InputError, match="no module ''"):
        attach(network, {"": Affine(1.0, 0.0)})


@pytest.mark.parametrize(
    ("blocks", "frames", "message"),
    [
        ({"layer1.0": torch.tanh}, None, "block for 'layer1.0' is a builtin_function_or_method"),
        ({"layer1.0": nn.Conv2d}, None, "block for 'layer1.0' is a type"),
        ({"list": nn.Identity()}, None, "'list' is a ModuleList of 1 modules"),
        ({"empty": nn.Identity()}, None, "'empty' is a Sequential of 0 modules"),
        ({"named": nn.Identity()}, None, "'named' has an attribute 'attached' of its own"),
        ({"layer1.0": nn.Identity()}, 0, "frames=0"),
    ],
)
def test_impossible_values_are_refused(network, blocks, frames, message):
    network.list = nn.ModuleList([nn.Identity()])
    network.empty = nn.Sequential()
    network.named = Named()
    with pytest.raises(InputError, match=message):
        attach(network, blocks, frames=frames)
