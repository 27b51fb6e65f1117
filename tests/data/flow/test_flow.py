import errno
import os
import pickle
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from textures import texture, write_gray, write_moving

from videoattn import parallel
from videoattn.data.decode import gray as gray_frames
from videoattn.data.decode.decoder import Decoder, short_side
from videoattn.data.flow import cache as flow
from videoattn.data.flow.cache import FlowCache, FlowSettings, dequantise, flow_fields, quantise
from videoattn.errors import InputError, RunError

DIS = FlowSettings(algorithm="dis", short_side=48)
REAL = Path(__file__).parents[4] / "shared" / "real"
compute = flow._compute


def read_gray(path):
    with Decoder() as decoder:
        frames = decoder.frames(path, range(decoder.info(path).frames), size=(48, 64))
    return np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames])


def compute_or_die(settings, decoder, video, target):
    """Stands for a worker whose process is killed over one of the videos."""
    if video.name == "2.mp4":
        os.kill(os.getpid(), signal.SIGKILL)
    compute(settings, decoder, video, target)


def compute_only_the_first(settings, decoder, video, target):
    """Stands for a worker that never ends the second video."""
    while video.name != "0.mp4":
        pass
    compute(settings, decoder, video, target)


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Three videos, a copy of the first, and four files that give no flow."""
    folder = tmp_path_factory.mktemp("videos")
    paths = [write_moving(folder / f"{seed}.mp4", seed) for seed in range(3)]
    paths.append(Path(shutil.copy(paths[0], folder / "copy.mp4")))
    paths.append(write_moving(folder / "one_frame.mp4", 3, frames=1))
    for name in ("text.mp4", "same_text.mp4"):
        (folder / name).write_bytes(b"no video")
        paths.append(folder / name)
    return [*paths, folder / "missing.mp4"]


@pytest.fixture(scope="module")
def built(videos, tmp_path_factory):
    """A cache with the flow of the videos, and the report of its first build."""
    cache = FlowCache(tmp_path_factory.mktemp("cache"), DIS)
    return cache, cache.build(videos, workers=2, progress=False)


def archives(cache):
    return sorted(cache.folder.glob("*/*"))


def forbid(*args, **kwargs):
    raise AssertionError("a worker is started")


def test_the_report_counts_and_names(built, videos):
    report = built[1]
    assert (report.computed, report.cached) == (3, 1)
    reasons = {error.path: error.reason for error in report.unreadable}
    assert list(reasons) == videos[4:]
    assert reasons[videos[4]] == "1 frame, no flow"
    assert reasons[videos[5]] == reasons[videos[6]]
    assert reasons[videos[7]] == "No such file or directory"
    assert len(archives(built[0])) == 3


def test_cached_fields_equal_those_computed_directly(built, videos):
    expected = dequantise(quantise(flow_fields(read_gray(videos[1]), "dis"), 20.0))
    assert built[0].count(videos[1]) == 4
    np.testing.assert_array_equal(built[0].fields(videos[1], range(4)), expected)
    for_another_process = pickle.loads(pickle.dumps(built[0]))
    np.testing.assert_array_equal(for_another_process.fields(videos[1], [3, 1, 3]), expected[[3, 1, 3]])
    inside = 20 * expected[:, :, 8:-8, 8:-8].mean(axis=(0, 2, 3))
    np.testing.assert_allclose(inside, [2, 1], atol=0.2)  # the motion; a level is 0.16 px


def test_jpeg_of_a_clip_longer_than_what_is_decoded_at_once(tmp_path):
    video = write_moving(tmp_path / "long.mp4", 7, frames=gray_frames.CHUNK + 3)
    settings = FlowSettings(algorithm="dis", short_side=48, bound=8.0, encoding="jpeg")
    cache = FlowCache(tmp_path, settings)
    assert cache.build([video], workers=1, progress=False).computed == 1
    expected = dequantise(quantise(flow_fields(read_gray(video), "dis"), 8.0))
    assert cache.count(video) == 34
    assert np.abs(cache.fields(video, range(34)) - expected).mean() < 0.01


def test_tvl1_at_a_small_size(videos, tmp_path):
    exact = FlowCache(tmp_path, FlowSettings(algorithm="tvl1", short_side=16))
    assert exact.build(videos[:1], workers=1, progress=False).computed == 1
    assert exact.fields(videos[0], [0]).shape == (1, 2, 16, 22)


def test_a_second_build_computes_nothing(built, videos, monkeypatch):
    monkeypatch.setattr(parallel, "ProcessPoolExecutor", forbid)
    report = built[0].build(videos[:4], workers=2, progress=False)
    assert (report.computed, report.cached, report.unreadable) == (0, 4, ())


def test_the_key_is_the_content_of_the_file(built, videos, tmp_path):
    cache = built[0]
    moved = Path(shutil.copy(videos[1], tmp_path / "moved.avi"))
    np.testing.assert_array_equal(cache.fields(moved, [0]), cache.fields(videos[1], [0]))
    moved.write_bytes(moved.read_bytes() + b"more")
    with pytest.raises(RunError, match="build the flow cache first"):
        cache.fields(moved, [0])


def test_the_key_holds_the_settings(built, videos):
    for other in ({"algorithm": "tvl1"}, {"short_side": 32}, {"bound": 10.0}, {"encoding": "jpeg"}):
        settings = FlowSettings(**{"algorithm": "dis", "short_side": 48} | other)
        with pytest.raises(RunError, match="build the flow cache first"):
            FlowCache(built[0].folder.parent, settings).count(videos[0])


def test_a_truncated_file_is_computed_again_and_leftovers_are_removed(built, videos, tmp_path):
    shutil.copytree(built[0].folder, tmp_path / DIS.folder)
    cache = FlowCache(tmp_path, DIS)
    damaged = archives(cache)[0]
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[: len(whole) // 2])
    damaged.with_name(f".{damaged.name}.4711.part").write_bytes(b"half")
    report = cache.build(videos[:3], workers=1, progress=False)
    assert (report.computed, report.cached) == (1, 2)
    assert damaged.read_bytes() == whole
    assert len(archives(cache)) == 3


def test_a_worker_that_dies_costs_only_its_video(videos, tmp_path, monkeypatch):
    monkeypatch.setattr(flow, "_compute", compute_or_die)
    cache = FlowCache(tmp_path, DIS)
    report = cache.build(videos[:3], workers=2, progress=False)
    assert (report.computed, report.cached) == (2, 0)
    (dead,) = report.unreadable
    assert dead.path == videos[2]
    assert "died" in dead.reason
    assert cache.count(videos[0]) == cache.count(videos[1]) == 4


def test_a_killed_build_is_taken_up_where_it_was(videos, tmp_path):
    script = """
