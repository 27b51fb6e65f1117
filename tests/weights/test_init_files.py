"""Files of other programs as INIT, the whole way: told, scored as by their authors, trained and tested on a folder.

Each row of docs/weights.md is a study of a paper, profile `paper`, for one step; where networks would take long they
have the paper's layers and few channels.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from caffe_bn_inception import Interpreter, random_file
from caffe_eco import PREFIX, random_eco, resnet18_3d, scores
from eco_cases import WIDTHS as ECO_WIDTHS
from eco_cases import narrow_eco, narrow_vgg, vgg
from lite0_cases import Lite0
from logit_cases import GATES, LAYERS, MEAN, NON_LOCAL, STD, WIDTHS, flow, rgb, unit
from other_programs import Drawn, ResNet, coloured, gst, mfnet, pixels
from random_weights import randomise
from test_logits import rows
from torch import Tensor

from videoattn.data.probes.video import write_video
from videoattn.engine.experiment import module_of
from videoattn.engine.parameters import check
from videoattn.engine.study import Study, make_study
from videoattn.engine.task import fresh_network
from videoattn.errors import InputError
from videoattn.locations import repository
from videoattn.papers import data_sets
from videoattn.weights.offline import HOST

ALL = tuple(f"layer{stage}.{i}" for stage, blocks in enumerate(LAYERS, 1) for i in range(blocks))
EVERY_SECOND = tuple(f"layer{stage}.{i}" for stage, n in enumerate((3, 4, 23, 3), 1) for i in range(0, n, 2))
CLASSES = 2
RESNET = {"channels": WIDTHS, "layers": LAYERS}
NARROW = {
    "rcca": RESNET | {"mf_width": 16, "mf_stem": 4, "mf_groups": 4},
    "aia": RESNET,
    "cma": RESNET,
    "banet": {},
    "istpa": {"test_frames": 3, "tested": ()},
}
SMALL = {"size": 32, "short_side": 64}
STILL = 1e-12  # a learning rate

Scored = tuple[Mapping[str, Tensor], Tensor, Mapping[str, Tensor]]  # a file, its scores of a clip, and the clip for us


def over_frames(program: str, *, bare: bool = False, widths=WIDTHS, **parts) -> Scored:
    """A ResNet of TSN's kind; `bare` as in files that do not say where shifts are."""
    clip = pixels(2, 3, 8, 64, 64)
    own = {"layers": LAYERS, "frames": 8, "classes": CLASSES} | parts
    theirs = ResNet(program, widths=widths, **own)
    expected = theirs(unit(clip.transpose(1, 2).flatten(0, 1), MEAN, STD))
    file = {key.replace(".net.", ".") if bare else key: tensor for key, tensor in theirs.w.items()}
    return file, expected, {"rgb": rgb(clip)}


def over_flow(program: str, scaled: Callable[[Tensor], Tensor]) -> Scored:
    q = pixels(2, 10, 3, 64, 64)
    theirs = ResNet(program, widths=WIDTHS, layers=LAYERS, frames=3, classes=CLASSES)
    return theirs.w, theirs(scaled(q).transpose(1, 2).flatten(0, 1)), {"flow": flow(q)}


def clips_of(network: Callable[..., Tensor], mean=MEAN, std=STD, **sizes) -> Scored:
    clip, file = pixels(2, 3, 8, 64, 64), Drawn()
    return file, network(file, unit(clip, mean, std), classes=CLASSES, **sizes), {"rgb": rgb(clip)}


def torchvisions() -> Scored:
    theirs, clip = randomise(torchvision.models.resnet18(num_classes=CLASSES)), pixels(2, 3, 8, 48, 48)
    frames = theirs(unit(clip.transpose(1, 2).flatten(0, 1), MEAN, STD))
    return theirs.state_dict(), frames.unflatten(0, (2, 8)).mean(1), {"rgb": rgb(clip)}


def caffes() -> Scored:
    clip, file = pixels(1, 3, 2, 64, 64), random_file(classes=CLASSES)
    file["conv1_7x7_s2.weight"] /= 50  # for values of that size
    weights = {name: tensor.double() for name, tensor in file.items()}
    maps = Interpreter(weights=weights)(clip[0].transpose(0, 1).flip(1) - coloured((104, 117, 128))).mean((2, 3))
    last = torch.nn.functional.linear(maps, weights["last_linear.weight"], weights["last_linear.bias"])
    return {f"module.{name}": tensor for name, tensor in file.items()}, last.mean(0, keepdim=True), {"rgb": rgb(clip)}


