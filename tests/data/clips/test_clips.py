"""Clips of generated videos: which frames, read how often, cut and mirrored how."""

import pickle
from collections import Counter
from dataclasses import replace
from itertools import chain, product
from pathlib import Path

import numpy as np
import pytest
import torch
from clips import encode, everything, gray, numbers
from textures import texture

from videoattn.data.clips.clips import Clips, augment
from videoattn.data.clips.frame_cache import FrameCache
from videoattn.data.clips.settings import ClipSettings
from videoattn.data.datasets.videos import Sample, VideoList
from videoattn.data.decode.decoder import Decoder
from videoattn.data.probes.video import write_video
from videoattn.errors import InputError, RunError

PLAIN = ClipSettings(frames=4, size=32, short_side=32, scales=(1.0,), flip=0.0)
AUGMENTED = replace(PLAIN, size=24, scales=augment.SCALES, flip=0.5)
SIZES = {"landscape": (32, 48), "portrait": (48, 32), "square": (32, 32)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A numbered video of 24 frames, and one of 4 coloured textures of each form."""
    folder = tmp_path_factory.mktemp("clips")
    encode(folder / "long.mp4", gray(24, 32, 32))
    for number, (name, size) in enumerate(SIZES.items()):
        frames = [np.stack([texture(*size, seed=12 * number + 3 * t + c) for c in range(3)], axis=-1) for t in range(4)]
        write_video(folder / f"{name}.mp4", np.stack(frames), 10)
    return folder


def videos(folder: Path, *names: str, classes: tuple[str, ...] | None = None) -> VideoList:
    samples = tuple(Sample(f"{name}.mp4", folder / f"{name}.mp4", label) for label, name in enumerate(names))
    return VideoList("folder", "train", classes or names, samples)


class Watched:
    """A decoder that writes down which frames it is asked for."""

    def __init__(self, decoder: Decoder):
        self.decoder, self.asked = decoder, []
        self.info, self.close = decoder.info, decoder.close

    def frames(self, source, indices, *, size, info=None):
        self.asked.append((source.path.stem, [int(index) for index in indices], size))
        return self.decoder.frames(source, indices, size=size, info=info)


@pytest.fixture
def clips(folder, decoder):
    """Makes clips whose decoder is watched: clips(settings, *names, ...)."""

    def make(chosen, *names, train, seed=0, memory=0, extra=None, classes=None):
        data = Clips(
            videos(folder, *names, classes=classes), chosen, train=train, seed=seed, memory=memory, extra=extra
        )
        data._decoder = Watched(decoder)
        return data

    return make


def normal(rgb: np.ndarray) -> torch.Tensor:
    """uint8 (..., T, H, W, 3) -> (..., 3, T, H, W) as networks with the weights of ImageNet expect it."""
    scaled = (rgb / 255.0 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    return torch.from_numpy(np.moveaxis(scaled, -1, -4)).float()


def asked(data: Clips) -> list[list[int]]:
    return [indices for _, indices, _ in data._decoder.asked]


def test_only_the_frames_asked_for_are_decoded_and_once_where_they_are_kept(clips):
    data = clips(PLAIN, "long", train=False, memory=1 << 20)
    assert numbers(data.raw(0)["rgb"].permute(1, 2, 3, 0).numpy()) == [3, 9, 15, 21]
    assert data._decoder.asked == [("long", [3, 9, 15, 21], (32, 32))]
    data.raw(0)
    assert len(data._decoder.asked) == 1
    dense = clips(replace(PLAIN, sampling="dense", stride=3, test_clips=2), "long", train=False)
    expected = [3, 6, 9, 12, 11, 14, 17, 20]
    assert numbers(dense.raw(0)["rgb"].permute(1, 2, 3, 0).numpy()) == expected
    assert asked(dense) == [sorted(expected)]
    train = clips(PLAIN, "long", train=True, memory=1 << 20)
    for epoch in range(80):
        train[epoch, 0]
    assert sorted(chain(*asked(train))) == list(range(24))


def test_a_clip_longer_than_its_video_repeats_frames(clips):
    uniform = clips(replace(PLAIN, frames=48), "long", train=False)
    found = uniform.raw(0)["rgb"].permute(1, 2, 3, 0).numpy()
    assert numbers(found) == [t // 2 for t in range(48)]
    dense = clips(replace(PLAIN, frames=30, sampling="dense"), "long", train=False)
    assert numbers(dense.raw(0)["rgb"].permute(1, 2, 3, 0).numpy()) == [*range(24), *[23] * 6]
    assert numbers(dense[0][0]["rgb"][0, 0].mul(0.229 * 255).add(0.485 * 255).round().byte()[..., None].numpy()) == [
        *range(24),
        *[23] * 6,
    ]


@pytest.mark.parametrize("chosen", [PLAIN, AUGMENTED, replace(PLAIN, frames=8), replace(PLAIN, frames=2)])
def test_kept_frames_give_equal_items(clips, folder, chosen):
    names = (*SIZES, "long") if chosen.size < 32 else ("square", "long")
    read = clips(chosen, *names, train=True)
    for memory in (1 << 20, 5 * 3 * 32 * 32):  # all of it, and less than is met
        kept = clips(chosen, *names, train=True, memory=memory)
        for epoch in (0, 1, 1):
            for i in range(len(names)):
                first, second = read[epoch, i], kept.view(seed=0)[epoch, i]
                assert torch.equal(first[0]["rgb"], second[0]["rgb"])
                assert first[1] == second[1] == i
        ready = sum(clip["rgb"].nbytes for clip, _ in kept._cache.items.values())
        assert kept._cache.left + ready + sum(images.nbytes for _, images in kept._cache._kept.values()) == memory
        assert kept._cache.left >= 0
        assert (ready > 0) == (memory == 1 << 20 and chosen.frames in (4, 8) and chosen.size == 32)
    before = len(asked(kept.view(seed=1)))
    assert before < len(asked(read))


def test_a_short_video_is_read_once_for_all_epochs_and_views(clips, folder):
    data = clips(PLAIN, "square", train=True, memory=1 << 20)
    expected = normal(everything(folder / "square.mp4"))
    for seed in (0, 1):
        for epoch in range(3):
            torch.testing.assert_close(data.view(seed=seed)[epoch, 0][0]["rgb"], expected)
    assert data._decoder.asked == [("square", [0, 1, 2, 3], (32, 32))]


def test_rgb_is_rounded_as_in_published_runs(clips):
    data = clips(PLAIN, "square", train=False)
    mean, std = (torch.tensor(v).view(3, 1, 1, 1) for v in (augment.IMAGENET_MEAN, augment.IMAGENET_STD))
    assert torch.equal(data[0][0]["rgb"][0], data.raw(0)["rgb"] * (1 / (255 * std)) - mean / std)


def test_a_clip_may_be_changed_by_who_gets_it(clips):
    data = clips(PLAIN, "square", train=True, memory=1 << 20)
    for epoch in range(3):
        clip, _ = data[epoch, 0]
        assert list(clip) == ["rgb"]
        clip["more"] = clip.pop("rgb")


def test_what_finds_no_room_leaves_what_is_kept_as_it_is():
    cache, reads = FrameCache(2 * 4), []

    def read(video, times):
        reads.append((video, times.tolist()))
        return torch.from_numpy(10 * video + times).float()

    for wanted, expected in (([1, 3], [1, 3]), ([0, 3, 1, 2, 2], [0, 2]), ([3, 1], None), ([2], [2])):
        before = len(reads)
        assert cache.read("rgb", 0, np.array(wanted), 5, read).tolist() == wanted
        assert reads[before:] == ([] if expected is None else [(0, expected)])
    assert cache.read("rgb", 1, np.array([4]), 5, read).tolist() == [14]
    assert (cache.left, pickle.loads(pickle.dumps(cache)).left) == (0, 8)
    assert cache.has_all("rgb", 0, 2)
    assert not cache.has_all("rgb", 0, 5)
    assert not cache.has_all("flow", 0, 0)


def test_few_frames_are_read_as_a_whole_for_training_where_there_is_room(clips):
    room = 3 * 24 * 32 * 32
    for memory, train, whole in ((room, True, True), (room - 1, True, False), (room, False, False)):
        data = clips(PLAIN, "long", train=train, memory=memory)
        data[(0, 0) if train else 0]
        assert (asked(data) == [list(range(24))]) == whole


def test_a_training_item_depends_on_seed_epoch_and_index_alone(clips):
    names = ("landscape", "long", "portrait")
    data = clips(AUGMENTED, *names, train=True, seed=1)
    first = data[3, 0][0]["rgb"]
    for item in ((0, 0), (4, 0), (3, 2)):
        assert not torch.equal(data[item][0]["rgb"], first)
    assert not torch.equal(data.view(seed=2)[3, 0][0]["rgb"], first)
    assert torch.equal(clips(AUGMENTED, *names, train=True, seed=1)[3, 0][0]["rgb"], first)
    kept = clips(AUGMENTED, *names, train=True, seed=1, memory=1 << 20)
    epoch = [kept[3, i][0]["rgb"] for i in range(3)]
    assert torch.equal(epoch[0], first)
    for original in (kept, data):
        moved = pickle.loads(pickle.dumps(original))
        assert all(torch.equal(moved[3, i][0]["rgb"], epoch[i]) for i in range(3))
        moved.close()


def test_training_crops_and_flips(clips, folder):
    data = clips(replace(PLAIN, size=20, scales=(0.625,), flip=0.5), "landscape", train=True)
    frames = everything(folder / "landscape.mp4")  # 32 x 48: free are 12 and 28
    found = Counter()
    for epoch in range(80):
        item = data[epoch, 0][0]["rgb"]
        for top, left in ((0, 0), (0, 28), (12, 0), (12, 28), (6, 14)):
            cut = frames[:, top : top + 20, left : left + 20]
            for flipped, view in ((False, cut), (True, cut[:, :, ::-1])):
                found[top, left, flipped] += torch.allclose(item, normal(view), atol=1e-5)
    assert len(found) == 10
    assert sum(found.values()) == 80
    assert min(found.values()) >= 2


def test_a_flip_exchanges_left_and_right_in_the_label(clips, folder):
    names = ("left", "right", "behind the left")
    chosen = replace(PLAIN, scales=augment.CENTRE, flip=0.5)
    data = clips(chosen, "landscape", "portrait", "square", train=True, classes=names)
    for index, name in enumerate(SIZES):
        frames = everything(folder / f"{name}.mp4")
        top, left = ((side - 32) // 2 for side in frames.shape[1:3])
        cut = frames[:, top : top + 32, left : left + 32]
        for epoch in range(8):
            clip, label = data[epoch, index]
            mirrored = label != index
            torch.testing.assert_close(clip["rgb"], normal(cut[:, :, ::-1] if mirrored else cut))
            assert label == ((1, 0, 2)[index] if mirrored else index)
    seen = [{data[epoch, index][1] for epoch in range(8)} for index in range(3)]
    assert seen == [{0, 1}, {0, 1}, {2}]  # what lies behind the left has no mirror image among the classes
    with pytest.raises(InputError, match="'left' becomes another"):
        Clips(data.videos, replace(PLAIN, test_crops=10), train=False)


def test_test_views_are_clips_of_crops(clips, folder):
    for name in SIZES:
        frames = everything(folder / f"{name}.mp4")
        height, width = frames.shape[1:3]
        two = replace(PLAIN, frames=2, size=24, test_clips=2)
        pairs = [frames[[0, 2]], frames[[1, 3]]]  # of 4 segments, each clip takes every second one
        middle = (slice(None), slice(height // 2 - 12, height // 2 + 12), slice(width // 2 - 12, width // 2 + 12))
        centre = clips(two, name, train=False)[0][0]["rgb"]
        torch.testing.assert_close(centre, normal(np.stack([pair[middle] for pair in pairs])))
        squares = {
            "landscape": [(slice(None), slice(None), slice(s, s + 32)) for s in (0, 8, 16)],
            "portrait": [(slice(None), slice(s, s + 32)) for s in (0, 8, 16)],
            "square": [()] * 3,
        }[name]
        three = clips(replace(two, test_crops=3), name, train=False)[0][0]["rgb"]
        expected = normal(np.stack([pair[square] for pair in pairs for square in squares]))
        torch.testing.assert_close(three, expected.reshape(6, 3, 2, 32, 32))
        ten = clips(replace(two, test_crops=10), name, train=False)[0][0]["rgb"]
        assert ten.shape == (20, 3, 2, 24, 24)
        for clip, pair in enumerate(pairs):
            corners = [*product((0, height - 24), (0, width - 24)), (height // 2 - 12, width // 2 - 12)]
            five = normal(np.stack([pair[:, y : y + 24, x : x + 24] for y, x in corners]))
            torch.testing.assert_close(ten[10 * clip : 10 * clip + 5], five)
            torch.testing.assert_close(ten[10 * clip + 5 : 10 * clip + 10], five.flip(-1))


def test_three_crops_of_an_odd_rest():
    maps = torch.arange(7.0).expand(2, 4, 7)
    assert augment.three_crops(maps)[:, 0, 0].tolist() == [[0, 1, 2, 3], [1, 2, 3, 4], [3, 4, 5, 6]]
    assert torch.equal(augment.three_crops(maps.mT), augment.three_crops(maps).mT)


def test_extra_tensors_come_along(clips):
    places = {f"{name}.mp4": torch.arange(6).view(2, 3) + 10 * i for i, name in enumerate(("square", "long"))}
    extra = {"places": places | {"another.mp4": torch.zeros(1)}}
    train = clips(AUGMENTED, "square", "long", train=True, extra=extra)
    clip, label = train.view(seed=4)[2, 1]
    assert (clip.keys(), label) == ({"rgb", "places"}, 1)
    assert torch.equal(clip["places"], places["long.mp4"])
    test = clips(replace(AUGMENTED, test_clips=2, test_crops=3), "square", "long", train=False, extra=extra)
    clip = test[0][0]
    assert clip["rgb"].shape == (6, 3, 4, 32, 32)
    assert torch.equal(clip["places"], torch.stack([places["square.mp4"]] * 6))
    with pytest.raises(InputError, match=r"'places' lack 1 of the videos, first portrait\.mp4"):
        clips(PLAIN, "square", "portrait", train=True, extra=extra)
    with pytest.raises(InputError, match="'rgb' would replace the frames"):
        clips(PLAIN, "square", train=True, extra={"rgb": places})


def test_a_video_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "broken.mp4").write_text("this is no video")
    data = Clips(videos(tmp_path, "broken"), PLAIN, train=True)
    with pytest.raises(RunError, match=r"a video cannot be read: .*broken\.mp4"):
        data[0, 0]
    data.close()
