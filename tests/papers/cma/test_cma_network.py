"""Two branches with blocks between them: what they compute, what is left out, what is trained."""

import copy

import pytest
import torch
from torch import Tensor, nn

from videoattn.backbones.p3d import P3D
from videoattn.backbones.resnet import resnet
from videoattn.engine.objective import classification_loss
from videoattn.errors import InputError
from videoattn.layers.non_local import NonLocalBlock
from videoattn.papers.cma.attention import CMABlock
from videoattn.papers.cma.network import CMANetwork, SingleStream, add_non_local, consensus, every_other_block
from videoattn.reporting.cost import parameters

CLASSES = 3
LABELS = torch.tensor([0, 2])


def branch(channels: int, *, non_local: bool = False) -> nn.Module:
    small = {"channels": (4, 8, 8, 16), "stem_width": 4, "layers": (1, 2, 3, 1)}
    net = resnet("resnet18", classes=CLASSES, in_channels=channels, **small)
    nn.init.normal_(net.fc.weight)
    return add_non_local(net, every_other_block(net)) if non_local else net


def spread(module: nn.Module) -> None:
    """Give the norms of all attention blocks scale, shift and statistics, so that the blocks are awake."""
    for block in module.modules():
        if isinstance(block, CMABlock | NonLocalBlock):
            nn.init.normal_(block.norm.weight)
            nn.init.normal_(block.norm.bias)
            nn.init.normal_(block.norm.running_mean)


def network(*, awake: bool = True, non_local: bool = False) -> CMANetwork:
    torch.manual_seed(0)
    rgb = branch(3, non_local=non_local)
    net = CMANetwork(rgb=rgb, flow=branch(10), positions=every_other_block(rgb))
    if awake:
        spread(net)
    return net.eval()


def clips(snippets: int = 2, size: int = 32) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {s: torch.randn(2, c, snippets, size, size, generator=generator) for s, c in (("rgb", 3), ("flow", 10))}


def alike(first: object, second: object) -> None:
    torch.testing.assert_close(first, second, rtol=1e-5, atol=1e-7)  # the order of sums may differ