def eco(*, full: bool) -> Scored:
    file, clip = random_eco(full=full, widths=ECO_WIDTHS, classes=CLASSES), pixels(1, 3, 16, 32, 37)
    weights = {name: tensor.double() for name, tensor in file.items()}
    expected = scores(weights, clip.flip(1) - coloured((104, 117, 128), 5), full=full)
    return file, expected, {"rgb": rgb(clip)}


def pictures() -> Scored:
    file, clip = Drawn(), pixels(2, 3, 1, 224, 224)
    expected = vgg(file, unit(clip[:, :, 0], MEAN, STD), classes=CLASSES)
    return file, expected, {"rgb": rgb(clip)}


def lite0() -> Scored:
    clip, theirs = pixels(1, 3, 8, 64, 57), Lite0(CLASSES)
    frames = theirs((clip / 255 - 0.5).transpose(1, 2).flatten(0, 1) / 0.5)
    return theirs.w, frames.unflatten(0, (1, 8)).mean(1), {"rgb": rgb(clip)}


@dataclass(frozen=True)
class Case:
    """A job of a paper, the file that it starts from, BACKBONE, and what is changed of the profile."""

    paper: str
    job: str
    file: Callable[[], Scored]
    host: str = ""
    changes: Mapping[str, object] = field(default_factory=dict)


MFNET = {"mean": (124 / 255, 117 / 255, 104 / 255), "std": [1 / (0.0167 * 255)] * 3}
MFNET |= {"stem": 4, "width": 16, "groups": 4, "layers": (3, 4, 6, 3)}
DEEP = {"backbone": "resnet101", "layers": None}
CASES = {
    "plain: torchvision's ResNet-18": Case("aia", "tsn-none", torchvisions, host="resnet18"),
    "tsn: ResNet, RGB": Case("aia", "tsn-none", lambda: over_frames("tsn")),
    "tsn: ResNet, flow": Case("cma", "flow", lambda: over_flow("tsn", lambda q: (q / 255 - 0.5) / 0.226)),
    "tsn: TSM": Case("rcca", "tsm-none", lambda: over_frames("tsn", shifts=ALL)),
    "tsn: TSM, ResNet-101": Case(
        "rcca", "tsm-none", lambda: over_frames("tsn", layers=(3, 4, 23, 3), shifts=EVERY_SECOND), changes=DEEP
    ),
    "tsn: TSM with non-local blocks": Case(
        "rcca", "tsm-nl-five", lambda: over_frames("tsn", shifts=ALL, non_local=NON_LOCAL)
    ),
    "mmaction2: TSN, RGB": Case("aia", "tsn-none", lambda: over_frames("mmaction2")),
    "mmaction2: TSN, flow": Case("cma", "flow", lambda: over_flow("mmaction2", lambda q: (q - 128) / 128)),
    "mmaction2: TSM": Case("rcca", "tsm-none", lambda: over_frames("mmaction2", shifts=ALL)),
    "mmaction2: TSM with non-local blocks": Case(
        "rcca", "tsm-nl-five", lambda: over_frames("mmaction2", shifts=ALL, non_local=NON_LOCAL)
    ),
    "aia: ten modules on TSN": Case("aia", "tsn-CinST", lambda: over_frames("tsn", gate=GATES["CinST"])),
    "aia: ten modules on TSM": Case(
        "aia", "tsm-CinST_STinC", lambda: over_frames("tsn", shifts=ALL, gate=GATES["CinST->STinC"], bare=True)
    ),
    "bn-inception: RGB": Case("istpa", "bn-mean", caffes),
    "gst: GST": Case("aia", "gst", lambda: clips_of(gst, widths=WIDTHS, layers=LAYERS)),
    "mfnet: MF-Net": Case("rcca", "mfnet-none", lambda: clips_of(mfnet, **MFNET)),
    "eco: ECO-Lite": Case("banet", "lite-all", lambda: eco(full=False)),
    "eco: ECO": Case("banet", "eco-all", lambda: eco(full=True)),
    "vgg: torchvision's VGG": Case("istpa", "vgg-mean", pictures),
    "lite0: EfficientNet-Lite0": Case("aia", "tsn-none", lite0, host=HOST),
}
NOWHERE = {"bn-inception: flow"}  # flow of BN-Inception is in the study of streams, which takes runs alone


