"""Files of other programs as INIT of the papers' studies, in networks of the paper's layers with few channels."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from caffe_eco import random_eco, scores
from eco_cases import WIDTHS as ECO_WIDTHS
from eco_cases import narrow_eco, narrow_vgg, vgg
from lite0_cases import Lite0
from logit_cases import LAYERS, MEAN, NON_LOCAL, STD, WIDTHS, flow, rgb, unit
from other_programs import AIA, Drawn, ResNet, coloured, gst, mfnet, pixels
from torch import Tensor

from videoattn.engine.experiment import module_of
from videoattn.engine.parameters import check
from videoattn.engine.study import Study, make_study
from videoattn.engine.task import fresh_network
from videoattn.papers import data_sets
from videoattn.weights.offline import HOST

ALL = tuple(f"layer{stage}.{i}" for stage, blocks in enumerate(LAYERS, 1) for i in range(blocks))
CHANGES = {
    "rcca": {"channels": WIDTHS, "layers": LAYERS, "mf_width": 16, "mf_stem": 4, "mf_groups": 4},
    "aia": {"channels": WIDTHS, "layers": LAYERS},
    "cma": {"channels": WIDTHS, "layers": LAYERS},
    "banet": {},
    "istpa": {},
}


def study(
    monkeypatch, tmp_path: Path, paper: str, job: str, state: Mapping[str, Tensor], named: str = "", host: str = ""
) -> Study:
    """The study of `make reproduce PAPER=... PROFILE=paper JOBS=... INIT=...` with a file of these weights."""
    profiles = module_of(paper).PROFILES
    monkeypatch.setitem(profiles, "paper", replace(profiles["paper"], **CHANGES[paper]))
    monkeypatch.setenv("VIDEOATTN_CACHE", str(tmp_path / "cache"))
    torch.save({"epoch": 3, "arch": "resnet50", "state_dict": dict(state)}, tmp_path / "net.pth.tar")
    values = {"PROFILE": "paper", "JOBS": job, "INIT": f"{tmp_path / 'net.pth.tar'}{named}", "RUNS": str(tmp_path)}
    values["BACKBONE"] = host
    return make_study(check(paper, values, data_sets(paper)))


def frames_of(program: str, **parts) -> Callable[[int, Tensor], tuple[Drawn, Tensor]]:
    def file(classes: int, clip: Tensor) -> tuple[Drawn, Tensor]:
        theirs = ResNet(program, widths=WIDTHS, layers=LAYERS, frames=clip.shape[2], classes=classes, **parts)
        return theirs.w, theirs(unit(clip.transpose(1, 2).flatten(0, 1), MEAN, STD))

    return file


def gates(classes: int, clip: Tensor) -> tuple[Drawn, Tensor]:
    file, expected = frames_of("tsn", shifts=ALL, gate=AIA("CinST", "STinC"))(classes, clip)
    return {key.replace(".net.", "."): tensor for key, tensor in file.items()}, expected


def grouped(classes: int, clip: Tensor) -> tuple[Drawn, Tensor]:
    file = Drawn()
    return file, gst(file, unit(clip, MEAN, STD), widths=WIDTHS, layers=LAYERS, classes=classes)


def fibers(classes: int, clip: Tensor) -> tuple[Drawn, Tensor]:
    file, mean, std = Drawn(), (124 / 255, 117 / 255, 104 / 255), [1 / (0.0167 * 255)] * 3
    sizes = {"stem": 4, "width": 16, "groups": 4, "layers": (3, 4, 6, 3)}
    return file, mfnet(file, unit(clip, mean, std), classes=classes, **sizes)


@pytest.mark.parametrize(
    ("paper", "job", "file", "told"),
    [
        ("rcca", "tsm-nl-five", frames_of("tsn", shifts=ALL, non_local=NON_LOCAL), "(tsn)"),
        ("rcca", "tsm-nl-five", frames_of("mmaction2", shifts=ALL, non_local=NON_LOCAL), "(mmaction2)"),
        ("rcca", "mfnet-none", fibers, "(mfnet)"),
        ("aia", "tsm-CinST_STinC", gates, "(aia)"),
        ("aia", "tsn-none", frames_of("tsn"), "(tsn)"),
        ("aia", "gst", grouped, "(gst)"),
    ],
)
def test_clips_are_scored_as_by_the_authors(monkeypatch, tmp_path, paper, job, file, told):
    clip = pixels(2, 3, 8, 64, 64)
    with torch.no_grad():
        state, expected = file({"rcca": 2, "aia": 12}[paper], clip)
        task = study(monkeypatch, tmp_path, paper, job, state).task(job, 0)
        network, report = fresh_network(task)
        found = network.double().eval()({"rgb": rgb(clip)})["rgb"]
    compare(report, told, found, expected)


def test_clips_are_scored_by_another_host_as_by_its_authors(monkeypatch, tmp_path):
    clip, theirs = pixels(1, 3, 8, 64, 57), Lite0(12)
    with torch.no_grad():
        frames = (clip / 255 - 0.5).transpose(1, 2).flatten(0, 1) / 0.5
        expected = theirs(frames).unflatten(0, (1, 8)).mean(1)
        task = study(monkeypatch, tmp_path, "aia", "tsn-none", theirs.w, host=HOST).task("tsn-none", 0)
        network, report = fresh_network(task)
        compare(report, "(lite0)", network.double().eval()({"rgb": rgb(clip)})["rgb"], expected)


def compare(report: str, told: str, found: Tensor, expected: Tensor) -> None:
    assert report.splitlines()[1].endswith(told)
    assert "as initialised" not in report
    assert "not used of the file" not in report
    assert (found - expected).abs().max() < 1e-4 * expected.abs().max()  # weights are in float32 until here


@pytest.mark.parametrize(
    ("program", "prefix", "named", "scaled"),
    [
        ("tsn", "module.", "", lambda q: (q / 255 - 0.5) / 0.226),
        ("tsn", "module.base_model.", ":tsn", lambda q: (q / 255 - 0.5) / 0.226),
        ("mmaction2", "", "", lambda q: (q - 128) / 128),
    ],
)
def test_flow_is_scored_as_by_the_authors(monkeypatch, tmp_path, program, prefix, named, scaled):
    q = pixels(2, 10, 3, 64, 64)
    with torch.no_grad():
        theirs = ResNet(program, widths=WIDTHS, layers=LAYERS, frames=3, classes=8)
        expected = theirs(scaled(q).transpose(1, 2).flatten(0, 1))
        state = {key.removeprefix(prefix): tensor for key, tensor in theirs.w.items()}
        state = {key.replace("module.new_fc", "new_fc"): tensor for key, tensor in state.items()}
        own = study(monkeypatch, tmp_path, "cma", "flow", state, named)
        network, report = fresh_network(own.task("flow", 0))
        found = network.double().eval()({"flow": flow(q)})["flow"]
        compare(report, f"({program})", found, expected)
        if program == "tsn":  # and what starts from that training in turn
            other, _ = fresh_network(own.task("flow", 0))
            other.load_state_dict(network.state_dict())
            assert other.double().eval()({"flow": flow(q)})["flow"].equal(found)


def test_eco_scores_clips_as_in_the_port(monkeypatch, tmp_path):
    def narrow(variant, profile, classes):
        return narrow_eco(full=variant.full, classes=classes)

    monkeypatch.setattr(module_of("banet"), "backbone", narrow)
    file, clip = random_eco(full=False, widths=ECO_WIDTHS, classes=4), pixels(1, 3, 16, 32, 37)
    with torch.no_grad():
        network, report = fresh_network(study(monkeypatch, tmp_path, "banet", "lite-all", file).task("lite-all", 0))
        weights = {name: tensor.double() for name, tensor in file.items()}
        expected = scores(weights, clip.flip(1) - coloured((104, 117, 128), 5), full=False)
        compare(report, "(eco)", network.double().eval()({"rgb": rgb(clip)})["rgb"], expected)


def test_vgg_scores_pictures_as_torchvisions(monkeypatch, tmp_path):
    def narrow(scales, pretrained, classes, in_channels, dropout):
        return narrow_vgg(classes=classes, scales=scales).float()

    monkeypatch.setattr(module_of("istpa"), "scaled_vgg16", narrow)
    file, clip = Drawn(), pixels(2, 3, 1, 224, 224)
    with torch.no_grad():
        expected = vgg(file, unit(clip[:, :, 0], MEAN, STD), classes=8)
        network, report = fresh_network(study(monkeypatch, tmp_path, "istpa", "vgg-mean", file).task("vgg-mean", 0))
        compare(report, "(vgg)", network.double().eval()({"rgb": rgb(clip)})["rgb"], expected)
