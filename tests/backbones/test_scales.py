"""Networks cut where frames are merged: their sizes, their places, and the same scores as without the cut."""

import copy
import re

import pytest
import torch
from cut_networks import RESNET, inception_resnet, resnet, vgg
from random_weights import noise, randomise
from torch import nn

from videoattn.backbones.bn_inception import BNInception
from videoattn.backbones.scaled_inception import (
    ScaledBNInception,
    ScaledInceptionResNet,
    scaled_bn_inception,
    scaled_inception_resnet_v2,
)
from videoattn.backbones.scaled_vgg import ScaledVGG, scaled_vgg16
from videoattn.backbones.scales import ScaledResNet, scaled_resnet
from videoattn.backbones.tsn import FrameNetwork
from videoattn.errors import InputError
from videoattn.layers.temporal_shift import add_temporal_shift
from videoattn.reporting.cost import parameters

FULL = {
    "vgg": (scaled_vgg16, ("conv3_3", "conv4_3", "conv5_3")),
    "bn": (scaled_bn_inception, ("inception-3b", "inception-4d", "inception-5b")),
    "irv2": (scaled_inception_resnet_v2, ("Block A", "Block B", "Block C")),
    "resnet": (scaled_resnet, ("layer2", "layer3", "layer4")),
}


@pytest.fixture(scope="module")
def networks() -> dict[str, tuple[type, nn.Module, torch.Tensor, dict[str, str]]]:
    """Class, plain network, images, and of some places the module whose input is the map, "" for its output."""
    torch.manual_seed(0)
    bn = BNInception(classes=5).eval()
    tails = ("3a", "3c", "4d", "4e", "5b")
    return {
        "vgg": (
            ScaledVGG,
            vgg(),
            noise(2, 3, 32, 48),
            {"conv1_1": "features.1", "conv2_2": "features.8", "conv3_2": "features.13", "conv3_3": "features.15"},
        ),
        "bn": (
            ScaledBNInception,
            randomise(bn),
            noise(2, 3, 63, 64),
            {f"inception-{name}": f"inception_{name}.relu" for name in tails},
        ),
        "irv2": (
            ScaledInceptionResNet,
            inception_resnet(),
            noise(2, 3, 107, 110).float(),
            {
                "Conv2d_4a_3x3": "conv2d_4a.bn.act",
                "Block A": "repeat.1.act",
                "Block B": "repeat_1.1.act",
                "Block C": "conv2d_7b",
                "Fully Connected": "classif",
            },
        ),
        "resnet": (ScaledResNet, resnet().network, noise(2, 3, 64, 33), {"layer1": "layer2", "layer3": "layer4"}),
    }


@pytest.mark.parametrize(
    ("name", "classes", "total"),
    [
        ("vgg", 1000, 138_357_544),
        ("irv2", 1000, 55_843_464),
        ("bn", 1000, 11_295_240),
        ("resnet", 1000, 25_557_032),
        ("vgg", 101, 138_357_544 - 899 * 4097),
    ],
)
def test_size(name, classes, total):
    with torch.device("meta"):
        build, scales = FULL[name]
        network = build(classes=classes)
        assert parameters(network) == total
        assert network.scales == scales
        first = next(p for p in network.parameters())
        assert parameters(build(classes=classes, in_channels=10)) == total + first.numel() // 3 * 7


@pytest.mark.parametrize(
    ("name", "side", "expected"),
    [
        (
            "vgg",
            224,
            {
                "conv3_3": (256, 56),
                "pool3": (256, 28),
                "conv4_3": (512, 28),
                "pool4": (512, 14),
                "conv5_3": (512, 14),
                "pool5": (512, 7),
            },
        ),
        (
            "bn",
            224,
            {
                "inception-3b": (320, 28),
                "inception-3c": (576, 14),
                "inception-4d": (608, 14),
                "inception-4e": (1056, 7),
                "inception-5b": (1024, 7),
            },
        ),
        (
            "irv2",
            299,
            {
                "Conv2d_4a_3x3": (192, 71),
                "Block A": (320, 35),
                "Block B": (1088, 17),
                "Block C": (2080, 8),
                "Fully Connected": (1536, 1),
            },
        ),
        ("resnet", 224, {"layer1": (256, 56), "layer2": (512, 28), "layer3": (1024, 14), "layer4": (2048, 7)}),
    ],
)
def test_shapes_at_full_size(name, side, expected):
    with torch.device("meta"):
        network = FULL[name][0](classes=5, scales=tuple(expected))
    assert network.shapes((side, side)) == tuple((c, (n, n)) for c, n in expected.values())
    assert network.training
    assert not any(p.grad_fn for p in network.parameters())


