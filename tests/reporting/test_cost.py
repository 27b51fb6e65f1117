"""Costs against closed forms worked out by hand, on the CPU and on the meta device alike."""

import pytest
import torch
import torch.nn.functional as F
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from videoattn.errors import InputError
from videoattn.layers.attach import attach
from videoattn.layers.meta import on_meta
from videoattn.reporting.cost import CONVENTIONS, Row, breakdown, count, parameters

DEVICES = pytest.mark.parametrize("device", ["cpu", "meta"])


class Function(nn.Module):
    """A function of its inputs as a module without parameters."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *inputs):
        return self.function(*inputs)


def empty(device, *shapes):
    return [torch.zeros(shape, device=device) for shape in shapes]


def costs(module, *inputs):
    return tuple(count(module, *inputs, convention=convention) for convention in CONVENTIONS)


CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}


@DEVICES
def test_convolutions_by_hand(device):
    conv = nn.Conv2d(4, 6, 3, stride=2, padding=1, bias=False, device=device)  # 8 x 10 -> 4 x 5
    macs = 2 * (4 * 5) * 6 * 4 * 9
    assert costs(conv, *empty(device, (2, 4, 8, 10))) == (macs, 2 * macs, macs)
    conv = nn.Conv3d(8, 12, (3, 1, 5), stride=(1, 2, 1), padding=(1, 0, 0), groups=4, device=device)
    outputs = 1 * 12 * (6 * 4 * 5)  # 6 x 7 x 9 -> 6 x 4 x 5
    macs = outputs * (8 // 4) * 15
    assert costs(conv, *empty(device, (1, 8, 6, 7, 9))) == (macs, 2 * macs, macs + outputs)
    depthwise = nn.Conv1d(5, 5, 3, groups=5, device=device)
    assert costs(depthwise, *empty(device, (1, 5, 9))) == (105, 210, 105 + 35)


@settings(max_examples=60, deadline=None)
@given(
    dims=st.integers(1, 3),
    batch=st.integers(1, 3),
    groups=st.integers(1, 3),
    per_group=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    kernel=st.integers(1, 4),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    dilation=st.integers(1, 2),
    bias=st.booleans(),
    transposed=st.booleans(),
    size=st.integers(7, 10),
)
def test_convolutions_of_any_shape(
    dims, batch, groups, per_group, kernel, stride, padding, dilation, bias, transposed, size
):
    kind = (TRANSPOSED if transposed else CONVOLUTIONS)[dims]
    cin, cout = (groups * n for n in per_group)
    arguments = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups, "bias": bias}
    conv = kind(cin, cout, kernel, **arguments, device="meta")
    extent = dilation * (kernel - 1) + 1
    side = (size - 1) * stride - 2 * padding + extent if transposed else (size + 2 * padding - extent) // stride + 1
    # Every weight meets every output (of a transposed convolution: every input) position of its group.
    macs = batch * (size if transposed else side) ** dims * (cin // groups) * cout * kernel**dims
    inputs = torch.empty(batch, cin, *(size,) * dims)
    assert conv(inputs.to("meta")).shape == (batch, cout, *(side,) * dims)
    assert count(conv, inputs) == macs
    assert count(conv, inputs, convention="flops-2") == 2 * macs
    by_output = batch * cout * side**dims * (cin // groups * kernel**dims + bias)
    assert count(conv, inputs, convention="thop-2020") == by_output


@DEVICES
def test_linear_and_products_by_hand(device):
    linear = nn.Linear(7, 5, device=device)
    assert costs(linear, *empty(device, (3, 4, 7))) == (420, 840, 420)
    assert costs(linear, *empty(device, (7,))) == (35, 70, 35)
    assert costs(Function(torch.bmm), *empty(device, (3, 4, 5), (3, 5, 6))) == (360, 720, 0)
    einsum = Function(lambda q, k: torch.einsum("bhnd,bhmd->bhnm", q, k))
    assert costs(einsum, *empty(device, (2, 3, 4, 5), (2, 3, 6, 5))) == (720, 1440, 0)
    assert costs(Function(torch.matmul), *empty(device, (4, 1, 2, 3), (5, 3, 6))) == (720, 1440, 0)
    assert costs(Function(torch.mv), *empty(device, (4, 5), (5,))) == (20, 40, 0)
    assert all(costs(Function(dot), *empty(device, (5,), (5,))) == (5, 10, 0) for dot in (torch.dot, torch.vdot))
    assert costs(Function(torch.addmv), *empty(device, (4,), (4, 5), (5,))) == (20, 40, 0)
    assert costs(Function(torch.addbmm), *empty(device, (4, 6), (3, 4, 5), (3, 5, 6))) == (360, 720, 0)
    assert costs(Function(torch.Tensor.baddbmm_), *empty(device, (3, 4, 6), (3, 4, 5), (3, 5, 6))) == (360, 720, 0)
    assert costs(Function(torch.Tensor.addmm_), *empty(device, (4, 6), (4, 5), (5, 6))) == (120, 240, 0)


@DEVICES
@pytest.mark.parametrize("values", [8, 6])
@pytest.mark.parametrize("masked", [False, True])
def test_attention_counts_both_products(device, values, masked):
    inputs = empty(device, (2, 4, 10, 8), (2, 4, 12, 8), (2, 4, 12, values))
    mask = torch.zeros(10, 12, device=device) if masked else None
    attention = Function(lambda q, k, v: F.scaled_dot_product_attention(q, k, v, attn_mask=mask))
    macs = 2 * 4 * 10 * 12 * (8 + values)
    assert costs(attention, *inputs) == (macs, 2 * macs, 0)


@DEVICES
def test_fused_transformer_layers_are_seen_through(device):
    layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, device=device)
    n, d = 5, 16
    macs = 2 * (n * d * 3 * d + 2 * n * n * d + n * d * d + 2 * n * d * 32)
    assert count(layer, *empty(device, (2, n, d))) == macs


def test_nothing_for_norms_activations_and_pools():
    net = nn.Sequential(nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.AvgPool2d(2), nn.Softmax(1), nn.Dropout())
    assert count(net, torch.zeros(2, 4, 8, 8)) == 0


def test_thop_rules_by_hand():
    x = torch.zeros(2, 4, 8, 6)
    assert count(nn.BatchNorm2d(4), x, convention="thop-2020") == 2 * x.numel()
    assert count(nn.AvgPool2d(2), x, convention="thop-2020") == 2 * 4 * 4 * 3
    assert count(nn.AdaptiveAvgPool2d(1), x, convention="thop-2020") == 2 * 4 * (48 + 1)
    assert count(nn.AdaptiveAvgPool2d((4, 3)), x, convention="thop-2020") == 2 * 4 * 12 * (4 + 1)
    silent = nn.Sequential(nn.ReLU(), nn.Sigmoid(), nn.MaxPool2d(2), Function(torch.tanh), nn.Dropout())
    assert count(silent, x, convention="thop-2020") == 0
    video = torch.zeros(1, 4, 2, 3, 5)
    assert count(nn.AdaptiveAvgPool3d(1), video, convention="thop-2020") == 4 * (30 + 1)


def test_resnet50():
    with torch.device("meta"):
        net = torchvision.models.resnet50()
    x = torch.empty(1, 3, 224, 224)
    assert parameters(net) == 25_557_032
    assert count(net, x) == 4_089_184_256
    assert count(net, x, convention="flops-2") == 8_178_368_512
    assert count(net, x, convention="thop-2020") == 4_111_514_624


def test_counting_leaves_no_trace():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.ReLU())
    net[1].eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    fused = torch.backends.mha.get_fastpath_enabled()
    for convention in CONVENTIONS:
        count(net, torch.randn(2, 3, 8, 8), convention=convention)
        with pytest.raises(RuntimeError):
            count(net, torch.randn(2, 5, 8, 8), convention=convention)
    torch.testing.assert_close(dict(net.state_dict()), before, rtol=0, atol=0)
    assert [m.training for m in net.modules()] == [True, True, False, True, True]
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())
    assert torch.backends.mha.get_fastpath_enabled() == fused


def test_repeated_calls_count_each_time():
    linear = nn.Linear(4, 4)
    net = Function(lambda x: linear(linear(x)))
    net.linear = linear
    assert costs(net, torch.zeros(2, 4)) == (64, 128, 64)
    assert parameters(net) == 20


def test_on_meta_keeps_the_module_and_shares_what_was_shared():
    net = nn.Sequential(nn.Linear(4, 4, bias=False), nn.BatchNorm1d(4), nn.Linear(4, 4, bias=False))
    net[2].weight = net[0].weight
    net[0].weight.requires_grad = False
    twin = on_meta(net)
    assert {t.device.type for t in twin.state_dict().values()} == {"meta"}
    assert {t.device.type for t in net.state_dict().values()} == {"cpu"}
    assert twin[2].weight is twin[0].weight
    assert parameters(twin) == parameters(net) == 16 + 8
    assert parameters(twin, trainable=True) == 8
    x = torch.zeros(2, 4)
    assert costs(twin, x) == costs(net, x) == (64, 128, 64 + 2 * 8)


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("depth", [0, 1, 2, 9])
def test_rows_add_up(convention, depth):
    with torch.device("meta"):
        net = torchvision.models.resnet18()
        attach(net, {"layer3": nn.Conv2d(256, 256, 1)})
    x = torch.empty(2, 3, 64, 64)
    rows = breakdown(net, x, convention=convention, depth=depth)
    assert sum(row.cost for row in rows) == count(net, x, convention=convention)
    assert sum(row.parameters for row in rows) == parameters(net)
    assert max(row.module.count(".") for row in rows) <= max(depth - 1, 0)


def test_rows_by_hand():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.bias = nn.Parameter(torch.zeros(3))
            self.branch = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 3, bias=False))

        def forward(self, x):
            y = x
            for layer in self.branch:  # the branch itself is never called
                y = layer(y)
            return y @ y.mT + self.bias.sum()

    net, x = Net(), torch.zeros(2, 5, 4)
    attach(net, {"branch.0": nn.Linear(3, 3)})
    own = Row("", 3, 2 * 5 * 3 * 5)
    assert breakdown(net, x, depth=0) == [Row("", 39, own.cost + 120 + 90 + 90)]
    assert breakdown(net, x) == [own, Row("branch", 36, 120 + 90 + 90)]
    assert breakdown(net, x, depth=2) == [own, Row("branch.0", 27, 120 + 90), Row("branch.2", 9, 90)]
    rows = [Row("", 3, 300), Row("branch.0", 15, 240), Row("branch.0.attached", 12, 180), Row("branch.2", 9, 180)]
    assert breakdown(net, x, depth=3, convention="flops-2") == rows


def test_attached_blocks_do_not_change_the_cost_of_their_host():
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU())
    attach(net, {"0": nn.Conv2d(4, 8, 1)})
    rows = breakdown(net, torch.zeros(1, 3, 5, 5), convention="thop-2020", depth=2)
    assert rows == [Row("0", 16, 25 * 4 * (3 + 1)), Row("0.attached", 40, 25 * 8 * (4 + 1))]


def test_inputs_go_to_the_device_of_the_module():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 2)

        def forward(self, clip):
            return self.fc(clip["rgb"]) + self.fc(clip["flow"][0])

    clip = {"rgb": torch.zeros(3, 4), "flow": [torch.zeros(3, 4)]}
    assert count(on_meta(Net()), clip) == 48
    assert clip["rgb"].device.type == "cpu"


def test_unknown_convention_and_negative_depth_are_refused():
    for measure in (count, breakdown):
        with pytest.raises(InputError, match="'macs'; choose from multiply-adds, flops-2, thop-2020"):
            measure(nn.Identity(), torch.zeros(1), convention="macs")
    with pytest.raises(InputError, match="depth=-1"):
        breakdown(nn.Identity(), torch.zeros(1), depth=-1)