@pytest.fixture
def videos(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder; what is found out about its videos is kept beside it."""
    monkeypatch.setenv("VIDEOATTN_CACHE", str(folder.parent / "cache"))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Two classes, each with two videos for training and one for testing."""
    root = tmp_path_factory.mktemp("videos")
    drawn = np.random.default_rng(0).integers(0, 256, (12, 48, 64, 3), np.uint8)
    for name in ("a", "b"):
        for file in (f"train/{name}/1.mp4", f"train/{name}/2.mp4", f"test/{name}/3.mp4"):
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            write_video(root / file, drawn, 25)
    return root


def narrowed(monkeypatch: pytest.MonkeyPatch, paper: str, changes: Mapping[str, object]) -> None:
    """Few channels, small clips, one view of testing and a learning rate of next to nothing in the profile `paper`."""
    experiments = module_of(paper)
    profile = experiments.PROFILES["paper"]
    clips = {name: getattr(profile, name, None) for name in ("clips", "uniform", "dense", "snippets")}
    small = {
        name: replace(own, **SMALL, test_crops=1, test_frames=own.test_frames and 3)
        for name, own in clips.items()
        if own
    }
    recipes = {
        name: replace(getattr(profile, name), lr=STILL, weight_decay=0.0)
        for name in ("recipe", "dense_recipe", "flow_recipe")
        if hasattr(profile, name)
    }
    views = {"views": ()} if hasattr(profile, "views") else {}
    changed = small | recipes | views | NARROW[paper] | changes
    monkeypatch.setitem(experiments.PROFILES, "paper", replace(profile, **changed))
    if paper == "istpa":
        monkeypatch.setitem(experiments.SIDES, "bn_inception", (64, 64))
        monkeypatch.setattr(experiments, "scaled_vgg16", narrow_scaled_vgg)
    if paper == "banet":
        monkeypatch.setattr(experiments, "backbone", narrow_banet)


def narrow_scaled_vgg(*, scales, pretrained, classes, in_channels, dropout):
    return narrow_vgg(classes=classes, scales=scales).float()


def narrow_banet(variant, profile, *, classes, pretrained):
    return narrow_eco(full=variant.full, classes=classes).float()


def study(root: Path, videos: Path, paper: str, job: str, init: str, host: str = "") -> Study:
    """The study of `make reproduce PAPER=... PROFILE=paper DATASET=folder JOBS=... INIT=... STEPS=1`."""
    values = {"PROFILE": "paper", "DATASET": "folder", "DATA": str(videos), "JOBS": job, "INIT": init, "STEPS": "1"}
    values |= {"BACKBONE": host, "RUNS": str(root / "runs"), "WORKERS": "0", "PARALLEL": "1"} | (
        {"FLOW": "dis"} if paper == "cma" else {}
    )
    return make_study(check(paper, values, data_sets(paper)))


def saved(root: Path, file: Mapping[str, Tensor], name: str = "net.pth.tar") -> str:
    """As its authors save it: float32, beside what else a training keeps."""
    state = {key: tensor.float() if tensor.is_floating_point() else tensor for key, tensor in file.items()}
    torch.save({"epoch": 3, "arch": "resnet50", "state_dict": state}, root / name)
    return str(root / name)


def test_every_row_of_the_table_goes_where_it_says():
    assert list(CASES) == [row for row in rows() if row not in NOWHERE]
    text = (repository() / "docs" / "weights.md").read_text()
    for row, case in CASES.items():
        (line,) = [line for line in text.splitlines() if line.startswith(f"| {row} |")]
        host = case.host or case.changes.get("backbone", "")
        said = f"`{case.paper}` `{case.job}`" + (f", with `BACKBONE={host}`" if host else "")
        assert line.endswith(f" | {said} |")


@pytest.mark.parametrize("row", CASES)
def test_a_file_of_each_kind_goes_the_whole_way(row, monkeypatch, tmp_path, videos):
    case = CASES[row]
    narrowed(monkeypatch, case.paper, case.changes)
    with torch.no_grad():
        file, expected, clip = case.file()
    own = study(tmp_path, videos, case.paper, case.job, saved(tmp_path, file), case.host)
    report = scored(own, case.job, clip, expected)
    assert report.splitlines()[1].endswith(f"({row.partition(':')[0]})")
    assert "as initialised" not in report
    assert "not used of the file" not in report
    trained(own, case.job, report)


def scored(own: Study, job: str, clip: Mapping[str, Tensor], expected: Tensor) -> str:
    """Compare the scores at the start of the training with the authors'; what was told of the file."""
    network, report = fresh_network(own.task(job, 0))
    with torch.no_grad():
        (found,) = network.double().eval()(clip).values()
    assert (found - expected).abs().max() < 1e-4 * expected.abs().max()  # weights are in float32 until here
    return report


def trained(own: Study, job: str, report: str) -> None:
    """Train and test; the weights are those of the start, all in the record."""
    before = fresh_network(own.task(job, 0))[0].named_parameters()
    record = own.run()
    assert record.complete
    assert [(result["job"], result["initial"]) for result in record.results] == [(job, report)]
    after = own.run_folder.weights(job, 0)
    for name, value in before:
        torch.testing.assert_close(after[name], value.detach(), rtol=0, atol=1e-6)
    assert next(value for key, value in own.scores(job, 0).items() if key != "labels").isfinite().all()


@pytest.mark.parametrize(("prefix", "named"), [("module.", ""), ("module.base_model.", ":tsn")])
def test_names_of_flow_may_be_bare_where_the_source_is_named(monkeypatch, tmp_path, videos, prefix, named):
    narrowed(monkeypatch, "cma", {})
    with torch.no_grad():
        file, expected, clip = CASES["tsn: ResNet, flow"].file()
    file = {key.removeprefix(prefix).replace("module.new_fc", "new_fc"): tensor for key, tensor in file.items()}
    own = study(tmp_path, videos, "cma", "flow", f"{saved(tmp_path, file)}{named}")
    assert "(tsn)" in scored(own, "flow", clip, expected)
    if named:
        with pytest.raises(InputError, match="do not say how its values are scaled: name its source behind a colon"):
            study(tmp_path, videos, "cma", "flow", saved(tmp_path, file)).run()


@pytest.mark.parametrize("name", ["ST->C", "STinC->CinST"])
def test_gates_of_aia_on_frames(monkeypatch, tmp_path, videos, name):
    narrowed(monkeypatch, "aia", {})
    job = f"tsn-{name.replace('->', '_')}"
    with torch.no_grad():
        file, expected, clip = over_frames("tsn", gate=GATES[name])
    scored(study(tmp_path, videos, "aia", job, saved(tmp_path, file)), job, clip, expected)


@pytest.mark.parametrize("full", [False, True])
def test_eco_starts_from_two_files_as_its_authors_start_it(full, monkeypatch, tmp_path, videos):
    """BN-Inception, then the 3D ResNet-18, of whose first kernel the first 96 of 128 channels count.

    The 3D network's last layer is one for ECO-Lite too, of the same classes.
    """
    narrowed(monkeypatch, "banet", {})
    flat, solid = random_file(classes=7), resnet18_3d(widths=ECO_WIDTHS, classes=CLASSES)
    flat["conv1_7x7_s2.weight"] /= 50  # for values of that size
    job = "eco-all" if full else "lite-all"
    init = f"{saved(tmp_path, flat, 'bn.pth')},{saved(tmp_path, solid, '3d.pth.tar')}"
    own = study(tmp_path, videos, "banet", job, init)
    network, report = fresh_network(own.task(job, 0))
    assert report.startswith("bn.pth and 3d.pth.tar: ")
    assert ("as initialised: fc (2)" in report) == full
    assert ("not used of the file: res2a_1 (1), fc (2)" in report) == full  # ECO-Lite has a part of the 2D network
    assert "made to fit: eco.temporal.conv3.enter.weight (6, 128, 3, 3, 3) instead of (6, 96, 3, 3, 3)" in report
    whole = {f"{PREFIX}{name}": tensor for name, tensor in flat.items() if not name.startswith("last_linear")} | solid
    whole[f"{PREFIX}res3a_2.weight"] = whole[f"{PREFIX}res3a_2.weight"][:, :96]
    whole |= {f"module.new_fc.{entry}": value for entry, value in network.eco.fc.state_dict().items()}
    clip = pixels(1, 3, 16, 32, 37)
    with torch.no_grad():
        weights = {name: tensor.double() for name, tensor in whole.items()}
        expected = scores(weights, clip.flip(1) - coloured((104, 117, 128), 5), full=full)
        assert expected.std() > 0.1
        scored(own, job, {"rgb": rgb(clip)}, expected)
    if not full:
        trained(own, job, report)


def test_a_file_of_a_host_goes_into_pyramids_of_it(monkeypatch, tmp_path, videos):
    narrowed(monkeypatch, "istpa", {})
    with torch.no_grad():
        file, expected, clip = lite0()
    init = saved(tmp_path, file)
    assert "as initialised" not in scored(study(tmp_path, videos, "istpa", "mean", init, HOST), "mean", clip, expected)
    pyramid = study(tmp_path, videos, "istpa", "both", init, HOST)
    assert "as initialised: attention (6)" in fresh_network(pyramid.task("both", 0))[1]
    with pytest.raises(InputError, match=r"^lite-all: INIT is .*: the file has 0% of the network's weights"):
        study(tmp_path, videos, "banet", "lite-all", init, HOST).run()
