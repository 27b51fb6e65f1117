"""ECO around other networks: by hand from the modules of the host, and the same host with weights."""

import importlib.util

import pytest
import torch
import torch.nn.functional as F
from random_weights import noise, randomise

from videoattn.backbones.eco_host import MAPS, eco_host
from videoattn.backbones.hosts import host
from videoattn.backbones.resnet3d import Resnet3D
from videoattn.errors import InputError
from videoattn.reporting.cost import parameters
from videoattn.weights.offline import HOST, PACKAGE

SMALL = "test_efficientnet"
WIDTHS = (4, 6, 8)


def weights_of(network, plain, part: str) -> None:
    """Put the weights of a part of the network into the plain host, under their own names."""
    state = {
        k.removeprefix(f"{part}.host."): v for k, v in network.state_dict().items() if k.startswith(f"{part}.host.")
    }
    assert not plain.load_state_dict(state, strict=False).unexpected_keys


@pytest.mark.parametrize("full", [False, True])
def test_scores_are_those_of_the_hosts_modules(full):
    torch.manual_seed(0)
    net = randomise(eco_host(SMALL, classes=5, full=full, channels=7, temporal_widths=WIDTHS))
    plain, clip = host(SMALL, classes=5).double().eval(), noise(2, 3, 4, 64, 96)
    for part in ("spatial", "side")[: 1 + full]:
        weights_of(net, plain, part)
    frames = [plain.blocks[:3](plain.bn1(plain.conv_stem(clip[:, :, t]))) for t in range(4)]
    conv, norm = net.spatial.project.conv, net.spatial.project.norm
    assert (conv.kernel_size, conv.in_channels, conv.out_channels) == ((1, 1), 32, 7)
    maps = []
    for frame in frames:
        y = torch.einsum("oc,bchw->bohw", conv.weight[:, :, 0, 0], frame) + conv.bias[:, None, None]
        y = F.batch_norm(y, norm.running_mean, norm.running_var, norm.weight, norm.bias)
        maps.append(y.relu())
    stacked = torch.stack(maps, 2)
    assert stacked.shape == (2, 7, 4, 8, 12)
    found, side = net.frames(clip)
    torch.testing.assert_close(found, stacked)
    pooled = net.temporal(stacked).mean((2, 3, 4))
    if full:
        features = [plain.bn2(plain.conv_head(plain.blocks[3:](frame))).mean((2, 3)) for frame in frames]
        torch.testing.assert_close(side, torch.stack(features, 1))
        pooled = torch.cat([sum(features) / 4, pooled], 1)
    assert (side is None) != full
    torch.testing.assert_close(net(clip), F.linear(pooled, net.fc.weight, net.fc.bias))


@pytest.mark.parametrize(
    ("name", "channels", "features"),
    [(HOST, 40, 1280), ("resnet18", 128, 512), ("convnext_tiny", 192, 768), ("mobilenetv3_large_100", 40, 1280)],
)
def test_all_of_the_host_is_there_once_and_the_3d_part_is_that_of_eco(name, channels, features):
    with torch.device("meta"):
        whole, lite, full = host(name, classes=1), *(eco_host(name, classes=400, full=full) for full in (False, True))
        clip, temporal = torch.empty(1, 3, 4, 224, 224), parameters(Resnet3D())
    project = channels * MAPS + 3 * MAPS  # with a bias, and two of batch norm
    assert parameters(full) == parameters(whole) - (features + 1) + project + temporal + (features + 512 + 1) * 400
    assert parameters(lite) == parameters(lite.spatial.host) + project + temporal + (512 + 1) * 400
    for net in (lite, full):
        maps, side = net.eval().frames(clip)
        assert maps.shape == (1, MAPS, 4, 28, 28)
        assert net(clip).shape == (1, 400)
    assert side.shape == (1, 4, features)


def test_every_parameter_learns():
    torch.manual_seed(0)
    net = eco_host(SMALL, classes=3, full=True, channels=4, temporal_widths=WIDTHS)
    net(torch.randn(2, 3, 4, 64, 64)).logsumexp(1).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
    assert net.spatial.host.conv_stem.weight.grad.abs().sum() > 0
    assert 0.9 < net.spatial.project.conv.weight.std() * 32**0.5 < 1.1  # as the other layers of ECO start


def test_weights_of_an_installed_package_are_in_the_host():
    if importlib.util.find_spec(PACKAGE) is None:
        pytest.skip("weights are not installed")
    torch.manual_seed(0)
    net = eco_host(HOST, classes=3, full=True, temporal_widths=WIDTHS, pretrained=True)
    plain = host(HOST, classes=3, pretrained=True)
    found = {k.partition(".host.")[2]: v for k, v in net.state_dict().items() if ".host." in k}
    expected = {k: v for k, v in plain.state_dict().items() if not k.startswith("classifier.")}
    assert "conv_stem.offset" in expected
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    net, plain = net.double().eval(), plain.double().eval()
    clip = noise(1, 3, 4, 64, 64)
    with torch.no_grad():
        features = [plain.forward_head(plain.forward_features(clip[:, :, t]), pre_logits=True) for t in range(4)]
        torch.testing.assert_close(net.frames(clip)[1], torch.stack(features, 1))


def test_impossible_values_are_refused():
    with torch.device("meta"):
        with pytest.raises(InputError, match="XceptionAligned does not apply its modules one after the other"):
            eco_host("xception41", classes=3)
        with pytest.raises(InputError, match="has no maps of 1/4 of the image's side"):
            eco_host("vit_tiny_patch16_224", classes=3)
        with pytest.raises(InputError, match="classes=0: must be at least 1"):
            eco_host(SMALL, classes=0)
        with pytest.raises(InputError, match=r"the clip has shape \(1, 10, 4, 32, 32\)"):
            eco_host(SMALL, classes=3)(torch.empty(1, 10, 4, 32, 32))
