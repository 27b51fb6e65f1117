"""Compensated flow shows what moves by itself, and is kept beside the plain one."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from cameras import frames, motion
from scipy import ndimage
from test_flow import read_gray
from textures import texture, write_gray

from videoattn.data.flow.algorithms import ALGORITHMS, flow_fields, successive
from videoattn.data.flow.cache import FlowCache, FlowSettings, dequantise, quantise
from videoattn.data.probes.clutter import ClutterProbe
from videoattn.errors import InputError, RunError

MOTIONS = {
    "shift": {"shift": (3.0, -2.0)},
    "turn": {"turn": 3.0},
    "zoom": {"zoom": 1.06},
    "perspective": {"shift": (1.0, -1.5), "tilt": (0.03, -0.02)},
    "all": {"shift": (-2.0, 1.5), "turn": -1.5, "zoom": 0.97, "tilt": (0.01, 0.02)},
}
OWN = (2, -1)  # what the object moves by itself, (x, y)
PLAIN = FlowSettings(algorithm="dis", short_side=48)
WARPED = replace(PLAIN, warped=True)


def both(clip, algorithm):
    """The plain and the warped flow of a clip (T, H, W)."""
    return flow_fields(clip, algorithm), flow_fields(clip, algorithm, warped=True)


def lengths(field, where):
    return np.linalg.norm(field, axis=0)[where]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("kind", MOTIONS)
def test_the_ground_stands_and_the_object_keeps_its_motion(algorithm, kind):
    height, width = 63, 81
    before, after, stands = frames(motion(height, width, **MOTIONS[kind]), height, width, side=height // 4, own=OWN)
    ground = ~ndimage.binary_dilation(stands, iterations=5)
    inside = ndimage.binary_erosion(stands, iterations=3)
    (plain,), (warped,) = both(np.stack([before, after]), algorithm)
    assert lengths(plain, ground).mean() > 1
    assert lengths(warped, ground).mean() < 0.1
    assert np.quantile(lengths(warped, ground), 0.95) < 0.3
    np.testing.assert_allclose(warped[:, inside].mean(axis=1), OWN, atol=0.25)


def test_a_frame_of_the_usual_size():
    before, after, stands = frames(motion(240, 320, **MOTIONS["all"]), 240, 320, side=60, own=OWN)
    ground = ~ndimage.binary_dilation(stands, iterations=5)
    (plain,), (warped,) = both(np.stack([before, after]), "dis")
    assert np.median(lengths(plain, ground)) > 4
    assert np.quantile(lengths(warped, ground), 0.99) < 0.3
    np.testing.assert_allclose(warped[:, stands].mean(axis=1), OWN, atol=0.25)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_still_camera_changes_little(algorithm):
    before, after, _ = frames(np.eye(3), 97, 131, side=30, own=OWN)
    (plain,), (warped,) = both(np.stack([before, after]), algorithm)
    assert np.abs(warped - plain).mean() < 0.05
    still = np.stack([before] * 2)
    np.testing.assert_array_equal(flow_fields(still, algorithm, warped=True), np.zeros((1, 2, 97, 131)))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_without_a_homography_it_is_the_plain_flow(algorithm):
    ramp = np.uint8(np.arange(40, 104)) * np.ones((48, 1), np.uint8)  # no corner
    moved = np.roll(ramp, 1, axis=1)
    blob = np.zeros((48, 64), np.uint8)
    blob[20:28, 20:28] = texture(8, 8)  # some, but too few
    small = frames(motion(17, 23, shift=(1.0, 0.0)), 17, 23)[:2]
    for clip in ([ramp, moved], [blob, np.roll(blob, 2, axis=1)], small):
        plain, warped = both(np.stack(clip), algorithm)
        assert np.abs(plain).max() > 0.1
        np.testing.assert_array_equal(warped, plain)


def test_each_pair_of_frames_has_its_own_camera():
    picture = texture(64, 96)
    places = np.cumsum([0, 3, 0, -2, 4])
    clip = np.stack([np.roll(picture, place, axis=1) for place in places])
    plain, warped = both(clip, "dis")
    np.testing.assert_allclose(np.median(plain[:, 0], axis=(1, 2)), np.diff(places), atol=0.05)
    assert np.abs(warped).mean(axis=(1, 2, 3)).max() < 0.05
    one_at_a_time = list(successive(iter(clip), "dis", warped=True))
    np.testing.assert_array_equal(np.stack(one_at_a_time), warped)
    for t in range(4):  # what came before changes nothing
        np.testing.assert_array_equal(flow_fields(clip[t : t + 2], "dis", warped=True)[0], warped[t])


@pytest.mark.parametrize("ground", [0.0, 0.5])
def test_the_clutter_probe_with_a_moving_camera(ground):
    """What its ground does by itself counts as the camera's too: it fills most of the frame."""
    settings = {"size": 64, "smallest": 8.0, "largest": 14.0, "swing": 3.0, "motions": 3, "frames": 6, "acting": 1.0}
    probe = ClutterProbe(**settings, train=24, test=24, camera=2.0, ground=ground)
    pictures, _, _ = probe.clip("train", 0)
    plain, warped = both(np.stack([cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in pictures]), "dis")
    assert np.median(np.linalg.norm(plain, axis=1)) > 1.4
    assert np.median(np.linalg.norm(warped, axis=1)) < 0.2
    scene = probe.scene("train", 0)
    (y, x), side = scene.centres[0, scene.actor], scene.sizes[0, scene.actor]
    inside = np.s_[:, int(y - side / 4) : int(y + side / 4), int(x - side / 4) : int(x + side / 4)]
    own = np.diff(scene.centres[:2, scene.actor] - scene.drift[:2], axis=0)[0, ::-1]
    assert np.linalg.norm(own) > 1
    np.testing.assert_allclose(np.median(warped[0][inside], axis=(1, 2)), own, atol=0.6)


