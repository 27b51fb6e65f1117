"""CIFAR-100 in its distributed layout, made small; its images as clips of one frame."""

import functools
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from cifar import CLASSES, small_cifar100

from videoattn.data.clips.augment import PAD, normalise
from videoattn.data.clips.clips import Clips
from videoattn.data.clips.settings import ClipSettings
from videoattn.data.clips.video_data import VideoData
from videoattn.data.datasets import cifar100, load
from videoattn.data.datasets.splits import load_splits
from videoattn.errors import InputError

PLAIN = ClipSettings(frames=1, size=32, short_side=32)
COUNTS = {"train": 6, "test": 4}


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    return small_cifar100(tmp_path, monkeypatch, **COUNTS)


def made(root: Path, subset: str) -> dict:
    return pickle.loads((root / "cifar-100-python" / subset).read_bytes())


@pytest.mark.parametrize("subset", COUNTS)
def test_images_and_labels_are_those_of_the_files(root, subset):
    videos, pixels, expected = load("cifar100", root, subset), cifar100.pixels(root, subset), made(root, subset)
    assert (videos.data_set, videos.subset, videos.classes) == ("cifar100", subset, tuple(CLASSES))
    assert [sample.label for sample in videos.samples] == expected["fine_labels"]
    assert videos.samples[1].name == f"{subset}/00001"
    # a row of the file is all of red, then green, then blue, each row by row
    assert pixels[2, 5, 7].tolist() == [expected["data"][2, 1024 * c + 32 * 5 + 7] for c in range(3)]


def test_files_that_are_not_the_distributed_ones_are_never_opened(root):
    (root / "cifar-100-python" / "test").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    for place in (root, root / "cifar-100-python"):
        with pytest.raises(InputError, match=r"cifar-100-python is missing or is not as distributed; unpack there"):
            load("cifar100", place, "test")
    with pytest.raises(InputError, match="a single split"):
        load("cifar100", root, "train", split=2)


def images(root: Path, settings: ClipSettings = PLAIN, *, train: bool, seed: int = 0) -> Clips:
    subset = "train" if train else "test"
    return Clips(load("cifar100", root, subset), settings, pixels=cifar100.pixels(root, subset), train=train, seed=seed)


def test_testing_takes_images_as_they_are(root):
    data = images(root, train=False)
    clip, label = data[3]
    assert clip["rgb"].shape == (1, 3, 1, 32, 32)
    torch.testing.assert_close(clip["rgb"][0], normalise(data.raw(3)["rgb"]))
    assert label == made(root, "test")["fine_labels"][3]
    large, _ = images(root, replace(PLAIN, size=64, short_side=64), train=False)[3]
    expected = F.interpolate(clip["rgb"][0, :, 0][None], (64, 64), mode="bilinear", antialias=True)
    torch.testing.assert_close(large["rgb"][0, :, 0], expected[0])


def test_training_crops_the_padded_image_and_flips_it(root):
    data = images(root, train=True)
    padded = np.pad(data.pixels[0], ((PAD, PAD), (PAD, PAD), (0, 0)))
    crops = {
        (top, left, flip): np.ascontiguousarray(padded[top : top + 32, left : left + 32][:, :: -1 if flip else 1])
        for top in range(2 * PAD + 1)
        for left in range(2 * PAD + 1)
        for flip in (False, True)
    }
    known = {crop.tobytes(): name for name, crop in crops.items()}
    seen = set()
    for epoch in range(200):
        clip, label = data[epoch, 0]
        mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        rgb = (clip["rgb"][:, 0].permute(1, 2, 0) * std + mean).mul(255).round().to(torch.uint8)
        seen.add(known[rgb.numpy().tobytes()])
        assert label == made(root, "train")["fine_labels"][0]
    tops, lefts, flips = (set(values) for values in zip(*seen, strict=True))
    assert tops == lefts == set(range(2 * PAD + 1))
    assert flips == {False, True}
    assert any(top != left for top, left, _ in seen)
    assert torch.equal(data[7, 0][0]["rgb"], images(root, train=True)[7, 0][0]["rgb"])
    assert not torch.equal(data[7, 0][0]["rgb"], data.view(seed=1)[7, 0][0]["rgb"])


def test_data_of_a_study(root):
    data = VideoData(lambda: load_splits("cifar100", root), pixels=functools.partial(cifar100.pixels, root))
    about = data.description()
    assert (about["name"], about["train"], about["test"], len(about["classes"])) == ("cifar100", 6, 4, 100)
    assert torch.equal(
        data.clips("train", PLAIN, seed=2)[1, 4][0]["rgb"], images(root, train=True, seed=2)[1, 4][0]["rgb"]
    )
    assert torch.equal(data.clips("test", PLAIN)[1][0]["rgb"], images(root, train=False)[1][0]["rgb"])


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        (replace(PLAIN, frames=2), "frames=2, test_clips=1, test_crops=1: an image has one of each"),
        (replace(PLAIN, test_frames=3), "frames=3"),
        (replace(PLAIN, test_crops=10), "test_crops=10"),
    ],
)
def test_more_than_an_image_has_is_refused(root, settings, match):
    with pytest.raises(InputError, match=match):
        images(root, settings, train=False)


def test_images_that_are_not_the_listed_ones_are_refused(root):
    videos, pixels = load("cifar100", root, "test"), cifar100.pixels(root, "test")
    for wrong in (pixels[:3], pixels.astype(np.float32), pixels[..., :2]):
        with pytest.raises(InputError, match=r"uint8 \(4, H, W, 3\) is expected"):
            Clips(videos, PLAIN, pixels=wrong, train=False)
