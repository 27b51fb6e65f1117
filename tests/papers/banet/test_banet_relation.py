"""Self-attention on the relation probe: the modules of its rows, who reaches whom, and rivals by direct computation."""

import re

import pytest
import torch
from random_weights import noise, randomise
from torch import nn

from videoattn.backbones.cells import CellNetwork
from videoattn.errors import InputError
from videoattn.layers.non_local import NonLocalBlock
from videoattn.papers.banet.cascade import CascadedAttention
from videoattn.papers.banet.relation.experiments import CHECK, FULL, PAPER, VARIANTS, block, build, inputs, rows
from videoattn.papers.banet.relation.rivals import MixedPlaces

GRID = (4, 3, 3)


def reached(name: str, of: tuple[int, int, int] = (0, 0, 0)) -> set[tuple[int, ...]]:
    """The places that the output at a place depends on, in a module of 4 channels."""
    module = randomise(block(VARIANTS[name], 4, GRID)).eval()
    x = noise(1, 4, *GRID).requires_grad_()
    (slope,) = torch.autograd.grad((module(x)[(0, slice(None), *of)] * noise(4, seed=2)).sum(), x)
    return {tuple(place) for place in slope[0].abs().sum(0).nonzero().tolist()}


def places(near) -> set[tuple[int, ...]]:
    return {(t, h, w) for t in range(4) for h in range(3) for w in range(3) if near(t, h, w)}


EVERYTHING = places(lambda t, h, w: True)


@pytest.mark.parametrize("name", ["nl", "cs", "cs-tw-hw-th", "cs-hw-tw", "cs-tw-th", "cs-plain", "mean", "conv-all"])
def test_what_reaches_everything(name):
    assert reached(name) == reached(name, (3, 1, 2)) == EVERYTHING


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("none", lambda t, h, w: t == h == w == 0),
        ("cs-hw", lambda t, h, w: t == 0),
        ("cs-tw", lambda t, h, w: h == 0),
        ("cs-th", lambda t, h, w: w == 0),
        ("cs-sum", lambda t, h, w: 0 in (t, h, w)),  # all but what differs in three coordinates
        ("conv-3", lambda t, h, w: max(t, h, w) < 2),
    ],
)
def test_what_does_not(name, near):
    assert reached(name) == places(near)


def test_rivals_by_direct_computation():
    x = noise(2, 4, *GRID)
    for kernel in ((), (3, 1, 5)):
        module = randomise(MixedPlaces(channels=4, inner=3, kernel=kernel)).eval()
        z = torch.einsum("dc,bcthw->bdthw", module.reduce.weight[..., 0, 0, 0], x)
        z = z + module.reduce.bias[:, None, None, None]
        if kernel:
            padded = nn.functional.pad(z, (2, 2, 0, 0, 1, 1))
            mixed = torch.zeros_like(z) + module.mix.bias[:, None, None, None]
            for a in range(3):
                for c in range(5):
                    weight = module.mix.weight[:, :, a, 0, c]
                    mixed = mixed + torch.einsum("ed,bdthw->bethw", weight, padded[:, :, a : a + 4, :, c : c + 3])
        else:
            mixed = z.sum((2, 3, 4), keepdim=True) / 36 + torch.zeros_like(z)
        out = torch.einsum("cd,bdthw->bcthw", module.restore.weight[..., 0, 0, 0], mixed)
        out = out + module.restore.bias[:, None, None, None]
        torch.testing.assert_close(module(x), module.norm(out) + x)
    assert torch.equal(MixedPlaces(channels=4).double()(x), x)  # it starts as the identity


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": 0}, "channels=0, inner=0: both must be at least 1"),
        ({"channels": 4, "inner": 0}, "channels=4, inner=0: both must be at least 1"),
        ({"channels": 4, "kernel": (3, 3)}, "kernel=(3, 3): three odd lengths are expected"),
        ({"channels": 4, "kernel": (3, 2, 3)}, "kernel=(3, 2, 3): three odd lengths are expected"),
    ],
)
def test_impossible_rivals_are_refused(options, message):
    with pytest.raises(InputError, match=re.escape(message)):
        MixedPlaces(**options)


def test_networks_hold_what_their_variants_say(networks):
    kinds = {"none": nn.Identity, "non-local": NonLocalBlock, "cascade": CascadedAttention}
    for name, network in networks("banet", "relation", FULL).items():
        variant = VARIANTS[name]
        assert isinstance(network, CellNetwork)
        assert network.readout == "place"
        assert type(network.module) is kinds.get(variant.block, MixedPlaces), name
        if variant.block == "cascade":
            assert tuple(plane.plane for plane in network.module.planes) == variant.order
            assert {plane.project for plane in network.module.planes} == {variant.project}
            assert network.module.parallel == variant.parallel
    assert build(VARIANTS["cs"], PAPER, classes=2).module.reduce.in_channels == 96


def test_the_answer_is_read_at_the_first_mark():
    given = inputs({"a": {"places": [[1, 2, 0], [3, 0, 1]]}})
    assert given["places"]["a"].tolist() == [[1, 2, 0], [3, 0, 1]]
    network = randomise(build(VARIANTS["none"], CHECK, classes=2)).eval()
    rgb = noise(1, 3, 4, 24, 24)
    other = rgb.clone()
    other[:, :, 1, 16:, :8] += 1  # the cell of the first mark
    clips = [{"rgb": own, "places": given["places"]["a"][None]} for own in (rgb, other)]
    assert not torch.allclose(network(clips[0])["rgb"], network(clips[1])["rgb"])
    other.copy_(rgb)[:, :, 3] += 1
    assert torch.equal(network(clips[0])["rgb"], network(clips[1])["rgb"])
    assert {row.name for row in rows(CHECK)} == set(VARIANTS)
