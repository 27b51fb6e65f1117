"""Fusion by the attention layer: the forward pass by loops, what stands behind, and what a study calls."""

import copy
import math
import pickle
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from random_weights import noise, randomise
from streams import CHANNELS, RESNET, SIZE, backbones, clip
from torch import Tensor
from torch.utils.data import Dataset

from videoattn.backbones.scaled_inception import scaled_bn_inception, scaled_inception_resnet_v2
from videoattn.backbones.scaled_vgg import scaled_vgg16
from videoattn.backbones.scales import scaled_resnet
from videoattn.engine.loop import fit
from videoattn.engine.recipe import Recipe
from videoattn.errors import InputError
from videoattn.papers.istpa.closed_forms import layer_parameters
from videoattn.papers.istpa.fusion import FusedBackbone, JoinedNetwork, load_stream
from videoattn.papers.istpa.losses import interaction_loss, pyramid_loss
from videoattn.papers.istpa.network import MeanNetwork, PyramidNetwork, StreamNetwork
from videoattn.progress import Progress
from videoattn.reporting.cost import parameters

FULL = {
    "vgg": (scaled_vgg16, 224, (256, 512, 512)),
    "bn": (scaled_bn_inception, 224, (320, 608, 1024)),
    "irv2": (scaled_inception_resnet_v2, 299, (320, 1088, 2080)),
    "resnet50": (scaled_resnet, 224, (512, 1024, 2048)),
}


def pyramid(channels=CHANNELS, fusion: str = "product", **options: object) -> PyramidNetwork:
    return randomise(PyramidNetwork(FusedBackbone(backbones(channels=channels, **options)), size=SIZE, fusion=fusion))


def by_loops(network: PyramidNetwork, video: dict[str, Tensor]) -> Tensor:
    """Scores of each clip, from the maps that each stream's own backbone gives for single frames."""
    streams, score = network.backbone.streams, network.attention.score
    found = []
    for b in range(len(video["rgb"])):
        rows = {name: [] for name in streams}  # of each frame, place by place: a vector of each scale
        for name, own in streams.items():
            for t in range(video[name].shape[2]):
                maps = [x[0] for x in own.maps(video[name][b : b + 1, :, t])]
                sizes = [x.shape[1:] for x in maps]
                for j in range(len(maps)):
                    for size in sizes[j + 1 :]:
                        maps[j] = F.adaptive_max_pool2d(maps[j], size)
                height, width = sizes[-1]
                rows[name] += [[x[:, h, w] for x in maps] for h in range(height) for w in range(width)]
        vectors = []  # of each source: those below the tops, stream by stream, then the tops as one
        for sources in zip(*rows.values(), strict=True):
            below = [x for scales in sources for x in scales[:-1]]
            vectors.append([*below, torch.cat([scales[-1] for scales in sources])])
        merged = {name: [] for name in streams}
        for m in range(height * width):
            u = [
                math.prod((s.weight[m] @ x + s.bias[m]).item() for s, x in zip(score, v, strict=True)) for v in vectors
            ]
            e = [math.exp(value - max(u)) for value in u]
            a = [value / math.sqrt(sum(other**2 for other in e)) for value in e]
            for name, own in rows.items():
                merged[name].append(sum(weight * scales[-1] for weight, scales in zip(a, own, strict=True)))
        scores = [own.head(torch.stack(merged[n], 1).view(1, -1, height, width)) for n, own in streams.items()]
        found.append(sum(scores)[0] / len(scores))
    return torch.stack(found)


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("channels", [CHANNELS, {"rgb": 3, "flow": 10, "warped": 4}])
def test_forward_by_loops(frames, channels):
    network, video = pyramid(channels), clip(frames, channels=channels)
    found = JoinedNetwork(network).eval()(video)
    assert set(found) == {"fused"}
    torch.testing.assert_close(found["fused"], by_loops(network, video))


def test_frames_of_all_streams_belong_together():
    network, order = JoinedNetwork(pyramid()).eval(), torch.tensor([2, 0, 1])
    video = clip()
    scores = network(video)["fused"]
    both = {s: x[:, :, order] for s, x in video.items()}
    torch.testing.assert_close(network(both)["fused"], scores)
    assert not torch.allclose(network(video | {"flow": both["flow"]})["fused"], scores)


