"""Networks that merge frames: what they compute, for any number of frames, and what the losses get to see."""

import copy
import pickle

import pytest
import torch
from random_weights import noise, randomise
from torch import nn

from videoattn.backbones.scaled_inception import scaled_bn_inception, scaled_inception_resnet_v2
from videoattn.backbones.scaled_vgg import scaled_vgg16
from videoattn.backbones.scales import scaled_resnet
from videoattn.backbones.tsn import tsn
from videoattn.errors import InputError
from videoattn.papers.istpa.closed_forms import layer_multiply_adds, layer_parameters
from videoattn.papers.istpa.losses import interaction_loss, pyramid_loss
from videoattn.papers.istpa.network import MeanNetwork, PyramidNetwork, StreamNetwork
from videoattn.reporting.cost import count, parameters

RESNET = {"classes": 5, "channels": (8, 8, 16, 16), "stem_width": 4, "layers": (1, 1, 1, 1)}
SIZE = (48, 64)
FULL = {
    "vgg": (scaled_vgg16, {}, 224),
    "vgg-pools": (scaled_vgg16, {"scales": ("pool3", "pool4", "pool5")}, 224),
    "bn": (scaled_bn_inception, {}, 224),
    "bn-flow": (scaled_bn_inception, {"in_channels": 10, "dropout": 0.7}, 224),
    "irv2": (scaled_inception_resnet_v2, {}, 299),
    "irv2-fc": (scaled_inception_resnet_v2, {"scales": ("Fully Connected",)}, 299),
    "resnet": (scaled_resnet, {"shift": True}, 224),
}


def backbone(**options: object):
    torch.manual_seed(0)
    return scaled_resnet("resnet18", **RESNET, **options)


def pyramid(*, normalise: str = "l2", fusion: str = "product", **options: object) -> PyramidNetwork:
    return randomise(PyramidNetwork(backbone(**options), size=SIZE, normalise=normalise, fusion=fusion))


def clip(frames: int = 3, batch: int = 2, channels: int = 3, seed: int = 1) -> torch.Tensor:
    return noise(batch, channels, frames, *SIZE, seed=seed)


@pytest.mark.parametrize("frames", [1, 2, 5])
@pytest.mark.parametrize("fusion", ["product", "sum", "max"])
def test_it_is_attention_between_the_two_halves_of_the_backbone(frames, fusion):
    network, video = pyramid(fusion=fusion), clip(frames)
    single = [network.backbone.maps(video[:, :, k]) for k in range(frames)]
    maps = [torch.stack(scale, 2) for scale in zip(*single, strict=True)]
    merged, expected = network.attention(maps, return_attention=True)
    scores, top, found = network(video, return_attention=True)
    torch.testing.assert_close(scores, network.backbone.head(merged[:, :, 0]))
    torch.testing.assert_close(top, maps[-1])
    torch.testing.assert_close(found.attention, expected.attention)
    torch.testing.assert_close(network(video), scores, rtol=0, atol=0)
    assert top.shape == (2, 16, frames, 2, 2)
    assert found.attention.shape == (2, frames * 4, 4)
    assert scores.shape == (2, 5)


def test_frames_that_are_all_the_same():
    """A weighted mean of them is one of them; with unit columns there is a factor sqrt(K)."""
    still = clip(1)
    for normalise, factor in (("l1", 1), ("l2", 7**0.5)):
        network = pyramid(normalise=normalise)
        _, one, single = network(still, return_attention=True)
        _, top, seven = network(still.expand(-1, -1, 7, -1, -1), return_attention=True)
        expected = one.flatten(2) @ single.attention
        torch.testing.assert_close(top.flatten(2) @ seven.attention, factor * expected)
    network = pyramid(normalise="l1")
    torch.testing.assert_close(network(still.expand(-1, -1, 7, -1, -1)), network(still))


def test_frames_count_in_no_order_but_in_a_network_with_shifts():
    video, order = clip(5), torch.tensor([3, 0, 4, 2, 1])
    for shift in (False, True):
        network = pyramid(shift=shift)
        assert torch.allclose(network(video), network(video[:, :, order])) is not shift


def test_shifts_stay_within_a_clip_of_any_length():
    network = pyramid(shift=True)
    for frames in (4, 1, 3):
        video = clip(frames)
        torch.testing.assert_close(network(video), torch.cat([network(one[None]) for one in video]))
    below = pyramid(shift=True, scales=("layer1", "layer3"))
    torch.testing.assert_close(below(clip(4)), torch.cat([below(one[None]) for one in clip(4)]))


def test_other_resolutions_are_refused_before_the_backbone_runs():
    network = pyramid()
    network.backbone.network.conv1.register_forward_pre_hook(lambda module, inputs: pytest.fail("it ran"))
    with pytest.raises(InputError, match="has frames of 64 x 64; this network was built for 48 x 64"):
        network(noise(1, 3, 2, 64, 64))
    for shape in ((1, 3, 48, 64), (1, 10, 2, 48, 64), (1, 3, 0, 48, 64)):
        with pytest.raises(
            InputError, match=r"the clip has shape .*\(B, 3, K, H, W\) with K of at least 1 is expected"
        ):
            network(torch.zeros(shape))


