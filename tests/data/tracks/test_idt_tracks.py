import math
from dataclasses import replace

import numpy as np
import pytest
from moving import panned, texture, with_object
from test_idt_descriptors import cells_by_loop

from videoattn.data.tracks import motion, tracks
from videoattn.data.tracks.settings import IDTSettings
from videoattn.data.tracks.tracks import extract, grid, scale_sizes, telling
from videoattn.errors import InputError

PLAIN = IDTSettings(camera=False, length=8)
SHORT = IDTSettings(length=8)


def shift(x, y):
    return np.float64([[1, 0, x], [0, 1, y], [0, 0, 1]])


@pytest.mark.parametrize("step", [(2, 1), (-3, 2)])
def test_tracks_of_a_moving_texture_have_its_displacement(step):
    found = extract(panned(12, 96, 120, step), PLAIN)
    assert {*found.scale.tolist()} == {0, 1, 2, 3}
    assert {0} < {*found.start.tolist()} <= {0, 1, 2, 3}
    inner = found.chosen(((found.points > 12) & (found.points < [108, 84])).all(axis=(1, 2)) & (found.scale < 2))
    assert len(inner) > 200
    steps = np.diff(inner.points, axis=1)
    np.testing.assert_allclose(np.median(steps, axis=(0, 1)), step, atol=0.1)
    assert (np.abs(steps.mean(axis=1) - step) < 0.3).all(axis=1).mean() > 0.9
    even = np.tile(np.divide(step, 8 * math.hypot(*step)), 8)
    assert (np.abs(inner.shape - even).max(axis=1) < 0.05).mean() > 0.9
    np.testing.assert_allclose(np.hypot(inner.shape[:, ::2], inner.shape[:, 1::2]).sum(axis=1), 1, rtol=1e-5)


def test_dimensions():
    found = extract(panned(17, 64, 64, (2, 0)), IDTSettings(camera=False))
    assert len(found) > 20
    assert {name: getattr(found, name).shape[1:] for name in found.__dataclass_fields__} == {
        "points": (16, 2),
        "start": (),
        "scale": (),
        "shape": (30,),
        "hog": (96,),
        "hof": (108,),
        "mbhx": (96,),
        "mbhy": (96,),
    }
    assert all(getattr(found, name).dtype == np.float32 for name in ("points", "shape", "hog", "hof", "mbhx", "mbhy"))


def test_a_moving_camera_over_a_still_scene_leaves_no_track(monkeypatch):
    clip = panned(14, 96, 120, (3, 1))
    assert len(extract(clip, PLAIN)) > 200
    monkeypatch.setattr(motion, "camera_homography", lambda before, after, flow: shift(3, 1))
    assert len(extract(clip, SHORT)) == 0


def test_the_camera_is_found_and_only_what_moves_by_itself_is_kept():
    clip = with_object(panned(14, 144, 176, (2, 0)), at=(60, 30), step=(-1, 3), side=40)
    found = extract(clip, SHORT)
    assert len(found) > 20
    time = found.start[:, None] + np.arange(9)
    place = found.points - np.stack([60 - time, 30 + 3 * time], axis=2)  # in the object
    assert ((place > -9) & (place < 40 + 9)).all(axis=2).any(axis=1).all()  # each meets it, or its border
    inside = ((place > 8) & (place < 32)).all(axis=(1, 2)) & (found.scale == 0)
    assert inside.sum() > 10
    own = np.float32([-3, 3]) / (8 * math.hypot(3, 3))  # against the ground
    np.testing.assert_allclose(np.median(found.shape[inside].reshape(-1, 8, 2), axis=(0, 1)), own, atol=0.02)
    steps = np.diff(found.points[inside], axis=1)
    np.testing.assert_allclose(np.median(steps, axis=(0, 1)), [-1, 3], atol=0.15)  # in the picture
    assert len(extract(clip, replace(SHORT, camera=False))) > 3 * len(found)


def test_a_still_clip_and_one_without_texture_have_none():
    assert len(extract(np.stack([texture(64, 80)] * 10), SHORT)) == 0
    assert len(extract(np.full((10, 64, 80), 90, np.uint8), PLAIN)) == 0


@pytest.mark.parametrize(("frames", "some"), [(0, False), (1, False), (8, False), (9, True)])
def test_short_clips(frames, some):
    found = extract(panned(9, 64, 64, (2, 1))[:frames], PLAIN)
    assert (len(found) > 0) == some
    assert found.hof.shape[1:] == (108,)
    assert found.shape.shape[1:] == (16,)


@pytest.mark.parametrize("size", [(33, 47), (21, 64), (16, 16), (31, 19)])
def test_odd_and_small_frames(size):
    found = extract(panned(9, *size, (1, 1)), replace(PLAIN, min_spread=0.5))
    assert len(found) > 0
    assert ((found.points > 0) & (found.points < size[::-1])).all()
    assert np.isfinite(found.hog).all()


