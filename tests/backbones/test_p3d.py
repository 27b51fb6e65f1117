"""P3D against its own equations, its closed-form size, and the maps of the released network."""

import copy

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from videoattn.backbones.p3d import P3D, P3DBlock
from videoattn.errors import InputError
from videoattn.reporting.cost import count, parameters

SMALL = {"classes": 5, "layers": (2, 2, 2, 1), "width": 4}


def randomise(module, seed=0):
    """Random weights and statistics in float64 and evaluation mode, so that no layer is an identity."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            values = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
            tensor.copy_(0.5 + values.abs() if "running_var" in name else values)
    return module.double().eval()


def normed(x, norm):
    return F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias)


@pytest.mark.parametrize("variant", ["A", "B", "C", "2D"])
def test_variants_are_the_paper_s_sums(variant):
    block = randomise(P3DBlock(in_channels=6, inner=2, variant=variant, stride=2, halve_time=True))
    x = torch.randn(2, 6, 5, 7, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def spatial(y):
        return normed(F.conv3d(y, block.conv_s.weight, padding=(0, 1, 1)), block.bn_s).relu()

    def temporal(y):
        return normed(F.conv3d(y, block.conv_t.weight, padding=(1, 0, 0)), block.bn_t)

    # Pairs of frames; the fifth stands alone.
    pooled = torch.stack([x[:, :, :2].amax(2), x[:, :, 2:4].amax(2), x[:, :, 4]], dim=2)
    y = normed(F.conv3d(pooled, block.conv1.weight, stride=(1, 2, 2)), block.bn1).relu()
    middle = {
        "A": lambda: temporal(spatial(y)).relu(),
        "B": lambda: (spatial(y) + temporal(y)).relu(),
        "C": lambda: ((spatial(y) + temporal(spatial(y))) / 2).relu(),
        "2D": lambda: spatial(y),
    }[variant]()
    shortcut = normed(F.conv3d(pooled, block.downsample[0].weight, stride=(1, 2, 2)), block.downsample[1])
    expected = (normed(F.conv3d(middle, block.conv3.weight), block.bn3) + shortcut).relu()
    torch.testing.assert_close(block(x), expected)
    assert expected.shape == (2, 8, 3, 4, 3)


def test_halving_the_sum_of_c_is_undone_by_the_next_norm():
    block = randomise(P3DBlock(in_channels=8, inner=2, variant="C")).train()
    block.bn3.eps = 1e-30
    doubled = copy.deepcopy(block)
    doubled.conv3.weight.data.mul_(2)  # as if the two terms were added
    x = torch.randn(3, 8, 4, 5, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(block(x), doubled(x))


@pytest.mark.parametrize("depth", [50, 152])
def test_variants_take_turns_through_the_stages(depth):
    with torch.device("meta"):
        net = P3D(depth=depth, classes=400)
    stages = (net.layer1, net.layer2, net.layer3)
    variants = "".join(block.variant for stage in stages for block in stage)
    assert variants == ("ABC" * 16)[: len(variants)]
    assert {block.variant for block in net.layer4} == {"2D"}
    assert [len(stage) for stage in (*stages, net.layer4)] == {50: [3, 4, 6, 3], 152: [3, 8, 36, 3]}[depth]
    # S and T counted apart, as in the names P3D-63 and P3D-199 (shortcuts are not counted).
    convolutions = sum(isinstance(m, nn.Conv3d) for name, m in net.named_modules() if "downsample" not in name)
    assert convolutions + 1 == {50: 63, 152: 199}[depth]


@pytest.mark.parametrize(("frames", "times"), [(16, (8, 4, 2, 1)), (12, (6, 3, 2, 1)), (2, (1,) * 4), (1, (1,) * 4)])
def test_maps_have_the_sizes_of_the_released_network(frames, times):
    with torch.device("meta"):
        net = P3D(depth=50, classes=400)
        x = net.stem(torch.empty(1, 3, frames, 160, 160))
    shapes = []
    for stage in (net.layer1, net.layer2, net.layer3, net.layer4):
        x = stage(x)
        shapes.append(tuple(x.shape[1:]))
    assert shapes == [
        (256, times[0], 40, 40),
        (512, times[1], 20, 20),
        (1024, times[2], 10, 10),
        (2048, times[3], 5, 5),
    ]
    assert net.forward_head(x).shape == (1, 400)


@settings(max_examples=15, deadline=None)
@given(frames=st.integers(1, 40), height=st.integers(3, 70), width=st.integers(3, 70))
def test_any_clip_length_and_odd_sizes_work(frames, height, width):
    with torch.device("meta"), torch.no_grad():
        net = P3D(classes=5, layers=(1, 1, 1, 1), width=4)
        maps = net.forward_features(torch.empty(2, 3, frames, height, width))
    rows, columns = (max(-(-(-(-side // 2) - 1) // 2), 1) for side in (height, width))  # stem: halved, then pooled
    assert maps.shape == (2, 128, -(-frames // 16), -(-rows // 8), -(-columns // 8))
    assert net.forward_head(maps).shape == (2, 5)


def closed_form(layers, *, classes, in_channels, width):
    """Parameters: convolutions, batch norms (two a channel), linear layer."""
    total = in_channels * width * 49 + 2 * width
    channels = width
    for stage, blocks in enumerate(layers):
        p = width * 2**stage
        for block in range(blocks):
            total += channels * p + 9 * p * p + 4 * p * p + 2 * (p + p + 4 * p)
            total += 3 * p * p + 2 * p if stage < 3 else 0
            total += channels * 4 * p + 2 * 4 * p if block == 0 else 0
            channels = 4 * p
    return total + channels * classes + classes


@pytest.mark.parametrize(
    ("depth", "layers", "total"), [(50, (3, 4, 6, 3), 25_745_232), (152, (3, 8, 36, 3), 66_492_240)]
)
def test_parameters(depth, layers, total):
    with torch.device("meta"):
        net = P3D(depth=depth, classes=400)
    assert parameters(net) == closed_form(layers, classes=400, in_channels=3, width=64) == total


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 3), min_size=4, max_size=4), st.integers(1, 20), st.integers(1, 12), st.integers(1, 6))
def test_parameters_of_any_size(layers, classes, in_channels, width):
    with torch.device("meta"):
        net = P3D(layers=layers, classes=classes, in_channels=in_channels, width=width)
    assert parameters(net) == closed_form(layers, classes=classes, in_channels=in_channels, width=width)


def test_multiply_adds():
    """By hand for one block a stage (variants A, B, C, 2D) at 8 x 32 x 32 and width 4."""
    with torch.device("meta"):
        net = P3D(classes=5, layers=(1, 1, 1, 1), width=4)
    total = 3 * 4 * 49 * (8 * 16 * 16)
    channels, p = 4, 4
    for positions, temporal in ((4 * 8 * 8, 3), (2 * 4 * 4, 3), (1 * 2 * 2, 3), (1 * 1 * 1, 0)):
        total += positions * (channels * p + (9 + temporal) * p * p + 4 * p * p + channels * 4 * p)
        channels, p = 4 * p, 2 * p
    assert count(net, torch.empty(1, 3, 8, 32, 32)) == total + 128 * 5


def test_time_mixes_in_three_stages_and_not_in_the_last():
    net = randomise(P3D(**SMALL))
    x = torch.randn(1, 64, 8, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    changed = x.clone()
    changed[:, :, 5] += 1
    difference = (net.layer4(changed) - net.layer4(x)).abs().amax(dim=(0, 1, 3, 4))
    assert (difference > 0).tolist() == [False, False, True, False]  # frames 4 and 5 are pooled
    maps, changed = x[:, :16], changed[:, :16]
    difference = (net.layer1[1](changed) - net.layer1[1](maps)).abs().amax(dim=(0, 1, 3, 4))
    assert (difference > 0).tolist() == [False] * 4 + [True] * 3 + [False]


def test_stages_in_lockstep_are_the_forward_pass():
    net = randomise(P3D(**SMALL, in_channels=10))
    x = torch.randn(2, 10, 6, 17, 15, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    maps = net.stem(x)
    for stage in (net.layer1, net.layer2, net.layer3, net.layer4):
        for block in stage:
            maps = block(maps)
    torch.testing.assert_close(net(x), net.forward_head(maps), rtol=0, atol=0)
    maps = x
    for name, child in net.named_children():  # the same by children, as networks over timm's ResNets do
        if name not in ("global_pool", "fc"):
            maps = child(maps)
    torch.testing.assert_close(net.forward_features(x), maps, rtol=0, atol=0)


def test_feature_info_tells_channels_and_reductions():
    net = P3D(**SMALL).eval()
    maps = torch.zeros(1, 3, 16, 64, 64)
    path = {"act1": (net.conv1, net.bn1, net.act1), "layer1": (net.maxpool, net.layer1)}
    for stage in net.feature_info:
        for module in path.get(stage["module"], (net.get_submodule(stage["module"]),)):
            maps = module(maps)
        assert maps.shape[1] == stage["num_chs"]
        assert maps.shape[3] == maps.shape[4] == 64 // stage["reduction"]
    assert net.num_features == maps.shape[1] == 128


def test_initialisation():
    torch.manual_seed(0)
    net = P3D(classes=400, layers=(1, 1, 1, 1), width=32)
    fan_out = 3 * 128
    assert net.layer3[0].conv_t.weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.05)
    assert net.fc.weight.std().item() == pytest.approx(0.001, rel=0.05)
    assert net.fc.bias.abs().max() == 0


def test_compiles_and_trains():
    torch.manual_seed(0)
    net = P3D(classes=5, layers=(1, 1, 1, 1), width=4, dropout=0.0)
    x = torch.randn(2, 3, 5, 20, 20)
    torch._dynamo.reset()
    compiled = torch.compile(net, fullgraph=True, backend="eager")
    expected = copy.deepcopy(net)(x)
    out = compiled(x)
    torch.testing.assert_close(out, expected)
    out.logsumexp(dim=1).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
    assert net.conv1.weight.grad.abs().sum() > 0


def test_channels_last_and_dropout():
    torch.manual_seed(0)
    net = P3D(**SMALL, dropout=0.9).eval()
    x = torch.randn(2, 3, 4, 16, 16)
    expected = net(x)
    net.to(memory_format=torch.channels_last_3d)
    torch.testing.assert_close(net(x.contiguous(memory_format=torch.channels_last_3d)), expected)
    features = torch.ones(1, 128, 1, 1, 1)
    net.train()
    assert not torch.equal(net.forward_head(features), net.forward_head(features))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth": 101}, "depth=101: 50 and 152 are possible"),
        ({"layers": (3, 4, 6)}, r"layers=\(3, 4, 6\)"),
        ({"layers": (3, 0, 6, 3)}, r"layers=\(3, 0, 6, 3\)"),
        ({"classes": 0}, "classes=0"),
        ({"in_channels": 0}, "in_channels=0"),
        ({"width": 0}, "width=0"),
        ({"dropout": 1.0}, "dropout=1.0"),
    ],
)
def test_impossible_sizes_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        P3D(**{"classes": 5, **arguments})


def test_wrong_clips_and_variants_are_refused():
    for shape in ((2, 3, 16, 16), (2, 10, 4, 16, 16), (2, 3, 4, 2, 16)):
        with pytest.raises(InputError, match=r"\(B, C, T, H, W\) with C = 3"):
            P3D(**SMALL)(torch.zeros(shape))
    with pytest.raises(InputError, match="variant 'D'"):
        P3DBlock(in_channels=4, inner=2, variant="D")
