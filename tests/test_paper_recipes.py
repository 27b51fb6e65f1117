"""The profile `paper` of each paper on miniatures of official data sets, start to end, for one step."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import official
import official_frames
import pytest
import torch
import torchvision
from caffe_bn_inception import random_file
from caffe_eco import random_eco
from other_programs import AIA, Drawn, ResNet, mfnet, pixels

from videoattn.data.datasets import load
from videoattn.data.flow.cache import FlowCache
from videoattn.engine.experiment import module_of, studies
from videoattn.engine.parameters import check
from videoattn.engine.record import read
from videoattn.engine.study import make_study
from videoattn.engine.task import fresh_network
from videoattn.errors import InputError, RunError
from videoattn.evaluation.multilabel import charades_metrics
from videoattn.locations import repository
from videoattn.papers import data_sets

FRAMES, HEIGHT, WIDTH = 12, 64, 80


def picture(t: int) -> np.ndarray:
    """A square that moves to the right over a gradient."""
    image = np.tile(np.linspace(0, 120, WIDTH).astype(np.uint8)[None, :, None], (HEIGHT, 1, 3))
    image[20:36, 2 * t + 4 : 2 * t + 20] = (250, 30, 90)
    return image


def video(path: Path) -> None:
    with av.open(str(path), "w") as container:
        codec = "libvpx-vp9" if path.suffix == ".webm" else "libx264" if path.suffix == ".mp4" else "mpeg4"
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for t in range(FRAMES):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(t), format="rgb24")))
        container.mux(stream.encode())


def images(folder: Path, pattern: str, count: int) -> None:
    for number in range(1, count + 1):
        assert cv2.imwrite(str(folder / (pattern % number)), picture(number % FRAMES)[..., ::-1])


MAKE = {
    "hmdb51": lambda root: official.hmdb51(root, video),
    "kinetics400": lambda root: official.kinetics(root, video),
    "mini_kinetics": lambda root: official.mini_kinetics(root, video),
    "something_v1": lambda root: official_frames.something_v1(root, images=images),
    "epic55": lambda root: official_frames.epic55(root, images=images),
    "charades": lambda root: official_frames.charades(root, video=video),
}
# One training of each paper, as light as its table has one.
LIGHT = {
    "rcca": {"DATASET": "hmdb51", "SPLIT": "2", "JOBS": "mfnet-rcca", "INIT": "MFNet3D_Kinetics-400_72.8.pth"},
    "cma": {"DATASET": "kinetics400", "JOBS": "flow", "INIT": "resnet50-0676ba61.pth", "FLOW": "dis"},
    "aia": {"DATASET": "something_v1", "JOBS": "tsn-C", "INIT": "TSN_C_resnet50.pth.tar"},
    "banet": {"DATASET": "kinetics400", "JOBS": "lite-both-4f", "INIT": "eco_lite_rgb_16F_kinetics.pth.tar"},
    "istpa": {"DATASET": "charades", "JOBS": "bn-both", "INIT": "bn_inception-52deb4733.pth"},
}


def drawn(network: Callable[[Drawn, torch.Tensor], object], *shape: int) -> dict:
    """A file as a training leaves it, of all weights that a network draws for an input of that shape."""
    file = Drawn()
    with torch.no_grad():
        network(file, pixels(*shape) / 255)
    state = {key: value.float() if value.is_floating_point() else value for key, value in file.items()}
    return {"epoch": 3, "arch": "resnet50", "state_dict": state}


def gated(file: Drawn, frames: torch.Tensor) -> None:
    """ResNet-50 with the gate C of AIA's authors in every block."""
    theirs = ResNet("tsn", widths=(64, 128, 256, 512), layers=(3, 4, 6, 3), frames=2, classes=3, gate=AIA("C"))
    theirs.w = file
    theirs(frames)


def fibers(file: Drawn, clip: torch.Tensor) -> None:
    mfnet(file, clip, stem=16, width=96, groups=16, layers=(3, 4, 6, 3), classes=400)


