"""The clips of a study: what is inspected beforehand, what is left out, what comes along, when flow is computed."""

import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from clips import encode, gray

from videoattn.data.clips.clips import Clips, augment
from videoattn.data.clips.settings import ClipSettings
from videoattn.data.clips.video_data import VideoData
from videoattn.data.datasets.splits import load_splits
from videoattn.data.datasets.videos import Sample, VideoList
from videoattn.data.decode.decoder import Decoder
from videoattn.data.flow.cache import FlowCache, FlowSettings
from videoattn.data.probes.relation import RelationProbe
from videoattn.data.probes.store import read_truth
from videoattn.errors import InputError, RunError

PLAIN = ClipSettings(frames=3, size=16, short_side=16, scales=(1.0,), flip=0.0)
VIEWS = replace(PLAIN, test_clips=2, test_crops=3)
WITH_FLOW = replace(PLAIN, frames=1, fields=2)
PROBE = RelationProbe(train=8, test=6, frames=3, rows=2, columns=2)
DIS = FlowSettings(algorithm="dis", short_side=16)


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return PROBE.generate(tmp_path_factory.mktemp("probe"), workers=1, progress=False)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("VIDEOATTN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def builds(monkeypatch) -> list:
    """Settings of the flow that is computed, and of how many videos."""
    found, build = [], FlowCache.build

    def counted(self, videos, **options):
        found.append((self.settings, len(videos)))
        return build(self, videos, **options)

    monkeypatch.setattr(FlowCache, "build", counted)
    return found


def places(root: Path) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(about["places"]) for name, about in read_truth(root)["clips"].items()}


def test_a_probe_is_not_inspected(root, monkeypatch):
    monkeypatch.setattr("videoattn.data.clips.video_data.inspect_videos", None)  # would fail
    data = VideoData(lambda: load_splits("folder", root), extra={"places": places(root)})
    about = data.description()
    assert (about["train"], about["test"], about["classes"]) == (8, 6, ["different", "same"])
    assert (about["name"], about["missing"], about["unreadable"]) == ("folder", 0, [])
    assert about["fingerprint"] == "-".join(videos.fingerprint() for videos in data.lists)
    train, test = data.clips("train", PLAIN, seed=3), data.clips("test", VIEWS)
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
    again = data.clips("train", PLAIN, seed=4)
    again._decoder = None  # the views share what is kept
    assert torch.equal(again[5, 2][0]["rgb"], train[0, 2][0]["rgb"])
    train.close()
    test.close()
    with pytest.raises(InputError, match="unknown subset 'val'; choose from train, test"):
        data.clips("val", PLAIN)


def test_what_has_been_read_at_one_size_is_shared(root):
    data = VideoData(lambda: load_splits("folder", root))
    whole, one, wide = (
        data.clips("test", settings) for settings in (PLAIN, replace(PLAIN, frames=1), replace(PLAIN, short_side=18))
    )
    first, other = whole[0][0]["rgb"], wide[0][0]["rgb"]
    decoder, whole._decoder = whole._decoder, None
    one._decoder = None
    assert torch.equal(one[0][0]["rgb"], first[:, :, 1:2])
    assert other.shape == first.shape
    assert wide._cache is not whole._cache
    with pytest.raises(InputError, match="short_side is 18; frames that are decoded at 16 cannot"):
        whole.view(settings=wide.settings)
    for each in (decoder, wide):
        each.close()


def test_of_each_subset_of_a_probe_one_file_is_inspected(root, monkeypatch):
    seen, inspect = [], Decoder._inspect
    monkeypatch.setattr(
        Decoder, "_inspect", lambda self, name, deadline: (seen.append(name), inspect(self, name, deadline))[1]
    )
    data = VideoData(lambda: load_splits("folder", root))
    train, test = data.clips("train", PLAIN), data.clips("test", VIEWS)
    for i in range(6):
        train[0, i], test[i]
    assert seen == [str(videos.samples[0].path) for videos in data.lists]
    for clips in (train, test):
        clips.close()


def test_videos_are_inspected_once(root, tmp_path, monkeypatch):
    shutil.copytree(root, tmp_path / "videos")
    bad = tmp_path / "videos" / "train" / "same" / "00003.mp4"
    bad.write_text("this is no video")
    folder = lambda: load_splits("folder", tmp_path / "videos")  # noqa: E731
    with pytest.raises(RunError, match=r"1 of 8 videos cannot be read \(12\.5%\), more than the 10\.0%.*00003\.mp4"):
        VideoData(folder, max_unreadable=0.1)
    data = VideoData(folder, max_unreadable=0.2)
    assert (len(data.lists[0].samples), len(data.lists[1].samples)) == (7, 6)
    assert bad not in [sample.path for sample in data.lists[0].samples]
    assert [line.partition(":")[0] for line in data.description()["unreadable"]] == ["train/same/00003.mp4"]
    known = Clips(data.lists[0], PLAIN, train=True)
    expected = [known[0, i][0]["rgb"] for i in range(7)]
    monkeypatch.setattr(Decoder, "info", None)  # what was found is used, in another process too
    moved = pickle.loads(pickle.dumps(data)).clips("train", PLAIN)
    for i in range(7):
        assert torch.equal(moved[0, i][0]["rgb"], expected[i])
    for clips in (moved, known):
        clips.close()