@pytest.mark.parametrize(
    ("merge", "options"),
    [
        ("scores", {}),
        ("scores", {"shift": True}),
        ("scores", {"shift": True, "scales": ("layer2", "layer3")}),
        ("maps", {"shift": True}),
    ],
)
def test_a_mean_instead_of_attention_is_late_fusion(merge, options):
    streams, video = backbones(**options), clip(4)
    network = randomise(JoinedNetwork(MeanNetwork(FusedBackbone(streams), merge=merge)))
    alone = [MeanNetwork(own, merge=merge)(video[name]) for name, own in streams.items()]
    torch.testing.assert_close(network(video)["fused"], (alone[0] + alone[1]) / 2)
    single = network({s: x[:, :, :1] for s, x in video.items()})["fused"]
    torch.testing.assert_close(single, network.network.backbone(torch.cat([x[:, :, 0] for x in video.values()], 1)))


def test_behind_a_resnet_the_heads_are_one_layer_over_the_channels_of_all():
    fused = randomise(FusedBackbone(backbones()))
    top = noise(2, 24, 2, 2)
    weight = torch.cat([layer.weight for layer in fused.fc], 1) / 2
    expected = F.linear(top.mean((2, 3)), weight, (fused.fc[0].bias + fused.fc[1].bias) / 2)
    torch.testing.assert_close(fused.head(top), expected)


@pytest.mark.parametrize("fusion", ["product", "sum", "max"])
def test_gradients_reach_every_weight_of_all_streams(fusion):
    torch.manual_seed(0)
    streams = backbones(zero_init=False)
    network = JoinedNetwork(PyramidNetwork(FusedBackbone(streams), size=SIZE, fusion=fusion), beta=0.1, gamma=0.1)
    found = network({s: x.float() for s, x in clip(batch=4).items()})
    (F.cross_entropy(found["fused"], torch.tensor([0, 1, 2, 3])) + found["loss"]).backward()
    weights = [p for own in streams.values() for p in own.parameters()]
    weights += [layer.weight for layer in network.network.attention.score]
    assert len(network.network.attention.score) == 5
    assert all(p.grad.isfinite().all() and p.grad.abs().max() > 0 for p in weights)


@pytest.mark.parametrize("form", ["stable", "literal"])
def test_losses_are_of_the_joined_maps(form):
    network, video = pyramid(), clip()
    scores, top, attended = network(torch.cat(list(video.values()), 1), return_attention=True)
    assert top.shape == (2, 24, 3, 2, 2)
    assert (attended.attention.shape, len(attended.scales)) == ((2, 12, 4), 5)
    study = JoinedNetwork(network, beta=0.5, gamma=0.25, form=form, stream="both")
    study.training = True  # the norms keep their statistics
    found = study(video)
    expected = 0.5 * interaction_loss(top, attended.attention, form=form)
    expected = expected + 0.25 * pyramid_loss(attended.attention, attended.scales, frames=3, form=form)
    torch.testing.assert_close(found["loss"], expected)
    torch.testing.assert_close(found["both"], scores)
    assert set(study.eval()(video)) == {"both"}


@pytest.mark.parametrize("name", FULL)
def test_full_size(name):
    build, side, (low, middle, top) = FULL[name]
    with torch.device("meta"):
        streams = {s: build(classes=101, in_channels=c) for s, c in CHANNELS.items()}
        network = PyramidNetwork(FusedBackbone(streams), size=(side, side))
        video = {s: torch.empty(1, c, 2, side, side) for s, c in CHANNELS.items()}
    sizes, channels = network.attention.sizes, network.attention.channels
    assert channels == (low, middle, low, middle, 2 * top)
    assert sizes[:2] == sizes[2:4]
    assert parameters(network) == sum(map(parameters, streams.values())) + layer_parameters(channels, sizes)
    assert JoinedNetwork(network).eval()(video)["fused"].shape == (1, 101)


def test_weights_of_single_streams():
    trained = {s: randomise(StreamNetwork(PyramidNetwork(own, size=SIZE))) for s, own in backbones().items()}
    streams = backbones()
    for name, own in streams.items():
        load_stream(own, trained[name].state_dict())
    network = JoinedNetwork(MeanNetwork(FusedBackbone(streams))).double().eval()
    video = clip(1)
    expected = [trained[s].network.backbone(video[s][:, :, 0]) for s in CHANNELS]
    torch.testing.assert_close(network(video)["fused"], (expected[0] + expected[1]) / 2)
    for wrong in (trained["rgb"].state_dict(), trained["flow"].network.state_dict()):
        with pytest.raises(InputError, match="these are not the weights of a StreamNetwork with this backbone"):
            load_stream(streams["flow"], wrong)