@pytest.mark.parametrize("name", FULL)
def test_full_size(name):
    build, options, side = FULL[name]
    with torch.device("meta"):
        plain = build(classes=101, **options)
        network = PyramidNetwork(plain, size=(side, side))
        video = torch.empty(2, plain.in_channels, 3, side, side)
    shapes = plain.shapes((side, side))
    channels, sizes = [s.channels for s in shapes], [s.size for s in shapes]
    assert parameters(network) == parameters(plain) + layer_parameters(channels, sizes)
    scores, top, attended = network.eval()(video, return_attention=True)
    n = sizes[-1][0] * sizes[-1][1]
    assert scores.shape == (2, 101)
    assert top.shape == (2, channels[-1], 3, *sizes[-1])
    assert [y.shape for y in (attended.attention, *attended.scales)] == [(2, 3 * n, n)] * (1 + len(shapes))
    if name == "bn":  # all but the last layer runs for each of 3 frames
        cost = layer_multiply_adds(channels, sizes, frames=3)
        assert count(network, video[:1]) == 3 * count(plain, video[:1, :, 0]) - 2 * 1024 * 101 + cost


@pytest.mark.parametrize("options", [{}, {"in_channels": 10}, {"shift": True}, {"scales": ("layer1", "layer2")}])
def test_every_weight_learns(options):
    torch.manual_seed(0)
    network = PyramidNetwork(backbone(zero_init=False, **options), size=SIZE)
    video = torch.randn(4, options.get("in_channels", 3), 3, *SIZE)
    nn.functional.cross_entropy(network(video), torch.tensor([0, 1, 2, 3])).backward()
    assert len(network.attention.score) == len(options.get("scales", "abc"))
    for layer in network.attention.score:
        assert (layer.weight.grad.abs().sum(1) > 0).all()
    assert all(p.grad.isfinite().all() and p.grad.abs().max() > 0 for p in network.backbone.parameters())


def test_autocast():
    network, video = pyramid().float(), clip().float()
    expected, _, full = network(video, return_attention=True)
    with torch.autocast("cpu", torch.bfloat16):
        scores, top, found = network(video, return_attention=True)
    assert (top.dtype, found.attention.dtype) == (torch.bfloat16, torch.float32)
    torch.testing.assert_close(found.attention, full.attention, rtol=0, atol=0.1)
    torch.testing.assert_close(scores.float(), expected, rtol=0.1, atol=0.1)


def test_copies_and_state():
    network, video = pyramid(shift=True), clip()
    expected = network(video)
    for same in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert torch.equal(same(video), expected)
    other = PyramidNetwork(backbone(shift=True), size=SIZE).double().eval()
    other.load_state_dict(network.state_dict())
    assert torch.equal(other(video), expected)


@pytest.mark.parametrize("shift", [False, True])
def test_a_mean_of_scores_is_that_of_a_segment_network(shift):
    network, video = randomise(MeanNetwork(backbone(shift=shift))), clip(4)
    expected = tsn("resnet18", frames=4, shift=shift, **RESNET).double().eval()
    expected.backbone.load_state_dict(network.backbone.network.state_dict())
    torch.testing.assert_close(network(video), expected(video))
    assert network(clip(1)).shape == (2, 5)
    assert network.fc is network.backbone.network.fc


def test_a_mean_of_maps():
    for scales, same in ((("layer4",), True), (("layer3",), False)):
        scores, maps = (randomise(MeanNetwork(backbone(scales=scales), merge=m)) for m in ("scores", "maps"))
        video = clip(4)
        top = torch.stack([maps.backbone.maps(video[:, :, k])[-1] for k in range(4)])
        torch.testing.assert_close(maps(video), maps.backbone.head((top[0] + top[1] + top[2] + top[3]) / 4))
        assert torch.allclose(maps(video), scores(video)) is same  # behind layer4 all is linear
        torch.testing.assert_close(maps(video[:, :, :1]), maps.backbone(video[:, :, 0]))
    with pytest.raises(InputError, match="unknown merge 'max'; choose from scores, maps"):
        MeanNetwork(backbone(), merge="max")
    with pytest.raises(InputError, match="with K of at least 1 is expected"):
        maps(torch.zeros(2, 3, *SIZE))


@pytest.mark.parametrize("form", ["stable", "literal"])
def test_losses_in_training(form):
    network, video = pyramid(), clip(3)
    scores, top, attended = network(video, return_attention=True)
    first = interaction_loss(top, attended.attention, form=form)
    second = pyramid_loss(attended.attention, attended.scales, frames=3, form=form)
    for beta, gamma in ((0.5, 0.0), (0.0, 0.25), (0.5, 0.25)):
        study = StreamNetwork(network, beta=beta, gamma=gamma, form=form).eval()
        assert set(study({"rgb": video})) == {"rgb"}
        study.training = True  # the norms keep their statistics
        found = study({"rgb": video})
        torch.testing.assert_close(found["rgb"], scores)
        torch.testing.assert_close(found["loss"], beta * first + gamma * second)
    found["loss"].backward()
    assert all(layer.weight.grad.abs().max() > 0 for layer in network.attention.score)
    assert network.fc.weight.grad is None
    assert study.fc is network.fc


def test_streams():
    plain = StreamNetwork(MeanNetwork(backbone())).double().train()
    assert set(plain({"rgb": clip(), "flow": clip(channels=10)})) == {"rgb"}
    flow = StreamNetwork(pyramid(in_channels=10), stream="flow", gamma=0.1, form="literal").train()
    found = flow({"rgb": clip(), "flow": clip(channels=10)})
    assert found["flow"].shape == (2, 5)
    assert found["loss"].isfinite()


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"beta": -1.0}, "beta=-1.0: a finite weight of at least 0"),
        ({"gamma": float("nan")}, "gamma=nan: a finite weight"),
        ({"form": "printed"}, "unknown form 'printed'; choose from stable, literal"),
    ],
)
def test_impossible_weights_are_refused(values, says):
    with pytest.raises(InputError, match=says):
        StreamNetwork(pyramid(), **values)
    with pytest.raises(InputError, match=r"beta=0\.5, gamma=0\.0: a MeanNetwork has no attention"):
        StreamNetwork(MeanNetwork(backbone()), beta=0.5)
