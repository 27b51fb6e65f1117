"""Lists in which videos are parts of files and of folders: clips, flow, and what is inspected."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from clips import encode, gray, numbers
from textures import texture, write_gray

from videoattn.data.clips.clips import Clips
from videoattn.data.clips.settings import ClipSettings
from videoattn.data.clips.video_data import VideoData
from videoattn.data.datasets.splits import readable
from videoattn.data.datasets.videos import Sample, Source, VideoList
from videoattn.data.decode.decoder import Decoder, UnreadableVideo
from videoattn.data.flow.cache import FlowCache, FlowSettings
from videoattn.data.verify.inspect import inspect_videos
from videoattn.errors import RunError

DIS = FlowSettings(algorithm="dis", short_side=48)
DENSE = ClipSettings(frames=3, sampling="dense", fields=1, size=48, short_side=48)
PLAIN = ClipSettings(frames=4, size=32, short_side=32, scales=(1.0,), flip=0.0)


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """Numbered frames in a file and in a folder, a file that moves, the same in a folder, and one that is no video."""
    root = tmp_path_factory.mktemp("root")
    encode(root / "long.mp4", gray(24, 32, 32))
    (root / "text.mp4").write_text("no video\n" * 50)
    shifts = [t * (t + 1) // 2 for t in range(9)]  # faster and faster, so that no two fields are alike
    write_gray(root / "moving.mp4", np.stack([np.roll(texture(48, 64), shift, 1) for shift in shifts]))
    with Decoder() as decoder:
        for name in ("long", "moving"):
            (root / name).mkdir()
            for number, frame in enumerate(decoder.frames(root / f"{name}.mp4", range(9)), 1):
                cv2.imwrite(str(root / name / f"{number:05d}.png"), frame[..., ::-1])
    return root


def listed(root: Path, *sources: Source, subset: str = "train") -> VideoList:
    """Each source with a label of its own."""
    samples = tuple(
        Sample(f"{number}", root / source.path, number, frames=source.frames, seconds=source.seconds)
        for number, source in enumerate(sources)
    )
    return VideoList("parts", subset, tuple(f"class {number}" for number in range(len(sources))), samples)


def part(name: str, *, frames=None, seconds=None) -> Source:
    return Source(Path(name), frames=frames, seconds=seconds)


PARTS = (
    part("long.mp4", frames=(0, 4)),
    part("long.mp4", frames=(4, 8)),
    part("long.mp4", seconds=(0.4, 0.56)),
    part("long", frames=(3, 7)),
    part("long", frames=(5, 100)),
)
STARTS = (0, 4, 10, 3, 5)


def test_clips_of_parts_are_not_mixed_up(root):
    for train, memory in ((True, 0), (True, 1 << 20), (False, 1 << 20)):
        clips = Clips(listed(root, *PARTS), PLAIN, train=train, memory=memory)
        for _ in range(2):
            for index, start in enumerate(STARTS):
                assert numbers(clips.raw(index)["rgb"].permute(1, 2, 3, 0).numpy()) == [*range(start, start + 4)]
                assert clips[(0, index) if train else index][1] == index
        clips.close()


def test_inspection_and_clips_keep_parts_apart(root):
    bad = (part("long.mp4", frames=(24, 30)), part("long", frames=(9, 12)), part("text.mp4", frames=(0, 2)))
    lists = (listed(root, *PARTS, *bad), listed(root, *bad[:1], *PARTS[:2], subset="test"))
    found = inspect_videos(lists, workers=2)
    readable = {source: one.info for source, one in found.items() if one.info}
    sources = [sample.source for sample in lists[0].samples]
    assert list(readable) == sources[:5]
    assert [(info.first, info.frames) for info in readable.values()] == [(s, 4) for s in STARTS]
    assert list(found)[5:] == sources[5:]
    assert found[sources[5]].reason == "the part begins at frame 24; the video has 24 frames"
    assert [info.decoder for info in readable.values()].count("images") == 2
    data = VideoData(lambda: lists, max_unreadable=0.5)
    assert [len(videos.samples) for videos in data.lists] == [5, 2]
    assert [line.partition(":")[0] for line in data.unreadable] == ["5", "6", "7", "0"]
    clips = data.clips("test", PLAIN)
    assert [numbers(clips.raw(i)["rgb"].permute(1, 2, 3, 0).numpy()) for i in range(2)] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    clips.close()
    with pytest.raises(RunError, match=r"3 of 8 videos cannot be read .*long\.mp4, frames 24 to 30: the part"):
        VideoData(lambda: lists, max_unreadable=0.3)


def test_an_unreadable_file_takes_all_its_parts_with_it(root):
    videos = listed(root, *PARTS)
    left, lines = readable(videos, [UnreadableVideo(root / "long.mp4", "broken")], 1.0)
    assert [sample.name for sample in left.samples] == ["3", "4"]
    assert lines == ["0: broken", "1: broken", "2: broken"]
    left, lines = readable(videos, [UnreadableVideo(videos.samples[1].source, "short")], 0.2)
    assert [sample.name for sample in left.samples] == ["0", "2", "3", "4"]
    assert lines == ["1: short"]
    assert readable(videos, [UnreadableVideo(root / "other.mp4", "broken")], 0.0) == (videos, [])


@pytest.fixture(scope="module")
def flow(root, tmp_path_factory):
    """A cache with the flow of a file, of two parts of it, of a folder and of a part of this, and the report."""
    sources = [root / "moving.mp4", *(Source(root / "moving.mp4", frames=f) for f in ((2, 6), (4, 9)))]
    sources += [Source(root / "moving.mp4", seconds=(0.08, 0.24)), root / "moving"]
    sources += [Source(root / "moving", frames=f) for f in ((3, 9), (8, 9), (9, 12))]
    cache = FlowCache(tmp_path_factory.mktemp("cache"), DIS)
    return cache, sources, cache.build(sources, workers=2, progress=False)


def test_flow_of_a_part_is_that_of_the_whole(flow):
    cache, sources, report = flow
    assert (report.computed, report.cached) == (6, 0)
    assert [(error.source, error.reason) for error in report.unreadable] == [
        (sources[6], "1 frame, no flow"),
        (sources[7], "the part begins at frame 9; the video has 9 frames"),
    ]
    assert [cache.count(source) for source in sources[:6]] == [8, 3, 4, 3, 8, 5]
    whole = cache.fields(sources[0], range(8))
    for source, first in zip(sources[:6], (0, 2, 4, 2, 0, 3), strict=True):
        fields = cache.fields(source, range(cache.count(source)))
        np.testing.assert_array_equal(fields, whole[first : first + len(fields)])
    assert len({whole[i].tobytes() for i in range(8)}) == 8
    assert len(list(cache.folder.glob("*/*.zip"))) == 6


def test_flow_of_a_copy_is_known_and_of_another_part_not(flow, root, tmp_path):
    cache, sources, _ = flow
    shutil.copytree(root / "moving", tmp_path / "copy")
    shutil.copy(root / "moving.mp4", tmp_path / "copy.avi")
    copies = [Source(tmp_path / "copy", frames=(3, 9)), Source(tmp_path / "copy.avi", frames=(4, 9))]
    assert cache.build(copies, workers=1, progress=False).cached == 2
    np.testing.assert_array_equal(cache.fields(copies[1], [2]), cache.fields(sources[2], [2]))
    with pytest.raises(RunError, match="build the flow cache first"):
        cache.count(Source(root / "moving.mp4", frames=(4, 8)))


def test_clips_with_flow_of_parts(flow, root):
    cache, sources, _ = flow
    videos = listed(root, *sources[1:4], sources[5])
    clips = Clips(videos, DENSE, train=False, streams=("rgb", "flow"), flow=cache, memory=1 << 20)
    with Decoder() as decoder:
        frames = decoder.frames(root / "moving.mp4", range(9))
    fields = cache.fields(root / "moving.mp4", range(8))
    for index, first in enumerate((2, 5, 2, 4)):  # in the middle of 3, 4, 3 and 5 fields
        clip = clips.raw(index)
        np.testing.assert_array_equal(clip["rgb"].permute(1, 2, 3, 0), frames[first : first + 3])
        np.testing.assert_array_equal(clip["flow"].permute(1, 0, 2, 3), fields[first : first + 3])
        assert clips[index][1] == index
    clips.close()


def test_data_with_flow_of_parts(root, tmp_path, monkeypatch):
    monkeypatch.setenv("VIDEOATTN_CACHE", str(tmp_path))
    parts = [part("moving.mp4", frames=(0, 5)), part("moving.mp4", frames=(40, 50)), part("moving", frames=(1, 6))]
    lists = lambda: (listed(root, *parts), listed(root, *parts[::2], subset="test"))  # noqa: E731
    data = VideoData(lists, flow=DIS, max_unreadable=0.5)
    assert data.unreadable == ["1: the part begins at frame 40; the video has 9 frames"]
    assert [sample.name for sample in data.lists[0].samples] == ["0", "2"]
    clips = data.clips("test", DENSE, streams=("rgb", "flow"))
    a, b = (clips[i][0] for i in range(2))
    assert not torch.equal(a["rgb"], b["rgb"])
    assert (a["flow"] - b["flow"]).abs().max() > 0.01
    clips.close()