def test_copies_and_state():
    network, video = JoinedNetwork(pyramid()).eval(), clip()
    expected = network(video)["fused"]
    for same in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert torch.equal(same(video)["fused"], expected)
    other = JoinedNetwork(PyramidNetwork(FusedBackbone(backbones()), size=SIZE)).double().eval()
    other.load_state_dict(network.state_dict())
    assert torch.equal(other(video)["fused"], expected)


class Clips(Dataset):
    def __len__(self) -> int:
        return 4

    def __getitem__(self, key: tuple[int, int]) -> tuple[dict[str, Tensor], int]:
        _, i = key
        return {s: x[0].float() for s, x in clip(2, batch=1, seed=i).items()}, i


def test_it_trains_in_the_loop_of_all_studies(tmp_path: Path):
    torch.manual_seed(0)
    network = JoinedNetwork(PyramidNetwork(FusedBackbone(backbones()), size=SIZE), beta=0.1, gamma=0.1)
    before = copy.deepcopy(network.state_dict())
    accelerator, progress = Accelerator(cpu=True), Progress("training", 2, lines=False)
    rows = fit(
        network,
        Clips(),
        Recipe(epochs=2, batch_size=2, lr=0.01),
        stream="fused",
        seed=0,
        path=tmp_path / "checkpoint.pt",
        identity="fused",
        accelerator=accelerator,
        progress=progress,
    )
    assert [row["epoch"] for row in rows] == [1, 2]
    assert all(math.isfinite(row["loss"]) for row in rows)
    changed = {name for name, w in network.state_dict().items() if not torch.equal(w, before[name])}
    assert {f"network.backbone.streams.{s}.network.fc.weight" for s in CHANNELS} <= changed


def test_streams_that_do_not_go_together_are_refused():
    with pytest.raises(InputError, match="streams rgb: at least two are expected"):
        FusedBackbone(backbones(channels={"rgb": 3}))
    wide = scaled_resnet("resnet18", **RESNET | {"channels": (8, 8, 12, 16)}, in_channels=10)
    low = scaled_resnet("resnet18", **RESNET, scales=("layer2", "layer3"), in_channels=10)
    for flow, says in ((wide, "rgb 2 x 2 x 12, flow 2 x 2 x 16"), (low, "rgb 2 x 2 x 12, flow 3 x 4 x 12")):
        fused = FusedBackbone({"rgb": backbones()["rgb"], "flow": flow})
        with pytest.raises(InputError, match=f"top maps of {says}: those of all streams must have one shape"):
            PyramidNetwork(fused, size=SIZE)
        with pytest.raises(InputError, match=f"top maps of {says}"):
            fused(torch.zeros(1, 13, *SIZE))
    with pytest.raises(InputError, match=r"shape \(1, 3, 48, 64\); \(N, 13, H, W\) is expected"):
        FusedBackbone(backbones())(torch.zeros(1, 3, *SIZE))
    with pytest.raises(InputError, match="the backbone is a ScaledResNet; a FusedBackbone or a ReinforcedResNet"):
        JoinedNetwork(MeanNetwork(backbones()["rgb"]))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"flow": (2, 10, 2, 48, 64)}, r"flow \(2, 10, 2, 48, 64\); rgb \(B, 3, K, H, W\), flow \(B, 10, K, H, W\)"),
        ({"flow": (1, 10, 3, 48, 64)}, "with the same B, K, H and W is expected"),
        ({"flow": (2, 10, 3, 48, 48)}, "with the same B, K, H and W is expected"),
        ({"flow": (2, 3, 3, 48, 64)}, "with the same B, K, H and W is expected"),
        ({"rgb": (2, 3, 48, 64)}, r"rgb \(2, 3, 48, 64\), flow"),
        ({"flow": None}, "the clip lacks flow; it holds rgb"),
        ({s: (2, c, 3, 64, 64) for s, c in CHANNELS.items()}, "has frames of 64 x 64; this network was built for"),
        ({s: (2, c, 0, 48, 64) for s, c in CHANNELS.items()}, "K of at least 1 is expected"),
    ],
)
def test_clips_of_the_wrong_shape_are_refused(changed, says):
    video = {s: (2, c, 3, *SIZE) for s, c in CHANNELS.items()} | changed
    with pytest.raises(InputError, match=says):
        JoinedNetwork(pyramid()).eval()({s: torch.zeros(shape) for s, shape in video.items() if shape})