def changed(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    return {name for name in before if not torch.equal(before[name], after[name])}


def test_positions_in_resnet50_and_p3d():
    with torch.device("meta"):
        net = resnet("resnet50", classes=2)
        assert every_other_block(net) == ("layer2.0", "layer2.2", "layer3.0", "layer3.2", "layer3.4")
        cma = CMANetwork(rgb=net, flow=resnet("resnet50", classes=2, in_channels=10), positions=every_other_block(net))
    assert [block.q.in_channels for block in cma.blocks["rgb"].values()] == [512, 512, 1024, 1024, 1024]
    assert len(cma.blocks["flow"]) == 5


@pytest.mark.parametrize("mode", [True, False])
def test_sleeping_blocks_leave_both_branches_as_they_are_alone(mode):
    net, clip = network(awake=False).train(mode), clips()
    alone = {s: SingleStream(copy.deepcopy(net.streams[s]), stream=s).train(mode) for s in ("rgb", "flow")}
    expected = {s: alone[s](clip)[s] for s in alone}
    # Batch statistics are summed in another order where the maps lie in memory in another one.
    torch.testing.assert_close(net(clip), expected) if mode else alike(net(clip), expected)


def test_awake_blocks_change_both_branches():
    net, clip = network(), clips()
    for s in ("rgb", "flow"):
        assert not torch.allclose(net(clip)[s], SingleStream(net.streams[s], stream=s)(clip)[s], atol=1e-3)


@pytest.mark.parametrize("non_local", [False, True])
@pytest.mark.parametrize("stream", ["rgb", "flow"])
def test_pruning_keeps_the_scores_and_saves_parameters(stream, non_local):
    net, clip = network(non_local=non_local), clips()
    pruned, other = net.prune(stream), "flow" if stream == "rgb" else "rgb"
    alike(pruned(clip), {stream: net(clip)[stream]})
    gone = [net.streams[other].layer4, net.streams[other].fc, net.block(other, net.positions[-1])]
    assert parameters(net) - parameters(pruned) == sum(map(parameters, gone))
    assert set(net(clip)) == {"rgb", "flow"}  # the network itself is as before


def test_blocks_that_sleep_may_be_pruned_as_well():
    net, clip = network(awake=False), clips()
    spread(net.blocks["rgb"])
    pruned = net.prune("rgb", identity_blocks=True)
    alike(pruned(clip)["rgb"], net(clip)["rgb"])
    assert len(pruned.blocks["flow"]) == 0
    assert parameters(net.prune("rgb")) - parameters(pruned) == sum(
        parameters(net.block("flow", p)) for p in net.positions[:-1]
    )


def test_rgb_scores_depend_on_flow_layers_up_to_the_last_block_and_on_no_later_one():
    net, clip = network(), clips()
    before = net(clip)["rgb"]
    seen = ["streams.flow.layer1", "streams.flow.layer3.2", "blocks.flow.layer3_0"]
    unseen = ["streams.flow.layer4", "streams.flow.fc", "blocks.flow.layer3_2"]
    for paths, equal in ((seen, False), (unseen, True)):
        for path in paths:
            other = copy.deepcopy(net)
            for parameter in other.get_submodule(path).parameters():
                nn.init.normal_(parameter)
            assert torch.equal(other(clip)["rgb"], before) is equal, path


@pytest.mark.parametrize("stream", ["rgb", "flow"])
def test_train_only_trains_one_branch_and_its_blocks(stream):
    net = network()
    net.train_only(stream)
    net.train()
    before = copy.deepcopy(net.state_dict())
    optimizer = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.01)
    for _ in range(3):  # the residual branches of timm's networks sleep at first, too
        scores = net(clips(size=64))
        assert set(scores) == {stream}
        classification_loss(scores[stream], LABELS).backward()
        optimizer.step()
    ours = {name for name in before if name.split(".")[1] == stream}
    moved = changed(before, net.state_dict())
    assert moved <= ours
    # A shift of all keys alike changes no softmax, and a bias before a batch norm nothing: these have no gradient.
    assert {name for name in ours - moved if not name.endswith((".k.bias", ".v.bias", ".out.bias"))} == set()
    assert set(net.eval()(clips())) == {"rgb", "flow"}


def test_sleeping_blocks_of_the_frozen_branch_are_skipped_without_effect():
    def step(net: CMANetwork) -> tuple[Tensor, dict[str, Tensor]]:
        classification_loss(score := net(clips())["rgb"], LABELS).backward()
        return score, {name: p.grad for name, p in net.named_parameters() if p.grad is not None}

    nets = [network(awake=False), network(awake=False)]
    for net in nets:
        torch.manual_seed(2)
        spread(net.blocks["rgb"])
        net.train_only("rgb")
        net.train()
    assert nets[0].asleep == set(nets[0].blocks["flow"].values())
    nets[1].asleep = frozenset()
    calls = []
    nets[0].block("flow", nets[0].positions[0]).register_forward_hook(lambda *_: calls.append("skipped"))
    nets[1].block("flow", nets[1].positions[0]).register_forward_hook(lambda *_: calls.append("computed"))
    (first, gradients), (second, others) = map(step, nets)
    assert calls == ["computed"]
    alike(first, second)
    alike(gradients, others)
    (awake := network()).train_only("rgb")
    assert not awake.asleep


def test_attention_on_request():
    net, clip = network(), clips()
    scores, attention = net(clip, return_attention=True)
    torch.testing.assert_close(scores, net(clip))
    assert set(attention) == {(s, p) for s in ("rgb", "flow") for p in net.positions}
    for (_, position), weights in attention.items():
        side = 4 if position.startswith("layer2") else 2
        assert weights.shape == (2 * 2, side**2, (side // 2) ** 2)
        torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))


def test_a_non_local_block_comes_before_the_cma_block_of_its_position():
    net, clip = network(non_local=True), clips()
    position, order = net.positions[0], []
    host = net.streams["rgb"].get_submodule(position)
    host.attached.register_forward_hook(lambda _, i, out: order.append(out))
    net.block("rgb", position).register_forward_pre_hook(lambda _, inputs: order.append(inputs[0]))
    net(clip)
    assert order[0] is order[1]
    asleep = network(awake=False, non_local=True)
    alike(asleep(clip)["rgb"], network(awake=False)(clip)["rgb"])


