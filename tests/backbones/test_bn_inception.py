"""BN-Inception and the converter of its weights against an interpreter of the released network's layer names."""

import copy
import pickle

import pytest
import torch
import torch.nn.functional as F
from caffe_bn_inception import MODULES, SLIM, Interpreter, layers, random_file
from hypothesis import given, settings
from hypothesis import strategies as st
from random_weights import noise, randomise
from timm.data.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import Tensor, nn

from videoattn.backbones.bn_inception import TABLE, BNInception, Inception
from videoattn.errors import InputError, RunError
from videoattn.reporting.cost import count, parameters
from videoattn.weights.bn_inception import bn_inception_weights


def on_meta(**options) -> BNInception:
    with torch.device("meta"):
        return BNInception(**{"classes": 7, **options})


SHAPES = on_meta().eval()  # without numbers


@pytest.fixture(scope="module")
def public() -> dict[str, Tensor]:
    return random_file()


@pytest.fixture
def write(tmp_path):
    def save(content) -> str:
        torch.save(content, tmp_path / "bn_inception.pth")
        return str(tmp_path / "bn_inception.pth")

    return save


@pytest.mark.parametrize(
    ("table", "slim", "total", "cost"),
    [(MODULES, False, 11_295_240, 2_032_600_064), (SLIM, True, 11_204_936, 2_018_851_840)],
)
def test_size(table, slim, total, cost):
    """11 295 240 is the size of the public ImageNet network."""
    rows, linear = layers(table), 1024 * 1000
    sizes = [before * after * kernel**2 for _, before, after, kernel, _ in rows]
    biases = sum(after for _, _, after, _, _ in rows)
    net = on_meta(classes=1000, slim=slim)
    assert parameters(net) == sum(sizes) + 3 * biases + linear + 1000 == total
    places = [row[-1] for row in rows]
    products = sum(size * n for size, n in zip(sizes, places, strict=True)) + linear
    assert count(net, torch.empty(1, 3, 224, 224)) == products == cost
    assert parameters(on_meta(classes=1000, slim=slim, bias=False)) == total - biases
    assert parameters(on_meta(classes=1000, slim=slim, in_channels=10)) == total + 7 * 64 * 49


@pytest.mark.parametrize(("slim", "late"), [(False, (608, 608, 1056)), (True, (576, 576, 1024))])
def test_maps_at_224(slim, late):
    net, shapes = on_meta(slim=slim), []
    for name in TABLE:
        net.get_submodule(f"inception_{name}").register_forward_hook(lambda m, i, y: shapes.append(tuple(y.shape[1:])))
    assert net.features(torch.empty(2, 3, 224, 224, device="meta")).shape == (2, 1024, 7, 7)
    channels = (256, 320, 576, 576, 576, *late, 1024, 1024)
    sides = (28, 28, 14, 14, 14, 14, 14, 7, 7, 7)
    assert shapes == [(c, n, n) for c, n in zip(channels, sides, strict=True)]
    assert [net.get_submodule(f"inception_{name}").out_channels for name in TABLE] == list(channels)


@pytest.mark.parametrize(("table", "slim"), [(MODULES, False), (SLIM, True)])
def test_network_is_that_of_plain_calls(table, slim, write):
    content = random_file(table, seed=1)
    net = BNInception(classes=7, slim=slim)
    net.load_state_dict(bn_inception_weights(write(content), net, inputs="caffe"))
    net.double().eval()
    weights = {name: tensor.double() for name, tensor in content.items()}
    x, interpreter, before = noise(2, 3, 66, 95), Interpreter(table, weights), []
    for name in TABLE:
        net.get_submodule(f"inception_{name}.relu").register_forward_pre_hook(lambda m, given: before.append(given[0]))
    maps = interpreter(x)
    torch.testing.assert_close(net.features(x), maps)
    for raw, expected in zip(before, interpreter.maps.values(), strict=True):
        assert (raw < 0).any()
        torch.testing.assert_close(raw.relu(), expected)
    assert maps.shape == (2, 1024, 2, 3)
    scores = F.linear(maps.mean(dim=(2, 3)), weights["last_linear.weight"], weights["last_linear.bias"])
    torch.testing.assert_close(net(x), scores)


