"""Pyramid attention in other networks of timm: scores by hand, which jobs can have one, and what is refused."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from random_weights import noise, randomise
from torch.nn import functional

from videoattn.backbones.scaled_host import ScaledHost
from videoattn.backbones.scales import ScaledResNet
from videoattn.engine.experiment import with_needed
from videoattn.engine.protocol import FROM_SCRATCH
from videoattn.errors import InputError
from videoattn.papers.istpa import experiments
from videoattn.papers.istpa.experiments import CHECK, FULL, PAPER, RESNET, VARIANTS, VIDEOS, build, hosted
from videoattn.papers.istpa.fusion import FusedBackbone
from videoattn.papers.istpa.network import PyramidNetwork
from videoattn.papers.istpa.reinforcement import ReinforcedResNet
from videoattn.papers.istpa.streams import experiments as streams
from videoattn.weights.offline import HOST

SMALL = "test_efficientnet"
SIDES = {"conv2": 16, "conv3": 8, "conv4": 4, "conv5": 2}  # of an image of 64 x 64


def by_hand(network: PyramidNetwork, clip: torch.Tensor, scales: tuple[str, ...]) -> torch.Tensor:
    """The scores of a pyramid of products over a small EfficientNet, frame by frame and place by place."""
    plain, layer, found = network.backbone.network, network.attention, []
    for frame in clip.unbind(2):
        maps, own = plain.bn1(plain.conv_stem(frame)), {}
        for name, block in zip(("", *SIDES), plain.blocks, strict=True):
            own[name] = maps = block(maps)
        found.append([own[name] for name in scales])
    product = 1
    for j, (name, score) in enumerate(zip(scales, layer.score, strict=True)):
        columns = []
        for own in found:
            x = own[j]
            for big, small in pairwise([SIDES[place] for place in scales[j:]]):
                assert x.shape[-1] == big
                x = functional.max_pool2d(x, big // small)
            assert x.shape[-2:] == (2, 2), name
            columns.append(x.flatten(2).mT @ score.weight.T + score.bias)
        product = product * torch.cat(columns, 1)
    weights = functional.normalize(product.softmax(1), dim=1)
    tops = torch.cat([own[-1].flatten(2) for own in found], 2)
    merged = torch.einsum("bcm,bmn->bcn", tops, weights).unflatten(2, (2, 2))
    for block in list(plain.blocks)[list(SIDES).index(scales[-1]) + 2 :]:
        merged = block(merged)
    return plain.classifier(plain.bn2(plain.conv_head(merged)).mean((2, 3)))


@pytest.mark.parametrize(
    ("name", "scales"),
    [
        ("scales-1", ("conv5",)),
        ("both", ("conv3", "conv4", "conv5")),
        ("scales-4", ("conv2", "conv3", "conv4", "conv5")),
    ],
)
def test_scores_are_those_of_the_hosts_modules_around_the_layer(name, scales):
    profile = hosted(CHECK, SMALL)
    profile = replace(profile, clips=replace(profile.clips, size=64, short_side=64))
    network = randomise(build(VARIANTS[name], profile, classes=5))
    assert network.network.backbone.scales == scales
    clip = noise(2, 3, 3, 64, 64)
    torch.testing.assert_close(network({"rgb": clip})["rgb"], by_hand(network.network, clip, scales))


def test_a_pyramid_may_end_below_the_last_stage():
    profile = replace(hosted(CHECK, SMALL), last=0.3)
    for name, scale, size in (("place-2", "conv4", 2), ("place-3", "conv3", 4)):
        torch.manual_seed(0)
        network = build(VARIANTS[name], profile, classes=500).network
        assert (network.backbone.scales, network.attention.sizes) == ((scale,), ((size, size),))
        assert network.fc.weight.std().item() == pytest.approx(0.3, rel=0.05)


def test_the_losses_of_a_top_scale_of_one_place_are_finite():
    torch.manual_seed(0)
    network = build(VARIANTS["both"], hosted(CHECK, SMALL), classes=4).train()
    found = network({"rgb": torch.randn(2, 3, 3, CHECK.clips.size, CHECK.clips.size)})
    assert network.network.attention.sizes[-1] == (1, 1)
    (found["loss"] + found["rgb"].logsumexp(1).sum()).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())


def left_out(found, profile) -> set[str]:
    return set(profile.jobs) - set(found.jobs)


def test_which_jobs_have_another_host():
    own = {"vgg-mean", "vgg-both", "bn-mean", "bn-both"}
    assert left_out(hosted(PAPER, HOST), PAPER) == {*own, "place-0"}
    assert left_out(hosted(PAPER, "resnet34"), PAPER) == {*own, "place-0"}
    assert left_out(hosted(PAPER, "vgg16"), PAPER) == {*own, "place-0", "scales-4"}
    assert left_out(hosted(PAPER, "inception_resnet_v2"), PAPER) == own
    assert hosted(FULL, HOST).jobs == FULL.jobs
    kinetics = replace(PAPER, **RESNET, jobs=("mean", "both", "mean-tsm", "both-tsm"))
    assert hosted(kinetics, HOST).jobs == hosted(kinetics, "resnet18").jobs == kinetics.jobs
    assert hosted(kinetics, "vgg16").jobs == ("mean", "both")
    assert (hosted(FULL, "resnet34").backbone, hosted(FULL, "resnet34").channels) == ("resnet34", None)


def test_frames_have_the_size_of_the_host():
    sizes = {name: hosted(PAPER, name).clips for name in (HOST, "resnet34", "vgg16", "inception_resnet_v2")}
    assert {name: (clips.size, clips.short_side) for name, clips in sizes.items()} == {
        HOST: (224, 256),
        "resnet34": (224, 256),
        "vgg16": (224, 256),
        "inception_resnet_v2": (299, 340),
    }
    small = replace(PAPER, **VIDEOS["quick"])
    assert hosted(small, HOST).clips == small.clips
    assert streams.hosted(streams.PAPER, HOST).snippets == replace(streams.PAPER.snippets, size=224, short_side=256)
    assert streams.hosted(streams.CHECK, HOST).snippets == streams.CHECK.snippets


@pytest.mark.parametrize(
    ("study", "name", "jobs"),
    [
        (experiments, HOST, ("mean-maps", "both")),
        (experiments, "convnext_tiny", ("scales-3",)),
        (experiments, "mobilenetv3_large_100", ("place-2",)),
        (experiments, "resnet18", ("mean", "both")),
        (streams, "mobilenetv3_small_050", ("warped-scales-1", "fused-scales-1")),
        (streams, "resnet18", ("fused-scales-1", "reinforced-scales-1")),
    ],
)
def test_networks_of_the_jobs(study, name, jobs):
    profile = study.hosted(study.CHECK, name)
    size = (profile.clips if study is experiments else profile.snippets).size
    built, kind = {}, ScaledResNet if name == "resnet18" else ScaledHost
    joint = {"fused-scales-1": FusedBackbone, "reinforced-scales-1": ReinforcedResNet}
    with torch.device("meta"):
        clip = {"rgb": torch.empty(2, 3, 3, size, size), "flow": torch.empty(2, 10, 3, size, size)}
        for job in with_needed(jobs, profile, FROM_SCRATCH, study):
            state = lambda earlier: built[earlier].state_dict()  # noqa: E731
            built[job] = study.build(study.VARIANTS[job], profile, classes=3, weights=state).eval()
            (scores,) = built[job](clip).values()
            assert scores.shape == (2, 3), job
            assert type(built[job].network.backbone) is joint.get(job, kind)


def test_which_streams_have_another_host():
    assert left_out(streams.hosted(streams.FULL, HOST), streams.FULL) == {"reinforced-scales-1"}
    assert streams.hosted(streams.FULL, "resnet34").jobs == streams.FULL.jobs
    own = {
        f"{stream}-{net}-{merge}" for stream in ("rgb", "flow") for net in ("vgg", "bn") for merge in ("mean", "both")
    }
    assert left_out(streams.hosted(streams.PAPER, HOST), streams.PAPER) == own


def test_a_fused_network_starts_from_both_hosts():
    profile, states = streams.hosted(streams.CHECK, SMALL), {}
    for stream in ("rgb", "flow"):
        torch.manual_seed(1)
        network = streams.build(streams.VARIANTS[f"{stream}-scales-1"], profile, classes=3)
        states[f"{stream}-scales-1"] = network.state_dict()
    assert states["flow-scales-1"]["network.backbone.network.conv_stem.weight"].shape[1] == 10
    network = streams.build(streams.VARIANTS["fused-scales-1"], profile, classes=3, weights=states.__getitem__)
    for stream, own in network.network.backbone.streams.items():
        for key, value in own.state_dict().items():
            assert value.equal(states[f"{stream}-scales-1"][f"network.backbone.{key}"]), key


@pytest.mark.parametrize(
    ("study", "values", "text"),
    [
        (
            "",
            {"JOBS": "both,vgg-both"},
            "BACKBONE is .*, with which vgg-both cannot be run: name some in JOBS of mean,",
        ),
        ("", {"JOBS": "place-0"}, "with which place-0 cannot be run"),
        ("", {"BACKBONE": "vgg16", "JOBS": "both-tsm"}, "BACKBONE is 'vgg16', with which both-tsm cannot be run"),
        (
            "streams",
            {"JOBS": "mean,reinforced-both"},
            "with which reinforced-both cannot be run: .* rgb-mean, .*, idt$",
        ),
        (
            "",
            {"BACKBONE": "xception41"},
            "BACKBONE is 'xception41': XceptionAligned does not apply its modules one aft",
        ),
        ("", {"BACKBONE": "swin_tiny_patch4_window7_224"}, r"BACKBONE is .*: its conv2 is \(1, 56, 56, 96\)"),
        ("streams", {"BACKBONE": "resnet5x"}, "BACKBONE is 'resnet5x': timm has no network 'resnet5x'; nearest: resne"),
    ],
)
def test_what_cannot_have_a_host_is_refused_by_name(study_of, study, values, text):
    with pytest.raises(InputError, match=text):
        study_of("istpa", study, **{"BACKBONE": HOST} | values)


def test_a_study_with_another_host_runs_and_says_so(study_of):
    own = study_of("istpa", BACKBONE=SMALL, JOBS="both", STEPS=1)
    record = own.run()
    assert record.complete
    assert record.recipe["backbone"] == SMALL
    assert record.parameters["BACKBONE"] == SMALL
    assert isinstance(own.network("both", 0).network.backbone, ScaledHost)
    assert study_of("istpa", JOBS="both", STEPS=1).digest != own.digest
