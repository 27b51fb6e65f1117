"""Training videos held out: how many of each class, which, and whatever the order of the list."""

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videoattn.data.clips.held_out import held_out
from videoattn.data.datasets.videos import Sample, VideoList
from videoattn.errors import InputError


def listed(counts, *, subset="train", recording=""):
    """Of class c as many videos as `counts` says."""
    samples = [
        Sample(f"{c}/{i}.mp4", Path(f"/nowhere/{c}/{i}"), c, recording=recording)
        for c, count in enumerate(counts)
        for i in range(count)
    ]
    return VideoList("folder", subset, tuple(f"class{c}" for c in range(len(counts))), tuple(samples), missing=3)


def names(videos):
    return [sample.name for sample in videos.samples]


def number(sample):
    return sample.name.partition("/")[2]


def counted(videos):
    return [Counter(sample.label for sample in videos.samples)[c] for c in range(len(videos.classes))]


def test_every_class_gives_its_share():
    fitted, held = held_out(listed([10, 5, 2, 3, 0]), share=0.2)
    assert counted(held) == [2, 1, 1, 1, 0]
    assert counted(fitted) == [8, 4, 1, 2, 0]
    assert (fitted.subset, held.subset, fitted.missing, held.missing) == ("train", "train", 3, 0)
    assert fitted.classes == held.classes == tuple(f"class{c}" for c in range(5))
    assert counted(held_out(listed([10, 2]), share=0.99)[0]) == [1, 1]
    assert counted(held_out(listed([10, 2]), share=0.01)[1]) == [1, 1]


@settings(max_examples=40, deadline=None)
@given(
    counts=st.lists(st.integers(2, 12), min_size=1, max_size=4),
    share=st.floats(0.05, 0.95),
    seed=st.integers(0, 5),
    shuffle=st.randoms(use_true_random=False),
)
def test_parts_do_not_depend_on_the_order(counts, share, seed, shuffle):
    videos = listed(counts)
    fitted, held = held_out(videos, share=share, seed=seed)
    assert sorted(names(fitted) + names(held)) == sorted(names(videos))
    for c, count in enumerate(counts):
        taken = counted(held)[c]
        assert 1 <= taken <= count - 1
        assert abs(taken - share * count) <= max(0.5, 1 - share * count, share * count - (count - 1)) + 1e-9
    mixed = list(videos.samples)
    shuffle.shuffle(mixed)
    again = held_out(replace(videos, samples=tuple(mixed)), share=share, seed=seed)
    assert [sorted(names(part)) for part in again] == [sorted(names(fitted)), sorted(names(held))]
    assert names(again[1]) == [sample.name for sample in mixed if sample in held.samples]


def test_a_seed_gives_another_split_and_the_same_seed_the_same():
    videos = listed([40, 40])
    splits = [names(held_out(videos, seed=seed, recording=number)[1]) for seed in (0, 0, 1)]
    assert splits[0] == splits[1] != splits[2]
    first = [n for n in splits[0] if n.startswith("0/")]
    second = [n for n in splits[0] if n.startswith("1/")]
    assert [n[2:] for n in first] != [n[2:] for n in second]  # classes are drawn independently
    assert names(held_out(listed([3]), seed=0)[1]) == ["0/0.mp4"]  # and so it must stay


def test_one_video_more_changes_little():
    before, after = (set(names(held_out(listed([count]), share=0.25)[1])) for count in (40, 41))
    assert len(before) == len(after) == 10
    assert len(before & after) >= 9


def test_recordings_stay_together():
    videos = listed([0, 0])
    samples = [
        Sample(f"v_{c}_g{g:02d}_c{i:02d}.avi", Path("/nowhere"), label, recording=f"g{g:02d}")
        for label, c in enumerate("AB")
        for g in range(8, 20)
        for i in range(1, 4 + g % 4)
    ]
    random.Random(0).shuffle(samples)
    fitted, held = held_out(replace(videos, samples=tuple(samples)), share=0.25)
    groups = [{(sample.label, sample.recording) for sample in part.samples} for part in (fitted, held)]
    assert not groups[0] & groups[1]
    assert len(groups[0] | groups[1]) == 24
    assert all(abs(count - 0.25 * 54) <= 3 for count in counted(held))  # half of the largest recording
    split = held_out(replace(videos, samples=tuple(samples)), share=0.25, recording=lambda sample: sample.name)
    assert {sample.recording for sample in split[0].samples} & {s.recording for s in split[1].samples}


def test_test_videos_cannot_be_held_out():
    with pytest.raises(InputError, match="of the subset 'test' cannot be held out; those of \"train\" are expected"):
        held_out(listed([10, 10], subset="test"))


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5, 1.5, float("nan")])
def test_shares_that_leave_a_part_empty_are_refused(share):
    with pytest.raises(InputError, match=f"share={share}: must lie between 0 and 1"):
        held_out(listed([10, 10]), share=share)


@pytest.mark.parametrize(
    ("videos", "says"),
    [
        (listed([4, 1]), "class class1: one recording of 1 training videos; two recordings at least are needed"),
        (listed([0, 0]), "data set folder has no training videos to hold out"),
        (listed([3], recording="g01"), "class class0: one recording of 3 training videos"),
    ],
)
def test_lists_that_cannot_be_split_are_refused(videos, says):
    with pytest.raises(InputError, match=says):
        held_out(videos)
