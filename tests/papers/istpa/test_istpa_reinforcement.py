"""Motion reinforcement: blocks by functional calls, what the product leaves alone, and how it starts."""

import copy
import pickle

import pytest
import torch
import torch.nn.functional as F
from random_weights import noise, randomise
from streams import CHANNELS, SIZE, backbones, branch_and_skip, clip, images
from torch import Tensor, nn

from videoattn.backbones.scaled_vgg import scaled_vgg16
from videoattn.backbones.scales import ScaledResNet, scaled_resnet
from videoattn.errors import InputError
from videoattn.layers.attach import attach
from videoattn.papers.istpa.fusion import JoinedNetwork, load_stream
from videoattn.papers.istpa.network import MeanNetwork, PyramidNetwork, StreamNetwork
from videoattn.papers.istpa.reinforcement import ReinforcedResNet, reinforced
from videoattn.reporting.cost import count, parameters

DEFAULT = ("layer1.0", "layer2.1", "layer3.1", "layer4.0")
BUILDS = ("resnet18", "resnet50", "seresnet50")


def network(name: str = "resnet18", *, options: dict | None = None, **own: object) -> ReinforcedResNet:
    """Random weights, those of "stable" too."""
    return randomise(ReinforcedResNet({s: randomise(b) for s, b in backbones(name, **options or {}).items()}, **own))


def by_hand(rgb: ScaledResNet, flow: nn.Module, x: Tensor, blocks: tuple[str, ...], side: str, scale=None) -> Tensor:
    """Scores of single images; both streams go through their stages block by block."""
    a, m = x.split([3, 10], 1)
    a, m = (net.maxpool(net.act1(net.bn1(net.conv1(y)))) for net, y in ((rgb.network, a), (flow, m)))
    for stage in ("layer1", "layer2", "layer3", "layer4"):
        for i, block in enumerate(rgb.network.get_submodule(stage)):
            place, before = f"{stage}.{i}", m
            m = flow.get_submodule(place)(m)
            if place not in blocks:
                a = block(a)
                continue
            features = before if side == "input" else m
            if scale is not None:
                features = 1 + scale[place.replace(".", "_")] * features
            y, skip = branch_and_skip(block, a, a * features if side == "input" else a)
            a = F.relu(skip + (y * features if side == "output" else y))
    return rgb.head(a)


@pytest.mark.parametrize("name", BUILDS[:2])
@pytest.mark.parametrize("side", ["input", "output"])
@pytest.mark.parametrize(
    ("blocks", "form"), [(None, "literal"), (("layer3.2", "layer2.0"), "literal"), (None, "stable")]
)
def test_forward_block_by_block(name, side, blocks, form):
    streams = {s: randomise(b, seed=c) for (s, b), c in zip(backbones(name).items(), (1, 2), strict=True)}
    net = ReinforcedResNet(streams, blocks=blocks, side=side, form=form).double().eval()
    for s in net.scale.values():
        s.data = noise(*s.shape, seed=len(s)).abs()
    expected = by_hand(
        streams["rgb"],
        streams["flow"].network,
        images(),
        blocks or DEFAULT,
        side,
        net.scale if len(net.scale) else None,
    )
    torch.testing.assert_close(net(images()), expected)
    assert not torch.allclose(expected, streams["rgb"](images()[:, :3]))


@pytest.mark.parametrize("name", BUILDS)
@pytest.mark.parametrize("place", ["layer2.0", "layer2.1"])
def test_features_of_one_and_of_nothing(name, place):
    block = randomise(backbones(name)["rgb"]).network.get_submodule(place)
    x = noise(2, block.conv1.in_channels, 6, 8).relu()
    plain = block(x)
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    assert torch.equal(reinforced(block, x, one, side="input"), plain)
    assert torch.equal(reinforced(block, x, torch.ones_like(plain), side="output"), plain)
    constant, skip = branch_and_skip(block, x, zero)
    torch.testing.assert_close(reinforced(block, x, zero, side="input"), F.relu(constant + skip))
    assert torch.equal(reinforced(block, x, torch.zeros_like(plain), side="output"), F.relu(skip))


