"""Snippets of generated clips: which frames and fields, in which order, drawn from what, read how often."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from videoattn.data.clips import augment
from videoattn.data.clips.sampling import segment_starts
from videoattn.data.clips.snippets import Snippets, SnippetSettings
from videoattn.data.clips.two_stream import TwoStreamData
from videoattn.data.datasets.splits import load_splits
from videoattn.data.decode.decoder import Decoder
from videoattn.data.flow.cache import FlowCache, FlowSettings
from videoattn.data.probes.binding import BindingProbe
from videoattn.errors import InputError, RunError

SIZE, FRAMES, LENGTH = 32, 9, 3
SEGMENTS = SnippetSettings(length=LENGTH, segments=2, test_segments=3, size=24, test_crops=1)
SETTINGS = {
    "segments": SEGMENTS,
    "ten": replace(SEGMENTS, test_crops=10),
    "dense": SnippetSettings(layout="dense", length=4, segments=1, test_segments=1, size=SIZE, test_crops=1),
}
for name, length in (("whole", FRAMES - 1), ("part", FRAMES - 2)):
    SETTINGS[name] = SnippetSettings(length=length, segments=1, test_segments=1, size=SIZE, scales=(1.0,), flip=0.0)
    SETTINGS[f"{name} drawn"] = replace(SETTINGS[name], scales=(1.0, 1.0))  # the same crops, by another way
BOTH = ("rgb", "flow")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    probe = BindingProbe(
        train=8, test=8, classes=4, objects=2, size=SIZE, frames=FRAMES, object_size=8.0, radius=2.5, speed=(1.5, 2.0)
    )
    return probe.generate(tmp_path_factory.mktemp("probe"), workers=1, progress=False)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIDEOATTN_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield patch


def two_stream(root: Path, share: float = 0.05) -> TwoStreamData:
    flow = FlowSettings(algorithm="dis", short_side=SIZE)
    return TwoStreamData(lambda: load_splits("folder", root), flow=flow, settings=SETTINGS, max_unreadable=share)


@pytest.fixture(scope="module")
def data(root, cache) -> TwoStreamData:
    return two_stream(root)


def same(first: dict, second: dict) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[s], second[s]) for s in first)


def test_a_snippet_is_a_frame_and_the_fields_that_start_at_it(data):
    clips = data.test("segments", streams=BOTH)
    path = data.lists[1].samples[5].path
    clip = clips.snippets(5)
    starts = segment_starts(FRAMES - 1, 3, LENGTH)
    assert starts.tolist() == [1, 3, 5]
    fields = data.caches[0].fields(path, range(FRAMES - 1))
    with Decoder() as decoder:
        frames = decoder.frames(path, range(FRAMES), size=(SIZE, SIZE))
    assert (clip["rgb"].shape, clip["flow"].shape) == ((3, 3, SIZE, SIZE), (2 * LENGTH, 3, SIZE, SIZE))
    for k, start in enumerate(starts):
        np.testing.assert_array_equal(clip["rgb"][:, k].permute(1, 2, 0), frames[start])
        for step in range(LENGTH):
            for axis in (0, 1):  # x1 y1 x2 y2 ...
                np.testing.assert_array_equal(clip["flow"][2 * step + axis, k], fields[start + step, axis])
    assert np.abs(fields[:, 0] - fields[:, 1]).max() > 0.01  # the two axes differ, so the order is seen


def test_the_dense_layout_is_a_run_of_frames_and_fields(data):
    clip = data.test("dense", streams=BOTH).snippets(2)
    path = data.lists[1].samples[2].path
    start = int(segment_starts(FRAMES - 1, 1, 4)[0])
    with Decoder() as decoder:
        frames = decoder.frames(path, range(start, start + 4), size=(SIZE, SIZE))
    np.testing.assert_array_equal(clip["rgb"].permute(1, 2, 3, 0), frames)
    fields = data.caches[0].fields(path, range(start, start + 4))
    np.testing.assert_array_equal(clip["flow"].permute(1, 0, 2, 3), fields)


def test_a_training_item_depends_on_seed_epoch_and_index_alone(data, root):
    clips = data.train("segments", seed=1, streams=BOTH)
    first, label = clips[3, 5]
    assert label == data.lists[0].samples[5].label
    for item in ((0, 5), (4, 5), (3, 4)):
        assert not same(clips[item][0], first)
    assert not same(data.train("segments", seed=2, streams=BOTH)[3, 5][0], first)
    assert same(clips[3, 5][0], first)
    assert same(two_stream(root).train("segments", seed=1, streams=BOTH)[3, 5][0], first)
    for stream in BOTH:  # one stream alone is cut and mirrored as with the other
        assert same(data.train("segments", seed=1, streams=(stream,))[3, 5][0], {stream: first[stream]})


def test_a_flip_exchanges_left_and_right_in_the_label(data, monkeypatch):
    sided = replace(data.lists[0], classes=("left", "right", "up", "down"))
    chosen = replace(SEGMENTS, scales=augment.CENTRE)
    flow = data.train("segments", seed=0, streams=BOTH).flow
    clips, plain = (
        Snippets(sided, flow, settings, train=True, streams=BOTH) for settings in (chosen, replace(chosen, flip=0.0))
    )
    seen = set()
    for index, sample in enumerate(sided.samples):
        for epoch in range(4):
            (clip, label), (straight, _) = clips[epoch, index], plain[epoch, index]
            flipped = not same(clip, straight)
            assert label == ((1, 0, 2, 3)[sample.label] if flipped else sample.label)
            seen.add((sample.label, flipped))
    assert len(seen) == 8
    with pytest.raises(InputError, match="'left' becomes another"):
        Snippets(sided, flow, SETTINGS["ten"], train=False)
    monkeypatch.setattr(FlowCache, "build", None)  # would fail
    with pytest.raises(InputError, match="'left' becomes another"):
        TwoStreamData(lambda: (sided, sided), flow=flow.settings, settings=SETTINGS, max_unreadable=0.0)


def test_test_items_are_the_centre_or_ten_crops_normalised(data):
    clips = data.test("segments", streams=BOTH)
    whole = clips.snippets(0)
    inside = slice((SIZE - 24) // 2, (SIZE + 24) // 2)
    centre, label = clips[0]
    assert label == data.lists[1].samples[0].label
    torch.testing.assert_close(centre["flow"][0], whole["flow"][..., inside, inside])
    torch.testing.assert_close(centre["rgb"][0], augment.normalise(whole["rgb"][..., inside, inside]))
    ten = data.test("ten", streams=BOTH)[0][0]
    assert ten["rgb"].shape == (10, 3, 3, 24, 24)
    torch.testing.assert_close(ten["flow"][0], whole["flow"][..., :24, :24])
    torch.testing.assert_close(ten["flow"][4], centre["flow"][0])
    sign = torch.tensor([-1.0, 1.0] * LENGTH).view(-1, 1, 1, 1)  # the mirror turns x round
    torch.testing.assert_close(ten["flow"][9], sign * centre["flow"][0].flip(-1))


def test_what_is_kept_is_what_is_read_and_views_share_one_budget(data):
    clips = data.test("segments", streams=BOTH)
    read, kept = clips.view(seed=0, streams=BOTH), clips.view(seed=0, streams=BOTH)
    first = kept[1][0]
    reads = []
    kept._frames = kept._fields = lambda *_: reads.append("again")
    assert same(kept[1][0], first)
    assert reads == []
    frame, budget = 3 * SIZE * SIZE, 5 * 3 * SIZE * SIZE
    read._kept = type(read._kept)(budget)
    views = [read.view(seed=0, streams=("rgb",)) for _ in range(3)]
    for view in views:
        for i in range(8):
            assert same(view[i][0], {"rgb": clips[i][0]["rgb"]})
    assert len(read._kept.images) == budget // frame
    read._kept.left = 0
    assert same(read.view(seed=0, streams=BOTH)[1][0], first)


@pytest.mark.parametrize("streams", [BOTH, ("rgb",), ("flow",)])
@pytest.mark.parametrize("name", ["whole", "part"])
def test_a_clip_in_which_nothing_is_left_to_chance_is_kept_ready(data, name, streams):
    clips, drawn = (data.train(use, seed=3, streams=streams) for use in (name, f"{name} drawn"))
    first = [clips[0, i][0] for i in range(8)]
    for epoch in (0, 1):
        for i in range(8):
            assert same(clips[epoch, i][0], drawn[epoch, i][0])
            assert clips[epoch, i][1] == drawn[epoch, i][1]
    ready = all(clips[1, i][0][s] is first[i][s] for i in range(8) for s in streams)
    assert ready is (name == "whole")


def test_a_video_that_cannot_be_read_is_named_and_counted(root, cache, tmp_path):
    shutil.copytree(root, tmp_path / "videos")
    bad = sorted((tmp_path / "videos" / "train").iterdir())[0] / "broken.mp4"
    bad.write_text("this is no video")
    data = two_stream(tmp_path / "videos", share=0.2)  # one of nine
    about = data.description()
    assert (about["train"], about["test"], about["missing"], len(about["classes"])) == (8, 8, 0, 4)
    assert len(about["unreadable"]) == 1
    assert about["unreadable"][0].startswith(f"train/{bad.parent.name}/broken.mp4: ")
    assert len(data.train("segments", seed=0, streams=BOTH)) == 8
    with pytest.raises(RunError, match=r"1 of 9 videos cannot be read \(11\.1%\), more than the 10\.0%.*broken\.mp4"):
        two_stream(tmp_path / "videos", share=0.1)


def test_some_training_videos_are_held_out_and_the_camera_taken_out(root, cache):
    flow = FlowSettings(algorithm="dis", short_side=SIZE)
    data = TwoStreamData(
        lambda: load_splits("folder", root), flow=flow, settings=SETTINGS, max_unreadable=0.0, warped=True, held=0.5
    )
    names = {subset: {sample.name for sample in videos.samples} for subset, videos in data.subsets.items()}
    assert {subset: len(found) for subset, found in names.items()} == {"train": 4, "held_out": 4, "test": 8}
    assert names["train"] | names["held_out"] == {sample.name for sample in data.lists[0].samples}
    assert data.description()["train"] == 8
    assert data.train("segments", seed=0, streams=BOTH).videos is data.subsets["train"]
    clips = data.test("segments", streams=("flow",), subset="held_out", warped=True)
    assert clips.videos is data.subsets["held_out"]
    assert clips.flow is data.caches[1]
    assert [cache.settings.warped for cache in data.caches] == [False, True]
    assert clips.flow.count(clips.videos.samples[0].path) == FRAMES - 1


def test_a_short_video_is_decoded_once_for_training(root, cache):
    clips = Snippets(
        two_stream(root).lists[0],
        two_stream(root).caches[0],
        SETTINGS["segments"],
        train=True,
        streams=("rgb",),
        memory=1 << 20,
    )
    reads, read = [], clips._frames
    clips._frames = lambda index, wanted: reads.append((index, len(wanted))) or read(index, wanted)
    first = [clips[epoch, 2][0]["rgb"] for epoch in range(3)]
    assert reads == [(2, FRAMES)]
    clips._kept.images.clear()
    clips._kept.left = 0  # no room
    again = [clips[epoch, 2][0]["rgb"] for epoch in range(3)]
    assert reads[1:] == [(2, FRAMES)] * 3
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"layout": "sparse"}, "unknown layout 'sparse'; choose from segments, dense"),
        ({"test_crops": 5}, "unknown test_crops 5; choose from 1, 10"),
        ({"layout": "dense"}, "segments and test_segments must be 1"),
    ],
)
def test_impossible_settings_are_named(values, text):
    with pytest.raises(InputError, match=text):
        replace(SEGMENTS, **values)
