"""INIT as a file: what an image network of others gives to each branch, and that it is looked at before any video."""

import functools
from dataclasses import replace

import pytest
import torch

from videoattn.backbones.resnet import resnet
from videoattn.data.flow.cache import FlowCache
from videoattn.data.probes.binding import BindingProbe
from videoattn.engine.task import fresh_network
from videoattn.errors import InputError
from videoattn.papers.cma.experiments import CHECK, PROFILES


@pytest.fixture(scope="module")
def image():
    """A network for images of the profile `check`, in float64."""
    torch.manual_seed(0)
    sizes = {"channels": CHECK.channels, "stem_width": CHECK.stem_width, "layers": CHECK.layers}
    net = resnet(CHECK.backbone, classes=len(CHECK.probe.names), zero_init=False, **sizes)
    for name, value in net.state_dict().items():
        if name.endswith(("running_mean", "running_var", "bias")):
            value += torch.rand_like(value)
    return net.double().eval()


@pytest.fixture
def study(study_of, image, tmp_path):
    torch.save({"state_dict": image.state_dict(), "arch": "resnet18"}, tmp_path / "image.pth")
    return functools.partial(study_of, "cma", INIT=str(tmp_path / "image.pth"), PROFILE="check", SEEDS=1)


def test_rgb_gives_the_scores_of_the_image_network(study, image):
    network, told = fresh_network(study(JOBS="rgb").task("rgb", 0))
    frames = torch.randn(2, 3, 1, 44, 44, dtype=torch.float64)
    with torch.no_grad():
        found = network.double().eval()({"rgb": frames})["rgb"]
        torch.testing.assert_close(found, image(frames[:, :, 0]), rtol=0, atol=1e-10)
    assert "mean" not in told.partition("(plain)")[2]


@pytest.mark.parametrize("job", ["flow", "flow-nl"])
def test_a_stem_of_flow_takes_the_mean_over_rgb_and_says_so(job, study, image):
    """Each of the ten channels is seen as the mean of R, G and B sees: the image network's scores of a grey image whose
    value is a third of their sum."""
    network, told = fresh_network(study(JOBS=job).task(job, 0))
    flow = torch.randn(2, 10, 1, 44, 44, dtype=torch.float64)
    grey = (flow[:, :, 0].sum(1, keepdim=True) / 3).expand(-1, 3, -1, -1)
    with torch.no_grad():
        found = network.double().eval()({"flow": flow})["flow"]
        torch.testing.assert_close(found, image(grey), rtol=0, atol=1e-10)
    stem = "the cross-modality start of TSN, section 3.1: backbone.conv1.0.weight (4, 3, 3, 3) instead of (4, 10, 3, 3)"
    assert f"of RGB, for other channels: each takes the mean of the three kernels, {stem}" in told


@pytest.mark.parametrize(
    ("job", "flow"), [("cma-1", "flow"), ("cma-1-nl", "flow"), ("cma-1-circular", "flow-circular")]
)
def test_the_rgb_branch_of_the_first_iteration_starts_from_the_file(job, flow, study, image):
    own = study(JOBS=job)
    assert own.job(job).after == (flow,)
    before, _ = fresh_network(own.task(flow, 0))
    network, told = fresh_network(own.task(job, 0), {flow: before.state_dict()})
    clip = {"rgb": torch.randn(2, 3, 1, 44, 44), "flow": torch.randn(2, 10, 1, 44, 44)}
    assert "tensors loaded" in told
    state = network.streams["rgb"].state_dict()
    assert all(torch.equal(state[name], value.to(state[name])) for name, value in image.state_dict().items())
    with torch.no_grad():
        scores = network.eval()(clip)["flow"]
        torch.testing.assert_close(scores, before.eval()({"flow": clip["flow"]})["flow"])


def test_a_transfer_takes_all_but_the_last_layer_of_the_file(study, image):
    network, _ = fresh_network(study(JOBS="transfer-rgb").task("transfer-rgb", 0))
    own = network.backbone.state_dict()
    other = {name for name, value in image.state_dict().items() if not torch.equal(own[name], value.to(own[name]))}
    assert other == {"fc.weight", "fc.bias"}


def test_a_file_of_flow_says_whose_it_is_for_a_transfer_too(study_of, image, tmp_path):
    state = dict(image.state_dict())
    state["conv1.0.weight"] = torch.randn(4, 10, 3, 3)
    torch.save(state, tmp_path / "flow.pth")
    for job in ("flow", "transfer-flow"):
        with pytest.raises(InputError, match="do not say how its values are scaled: name its source behind a colon"):
            fresh_network(study_of("cma", INIT=str(tmp_path / "flow.pth"), PROFILE="check", JOBS=job).task(job, 0))
        own = study_of("cma", INIT=f"{tmp_path / 'flow.pth'}:tsn", PROFILE="check", JOBS=job)
        network, _ = fresh_network(own.task(job, 0))
        expected = state["conv1.0.weight"] * 127.5 / (255 * 0.226)
        torch.testing.assert_close(network.backbone.conv1[0].weight.detach(), expected, rtol=1e-5, atol=1e-5)


def test_all_jobs_of_the_paper_from_one_image_network_name_what_it_is_for(study_of, image, tmp_path, monkeypatch):
    """P3D takes no image network: the first of its jobs is named, and the jobs to ask for, before any video is read."""
    narrow = {"channels": CHECK.channels, "stem_width": CHECK.stem_width, "layers": CHECK.layers}
    narrow |= {"backbone": CHECK.backbone, "p3d_layers": CHECK.p3d_layers, "p3d_width": CHECK.p3d_width}
    monkeypatch.setitem(PROFILES, "paper", replace(PROFILES["paper"], **narrow))
    monkeypatch.setattr(FlowCache, "build", None)
    monkeypatch.setattr(BindingProbe, "generate", None)
    torch.save(image.state_dict(), tmp_path / "image.pth")
    given = {"INIT": str(tmp_path / "image.pth"), "PROFILE": "paper", "FLOW": "dis"}
    with pytest.raises(InputError) as refused:
        study_of("cma", **given).run()
    jobs = "rgb,flow,rgb-nl,flow-nl,cma-1,cma-2,cma-3,cma-1-nl"
    assert str(refused.value).startswith(f"p3d-rgb: INIT is {tmp_path / 'image.pth'}: weights of the file have other")
    assert str(refused.value).endswith(f"; JOBS={jobs} runs the trainings that can start so")
    own = study_of("cma", **given, JOBS=jobs)
    own._check_start([own.task(name, 0) for name in jobs.split(",")])


def test_nothing_is_generated_before_all_weights_are_checked(study, monkeypatch):
    monkeypatch.setattr(FlowCache, "build", None)
    monkeypatch.setattr(BindingProbe, "generate", None)
    with pytest.raises(InputError, match=r"^p3d-rgb: INIT is .*: weights of the file have other shapes"):
        study(JOBS="rgb,flow,cma-1,p3d-rgb").run()
    with pytest.raises(InputError, match=r"^transfer-cma-1: the file has 0% of the network's weights"):
        study(JOBS="transfer-rgb,transfer-cma-1").run()