def test_a_flow_network_without_features_leaves_skip_paths():
    net = network(side="output")
    for parameter in net.motion.parameters():
        parameter.data.zero_()
    x = images()[:, :3]
    for name, step in net.path()[:-1]:
        for i, block in enumerate(step if name else ()):
            skip = x if block.downsample is None else block.downsample(x)
            x = F.relu(skip) if f"{name}.{i}" in DEFAULT else block(x)
        x = x if name else step(x)
    torch.testing.assert_close(net(images()), net.head(x))


@pytest.mark.parametrize("side", ["input", "output"])
def test_the_stable_form_starts_as_the_rgb_network(side):
    streams = backbones(zero_init=False)
    net = ReinforcedResNet(streams, side=side, form="stable").eval()
    x = images().float()
    assert torch.equal(net(x), streams["rgb"].eval()(x[:, :3]))
    literal = ReinforcedResNet(streams, side=side).eval()
    assert not torch.allclose(literal(x), net(x))
    net.train()(x).square().sum().backward()
    assert all(s.grad.abs().max() > 0 for s in net.scale.values())
    assert all(p.grad.abs().max() == 0 for p in net.motion.parameters())
    for s in net.scale.values():
        s.data -= 0.1 * s.grad.sign()
    net(x).square().sum().backward()
    assert all(p.grad.abs().max() > 0 for p in net.motion.parameters())


@pytest.mark.parametrize("side", ["input", "output"])
def test_branches_that_start_at_zero_stay_so(side):
    streams, x = backbones(), images().float()
    net = ReinforcedResNet(streams, side=side).eval()
    assert torch.equal(net(x), streams["rgb"].eval()(x[:, :3]))


@pytest.mark.parametrize("side", ["input", "output"])
@pytest.mark.parametrize("merge", ["mean", "pyramid"])
def test_gradients_reach_every_weight_of_both_streams(side, merge):
    torch.manual_seed(0)
    net = ReinforcedResNet(backbones(zero_init=False), side=side)
    merged = MeanNetwork(net) if merge == "mean" else PyramidNetwork(net, size=SIZE)
    study = JoinedNetwork(merged, stream="rgb", beta=0.1 * (merge == "pyramid"))
    found = study({s: x.float() for s, x in clip(batch=4).items()})
    (F.cross_entropy(found["rgb"], torch.tensor([0, 1, 2, 3])) + found.get("loss", 0)).backward()
    assert set(found) == ({"rgb"} if merge == "mean" else {"rgb", "loss"})
    assert len(list(net.motion.parameters())) > 20
    assert all(p.grad.isfinite().all() and p.grad.abs().max() > 0 for p in net.parameters())


@pytest.mark.parametrize("frames", [1, 2, 5])
@pytest.mark.parametrize("merge", ["scores", "maps", "attention"])
def test_merging_frames(frames, merge):
    net, video = network(), clip(frames)
    merged = randomise(PyramidNetwork(net, size=SIZE)) if merge == "attention" else MeanNetwork(net, merge=merge)
    single = [net.maps(torch.cat([x[:, :, k] for x in video.values()], 1)) for k in range(frames)]
    if merge == "attention":
        top = merged.attention([torch.stack(scale, 2) for scale in zip(*single, strict=True)])[:, :, 0]
    else:
        top = sum(maps[-1] for maps in single) / frames  # behind it all is linear
    torch.testing.assert_close(JoinedNetwork(merged).eval()(video)["fused"], net.head(top))


def test_shifts_in_both_streams_stay_within_a_clip():
    net = MeanNetwork(network(options={"shift": True, "fraction": 4}))
    for frames in (1, 3):
        video = clip(frames)
        joined = torch.cat(list(video.values()), 1)
        torch.testing.assert_close(net(joined), torch.cat([net(one[None]) for one in joined]))
    order = torch.tensor([2, 0, 1])
    moved = torch.cat([joined[:, :3], joined[:, 3:, order]], 1)
    assert not torch.allclose(net(moved), net(joined))