@pytest.mark.parametrize("name", ["4d", "4e", "5b"])
def test_maps_before_the_last_relu(name):
    net, x = randomise(Inception(in_channels=6, widths=TABLE[name])), noise(2, 6, 4, 6)
    raw = net.before_relu(x)
    torch.testing.assert_close(net(x), raw.clamp(min=0), rtol=0, atol=0)
    branches = (net.branch_one, net.branch_three, net.branch_double, net.branch_pool)
    torch.testing.assert_close(raw, torch.cat([branch(x) for branch in branches if branch], 1), rtol=0, atol=0)
    assert raw.shape[1] == net.out_channels
    convolved = raw[:, :-6] if name == "4e" else raw
    assert 0.3 < (convolved < 0).double().mean() < 0.7


@settings(max_examples=25, deadline=None)
@given(sides=st.lists(st.integers(1, 140) | st.integers(29, 40) | st.integers(61, 72), min_size=2, max_size=2))
def test_frames_that_fit(sides):
    frames = torch.empty(1, 3, *sides, device="meta")
    if all((n % 32 < 7 and n > 30) or n % 32 == 31 for n in sides):
        assert SHAPES.features(frames).shape == (1, 1024, *((n + 1) // 32 for n in sides))
    else:
        with pytest.raises(InputError, match=r"\(N, 3, H, W\) with H and W 32 k - 1 to 32 k \+ 6 with k from 1 on"):
            SHAPES.features(frames)


def test_files_of_all_kinds(public, write):
    expected = bn_inception_weights(write(public), SHAPES, inputs="caffe")
    assert expected.keys() == SHAPES.state_dict().keys()
    name = "inception_4d.branch_double.first.norm.running_var"
    assert torch.equal(expected[name], public["inception_4d_double_3x3_1_bn.running_var"])
    old = {name: tensor[None] if "_bn." in name else tensor for name, tensor in public.items()}
    data_parallel = {f"module.base_model.{name}": tensor for name, tensor in public.items() if "last" not in name}
    data_parallel |= {f"module.new_fc.{entry}": public[f"last_linear.{entry}"] for entry in ("weight", "bias")}
    renamed = {name.replace("last_linear", "fc"): tensor for name, tensor in public.items()}
    for content in (old, data_parallel, renamed, {"epoch": 3, "state_dict": data_parallel}):
        found = bn_inception_weights(write(content), SHAPES, inputs="caffe")
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[key], expected[key]) for key in expected)
    counted = public | {"conv2_3x3_bn.num_batches_tracked": torch.tensor(12)}
    found = bn_inception_weights(write(counted), SHAPES, inputs="caffe")
    assert [found[f"stem.{unit}.norm.num_batches_tracked"].item() for unit in ("conv1", "conv2")] == [0, 12]


def test_the_classifier_may_stay_away(public, write):
    net = BNInception(classes=3)
    with pytest.raises(InputError, match=r"fc.weight has shape \(7, 1024\) instead of \(3, 1024\); fc.bias has"):
        bn_inception_weights(write(public), net)
    before = net.fc.weight.clone()
    found = bn_inception_weights(write(public), net, classifier=False)
    assert net.load_state_dict(found, strict=False).missing_keys == ["fc.weight", "fc.bias"]
    assert torch.equal(net.fc.weight, before)
    headless = {name: tensor for name, tensor in public.items() if not name.startswith("last")}
    assert bn_inception_weights(write(headless), net, classifier=False).keys() == found.keys()
    assert found["stem.conv1.conv.offset"].abs().max() > 0


