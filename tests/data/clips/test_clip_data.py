"""The clips of a study: what is looked through beforehand, what is left out, what comes along."""

import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from videoattn.data.clips.clip_data import ClipData
from videoattn.data.clips.clips import Clips, augment
from videoattn.data.clips.settings import ClipSettings
from videoattn.data.datasets.splits import load_splits
from videoattn.data.decode.decoder import Decoder
from videoattn.data.probes.relation import RelationProbe
from videoattn.data.probes.store import read_truth
from videoattn.errors import InputError, RunError

PLAIN = ClipSettings(frames=3, size=16, short_side=16, scales=(1.0,), flip=0.0)
SETTINGS = {"train": PLAIN, "views": replace(PLAIN, test_clips=2, test_crops=3)}
PROBE = RelationProbe(train=8, test=6, frames=3, rows=2, columns=2)


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return PROBE.generate(tmp_path_factory.mktemp("probe"), workers=1, progress=False)


def places(root: Path) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(about["places"]) for name, about in read_truth(root)["clips"].items()}


def test_a_probe_is_not_looked_through(root, monkeypatch):
    monkeypatch.setattr("videoattn.data.clips.clip_data.survey", None)  # would fail
    data = ClipData(
        lambda: load_splits("folder", root), settings=SETTINGS, max_unreadable=None, extra={"places": places(root)}
    )
    about = data.description()
    assert (about["train"], about["test"], about["classes"]) == (8, 6, ["different", "same"])
    assert (about["name"], about["missing"], about["unreadable"]) == ("folder", 0, [])
    assert about["fingerprint"] == "-".join(videos.fingerprint() for videos in data.lists)
    train, test = data.train("train", seed=3), data.test("views")
    assert (len(train), train.seed, len(test)) == (8, 3, 6)
    for i, sample in enumerate(data.lists[0].samples):
        clip, label = train[1, i]
        frames, expected, truth = PROBE.clip("train", int(sample.path.stem))
        assert label == expected == sample.label
        assert clip["places"].tolist() == truth["places"]
        written = augment.normalise(torch.from_numpy(frames).permute(3, 0, 1, 2))
        assert (clip["rgb"] - written).abs().mean() < 0.1  # but for the compression
    clip, label = test[4]
    assert clip["rgb"].shape == (6, 3, 3, 16, 16)
    assert clip["places"].shape == (6, 2, 3)
    assert label == data.lists[1].samples[4].label
    again = data.train("train", seed=4)
    again._decoder = None  # the views share what is kept
    assert torch.equal(again[5, 2][0]["rgb"], train[0, 2][0]["rgb"])
    train.close()
    test.close()


def test_what_one_use_has_read_the_others_take(root):
    settings = {"all": PLAIN, "one": replace(PLAIN, frames=1), "wide": replace(PLAIN, short_side=18)}
    data = ClipData(lambda: load_splits("folder", root), settings=settings, max_unreadable=None)
    whole, one, wide = (data.test(name) for name in settings)
    assert [clips.settings for clips in (whole, one, wide)] == list(settings.values())
    first, other = whole[0][0]["rgb"], wide[0][0]["rgb"]
    decoder, whole._decoder = whole._decoder, None
    one._decoder = None
    assert torch.equal(one[0][0]["rgb"], first[:, :, 1:2])
    assert other.shape == first.shape
    assert wide._kept is not whole._kept
    with pytest.raises(InputError, match="short_side is 18; frames that are decoded at 16 cannot"):
        whole.view(settings=settings["wide"])
    for each in (decoder, wide):
        each.close()


def test_of_each_subset_of_a_probe_one_file_is_inspected(root, monkeypatch):
    seen, inspect = [], Decoder._inspect
    monkeypatch.setattr(
        Decoder, "_inspect", lambda self, name, deadline: (seen.append(name), inspect(self, name, deadline))[1]
    )
    data = ClipData(lambda: load_splits("folder", root), settings=SETTINGS, max_unreadable=None)
    train, test = data.train("train", seed=0), data.test("views")
    for i in range(6):
        train[0, i], test[i]
    assert seen == [str(videos.samples[0].path) for videos in data.lists]
    for clips in (train, test):
        clips.close()


def test_ten_crops_of_left_and_right_are_refused_before_anything_is_looked_through(root, monkeypatch):
    monkeypatch.setattr("videoattn.data.clips.clip_data.survey", None)  # would fail
    sided = lambda: tuple(replace(videos, classes=("left", "right")) for videos in load_splits("folder", root))  # noqa: E731
    with pytest.raises(InputError, match="'left' becomes another"):
        ClipData(sided, settings=SETTINGS | {"ten": replace(PLAIN, test_crops=10)}, max_unreadable=0.1)


def test_videos_are_looked_through_once(root, tmp_path, monkeypatch):
    shutil.copytree(root, tmp_path / "videos")
    bad = tmp_path / "videos" / "train" / "same" / "00003.mp4"
    bad.write_text("this is no video")
    folder = lambda: load_splits("folder", tmp_path / "videos")  # noqa: E731
    with pytest.raises(RunError, match=r"1 of 8 videos cannot be read \(12\.5%\), more than the 10\.0%.*00003\.mp4"):
        ClipData(folder, settings=SETTINGS, max_unreadable=0.1)
    data = ClipData(folder, settings=SETTINGS, max_unreadable=0.2)
    assert (len(data.lists[0].samples), len(data.lists[1].samples)) == (7, 6)
    assert bad not in [sample.path for sample in data.lists[0].samples]
    assert [line.partition(":")[0] for line in data.description()["unreadable"]] == ["train/same/00003.mp4"]
    known = Clips(data.lists[0], PLAIN, train=True)
    expected = [known[0, i][0]["rgb"] for i in range(7)]
    monkeypatch.setattr(Decoder, "info", None)  # what was found is used, in another process too
    moved = pickle.loads(pickle.dumps(data)).train("train", seed=0)
    for i in range(7):
        assert torch.equal(moved[0, i][0]["rgb"], expected[i])
    for clips in (moved, known):
        clips.close()
