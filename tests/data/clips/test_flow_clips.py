"""Clips with flow: which frames and fields, in which order, drawn from what, read how often."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from videoattn.data.clips import augment
from videoattn.data.clips.clips import Clips
from videoattn.data.clips.sampling import segment_starts
from videoattn.data.clips.settings import ClipSettings
from videoattn.data.clips.video_data import VideoData
from videoattn.data.datasets.splits import load_splits
from videoattn.data.decode.decoder import Decoder
from videoattn.data.flow.cache import FlowSettings
from videoattn.data.probes.binding import BindingProbe
from videoattn.errors import InputError

SIZE, FRAMES, FIELDS = 32, 9, 3
FLOW = FlowSettings(algorithm="dis", short_side=SIZE)
SEGMENTS = ClipSettings(frames=2, test_frames=3, fields=FIELDS, size=24, short_side=SIZE)
DENSE = ClipSettings(frames=4, sampling="dense", fields=1, size=SIZE, short_side=SIZE)
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


@pytest.fixture(scope="module")
def data(root, cache) -> VideoData:
    return VideoData(lambda: load_splits("folder", root), flow=FLOW)


def same(first: dict, second: dict) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[s], second[s]) for s in first)


def test_fields_are_those_that_start_at_their_frame(data):
    clips = data.clips("test", SEGMENTS, streams=BOTH)
    path = data.lists[1].samples[5].path
    clip = clips.raw(5)
    starts = segment_starts(FRAMES - 1, 3, FIELDS)
    assert starts.tolist() == [1, 3, 5]
    fields = clips.flow.fields(path, range(FRAMES - 1))
    with Decoder() as decoder:
        frames = decoder.frames(path, range(FRAMES), size=(SIZE, SIZE))
    assert (clip["rgb"].shape, clip["flow"].shape) == ((3, 3, SIZE, SIZE), (2 * FIELDS, 3, SIZE, SIZE))
    for k, start in enumerate(starts):
        np.testing.assert_array_equal(clip["rgb"][:, k].permute(1, 2, 0), frames[start])
        for step in range(FIELDS):
            for axis in (0, 1):  # x1 y1 x2 y2 ...
                np.testing.assert_array_equal(clip["flow"][2 * step + axis, k], fields[start + step, axis])
    assert np.abs(fields[:, 0] - fields[:, 1]).max() > 0.01  # the two axes differ, so the order is seen


def test_a_dense_clip_is_a_run_of_frames_and_fields(data):
    clips = data.clips("test", DENSE, streams=BOTH)
    clip, path = clips.raw(2), data.lists[1].samples[2].path
    start = int(segment_starts(FRAMES - 1, 1, 4)[0])
    with Decoder() as decoder:
        frames = decoder.frames(path, range(start, start + 4), size=(SIZE, SIZE))
    np.testing.assert_array_equal(clip["rgb"].permute(1, 2, 3, 0), frames)
    np.testing.assert_array_equal(clip["flow"].permute(1, 0, 2, 3), clips.flow.fields(path, range(start, start + 4)))


def test_a_training_item_depends_on_seed_epoch_and_index_alone(data, root):
    clips = data.clips("train", SEGMENTS, seed=1, streams=BOTH)
    first, label = clips[3, 5]
    assert label == data.lists[0].samples[5].label
    for item in ((0, 5), (4, 5), (3, 4)):
        assert not same(clips[item][0], first)
    assert not same(data.clips("train", SEGMENTS, seed=2, streams=BOTH)[3, 5][0], first)
    assert same(clips[3, 5][0], first)
    fresh = VideoData(lambda: load_splits("folder", root), flow=FLOW)
    assert same(fresh.clips("train", SEGMENTS, seed=1, streams=BOTH)[3, 5][0], first)
    for stream in BOTH:  # one stream alone is cut and mirrored as with the other
        assert same(data.clips("train", SEGMENTS, seed=1, streams=(stream,))[3, 5][0], {stream: first[stream]})


def test_a_flip_exchanges_left_and_right_in_the_label(data):
    sided = replace(data.lists[0], classes=("left", "right", "up", "down"))
    chosen = replace(SEGMENTS, scales=augment.CENTRE)
    flow = data.flow_cache("flow", SEGMENTS)
    clips, plain = (
        Clips(sided, settings, train=True, streams=BOTH, flow=flow) for settings in (chosen, replace(chosen, flip=0.0))
    )
    seen = set()
    for index, sample in enumerate(sided.samples):
        for epoch in range(4):
            (clip, label), (straight, _) = clips[epoch, index], plain[epoch, index]
            flipped = not same(clip, straight)
            assert label == ((1, 0, 2, 3)[sample.label] if flipped else sample.label)
            seen.add((sample.label, flipped))
    assert len(seen) == 8
    for each in (clips, plain):
        each.close()


def test_test_items_are_views_normalised(data):
    clips = data.clips("test", SEGMENTS, streams=BOTH)
    whole = clips.raw(0)
    inside = slice((SIZE - 24) // 2, (SIZE + 24) // 2)
    centre, label = clips[0]
    assert label == data.lists[1].samples[0].label
    torch.testing.assert_close(centre["flow"][0], whole["flow"][..., inside, inside])
    assert torch.equal(centre["rgb"][0], augment.normalise(whole["rgb"][..., inside, inside]))
    ten = data.clips("test", replace(SEGMENTS, test_crops=10), streams=BOTH)[0][0]
    assert ten["rgb"].shape == (10, 3, 3, 24, 24)
    torch.testing.assert_close(ten["flow"][0], whole["flow"][..., :24, :24])
    torch.testing.assert_close(ten["flow"][4], centre["flow"][0])
    sign = torch.tensor([-1.0, 1.0] * FIELDS).view(-1, 1, 1, 1)  # the mirror turns x round
    torch.testing.assert_close(ten["flow"][9], sign * centre["flow"][0].flip(-1))
    two = data.clips("test", replace(SEGMENTS, test_clips=2, test_crops=3), streams=BOTH)
    flow, raw = two[0][0]["flow"], two.raw(0)["flow"].unflatten(1, (2, 3))
    assert flow.shape == (6, 2 * FIELDS, 3, SIZE, SIZE)
    assert torch.equal(flow, raw.transpose(0, 1).repeat_interleave(3, 0))  # of a square three crops are the whole


def test_what_has_been_read_is_shared_by_all_clips_of_one_size(data, monkeypatch):
    first = {s: data.clips("test", s, streams=BOTH)[1][0] for s in (SEGMENTS, DENSE)}
    monkeypatch.setattr(Decoder, "frames", None)  # would fail
    monkeypatch.setattr("videoattn.data.flow.cache.read_fields", None)
    for settings, clip in first.items():
        assert same(data.clips("test", settings, streams=BOTH)[1][0], clip)
        assert same(data.clips("test", settings)[1][0], {"rgb": clip["rgb"]})
        assert same(data.clips("test", settings, streams=("flow",))[1][0], {"flow": clip["flow"]})


@pytest.mark.parametrize("streams", [BOTH, ("rgb",), ("flow",)])
@pytest.mark.parametrize("fields", [FRAMES - 1, FRAMES - 2])
def test_a_clip_that_needs_no_crop_is_that_of_the_crops(data, fields, streams):
    chosen = replace(SEGMENTS, frames=1, fields=fields, size=SIZE, scales=(1.0,), flip=0.0)
    clips, drawn = (
        data.clips("train", settings, seed=3, streams=streams)
        for settings in (chosen, replace(chosen, scales=(1.0, 1.0)))  # the same crops, by another way
    )
    for epoch in (0, 1):
        for i in range(8):
            assert same(clips[epoch, i][0], drawn[epoch, i][0])
            assert clips[epoch, i][1] == drawn[epoch, i][1]


def test_a_short_video_is_decoded_once_for_training(data):
    flow = data.flow_cache("flow", SEGMENTS)
    for memory, counts in ((1 << 20, [FRAMES]), (0, [2, 2, 2])):
        clips = Clips(data.lists[0], SEGMENTS, train=True, flow=flow, memory=memory)
        reads, read = [], clips._frames
        clips._frames = lambda index, wanted, reads=reads, read=read: reads.append(len(wanted)) or read(index, wanted)
        assert [clips[epoch, 2][0]["rgb"].shape[1] for epoch in range(3)] == [2, 2, 2]
        assert reads == counts
        clips.close()


@pytest.mark.parametrize(
    ("streams", "changes", "text"),
    [
        ((), {}, r"streams are \(\)"),
        (("rgb", "depth"), {}, "streams are .*depth.*one of 'flow' and 'warped'"),
        (("flow", "warped"), {}, "one of 'flow' and 'warped'"),
        (BOTH, {"fields": 0}, "but fields is 0"),
    ],
)
def test_impossible_streams_are_named(data, streams, changes, text):
    flow = data.flow_cache("flow", SEGMENTS)
    with pytest.raises(InputError, match=text):
        Clips(data.lists[0], replace(SEGMENTS, **changes), train=True, streams=streams, flow=flow)
    with pytest.raises(InputError, match="but there is no flow"):
        Clips(data.lists[0], SEGMENTS, train=True, streams=BOTH)
