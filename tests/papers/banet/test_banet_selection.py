"""Rules that keep frames: which ones, and what they refuse."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_weights import noise

from videoattn.errors import InputError
from videoattn.papers.banet.attention import differences, kept_frames
from videoattn.papers.banet.selection import selection


def video(batch: int = 2, frames: int = 8) -> dict[str, torch.Tensor]:
    return {"rgb": noise(batch, 3, frames, 16, 16, seed=1)}


def test_fixed_rules_by_hand():
    rgb = video(3, 9)["rgb"]
    assert selection("all", frames=9, keep=0.5, size=4)(rgb).indices.tolist() == [list(range(9))] * 3
    largest = selection("largest", frames=9, keep=0.4, size=4)(rgb).indices
    for found, maps in zip(largest.tolist(), differences(rgb, 4), strict=True):
        d = [sum(m.flatten().tolist()) / 16 for m in maps]
        worth = [d[max(n - 1, 0)] + d[min(n, 7)] for n in range(9)]
        assert found == sorted(sorted(range(9), key=worth.__getitem__)[-4:])
    smallest = selection("smallest", frames=9, keep=0.4, size=4)(rgb).indices
    for found, maps in zip(smallest.tolist(), differences(rgb, 4), strict=True):
        d = [sum(m.flatten().tolist()) / 16 for m in maps]
        worth = [min(d[max(n - 1, 0)], d[min(n, 7)]) for n in range(9)]
        assert found == sorted(sorted(range(9), key=worth.__getitem__)[:4])


@settings(deadline=None)
@given(frames=st.integers(1, 40), data=st.data())
def test_uniform_takes_the_middle_of_each_segment(frames, data):
    count = data.draw(st.integers(1, frames))
    rule = selection("uniform", frames=frames, keep=count / frames, size=4)
    found = rule(torch.zeros(2, 3, frames, 1, 1)).indices.tolist()
    assert found == [[math.floor((2 * i + 1) * frames / (2 * count)) for i in range(count)]] * 2
    assert len(set(found[0])) == kept_frames(frames, count / frames) == count


def test_random_differs_in_training_and_is_fixed_for_a_clip_in_evaluation():
    rule, rgb = selection("random", frames=16, keep=0.5, size=4), video(4, 16)["rgb"]
    torch.manual_seed(0)
    drawn = [rule(rgb).indices for _ in range(3)]
    assert not torch.equal(drawn[0], drawn[1])
    rule.eval()
    torch.manual_seed(1)
    state = torch.get_rng_state()
    fixed = rule(rgb).indices
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(rule(rgb[2:]).indices, fixed[2:])  # whatever its place in a batch
    for kept in (*drawn, fixed):
        assert len({tuple(row) for row in kept.tolist()}) > 1  # clips of one batch differ
        assert (kept.diff(dim=1) > 0).all()
        assert (kept.shape, kept.min() >= 0, kept.max() < 16) == ((4, 8), True, True)


@given(frames=st.integers(2, 40), keep=st.floats(0.26, 1))
def test_as_many_are_kept_as_come_nearest_to_the_share(frames, keep):
    count = kept_frames(frames, keep)
    assert 1 <= count <= frames
    assert abs(count - frames * keep) <= 0.5


@pytest.mark.parametrize("rule", ["uniform", "random", "largest", "smallest", "learned"])
@pytest.mark.parametrize(("keep", "count"), [(-0.5, -4), (0, 0), (0.05, 0), (1.2, 10), (math.nan, 0), (math.inf, 0)])
def test_impossible_shares_are_refused(rule, keep, count):
    with pytest.raises(InputError, match=f"keep={keep}: of 8 frames {count} would be left; 1 to 8 are possible"):
        selection(rule, frames=8, keep=keep, size=4)


def test_unknown_rules_are_refused():
    with pytest.raises(InputError, match="unknown rule 'middle'; choose from all, uniform, random, largest, small"):
        selection("middle", frames=8, keep=0.5, size=4)


@pytest.mark.parametrize("rule", ["uniform", "random", "largest", "smallest", "learned"])
def test_clips_of_another_length_are_refused(rule):
    select = selection(rule, frames=8, keep=0.5, size=4)
    for frames in (4, 12):
        with pytest.raises(InputError, match=rf"shape \(2, 3, {frames}, 8, 8\); \(B, 3, 8, H, W\) is expected"):
            select(torch.zeros(2, 3, frames, 8, 8))
    with pytest.raises(InputError, match="frames=0"):
        selection(rule, frames=0, keep=0.5, size=4)
