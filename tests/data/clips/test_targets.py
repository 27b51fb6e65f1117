"""Targets of one label, of several heads and of several labels, their mirror images, and batches of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from clips import encode
from hypothesis import given
from hypothesis import strategies as st
from textures import texture
from torch.utils.data import default_collate

from videoattn.data.clips.clips import Clips, augment
from videoattn.data.clips.held_out import held_out
from videoattn.data.clips.settings import ClipSettings
from videoattn.data.clips.targets import check_ten_crops, flippable, stratum, target
from videoattn.data.datasets.videos import Sample, VideoList
from videoattn.errors import InputError

SIDED = ("turn left", "turn right", "walk", "look left")  # the last has no mirror image
HEADS = (("verb", SIDED), ("noun", ("left hand", "cup", "right hand")))
PATH = Path("nowhere.mp4")


def one(label: int) -> tuple[VideoList, Sample]:
    sample = Sample("a", PATH, label)
    return VideoList("set", "train", SIDED, (sample,)), sample


def headed(*labels: int) -> tuple[VideoList, Sample]:
    sample = Sample("a", PATH, labels[0], labels)
    return VideoList("set", "train", SIDED, (sample,), heads=HEADS), sample


def several(*labels: int) -> tuple[VideoList, Sample]:
    sample = Sample("a", PATH, None, labels)
    return VideoList("set", "train", SIDED, (sample,), multilabel=True), sample


@pytest.mark.parametrize(("label", "mirrored"), [(0, 1), (1, 0), (2, 2), (3, None)])
def test_one_label_is_an_int(label, mirrored):
    assert target(*one(label)) == label
    assert type(target(*one(label))) is int
    assert flippable(*one(label)) == (mirrored is not None)
    if mirrored is not None:
        assert target(*one(label), mirrored=True) == mirrored


@pytest.mark.parametrize(
    ("labels", "mirrored"), [((0, 0), [1, 2]), ((2, 1), [2, 1]), ((1, 2), [0, 0]), ((3, 1), None), ((3, 2), None)]
)
def test_heads_are_indices(labels, mirrored):
    found = target(*headed(*labels))
    assert (found.tolist(), found.dtype) == (list(labels), torch.int64)
    assert flippable(*headed(*labels)) == (mirrored is not None)
    if mirrored is not None:
        assert target(*headed(*labels), mirrored=True).tolist() == mirrored
    videos, sample = headed(*labels)
    assert target(videos, replace(sample, label=None)).tolist() == list(labels)  # the first need not be told twice


@pytest.mark.parametrize(
    ("labels", "expected", "mirrored"),
    [
        ((), [0, 0, 0, 0], [0, 0, 0, 0]),
        ((0, 2), [1, 0, 1, 0], [0, 1, 1, 0]),
        ((0, 1), [1, 1, 0, 0], [1, 1, 0, 0]),
        ((2, 3), [0, 0, 1, 1], None),
    ],
)
def test_several_labels_are_marks(labels, expected, mirrored):
    found = target(*several(*labels))
    assert (found.tolist(), found.dtype) == (expected, torch.float32)
    assert flippable(*several(*labels)) == (mirrored is not None)
    if mirrored is not None:
        assert target(*several(*labels), mirrored=True).tolist() == mirrored


@given(labels=st.sets(st.integers(0, 2)))
def test_the_mirror_image_of_the_mirror_image_is_the_video(labels):
    videos, sample = several(*sorted(labels))
    twice = replace(sample, labels=tuple(target(videos, sample, mirrored=True).nonzero().flatten().tolist()))
    assert torch.equal(target(videos, twice, mirrored=True), target(videos, sample))


def test_batches():
    for make, values, expected in (
        (one, [(0,), (2,)], torch.tensor([0, 2])),
        (headed, [(0, 1), (2, 2)], torch.tensor([[0, 1], [2, 2]])),
        (several, [(), (1, 2)], torch.tensor([[0.0, 0, 0, 0], [0, 1, 1, 0]])),
    ):
        batch = default_collate([target(*make(*labels)) for labels in values])
        assert batch.dtype == expected.dtype
        assert torch.equal(batch, expected)


def test_ten_crops_are_refused_where_any_head_has_sides():
    plain = ("walk", "run")
    for heads in ((("verb", plain), ("noun", HEADS[1][1])), (("verb", SIDED), ("noun", plain))):
        with pytest.raises(InputError, match="becomes another"):
            check_ten_crops(VideoList("set", "test", heads[0][1], (), heads=heads))
    check_ten_crops(VideoList("set", "test", plain, (), heads=(("verb", plain), ("noun", ("cup",)))))
    with pytest.raises(InputError, match="'turn left' becomes another"):
        check_ten_crops(several()[0])


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> Path:
    """Two frames that are not their own mirror image."""
    picture = np.repeat(texture(48, 48, 3)[None, ..., None], 3, axis=3)
    return encode(tmp_path_factory.mktemp("video") / "a.mp4", np.concatenate([picture, np.roll(picture, 2, 2)]))


def lists(video: Path) -> tuple[VideoList, VideoList]:
    """Several heads, several labels: of each, videos that may be mirrored and one that may not."""
    of_heads = tuple(Sample(f"{i}", video, a, (a, b)) for i, (a, b) in enumerate([(0, 0), (2, 1), (3, 1)]))
    marked = tuple(Sample(f"{i}", video, None, labels) for i, labels in enumerate([(0, 2), (), (0, 3)]))
    heads = VideoList("heads", "train", SIDED, of_heads, heads=HEADS)
    return heads, replace(several()[0], samples=marked)


def check_items(clips, plain, key: str) -> None:
    """That targets are mirrored where the pictures are; `plain` never mirrors."""
    seen = set()
    for index, sample in enumerate(clips.videos.samples):
        for epoch in range(8):
            (clip, found), (straight, _) = clips[epoch, index], plain[epoch, index]
            flipped = torch.equal(clip[key], straight[key].flip(-1))
            assert flipped != torch.equal(clip[key], straight[key])
            assert torch.equal(found, target(clips.videos, sample, flipped))
            seen.add((index, flipped))
    assert seen == {(0, False), (0, True), (1, False), (1, True), (2, False)}


def test_clips(video):
    chosen = ClipSettings(frames=2, size=48, short_side=48, scales=augment.CENTRE, flip=0.5)
    for videos in lists(video):
        clips, plain = (Clips(videos, s, train=True) for s in (chosen, replace(chosen, flip=0.0)))
        check_items(clips, plain, "rgb")
        tested = Clips(videos, chosen, train=False)
        assert [tested[i][1].tolist() for i in range(3)] == [target(videos, s).tolist() for s in videos.samples]
        with pytest.raises(InputError, match="becomes another"):
            Clips(videos, replace(chosen, test_crops=10), train=False)
        for data in (clips, plain, tested):
            data.close()


def test_images(video, monkeypatch):
    monkeypatch.setattr(augment, "PAD", 0)
    pixels = np.random.default_rng(0).integers(0, 255, (3, 32, 32, 3), dtype=np.uint8)
    chosen = ClipSettings(frames=1, size=32, short_side=32, flip=0.5)
    for videos in lists(video):
        made = (Clips(videos, s, train=True, pixels=pixels) for s in (chosen, replace(chosen, flip=0.0)))
        check_items(*made, "rgb")


def test_splits_of_several_labels_are_by_recording_and_of_heads_by_the_first():
    marked = tuple(Sample(f"{i}", PATH, None, (i % 4,) if i % 3 else (), recording=f"r{i // 4}") for i in range(40))
    videos = replace(several()[0], samples=marked)
    fitted, held = held_out(videos, share=0.2)
    assert (len(fitted.samples), len(held.samples)) == (32, 8)
    assert len({s.recording for s in held.samples}) == 2
    assert not {s.recording for s in held.samples} & {s.recording for s in fitted.samples}
    assert {stratum(videos, sample) for sample in marked} == {None}
    with pytest.raises(InputError, match="data set set: one recording of 4 training videos"):
        held_out(replace(videos, samples=marked[:4]), share=0.2)
    of_heads = tuple(Sample(f"{i}", PATH, None, (i % 4, i % 3)) for i in range(40))
    plain = tuple(replace(sample, label=sample.labels[0], labels=()) for sample in of_heads)
    split = held_out(replace(headed(0, 0)[0], samples=of_heads), share=0.2)
    expected = held_out(replace(one(0)[0], samples=plain), share=0.2)
    assert [[s.name for s in part.samples] for part in split] == [[s.name for s in part.samples] for part in expected]
    assert sorted(s.labels[0] for s in split[1].samples) == [0, 0, 1, 1, 2, 2, 3, 3]