@pytest.mark.parametrize("length", [1, 2])
def test_the_shortest_clips(length):
    clip = np.stack([np.roll(texture(49, 65), 2 * t, axis=1) for t in range(length)])
    warped = flow_fields(clip, "dis", warped=True)
    assert (warped.shape, warped.dtype) == ((length - 1, 2, 49, 65), np.float32)


def test_bad_frames_are_refused():
    with pytest.raises(InputError, match=r"\(2, 12, 32\)"):
        flow_fields(np.zeros((2, 12, 32), np.uint8), "dis", warped=True)


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Two videos of a camera that moves by 2 px to the right and 1 px down, and an object that moves by itself."""
    folder = tmp_path_factory.mktemp("moving")
    paths = []
    for seed in range(2):
        clip = np.stack([texture(48, 64, seed)] * 5)
        for t, frame in enumerate(clip):
            frame[20:32, 20 + 2 * t : 32 + 2 * t] = 255 - texture(12, 12, seed + 9)
            clip[t] = np.roll(frame, (t, 2 * t), (0, 1))
        paths.append(write_gray(folder / f"{seed}.mp4", clip))
    return paths


@pytest.fixture(scope="module")
def caches(videos, tmp_path_factory):
    """The caches of both kinds of flow, in one folder, built."""
    root = tmp_path_factory.mktemp("cache")
    pair = FlowCache(root, PLAIN), FlowCache(root, WARPED)
    for cache in pair:
        assert cache.build(videos, workers=1, progress=False).computed == 2
    return pair


def test_the_folder_of_plain_flow_has_kept_its_name():
    assert PLAIN.folder == "dis-48-20.0-png-v1"
    assert WARPED.folder == "dis-warped-48-20.0-png-v1"
    assert FlowSettings(algorithm="tvl1", short_side=256, bound=8, encoding="jpeg").folder == "tvl1-256-8.0-jpeg-v1"
    assert not PLAIN.warped
    assert PLAIN != WARPED


def test_both_kinds_are_cached_apart(caches, videos):
    clip = read_gray(videos[0])
    for cache, expected in zip(caches, both(clip, "dis"), strict=True):
        assert cache.count(videos[0]) == 4
        np.testing.assert_array_equal(cache.fields(videos[0], range(4)), dequantise(quantise(expected, 20.0)))
    plain, warped = (20 * cache.fields(videos[0], range(4))[..., 36:, :] for cache in caches)  # below the object
    np.testing.assert_allclose(np.median(plain, axis=(0, 2, 3)), [2, 1], atol=0.2)
    np.testing.assert_allclose(np.median(warped, axis=(0, 2, 3)), [0, 0], atol=0.2)


def test_one_kind_does_not_stand_for_the_other(caches, videos, tmp_path):
    for kept, other in (caches, caches[::-1]):
        root = tmp_path / kept.folder.name
        shutil.copytree(kept.folder, root / kept.folder.name)
        assert FlowCache(root, kept.settings).build(videos, workers=1, progress=False).cached == 2
        with pytest.raises(RunError, match="build the flow cache first"):
            FlowCache(root, other.settings).count(videos[0])


def test_a_killed_build_is_taken_up_where_it_was(caches, videos, tmp_path):
    script = """
import sys
from pathlib import Path
import test_flow
import test_warped_flow
from videoattn.data.flow import cache as flow

if __name__ == "__main__":
    flow._compute = test_flow.compute_only_the_first
    cache = flow.FlowCache(sys.argv[1], test_warped_flow.WARPED)
    cache.build([Path(video) for video in sys.argv[2:]], workers=1, progress=True)
"""
    (tmp_path / "script.py").write_text(script)
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    with subprocess.Popen(
        [sys.executable, tmp_path / "script.py", tmp_path, *videos],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    ) as process:
        assert process.stdout.readline().startswith("flow: 1 of 2")
        process.kill()
        assert process.stdout.read() == ""  # the worker ended too
    cache = FlowCache(tmp_path, WARPED)
    report = cache.build(videos, workers=2, progress=False)
    assert (report.computed, report.cached) == (1, 1)
    for video in videos:
        np.testing.assert_array_equal(cache.fields(video, range(4)), caches[1].fields(video, range(4)))