def test_where_there_may_be_flow_videos_are_read_to_the_end(tmp_path, builds, cache):
    encode(tmp_path / "single.mp4", gray(1, 16, 16))
    encode(tmp_path / "pair.mp4", gray(2, 16, 16))
    for name in ("torn", "good"):
        (tmp_path / name).mkdir()
        for number, frame in enumerate(gray(3, 16, 16), 1):
            cv2.imwrite(str(tmp_path / name / f"{number}.png"), frame)
    (tmp_path / "torn" / "2.png").write_text("no image")
    samples = tuple(Sample(name, tmp_path / name, 0) for name in ("single.mp4", "pair.mp4", "torn", "good"))
    lists = lambda: tuple(VideoList("own", subset, ("a",), samples) for subset in ("train", "test"))  # noqa: E731
    for _ in range(2):  # what is remembered of one is not taken for the other
        assert VideoData(lists, max_unreadable=0.0).unreadable == []
        data = VideoData(lists, flow=DIS, max_unreadable=0.5)
        assert [[sample.name for sample in videos.samples] for videos in data.lists] == [["pair.mp4", "good"]] * 2
        assert data.unreadable[0] == "single.mp4: 1 frame, no flow"
        assert [line.partition(":")[0] for line in data.unreadable] == ["single.mp4", "torn"] * 2
    with pytest.raises(RunError, match=r"2 of 4 videos cannot be read"):
        VideoData(lists, flow=DIS, max_unreadable=0.4)
    assert builds == []
    clips = data.clips("test", WITH_FLOW, streams=("rgb", "flow"))
    assert clips[0][0]["flow"].shape == (1, 4, 1, 16, 16)
    clips.close()


def test_flow_is_computed_when_it_is_first_asked_for(root, builds):
    data = VideoData(lambda: load_splits("folder", root), flow=DIS)
    data.clips("train", WITH_FLOW)[0, 0]
    for settings in (PLAIN, replace(WITH_FLOW, short_side=18, test_crops=3)):
        with pytest.raises(InputError, match="streams are"):
            data.clips("train", settings, streams=("flow", "warped"))
    assert builds == []
    for subset in ("train", "test"):
        clips = data.clips(subset, WITH_FLOW, streams=("rgb", "flow"))
        assert clips.flow.settings == DIS
    assert builds == [(DIS, 14)]
    warped = data.clips("test", WITH_FLOW, streams=("warped",))
    assert warped.flow.settings == replace(DIS, warped=True)
    assert len(builds) == 2
    fields = warped.flow.fields(data.lists[1].samples[2].path, [0, 1])
    clip = warped[2][0]
    assert list(clip) == ["flow"]
    np.testing.assert_array_equal(clip["flow"][0, :, 0], fields.reshape(4, 16, 16))
    plain = data.clips("test", WITH_FLOW, streams=("flow",))[2][0]["flow"]
    np.testing.assert_array_equal(
        plain[0, :, 0], clips.flow.fields(data.lists[1].samples[2].path, [0, 1]).reshape(4, 16, 16)
    )
    stretched = data.clips("test", replace(WITH_FLOW, aspect=1.5), streams=("flow",))
    assert stretched[0][0]["flow"].shape == clips[0][0]["flow"].shape
    larger = data.clips("test", replace(WITH_FLOW, short_side=18, aspect=1.5), streams=("flow",))
    assert larger.flow.settings == replace(DIS, short_side=18, aspect=1.5)
    clips.close()
    with pytest.raises(InputError, match="'flow' is asked for, but there is no flow"):
        VideoData(lambda: load_splits("folder", root)).clips("test", WITH_FLOW, streams=("flow",))


def test_a_video_that_has_no_flow_is_named(root, tmp_path, builds):
    shutil.copytree(root, tmp_path / "videos")
    data = VideoData(lambda: load_splits("folder", tmp_path / "videos"), flow=DIS, max_unreadable=0.0)
    (tmp_path / "videos" / "test" / "same" / "00001.mp4").write_text("no more a video")
    data.clips("test", WITH_FLOW)
    with pytest.raises(RunError, match=r"no flow of 1 of the videos, the first: .*same/00001\.mp4"):
        data.clips("train", WITH_FLOW, streams=("flow",))


def test_some_training_videos_are_held_out(root):
    data = VideoData(lambda: load_splits("folder", root), held_out=0.5)
    names = {subset: {sample.name for sample in videos.samples} for subset, videos in data.subsets.items()}
    assert {subset: len(found) for subset, found in names.items()} == {"train": 4, "held_out": 4, "test": 6}
    assert names["train"] | names["held_out"] == {sample.name for sample in data.lists[0].samples}
    assert data.description()["train"] == 8
    train, held = data.clips("train", PLAIN), data.clips("held_out", VIEWS)
    assert (train.videos, train.train) == (data.subsets["train"], True)
    assert (held.videos, held.train) == (data.subsets["held_out"], False)
    assert torch.equal(train[0, 0][0]["rgb"], train[1, 0][0]["rgb"])
    assert held[3][0]["rgb"].shape == (6, 3, 3, 16, 16)
    for clips in (train, held):
        clips.close()
