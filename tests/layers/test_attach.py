"""Blocks put into networks by module path: what they compute, and that the network stays whole."""

import copy
import pickle
import re

import pytest
import torch
import torch.distributed as dist
from einops import rearrange
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from videoattn.errors import InputError
from videoattn.layers.attach import attach, detach
from videoattn.layers.gates import GE3DG
from videoattn.layers.layouts import ChannelsLast, First, FoldedTime, Tokens
from videoattn.layers.non_local import NonLocalBlock


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


class Giving(nn.Module):
    """A convolution whose maps are given in another form, and a head."""

    def __init__(self, form):
        super().__init__()
        self.host = Formed(form)

    def forward(self, x):
        return self.host(x)


class Formed(nn.Module):
    def __init__(self, form):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.form = form

    def forward(self, x):
        return self.form(self.conv(x))


FORMS = {
    "channels last": lambda x: x.movedim(1, -1),
    "tokens": lambda x: torch.cat([x.flatten(2).mean(2, keepdim=True), x.flatten(2)], 2).mT,
    "tuple": lambda x: (x, 5),
    "list": lambda x: [x.movedim(1, -1), 7],
    "dict": lambda x: {"maps": x},
    "frame first": lambda x: x.flatten(2).permute(2, 0, 1),
    "frame first, one left out": lambda x: x.flatten(2).permute(2, 0, 1)[1:],
    "other tokens": lambda x: x.flatten(2).mT[:, :-20],
    "pooled": lambda x: x.mean((2, 3)),
}


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


@pytest.mark.parametrize(
    ("form", "wrapped"),
    [("channels last", ChannelsLast), ("tokens", Tokens), ("tuple", First), ("list", First)],
)
def test_blocks_are_arranged_for_what_a_host_gives(form, wrapped):
    network = run(lambda: Giving(FORMS[form]).double().eval())
    x = run(lambda: torch.randn(1, 3, *((224, 224) if form == "tokens" else (6, 5)), dtype=torch.float64))
    block = nn.Conv2d(4, 4, (1, 3), padding=(0, 1)).double()  # tells H from W
    maps = network.host.conv(x)
    expected, class_token = FORMS[form](block(maps)), FORMS[form](maps)[0, :1] if form == "tokens" else None
    attach(network, {"host": block})
    assert type(network.host.attached) is wrapped
    out = network(x)
    if form == "tokens":
        torch.testing.assert_close(out[:, 1:], expected[:, 1:])
        assert torch.equal(out[0, :1], class_token)
    else:
        torch.testing.assert_close(out, expected)
    assert type(out) is type(expected)


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ("dict", "'host' gives a dict, which the block for it does not take: x is a dict; a tensor (B, C, H, W)"),
        (
            "frame first",
            "'host' gives a tensor (50176, 3, 4), tokens of no grid in the shape of the frame "
            "(`Tokens` takes another), which the block for it does not take: x has shape (50176, 3, 4)",
        ),
        ("frame first, one left out", "'host' gives a tensor (50175, 3, 4), tokens of no grid"),
        ("other tokens", "'host' gives a tensor (3, 50156, 4), tokens of no grid"),
        ("pooled", "'host' gives a tensor (3, 4), which the block for it does not take: x has shape (3, 4)"),
    ],
)
def test_what_a_block_cannot_take_is_refused(form, message):
    network = Giving(FORMS[form])
    with pytest.raises(InputError, match=re.escape(message)):
        attach(network, {"host.conv": nn.Identity(), "host": NonLocalBlock(channels=4)})
    assert [name for name, _ in network.named_modules()] == ["", "host", "host.conv"]


@pytest.mark.parametrize(
    ("block", "frames", "message"),
    [
        (lambda: NonLocalBlock(channels=5), None, r"gives a tensor \(3, 224, 224, 4\), channels last.*C = 5"),
        (lambda: NonLocalBlock(channels=4, dims=3), None, r"x has shape \(3, 4, 224, 224\); \(B, C, T, H, W\)"),
        (lambda: GE3DG(), None, r"x has shape \(3, 4, 224, 224\)"),
        (lambda: NonLocalBlock(channels=4), 2, r"x has shape \(3, 4, 2, 224, 224\)"),
    ],
)
def test_blocks_of_another_kind_are_refused(block, frames, message):
    with pytest.raises(InputError, match=message):
        attach(Giving(FORMS["channels last"]), {"host": block()}, frames=frames)