@pytest.mark.parametrize("name", FULL)
def test_maps_are_those_of_the_plain_network(networks, name):
    build, plain, images, places = networks[name]
    expected = {}
    handles = [
        plain.get_submodule(path).register_forward_pre_hook(
            lambda module, inputs, place=place: expected.update({place: inputs[0].clone()})
        )
        for place, path in places.items()
    ]
    with torch.no_grad():
        scores = plain(images)
        for handle in handles:
            handle.remove()
        network = build(copy.deepcopy(plain), scales=tuple(places))
        found = network.maps(images)
        torch.testing.assert_close(network.head(found[-1]), scores)
        torch.testing.assert_close(network(images), scores)
    assert len(found) == len(places)
    for place, x in zip(places, found, strict=True):
        torch.testing.assert_close(
            x, expected[place].reshape(x.shape), msg=lambda text, place=place: f"{place}: {text}"
        )
        assert x.std() > 0
        assert bool((x < 0).any()) is (place not in ("layer1", "layer3", "Fully Connected"))


@pytest.mark.parametrize("name", FULL)
def test_every_place_can_be_the_top_and_keeps_its_map(networks, name):
    build, plain, images, _ = networks[name]
    plain = copy.deepcopy(plain)
    with torch.no_grad():
        scores = plain(images)
        network = build(plain, scales=[n for n, _ in build(plain, scales=[first(build, plain)]).path() if n])
        places, maps = network.scales, network.maps(images)
        copies = [x.clone() for x in maps]
        for place, x in list(zip(places, maps, strict=True)):
            torch.testing.assert_close(build(network.network, scales=[place]).head(x), scores)
        for x, kept in zip(maps, copies, strict=True):
            torch.testing.assert_close(x, kept, rtol=0, atol=0)


def first(build: type, network: nn.Module) -> str:
    """The first place of a network, as the refusal of no scales lists them."""
    with pytest.raises(InputError) as error:
        build(network, scales=())
    return re.search(r"is expected of ([^,]+),", str(error.value))[1]


def test_a_pool_before_its_relu_is_the_pool():
    network, images = ScaledVGG(vgg(), scales=("conv2_2", "pool2")), noise(2, 3, 32, 32)
    convolved, pooled = network.maps(images)
    torch.testing.assert_close(pooled, torch.max_pool2d(convolved, 2))
    torch.testing.assert_close(pooled.relu(), network.network.features[:10](images))


def test_shifts_know_the_clips():
    network, plain, images = resnet(shift=True), resnet().network, noise(6, 3, 64, 64)
    expected = FrameNetwork(add_temporal_shift(plain, frames=3), frames=3)
    clips = images.unflatten(0, (2, 3)).transpose(1, 2)
    scores = network.head(network.maps(images, frames=3)[-1], frames=3)
    torch.testing.assert_close(scores.unflatten(0, (2, 3)).mean(1), expected(clips))
    single = network.maps(images)[0]
    assert not torch.allclose(single, network.maps(images, frames=3)[0])
    torch.testing.assert_close(single[1:2], network.maps(images[1:2])[0])
    below = ScaledResNet(network.network, scales=("layer2",))
    top = below.maps(images, frames=3)[0]
    merged = top.unflatten(0, (2, 3)).mean(1)
    assert below.head(merged).shape == (2, 5)  # layers behind the top see clips of one frame
    with pytest.raises(InputError, match="frames=0: a clip has at least 1"):
        network.maps(images, frames=0)
    with pytest.raises(InputError, match="T = 4 is expected"):
        network.maps(images, frames=4)


@pytest.mark.parametrize(
    ("scales", "says"),
    [
        ((), r"scales=\(\): at least one is expected of layer1, layer2, layer3, layer4, each once, in this order"),
        (("layer5",), "'layer5'"),
        (("layer3", "layer2"), r"\('layer3', 'layer2'\): .* in this order"),
        (("layer2", "layer2"), "each once"),
    ],
)
def test_wrong_scales_are_refused(scales, says):
    with pytest.raises(InputError, match=says):
        scaled_resnet("resnet18", classes=2, scales=scales, **RESNET)


def test_wrong_images_are_refused():
    for shape in ((1, 4, 64, 64), (3, 64, 64)):
        with pytest.raises(InputError, match=r"the images have shape .*; \(N, 3, H, W\) is expected"):
            resnet().maps(torch.zeros(shape))
    with torch.device("meta"):
        network = scaled_vgg16(classes=2), scaled_bn_inception(classes=2)
    with pytest.raises(InputError, match=r"size=\(8, 8\): VGG cannot take it"):
        network[0].shapes((8, 8))
    with pytest.raises(InputError, match=r"have shape \(1, 3, 48, 48\)"):
        network[1].shapes((48, 48))


def test_without_the_max_pool_maps_are_twice_as_large():
    options = {"classes": 2, "scales": ("layer1",), "channels": (8, 8, 8, 8), "layers": (1, 1, 1, 1), "stem_width": 4}
    found = [scaled_resnet("resnet18", **options, pool=pool).shapes((32, 32))[0].size for pool in (True, False)]
    assert found == [(8, 8), (16, 16)]