# Files of other programs, of their size, with random numbers: what is in one, and what is said of it.
FILES = {
    "MFNet3D_Kinetics-400_72.8.pth": (
        lambda: drawn(fibers, 1, 3, 4, 32, 32),
        "mfnet-rcca: MFNet3D_Kinetics-400_72.8.pth: ",
        "taken for a file of MF-Net's authors, github.com/cypw/PyTorch-MFNet (mfnet)",
        "its input: RGB: (0 to 255 - 124, 117, 104) / 59.88; converted to ours",
        "fc.weight (400, 768) instead of",
        "as initialised: conv3 attached",
    ),
    "TSN_C_resnet50.pth.tar": (
        lambda: drawn(gated, 2, 3, 32, 32),
        "tsn-C: TSN_C_resnet50.pth.tar: ",
        "taken for a file of AIA's authors, github.com/haoyanbin918/Attention-in-Attention (aia)",
        "left open: which module the gates are",
    ),
    "bn_inception-52deb4733.pth": (
        lambda: random_file(classes=1000),
        "bn-both: bn_inception-52deb4733.pth: ",
        "taken for a file of BN-Inception with Caffe's names, as of TSN's authors (bn-inception)",
        "its input: BGR: (0 to 255 - 104, 117, 128) / 1; converted to ours",
    ),
    "resnet50-0676ba61.pth": (
        lambda: torchvision.models.resnet50(num_classes=3).state_dict(),
        "flow: resnet50-0676ba61.pth: 320 of 320 tensors loaded",
        "the cross-modality start of TSN, section 3.1: backbone.conv1.weight (64, 3, 7, 7) instead of (64, 10, 7, 7)",
    ),
    "eco_lite_rgb_16F_kinetics.pth.tar": (
        lambda: {"epoch": 3, "arch": "ECO", "state_dict": random_eco(full=False, classes=3)},
        "lite-both-4f: eco_lite_rgb_16F_kinetics.pth.tar: ",
        "taken for a file of ECO, github.com/mzolfaghari/ECO-pytorch (eco)",
    ),
}