def test_blocks_that_are_meant_for_the_output_as_it_is():
    network = Giving(FORMS["channels last"])
    attach(network, {"host": nn.Linear(4, 6)})
    assert network(torch.zeros(1, 3, 5, 7)).shape == (1, 5, 7, 6)
    attach(detach(network), {"host": ChannelsLast(nn.Identity())})
    assert type(network.host.attached.block) is nn.Identity  # put there by hand, and not a second time
    network = Giving(FORMS["pooled"])
    attach(network, {"host": nn.Linear(4, 6)})
    assert network(torch.zeros(1, 3, 5, 7)).shape == (1, 6)


def test_a_pair_whose_second_part_is_no_grid_of_the_first():
    network = Giving(lambda x: (x.flatten(2).mT, (2, 3)))
    attach(network, {"host": nn.Conv2d(4, 4, 1)})
    assert type(network.host.attached) is First
    assert network.host.attached.block.grid == (224, 224)


def test_as_many_channels_as_rows_are_taken_for_channels():
    network = Giving(lambda x: x)
    network.host.conv = nn.Conv2d(3, 224, 1)
    attach(network, {"host": nn.Conv2d(224, 224, 1)})
    assert type(network.host.attached) is nn.Conv2d


def test_the_trial_has_the_frames_of_blocks_given_by_hand():
    network = Giving(FORMS["channels last"])
    attach(network, {"host": FoldedTime(nn.Conv3d(4, 4, 1), 4)})
    assert type(network.host.attached) is ChannelsLast


def test_frames_behind_channels_last():
    network = run(lambda: Giving(FORMS["channels last"]).eval())
    x = run(lambda: torch.randn(6, 3, 5, 4))
    block = nn.Conv3d(4, 4, (3, 1, 1), padding=(1, 0, 0))
    maps = rearrange(network.host.conv(x), "(b t) c h w -> b c t h w", t=3)
    attach(network, {"host": block}, frames=3)
    torch.testing.assert_close(network(x), rearrange(block(maps), "b c t h w -> (b t) h w c"))


class Clips(nn.Module):
    """Video in, frames inside."""

    def __init__(self, frames):
        super().__init__()
        self.frames = frames
        self.inner = Giving(FORMS["channels last"])

    def forward(self, clip):
        b, _, t, _, _ = clip.shape
        assert t % self.frames == 0
        return self.inner(clip.transpose(1, 2).flatten(0, 1)).unflatten(0, (b, t))


class Named224(nn.Module):
    """Takes one size alone, which it holds, and no batch without it."""

    def __init__(self, size):
        super().__init__()
        self.img_size = size
        self.inner = Giving(FORMS["channels last"])

    def forward(self, x):
        height, width = self.img_size if isinstance(self.img_size, tuple) else (self.img_size, self.img_size)
        return self.inner(x) + torch.zeros(height, width, 1, device=x.device)


@pytest.mark.parametrize("make", [lambda: Clips(5), lambda: Named224(50), lambda: Named224((36, 50))])
def test_the_trial_finds_a_clip(make):
    network = make()
    attach(network, {"inner.host": nn.Conv2d(4, 4, 1)})
    assert type(network.inner.host.attached) is ChannelsLast


class Needing(nn.Module):
    """Takes what no trial makes up."""

    def __init__(self):
        super().__init__()
        self.host = Formed(FORMS["tuple"])

    def forward(self, x):
        return self.host(x["rgb"])


@pytest.mark.filterwarnings("error")
def test_without_a_trial_a_block_gets_what_the_host_gives():
    network = Needing()
    attach(network, {"host": nn.Identity()})
    assert type(network.host.attached) is nn.Identity
    assert network({"rgb": torch.zeros(1, 3, 4, 4)})[1] == 5
    attach(detach(network), {"host": NonLocalBlock(channels=4)})
    with pytest.raises(InputError, match=r"x is a tuple; a tensor \(B, C, H, W\) is expected"):
        network({"rgb": torch.zeros(1, 3, 4, 4)})


def test_the_trial_leaves_no_trace():
    """It runs neither the network itself nor the hooks of others, and draws no random number."""
    network, seen = Giving(FORMS["channels last"]), []
    network.host.conv = nn.Sequential(network.host.conv, nn.BatchNorm2d(4), nn.Dropout())
    network.host.register_forward_hook(lambda _, __, output: seen.append(output))
    network.host.conv.register_forward_pre_hook(lambda _, inputs: seen.append(inputs))
    state, before = torch.get_rng_state(), copy.deepcopy(network.state_dict())
    attach(network, {"host": nn.Identity()})
    assert type(network.host.attached) is ChannelsLast  # it was run
    assert seen == []
    assert torch.equal(torch.get_rng_state(), state)
    assert all(module.training for module in network.modules())
    torch.testing.assert_close(dict(network.state_dict()), dict(before))
    network(torch.zeros(1, 3, 4, 4))
    assert len(seen) == 2


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
