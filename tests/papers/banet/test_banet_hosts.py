"""Attention before and after around other networks of timm: which parts are theirs, and what is refused."""

import importlib.util
from dataclasses import replace

import pytest
import torch

from videoattn.backbones.hosts import host
from videoattn.engine.protocol import IMAGENET, Start
from videoattn.errors import InputError
from videoattn.layers.non_local import NonLocalBlock
from videoattn.papers.banet.cascade import CascadedAttention
from videoattn.papers.banet.experiments import CHECK, PAPER, PROFILES, VARIANTS, build, hosted, sampled
from videoattn.weights.offline import HOST, PACKAGE

SMALL = "test_efficientnet"


@pytest.mark.parametrize("name", ["check", "full", "paper"])
def test_all_jobs_have_another_host(name):
    profile = PROFILES[name]
    found = hosted(profile, SMALL)
    assert (found.backbone, found.jobs) == (SMALL, profile.jobs)
    assert replace(found, seeds=profile.seeds + 1).seeds == profile.seeds + 1
    assert {key: value for key, value in vars(found).items() if key != "backbone"} == vars(profile)


@pytest.mark.parametrize("name", [HOST, "resnet18", "convnext_tiny", "mobilenetv3_large_100"])
@pytest.mark.parametrize(
    ("own", "jobs", "channels", "last"),
    [(CHECK, ("lite-both", "eco-nl"), CHECK.widths[-1], 16), (PAPER, ("lite-all", "eco-learned-perturbed"), 96, 512)],
    ids=["check", "paper"],
)
def test_networks_of_the_jobs(name, own, jobs, channels, last):
    """The 3D part is the profile's; around it are the choice of frames, the host, and attention over its maps."""
    profile = hosted(own, name)
    for job in jobs:
        variant = VARIANTS[job]
        with torch.device("meta"):
            network = build(variant, profile, classes=4).eval()
            size = profile.clips.size
            clip = torch.empty(1, 3, sampled(variant, profile), size, size)
            maps, side = network.eco.frames(clip)
            assert maps.shape == (1, channels, clip.shape[2], size // 8, size // 8)
            assert (side is not None) == variant.full
            assert network({"rgb": clip})["rgb"].shape == (1, 4)
        features = side.shape[-1] if variant.full else 0
        assert network.eco.fc.in_features == last + features
        after = NonLocalBlock if variant.non_local else CascadedAttention if variant.order else torch.nn.Identity
        assert type(network.eco.attention) is after


def test_imagenet_weights_load_into_the_host_of_small_networks_too():
    if importlib.util.find_spec(PACKAGE) is None:
        pytest.skip("weights are not installed")
    plain = host(HOST, classes=4, pretrained=True).state_dict()
    network = build(VARIANTS["eco-cs"], hosted(CHECK, HOST), classes=4, start=Start(IMAGENET))
    found = {k.partition(".host.")[2]: v for k, v in network.eco.state_dict().items() if ".host." in k}
    assert found.keys() == {key for key in plain if not key.startswith("classifier.")}
    assert all(value.equal(plain[key]) for key, value in found.items())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("xception41", "BACKBONE is 'xception41': XceptionAligned does not apply its modules one after the other"),
        ("vit_tiny_patch16_224", "BACKBONE is 'vit_tiny_patch16_224': VisionTransformer has no maps of 1/4"),
        ("tf_efficientnet_lite", "BACKBONE is 'tf_efficientnet_lite': timm has no network"),
    ],
)
def test_what_cannot_be_a_host_is_refused(study_of, name, text):
    with pytest.raises(InputError, match=text):
        study_of("banet", BACKBONE=name)


def test_a_study_with_another_host_runs_and_says_so(study_of):
    own = study_of("banet", BACKBONE=SMALL, JOBS="eco-both", STEPS=1)
    record = own.run()
    assert record.complete
    assert (record.recipe["backbone"], record.parameters["BACKBONE"]) == (SMALL, SMALL)
    assert "backbone" not in study_of("banet", JOBS="eco-both").plan
    assert own.network("eco-both", 0).eco.spatial.host.conv_stem.in_channels == 3