def made(name: str, root: Path) -> Path:
    """A miniature of a data set, in its own folder."""
    folder = root / name
    folder.mkdir() if name in ("something_v1", "epic55", "charades") else None
    return MAKE[name](folder)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("VIDEOATTN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))


@pytest.mark.parametrize("paper", LIGHT)
def test_make_runs_the_papers_own_recipe(paper, tmp_path, cache):
    own = LIGHT[paper]
    data = made(own["DATASET"], tmp_path)
    told = ()
    if "INIT" in own:
        made_of, *told = FILES[own["INIT"]]
        torch.save(made_of(), tmp_path / own["INIT"])
        own = own | {"INIT": str(tmp_path / own["INIT"])}
    values = own | {"PAPER": paper, "PROFILE": "paper", "DATA": str(data), "RUNS": str(tmp_path / "runs"), "STEPS": "1"}
    arguments = [f"{name}={value}" for name, value in values.items()]
    installed = (repository() / ".venv" / "installed").exists()
    start = ["make", "reproduce"] if installed else [sys.executable, "-m", "videoattn.cli", "reproduce"]
    done = subprocess.run([*start, *arguments], cwd=repository(), env=os.environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    (folder,) = (tmp_path / "runs" / paper).iterdir()
    record = read(folder)
    assert record.complete
    assert [result["job"] for result in record.results] == [own["JOBS"]]
    assert (folder / "notebook.ipynb").exists()
    assert "Not set beside the paper's tables" in done.stdout
    assert "since it is a dry run (STEPS=1)." in done.stdout
    assert all(line in done.stdout[: done.stdout.index("trainings: ")] for line in told)
    assert record.data["train"] == len(load(own["DATASET"], data, "train", split=int(own.get("SPLIT", 1))).samples)


def run(paper: str, root: Path, data: Path, **values: str):
    """A study of the profile check, for one step."""
    given = {"DATA": str(data), "RUNS": str(root / "runs"), "STEPS": "1"} | values
    study = make_study(check(paper, given, data_sets(paper)))
    return study, study.run()


def test_a_chain_of_pre_training_and_fine_tuning(tmp_path, cache, capsys):
    first, _ = run("rcca", tmp_path, made("mini_kinetics", tmp_path), DATASET="mini_kinetics", JOBS="tsm-none")
    tuned, record = run(
        "rcca", tmp_path, made("hmdb51", tmp_path), DATASET="hmdb51", JOBS="tsm-none", INIT=str(first.folder)
    )
    assert record.complete
    assert record.recipe["init"] == {"name": "mini_kinetics", "of": first.digest}
    assert "tensors loaded" in record.results[0]["initial"]
    network, _ = fresh_network(tuned.task("tsm-none", 0))
    before, ours = first.network("tsm-none", 0).state_dict(), network.state_dict()
    last = [name for name in ours if ".fc." in name]
    assert last
    assert all(before[name].equal(ours[name]) for name in ours if name not in last)
    shown = capsys.readouterr().out
    assert "as initialised: fc (2)" in shown


@pytest.mark.parametrize(
    ("paper", "job"),
    [("aia", "tsn-none"), ("cma", "cma-1"), ("rcca", "tsm-none"), ("banet", "lite-uniform"), ("istpa", "mean")],
)
def test_weights_that_do_not_fit_are_refused_before_any_video_is_read(paper, job, tmp_path, cache, capsys):
    (tmp_path / "bad.pt").write_bytes(b"no weights")
    given = {"DATASET": "hmdb51", "JOBS": job, "INIT": str(tmp_path / "bad.pt")}
    with pytest.raises((InputError, RunError), match=r"bad\.pt is no file of tensors"):
        run(paper, tmp_path, made("hmdb51", tmp_path), **given)
    assert capsys.readouterr().out == ""  # else "videos: 1 of 9", or "flow: 1 of 9"


def test_several_heads(tmp_path, cache):
    study, record = run("aia", tmp_path, made("epic55", tmp_path), DATASET="epic55", JOBS="tsn-none")
    metrics = record.results[0]["metrics"]
    assert set(metrics) == {"tsn-none verb", "tsn-none noun"}
    assert [len(metrics[f"tsn-none {head}"]["confusion"]) for head in ("verb", "noun")] == [3, 4]
    assert study.main.description()["name"] == "epic55-p01-25"


def test_several_labels(tmp_path, cache):
    study, record = run("istpa", tmp_path, made("charades", tmp_path), DATASET="charades", JOBS="mean", STEPS="9")
    scores, labels = study.scores("mean", 0)["rgb"], study.scores("mean", 0)["labels"]
    assert labels.shape == scores.shape
    assert record.results[0]["metrics"]["mean"]["map"] == charades_metrics(scores, labels)["map"]


def test_all_studies_of_a_paper_take_its_data_sets(tmp_path, cache):
    """What is not trained here: that every study can be made on each data set that its protocols name."""
    for paper in LIGHT:
        for part in studies(paper):
            for name in ("hmdb51", "something_v1"):
                data = tmp_path / paper / part / name
                data.mkdir(parents=True)
                given = {"DATASET": name, "DATA": str(MAKE[name](data / "set" if name == "hmdb51" else data))}
                study = make_study(check(paper, given | {"PROFILE": "check"}, data_sets(paper)), part)
                assert study.jobs if study else not module_of(paper, part).DATA_SETS


def test_a_training_on_rgb_alone_computes_no_flow(tmp_path, cache, monkeypatch):
    monkeypatch.setattr(FlowCache, "build", None)
    _, record = run("cma", tmp_path, made("hmdb51", tmp_path), DATASET="hmdb51", JOBS="rgb")
    assert record.complete
    assert list(record.results[0]["metrics"]) == ["rgb"]
    assert not (tmp_path / "cache" / "flow").exists()