def test_full_size():
    with torch.device("meta"):
        streams = {s: scaled_resnet("resnet50", classes=101, in_channels=c) for s, c in CHANNELS.items()}
        net = ReinforcedResNet(streams)
        x = torch.empty(1, 13, 224, 224)
    assert tuple(net.taken.values()) == ("layer1.1", "layer2.1", "layer3.1", "layer4.1")
    flow = streams["flow"].network
    stages = [p for s in ("layer1", "layer2", "layer3") for p in flow.get_submodule(s)] + [flow.layer4[0]]
    assert parameters(net.motion) == sum(map(parameters, (flow.conv1, flow.bn1, *stages)))
    assert parameters(net) == parameters(streams["rgb"]) + parameters(net.motion)
    kept = copy.deepcopy(flow)
    kept.layer4 = kept.layer4[:1]
    assert count(net, x) == count(streams["rgb"], x[:, :3]) + count(kept, x[:, 3:]) - 2048 * 101
    assert net.shapes((224, 224)) == streams["rgb"].shapes((224, 224))
    assert PyramidNetwork(net, size=(224, 224))(x[:, :, None]).shape == (1, 101)


def test_weights_copies_and_state():
    trained = {s: randomise(StreamNetwork(MeanNetwork(own))) for s, own in backbones().items()}
    streams = backbones()
    for s, own in streams.items():
        load_stream(own, trained[s].state_dict())
    net = ReinforcedResNet(streams).double().eval()
    expected = by_hand(
        trained["rgb"].network.backbone, trained["flow"].network.backbone.network, images(), DEFAULT, "input"
    )
    torch.testing.assert_close(net(images()), expected)
    randomise(streams["flow"], seed=7)  # the network has a copy
    for same in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        torch.testing.assert_close(same(images()), expected)
    other = ReinforcedResNet(backbones()).double().eval()
    other.load_state_dict(net.state_dict())
    torch.testing.assert_close(other(images()), expected)
    rgb = {name for name in net.state_dict() if not name.startswith("motion.")}
    assert rgb == set(streams["rgb"].state_dict())


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"side": "both"}, "unknown side 'both'; choose from input, output"),
        ({"form": "printed"}, "unknown form 'printed'; choose from stable, literal"),
        (
            {"blocks": ("layer2.2",)},
            r"blocks=\('layer2.2',\): at least one is expected, each once, of layer1.0, layer2.0",
        ),
        ({"blocks": ("layer2.1", "layer2.1")}, "each once"),
        ({"blocks": ()}, r"blocks=\(\): at least one"),
    ],
)
def test_impossible_values_are_refused(values, says):
    with pytest.raises(InputError, match=says):
        ReinforcedResNet(backbones(), **values)


def test_networks_that_do_not_go_together_are_refused():
    rgb, flow = backbones().values()
    deeper = backbones(layers=(1, 2, 3, 2))["flow"]
    for other, says in (
        ({"flow": deeper}, "the networks of rgb and flow differ in their blocks"),
        ({}, r"streams rgb \(ScaledResNet\): two ScaledResNets are expected"),
        ({"flow": flow, "warped": flow}, "two ScaledResNets are expected"),
    ):
        with pytest.raises(InputError, match=says):
            ReinforcedResNet({"rgb": rgb} | other)
    with torch.device("meta"):
        vgg = scaled_vgg16(classes=5)
    with pytest.raises(InputError, match=r"rgb \(ScaledVGG\), flow \(ScaledResNet\)"):
        ReinforcedResNet({"rgb": vgg, "flow": flow})
    with pytest.raises(InputError, match=r"blocks=\('layer4.0',\): at least one is expected, each once, of layer1.0"):
        ReinforcedResNet(backbones(scales=("layer2", "layer3")), blocks=("layer4.0",))
    below = ReinforcedResNet(backbones(scales=("layer2", "layer3")))
    assert tuple(below.taken.values()) == DEFAULT[:3]
    coarse = ReinforcedResNet({"rgb": backbones(pool=False)["rgb"], "flow": flow})
    with pytest.raises(
        InputError, match=r"features of shape \(1, 8, 12, 16\) cannot multiply maps of \(1, 8, 24, 32\)"
    ):
        coarse(torch.zeros(1, 13, *SIZE))
    with pytest.raises(InputError, match=r"shape \(1, 10, 48, 64\); \(N, 13, H, W\) is expected"):
        ReinforcedResNet(backbones())(torch.zeros(1, 10, *SIZE))


def test_something_attached_to_a_reinforced_block_is_refused():
    net = ReinforcedResNet(backbones())
    attach(net, {"network.layer3.2": nn.Identity()})
    net(images().float())
    attach(net, {"network.layer3.1": nn.Identity()})
    with pytest.raises(InputError, match="BasicBlock that ends with 'attached' cannot be reinforced"):
        net(images().float())