import sys
from pathlib import Path
import test_flow
from videoattn import parallel
from videoattn.data.flow import cache as flow

if __name__ == "__main__":
    flow._compute = test_flow.compute_only_the_first
    cache = flow.FlowCache(sys.argv[1], test_flow.DIS)
    cache.build([Path(video) for video in sys.argv[2:]], workers=1, progress=True)
"""
    (tmp_path / "script.py").write_text(script)
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    command = [sys.executable, tmp_path / "script.py", tmp_path, *videos[:3]]
    environment = {**os.environ, "PYTHONPATH": path}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as process:
        assert process.stdout.readline().startswith("flow: 1 of 3")
        process.kill()
        assert process.stdout.read() == ""  # the worker ended too
    cache = FlowCache(tmp_path, DIS)
    report = cache.build(videos[:3], workers=2, progress=False)
    assert (report.computed, report.cached) == (2, 1)


def test_a_full_disk_is_an_error_and_leaves_no_half_file(tmp_path):
    video = write_gray(tmp_path / "irregular.mp4", np.stack([texture(48, 64, seed) for seed in range(400)]))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # No file can grow beyond, nor the memory in which 32 frames at a time come; this flow needs more.
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, limits[1]))
    try:
        with pytest.raises(RunError, match=f"could not be written: {os.strerror(errno.EFBIG)}"):
            FlowCache(tmp_path, DIS).build([video], workers=1, progress=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert archives(FlowCache(tmp_path, DIS)) == []


def test_progress_goes_to_stdout_alone(videos, tmp_path, capfd):
    FlowCache(tmp_path, DIS).build(videos[:2], workers=1, progress=True)
    out, err = capfd.readouterr()
    assert out.splitlines()[-1] == "flow: 2 of 2, 00:00 left"
    assert err == ""


def test_what_is_not_there_is_named(built, videos):
    with pytest.raises(InputError, match=r"\[4\] asked for"):
        built[0].fields(videos[0], [3, 4])
    with pytest.raises(RunError, match=r"missing\.mp4: No such file"):
        built[0].count(videos[7])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"algorithm": "farneback"}, "unknown algorithm 'farneback'; choose from tvl1, dis"),
        ({"encoding": "webp"}, "unknown encoding 'webp'; choose from png, jpeg"),
        ({"short_side": 14}, "short_side is 14"),
        ({"short_side": 49}, "short_side is 49"),
        ({"bound": 0.0}, "bound is 0.0"),
        ({"bound": float("nan")}, "bound is nan"),
        ({"bound": float("inf")}, "bound is inf"),
    ],
)
def test_bad_settings_are_refused(values, message):
    with pytest.raises(InputError, match=message):
        FlowSettings(**{"algorithm": "dis", "short_side": 48} | values)


def test_a_build_without_workers_or_time_is_refused(tmp_path):
    with pytest.raises(InputError, match="workers is 0"):
        FlowCache(tmp_path, DIS).build([], workers=0)
    with pytest.raises(InputError, match=r"^decode_limit is 0; it must be positive$"):
        FlowCache(tmp_path, DIS).build([], workers=1, decode_limit=0)


@pytest.mark.skipif(not REAL.is_dir(), reason=f"no real clips at {REAL}")
def test_real_files_give_flow_or_a_reason(tmp_path):
    files = [REAL / "odd" / name for name in ("rotated_90.mov", "xvid_bframes.avi", "audio_only.mp3")]
    cache = FlowCache(tmp_path, DIS)
    report = cache.build(files, workers=2, progress=False)
    assert report.computed == 2
    assert [error.path for error in report.unreadable] == files[2:]
    with Decoder() as decoder:
        for video in files[:2]:
            info = decoder.info(video)
            assert cache.count(video) == info.frames - 1
            size = short_side(info.height, info.width, 48)
            assert cache.fields(video, [info.frames - 2]).shape == (1, 2, *size)