@pytest.mark.parametrize("frames", [12, 16])
def test_p3d_branches_with_a_block_behind_res4(frames):
    torch.manual_seed(0)
    rgb, flow = (P3D(classes=CLASSES, in_channels=c, width=2, layers=(1, 1, 3, 1), dropout=0.0) for c in (3, 2))
    net = CMANetwork(rgb=rgb, flow=flow, positions=["layer3.2"], dims=3).eval()
    generator = torch.Generator().manual_seed(1)
    clip = {s: torch.randn(2, c, frames, 32, 32, generator=generator) for s, c in (("rgb", 3), ("flow", 2))}
    alike(net(clip)["rgb"], rgb(clip["rgb"]))
    spread(net)
    scores, attention = net(clip, return_attention=True)
    assert not torch.allclose(scores["rgb"], rgb(clip["rgb"]), atol=1e-6)
    assert attention["rgb", "layer3.2"].shape == (2, 2 * 2 * 2, 2)  # 2 frames are left, of 2 x 2 pooled to 1
    torch.testing.assert_close(net.prune("rgb")(clip)["rgb"], scores["rgb"])
    net.train_behind("rgb")
    trained = {name.rsplit(".", 2)[0] for name, p in net.named_parameters() if p.requires_grad}
    assert {".".join(name.split(".")[:3]) for name in trained} == {"streams.rgb", "streams.rgb.layer4"} | {
        "blocks.rgb.layer3_2"
    }


def test_consensus_by_loops():
    k, b, classes = 3, 2, 4
    scores = torch.randn(b * k, classes, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = consensus(scores, b)
    for video in range(b):
        for c in range(classes):
            g = 0.0
            for i in range(k):
                g += scores[video * k + i, c].item() / k  # Eq. (6)
            assert found[video, c].item() == pytest.approx(g, rel=1e-12)
    net, clip = network(), clips(snippets=3)
    one = [net({s: part[:, :, i : i + 1] for s, part in clip.items()})["rgb"] for i in range(3)]
    torch.testing.assert_close(net(clip)["rgb"], sum(one) / 3)


@pytest.mark.parametrize(
    ("positions", "says"),
    [
        ((), "no positions: name at least one of"),
        (("layer3.9", "layer2.0"), "unknown position 'layer3.9' .*; choose from"),
    ],
)
def test_positions_that_are_not_there_are_named(positions, says):
    with pytest.raises(InputError, match=rf"{says} conv1, bn1, .*layer2.0, layer2.1, layer3.0"):
        CMANetwork(rgb=branch(3), flow=branch(10), positions=positions)


def test_bad_streams_and_backbones_are_named():
    with pytest.raises(InputError, match="unknown stream 'sound'; choose from rgb, flow"):
        network().train_only("sound")
    with pytest.raises(InputError, match="Sequential has no maps of 1/4 of the image's side"):
        CMANetwork(rgb=nn.Sequential(), flow=nn.Sequential(), positions=["0"])


def test_copies_and_states_compute_the_same():
    net, clip = network(non_local=True), clips()
    net.train_only("rgb")
    alike(copy.deepcopy(net).eval()(clip), net.eval()(clip))
    other = network(awake=False, non_local=True)
    other.load_state_dict(net.state_dict())
    alike(other(clip), net(clip))


def test_compiled_network_agrees():
    torch.manual_seed(0)
    rgb, flow = (P3D(classes=CLASSES, in_channels=c, width=2, layers=(1, 1, 1, 1)) for c in (3, 10))
    net, clip = CMANetwork(rgb=rgb, flow=flow, positions=["layer3.0"], dims=3).eval(), clips()
    spread(net)
    with torch.no_grad():
        compiled = torch.compile(net, backend="aot_eager", fullgraph=True)(clip)
        torch.testing.assert_close(compiled, net(clip))