def test_conversion_to_imagenet_s_colours(public, write):
    """On the same pictures both networks compute the same, at the border too."""
    rgb = torch.rand(2, 3, 20, 23, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    bgr = 255 * rgb.flip(1) - torch.tensor([104.0, 117.0, 128.0])[:, None, None]
    mean, std = (torch.tensor(v, dtype=rgb.dtype)[:, None, None] for v in (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD))
    path = write({name: tensor.double() for name, tensor in public.items()})
    maps = []
    for inputs, x in (("caffe", bgr), ("imagenet", (rgb - mean) / std)):
        net = BNInception(classes=7).double().eval()
        net.load_state_dict(bn_inception_weights(path, net, inputs=inputs))
        maps.append(net.stem.conv1(x))
    torch.testing.assert_close(*maps, rtol=0, atol=1e-10)
    assert maps[0].std() > 1


def test_files_that_do_not_fit(public, write, tmp_path):
    wrong = public | {"conv2_3x3.weight": torch.zeros(192, 64, 5, 5), "inception_3a_5x5.weight": torch.zeros(1)}
    del wrong["inception_5b_pool_proj_bn.bias"]
    message = (
        r"conv2_3x3.weight has shape \(192, 64, 5, 5\) instead of \(192, 64, 3, 3\); "
        r"inception_5b_pool_proj_bn.bias is missing; inception_3a_5x5.weight is unknown$"
    )
    with pytest.raises(InputError, match=message):
        bn_inception_weights(write(wrong), SHAPES)
    with pytest.raises(InputError, match=r"conv1_7x7_s2.weight is missing; .* and \d+ more$"):
        bn_inception_weights(write({"a": torch.zeros(1)}), SHAPES)
    with pytest.raises(InputError, match=r"inception_4c_pool_proj.weight has shape \(128, .*instead of \(96, "):
        bn_inception_weights(write(public), on_meta(slim=True))
    with pytest.raises(InputError, match="unknown inputs 'rgb'; choose from imagenet, caffe"):
        bn_inception_weights(write(public), SHAPES, inputs="rgb")
    with pytest.raises(InputError, match="inputs='imagenet' is for RGB; inputs='caffe' is possible"):
        bn_inception_weights(write(public), on_meta(in_channels=10))
    with pytest.raises(RunError, match=r"there is no file .*absent\.pth: put the weights of BN-Incep"):
        bn_inception_weights(tmp_path / "absent.pth", SHAPES)
    with pytest.raises(RunError, match="holds no state dict"):
        bn_inception_weights(write([1, 2]), SHAPES)
    for content in (b"no weights", pickle.dumps(print, protocol=2)):
        (tmp_path / "text.pth").write_bytes(content)
        with pytest.raises(RunError, match="is no file of tensors"):
            bn_inception_weights(tmp_path / "text.pth", SHAPES)


def test_starts_and_trains():
    torch.manual_seed(0)
    net = BNInception(classes=5)
    assert net.inception_3a.branch_three.reduce.conv.weight.std().item() == pytest.approx(192**-0.5, rel=0.05)
    assert not any(module.bias.any() for module in net.modules() if isinstance(module, nn.Conv2d | nn.Linear))
    net(torch.randn(2, 3, 32, 64)).logsumexp(dim=1).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
    assert net.stem.conv1.conv.weight.grad.abs().sum() > 0


def test_modules_compile():
    torch.manual_seed(0)
    modules = [Inception(in_channels=channels, widths=TABLE[name]) for channels, name in ((8, "3b"), (320, "3c"))]
    net, x = nn.Sequential(*modules), noise(2, 8, 4, 6)
    expected = copy.deepcopy(net.double())(x)
    torch._dynamo.reset()
    torch.testing.assert_close(torch.compile(net, fullgraph=True, backend="eager")(x), expected)


def test_dropout_is_before_the_last_layer():
    net, x = randomise(BNInception(classes=5, dropout=0.5)), noise(1, 3, 32, 32)
    maps = net.features(x)
    net.features, net.training = lambda _: maps, True
    torch.manual_seed(0)
    scores = net(x)
    torch.manual_seed(0)
    torch.testing.assert_close(scores, net.fc(F.dropout(maps.mean(dim=(2, 3)), 0.5)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"classes": 0}, "classes=0: must be at least 1"),
        ({"in_channels": 0}, "in_channels=0: must be at least 1"),
        ({"dropout": 1.0}, r"dropout=1.0: must lie in \[0, 1\)"),
    ],
)
def test_impossible_values_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        on_meta(**arguments)


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 10, 32, 32), (1, 3, 4, 32, 32)])
def test_wrong_frames_are_refused(shape):
    with pytest.raises(InputError, match=r"the frames have shape .*\(N, 3, H, W\)"):
        SHAPES(torch.empty(shape, device="meta"))
