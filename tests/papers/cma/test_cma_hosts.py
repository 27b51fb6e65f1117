"""Cross-modality attention in other hosts than ResNets: where blocks stand, and which part is the last layer."""

from dataclasses import replace

import pytest
import torch
from random_weights import noise, randomise
from torch import nn

from videoattn.backbones.hosts import host
from videoattn.errors import InputError
from videoattn.papers.cma import experiments, inspection
from videoattn.papers.cma.experiments import PAPER, PROFILES, VARIANTS, build, hosted
from videoattn.papers.cma.network import CMANetwork, SingleStream, every_other_block, last_layer, width

SMALL = "test_efficientnet"
PROFILE = replace(hosted(PROFILES["check"], SMALL), stages=(2, 3))


def branches(name=SMALL):
    torch.manual_seed(0)
    return {"rgb": host(name, classes=3), "flow": host(name, classes=3, in_channels=10)}


def trained(network: nn.Module) -> set[str]:
    return {name for name, parameter in network.named_parameters() if parameter.requires_grad}


def test_branches_cross_behind_their_stages():
    given = branches()
    assert every_other_block(given["rgb"]) == ("blocks.2", "blocks.3")
    assert [width(given["rgb"], path) for path in every_other_block(given["rgb"])] == [32, 48]
    network = randomise(CMANetwork(**given, positions=every_other_block(given["rgb"])))
    clip = {"rgb": noise(2, 3, 2, 64, 64), "flow": noise(2, 10, 2, 64, 64, seed=2)}
    maps = {s: clip[s].transpose(1, 2).flatten(0, 1) for s in clip}
    for s, trunk in network.streams.items():
        maps[s] = trunk.blocks[:3](trunk.bn1(trunk.conv_stem(maps[s])))
    for stage in (3, 4):
        rgb = network.block("rgb", f"blocks.{stage - 1}")(maps["rgb"], maps["flow"])
        flow = network.block("flow", f"blocks.{stage - 1}")(maps["flow"], maps["rgb"])
        maps = {"rgb": network.streams["rgb"].blocks[stage](rgb), "flow": network.streams["flow"].blocks[stage](flow)}
    scores = {}
    for s, trunk in network.streams.items():
        pooled = trunk.bn2(trunk.conv_head(maps[s])).mean((2, 3))
        scores[s] = trunk.classifier(pooled).unflatten(0, (2, 2)).mean(1)
    found = network(clip)
    torch.testing.assert_close(found, scores)
    pruned = network.prune("rgb")
    torch.testing.assert_close(pruned(clip)["rgb"], found["rgb"])
    left = {name.split(".")[2] for name, _ in pruned.named_parameters() if name.startswith("streams.flow.")}
    assert left == {"conv_stem", "bn1", "blocks"}
    assert not list(pruned.streams["flow"].blocks[4].parameters())
    seen = inspection.attention(network, clip, "rgb")["blocks.3"][0]
    assert (seen.queries, seen.keys) == ((4, 4), (2, 2))
    assert seen.weights.shape == (16, 4)


@pytest.mark.parametrize(("name", "last"), [(SMALL, "classifier"), ("test_convnext", "head.fc")])
def test_the_last_layer_is_trained_alone(name, last):
    given = branches(name)
    single = SingleStream(given["rgb"], stream="rgb")
    assert last_layer(given["rgb"]) == last
    single.train_last_layer()
    assert trained(single) == {f"backbone.{last}.weight", f"backbone.{last}.bias"}
    assert single.train().backbone.training  # but nothing in it with statistics or dropout of its own
    assert not any(m.training for m in single.modules() if isinstance(m, nn.modules.batchnorm._NormBase))
    both = CMANetwork(**branches(name), positions=every_other_block(given["rgb"]))
    both.train_last_layer("flow")
    assert trained(both) == {f"streams.flow.{last}.weight", f"streams.flow.{last}.bias"}


def test_a_host_that_does_more_than_apply_its_modules_is_refused(monkeypatch):
    def odd(name, **options):
        network = host(name, **options)
        own = network.forward_features
        monkeypatch.setattr(network, "forward_features", lambda x: 2 * own(x))
        return network

    monkeypatch.setattr(experiments, "host", odd)
    with pytest.raises(InputError, match="EfficientNet does not apply its modules one after the other"):
        hosted(PAPER, SMALL)


def test_which_jobs_have_another_host():
    full = PROFILES["full"]
    of_any = tuple(name for name in full.jobs if "p3d" not in name and "circular" not in name)
    assert hosted(full, SMALL).jobs == of_any
    assert hosted(full, "resnet34").jobs == tuple(name for name in full.jobs if "p3d" not in name)
    assert (hosted(full, "resnet34").backbone, hosted(full, "resnet34").channels) == ("resnet34", None)


def test_networks_of_the_jobs(monkeypatch):
    """A chain as the first iteration has it: flow alone, RGB alone, both, and the transfer of both."""
    states = {}
    for name in ("rgb", "flow", "rgb-nl", "cma-1", "cma-2", "transfer-cma-1", "transfer-flow"):
        torch.manual_seed(len(name))
        network = build(VARIANTS[name], PROFILE, classes=3, weights=states.__getitem__)
        if name == "rgb-nl":
            found = [hasattr(blocks[-1], "attached") for blocks in network.backbone.blocks]
            assert found == [False, False, True, True, False]
        if name == "cma-1":
            torch.testing.assert_close(network.streams["flow"].state_dict(), alone(states["flow"]), rtol=0, atol=0)
            torch.testing.assert_close(network.streams["rgb"].state_dict(), alone(states["rgb"]), rtol=0, atol=0)
        if name == "cma-2":
            torch.testing.assert_close(dict(network.state_dict()), dict(states["cma-1"]), rtol=0, atol=0)
        if name.startswith("transfer"):
            before, after = states[VARIANTS[name].after[0]], network.state_dict()
            other = {key for key in before if not torch.equal(before[key], after[key])}
            assert other == {key for key in before if "classifier." in key}
        for value in network.state_dict().values():
            value.copy_(torch.rand(value.shape)) if value.is_floating_point() else None
        states[name] = {key: value.clone() for key, value in network.state_dict().items()}
    channels = build(VARIANTS["flow"], PROFILE, classes=3).backbone.conv_stem.in_channels
    assert channels == 10


def alone(state):
    return type(state)({key.removeprefix("backbone."): value for key, value in state.items()})
