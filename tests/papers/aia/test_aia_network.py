"""Gates in residual blocks: where they stand, and what table I says that they cost."""

import pytest
import torch
from torch import nn

from videoattn.backbones.tsn import tsn
from videoattn.errors import InputError
from videoattn.layers.attach import attach, detach
from videoattn.papers.aia.attention import NAMES
from videoattn.papers.aia.network import GATES, RIVALS, gated, norms
from videoattn.reporting.cost import count, parameters

# Table I: parameters in M, FLOPs in G, 8 frames of 224 x 224, 174 classes.
TABLE_1 = {
    None: ("23.86", "32.88"),
    "GE3D-G": ("23.86", "32.92"),
    "GE3D-DW133": ("24.36", "33.04"),
    "GE3D-DW333": ("25.18", "33.31"),
    "S3D-G": ("25.13", "32.89"),
    "CBAM3D-377": ("26.40", "32.96"),
    "C": ("23.87", "32.88"),
    "ST": ("23.87", "33.01"),
    "CinST": ("23.87", "33.01"),
    "CinST->STinC": ("23.87", "33.15"),
    "CinST+STinC": ("23.87", "33.15"),
}


class Zero(nn.Module):
    def forward(self, x):
        return x * 0


def small(name: str = "resnet18", frames: int = 3) -> nn.Module:
    torch.manual_seed(0)
    network = tsn(name, classes=5, frames=frames, dropout=0.0, channels=(16, 16, 16, 32), layers=(1, 2, 1, 1))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)  # timm starts residual branches at zero
    return network


@pytest.mark.parametrize("gate", TABLE_1)
@pytest.mark.parametrize("shift", [False, True])
def test_parameters_and_flops_of_table_1(gate, shift):
    with torch.device("meta"):
        network, clip = tsn(classes=174, frames=8, shift=shift), torch.empty(1, 3, 8, 224, 224)
        if gate:
            gated(network, gate)
    cost = count(network, clip, convention="thop-2020")
    assert f"{parameters(network) / 1e6:.2f}" == TABLE_1[gate][0]
    assert f"{cost / 1e9:.2f}" == TABLE_1[gate][1]


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_every_gate_in_every_block(gate, name):
    network = gated(small(name), gate).eval()
    clip = torch.randn(2, 3, 3, 40, 40, generator=torch.Generator().manual_seed(1))
    network(clip).sum().backward()
    assert all(p.grad is not None for p in network.parameters())
    where = RIVALS[gate][0] if gate in RIVALS else "inside"
    places = norms(network, where)
    assert len(places) == 5
    for path, norm in places.items():
        assert norm.attached.frames == 3, path
    detach(network)
    torch.testing.assert_close(network(clip), small(name).eval()(clip))


@pytest.mark.parametrize(("name", "inside", "behind"), [("resnet18", "bn1", "bn2"), ("resnet50", "bn2", "bn3")])
def test_where_a_gate_acts(name, inside, behind):
    """Inside: before the ReLU of its convolution; behind: before the identity is added."""
    clip = torch.randn(1, 3, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    last = "act3" if name == "resnet50" else "act2"
    followers = {"inside": "act2" if name == "resnet50" else "act1", "behind": last}
    for where, norm in (("inside", inside), ("behind", behind)):
        network = small(name).eval()
        block = network.backbone.layer1[0]
        paths = list(norms(network, where))
        assert paths[0] == f"backbone.layer1.0.{norm}"
        identity, seen = [], []
        block.register_forward_pre_hook(lambda _, inputs, kept=identity: kept.append(inputs[0].clone()))
        follower = getattr(block, followers[where])
        follower.register_forward_pre_hook(lambda _, inputs, kept=seen: kept.append(inputs[0].clone()))
        attach(network, {paths[0]: Zero()}, frames=3)
        network(clip)
        expected = torch.zeros_like(seen[0])
        if where == "behind":
            expected = identity[0] if block.downsample is None else block.downsample(identity[0])
        torch.testing.assert_close(seen[0], expected)


def test_frames_of_another_number():
    network = gated(small(), "CinST->STinC").eval()
    network.frames = 5
    assert network(torch.randn(2, 3, 5, 32, 32)).shape == (2, 5)


def test_only_gates_with_kernels_along_time_notice_the_order_of_the_frames():
    clip = torch.randn(1, 3, 5, 32, 32, generator=torch.Generator().manual_seed(2))
    order = torch.tensor([3, 1, 4, 0, 2])
    blind = {"SE3D", "GE3D-G", "GE3D-DW133", "S3D-G", "CBAM3D-177"}
    for gate in GATES:
        network = gated(small(frames=5), gate).double().eval()
        same = torch.allclose(network(clip.double()), network(clip.double()[:, :, order]), rtol=1e-9, atol=1e-12)
        assert same is (gate in blind), gate


def test_kernels_of_the_ablation():
    clip = torch.randn(1, 3, 5, 32, 32, generator=torch.Generator().manual_seed(2)).double()
    order = torch.tensor([3, 1, 4, 0, 2])
    for kernel, blind in (((1, 3, 3), True), ((3, 1, 1), False)):
        network = gated(small(frames=5), "C", kernel=kernel).double().eval()
        assert torch.allclose(network(clip), network(clip[:, :, order]), rtol=1e-9, atol=1e-12) is blind


def test_wrong_values_are_refused():
    with pytest.raises(InputError, match="'SENet' is no module"):
        gated(small(), "SENet")
    with pytest.raises(InputError, match="unknown where 'above'; choose from inside, behind"):
        norms(small(), "above")
    assert set(NAMES) < set(GATES)


def test_gates_of_another_host_stand_behind_its_stages():
    torch.manual_seed(0)
    network = gated(tsn("test_efficientnet", classes=5, frames=3), "CinST").eval()
    clip = torch.randn(2, 3, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    hosts = [network.backbone.blocks[i][-1] for i in (1, 2, 3, 4)]
    assert [m for m in network.modules() if hasattr(m, "attached")] == hosts
    seen = []
    for host in hosts:
        host.attached.register_forward_hook(lambda gate, inputs, output: seen.append((gate, *inputs, output)))
    network(clip)
    assert [gate for gate, _, _ in seen] == [host.attached for host in hosts]
    for gate, given, output in seen:
        video = given.unflatten(0, (2, 3)).transpose(1, 2)
        torch.testing.assert_close(gate.block(video).transpose(1, 2).flatten(0, 1), output)
    rival = gated(tsn("test_efficientnet", classes=5, frames=3), "S3D-G").eval()  # as wide as the stages
    assert not torch.allclose(rival(clip), detach(network)(clip))