def test_descriptors_are_means_over_the_frames_of_a_plain_loop(monkeypatch):
    """With a known flow: a track follows it from the pixel at its place, and its tube is summed by loops."""
    rng = np.random.default_rng(3)
    clip = rng.integers(0, 256, (6, 41, 45), dtype=np.uint8)
    fields = rng.normal(1.2, 0.4, (5, 2, 41, 45)).astype(np.float32)
    warped = rng.normal(0.8, 0.9, (5, 2, 41, 45)).astype(np.float32)
    order = iter(zip(fields, warped, strict=True))
    monkeypatch.setattr(tracks, "flows", lambda before, after, *, camera: next(order))
    monkeypatch.setattr(tracks, "shrunk", lambda flow, size: flow)
    found = extract(clip, IDTSettings(length=5, scales=1, min_spread=0.1, window=16))
    assert len(found) > 10
    for index in (0, len(found) // 2, len(found) - 1):
        points = found.points[index]
        tube = {name: np.zeros((3, 2, 2, bins)) for name, bins in (("hog", 8), ("hof", 9), ("mbhx", 8), ("mbhy", 8))}
        moves = []
        for t, (part, frames) in enumerate([(0, 2), (0, 2), (1, 2), (1, 2), (2, 1)]):  # the cell of each of 5 steps
            x, y = np.rint(points[t]).astype(int)
            np.testing.assert_allclose(points[t + 1], points[t] + fields[t, :, y, x], rtol=1e-5)
            moves.append(warped[t, :, y, x])
            for name, votes in cells_by_loop(clip[t], warped[t], points[t], 16).items():
                tube[name][part] += votes / frames
        for name, expected in tube.items():
            np.testing.assert_allclose(getattr(found, name)[index], expected.ravel(), rtol=1e-3, atol=2e-2)
        expected = np.ravel(moves) / np.linalg.norm(moves, axis=1).sum()
        np.testing.assert_allclose(found.shape[index], expected, rtol=1e-4, atol=1e-6)


def test_what_is_thrown_away():
    settings = IDTSettings(length=8)
    base = np.stack([np.arange(9) * 3.0, np.zeros(9)], axis=1)
    static = base / 10
    erratic = base * 10  # a standard deviation of 77
    jumping = np.concatenate([base[:1], base[1:] / 3 + 30])
    far = np.cumsum(np.full((9, 2), [15.0, 0]), axis=0)  # 39, in steps that are long, but none of them sudden
    points = np.stack([base, static, erratic, jumping, far, base]).astype(np.float32)
    moves = np.diff(points, axis=1)
    moves[5] = [0.7, 0.7]  # what is left without the camera's motion
    np.testing.assert_array_equal(telling(points, moves, settings), [True, False, False, False, True, False])
    assert telling(points, moves, replace(settings, max_jump=50.0, min_motion=0.9)).tolist() == [1, 0, 0, 1, 1, 1]


def test_new_points_are_the_textured_cells_without_a_track():
    gray = np.zeros((34, 48), np.uint8)
    gray[:, :23] = texture(34, 23)
    taken = np.float32([[2.0, 2.0], [14.9, 31.0], [47.9, 33.9], [12, 12], [12, 13]])
    points = grid(gray, taken, IDTSettings())
    cells = {(float(x), float(y)) for x, y in points}
    assert cells <= {(5.0 * x + 2, 5.0 * y + 2) for x in range(5) for y in range(6)}
    assert len(cells) > 20
    assert not cells & {(2.0, 2.0), (12.0, 12.0)}


def test_scales():
    assert scale_sizes((240, 320), IDTSettings()) == [
        (240, 320),
        (170, 226),
        (120, 160),
        (85, 113),
        (60, 80),
        (42, 57),
    ]
    assert scale_sizes((20, 90), IDTSettings()) == [(20, 90)]
    assert len(scale_sizes((1080, 1920), IDTSettings())) == 8
    assert len(scale_sizes((1080, 1920), IDTSettings(scales=3))) == 3


def test_tracks_that_are_kept_are_some_of_all():
    clip = panned(10, 64, 64, (2, 1))
    everything, some = extract(clip, PLAIN), extract(clip, replace(PLAIN, kept=7))
    assert len(some) == 7
    rows = [np.flatnonzero((everything.points == points).all(axis=(1, 2))).item() for points in some.points]
    assert rows == sorted(rows)
    np.testing.assert_array_equal(everything.hog[rows], some.hog)


def test_frames_must_be_alike():
    for clip in (
        [np.zeros((32, 32), np.uint8), np.zeros((32, 34), np.uint8)],
        np.zeros((3, 32, 32)),
        [np.zeros(3, np.uint8)],
        [np.zeros((15, 32), np.uint8)],
    ):
        with pytest.raises(InputError, match=r"a frame is .*; all must be uint8 \(H, W\) of one size"):
            extract(clip, PLAIN)
