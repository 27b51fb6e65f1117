import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from moving import panned, with_object

from videoattn import parallel
from videoattn.data.decode.decoder import Decoder
from videoattn.data.probes.video import write_video
from videoattn.data.tracks.features import TrackCache, video_tracks
from videoattn.data.tracks.settings import IDTSettings
from videoattn.data.tracks.tracks import extract, rooted
from videoattn.errors import InputError, RunError

SETTINGS = IDTSettings(length=5, camera=False)


def write(path, clip):
    write_video(path, np.repeat(clip[..., None], 3, axis=3), 25)
    return path


def forbid(*args, **kwargs):
    raise AssertionError("a worker is started")


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Three videos, a copy of the first, one that is too short for a track, and two that cannot be read."""
    folder = tmp_path_factory.mktemp("videos")
    still = panned(8, 48, 64, (0, 0))
    paths = [write(folder / f"{n}.mp4", with_object(still, (6, 6), (2, n), side=20)) for n in range(3)]
    paths.append(Path(shutil.copy(paths[0], folder / "copy.mp4")))
    paths.append(write(folder / "short.mp4", still[:5]))
    (folder / "text.mp4").write_bytes(b"no video")
    return [*paths, folder / "text.mp4", folder / "missing.mp4"]


@pytest.fixture(scope="module")
def built(videos, tmp_path_factory):
    """A cache whose build was killed after its first video, what it printed until then, and its second build."""
    root = tmp_path_factory.mktemp("cache")
    script = """
if __name__ == "__main__":
    import sys
    from pathlib import Path
    import test_idt_features
    from unending import compute_only_the_first
    from videoattn.data.tracks import features

    features.compute = compute_only_the_first
    cache = features.TrackCache(sys.argv[1], test_idt_features.SETTINGS)
    cache.build([Path(video) for video in sys.argv[2:]], workers=1, progress=True)
"""
    (root / "script.py").write_text(script)
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    command = [sys.executable, root / "script.py", root, *videos[:3]]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={**os.environ, "PYTHONPATH": path}
    ) as process:
        line = process.stdout.readline()
        process.kill()
        rest = process.stdout.read()  # ends when the worker has ended too
    cache = TrackCache(root, SETTINGS)
    return cache, line + rest, cache.build(videos, workers=1, progress=False)


def test_a_killed_build_is_taken_up_where_it_was(built):
    _, printed, report = built
    assert printed.startswith("trajectories: 1 of 3")
    assert printed.count("\n") == 1
    assert (report.computed, report.cached) == (3, 2)  # the short one too; the copy is the first


def test_the_report_names_what_has_no_tracks(built, videos):
    cache, _, report = built
    assert report.trackless == (videos[4],)
    assert [error.path for error in report.unreadable] == videos[5:]
    assert report.unreadable[1].reason == "No such file or directory"
    counts = [cache.count(video) for video in videos[:5]]
    assert min(counts[:4]) > 5
    assert counts[0] == counts[3]
    assert (counts[4], sum(counts)) == (0, report.tracks)
    assert cache.descriptor(videos[4], "hof").shape == (0, 108)
    with pytest.raises(RunError, match=r"no tracks of .*text.mp4 .*: build them first"):
        cache.descriptor(videos[5], "hof")
    with pytest.raises(RunError, match=r"cannot read .*missing.mp4: No such file"):
        cache.count(videos[6])


def test_what_is_stored_is_what_extraction_gives(built, videos):
    with Decoder() as decoder:
        frames = decoder.frames(videos[1], range(8))
        tracks = video_tracks(decoder, videos[1], SETTINGS)
        smaller = video_tracks(decoder, videos[1], IDTSettings(length=5, camera=False, short_side=32))
    expected = rooted(extract([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames], SETTINGS))
    for name, array in rooted(tracks).items():
        np.testing.assert_array_equal(array, expected[name])
        found = built[0].descriptor(videos[1], name)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, array, atol=5e-4)
    assert 0 < smaller.points[..., 1].max() < 32


def test_a_second_build_computes_nothing_and_half_a_file_counts_as_none(built, videos, tmp_path, monkeypatch):
    root = Path(shutil.copytree(built[0].root, tmp_path / "copy"))
    cache = TrackCache(root, SETTINGS)
    stored = sorted(cache.folder.glob("*/*.npz"))
    assert len(stored) == 4
    whole = stored[0].read_bytes()
    stored[0].write_bytes(whole[: len(whole) // 2])
    report = cache.build(videos[:5], workers=1, progress=False)
    assert (report.computed, report.cached) == (1, 4)
    assert stored[0].read_bytes() == whole
    monkeypatch.setattr(parallel, "ProcessPoolExecutor", forbid)
    assert cache.build(videos[:5], workers=1, progress=False).cached == 5


@pytest.mark.parametrize(
    ("workers", "limit", "told"),
    [(0, 1.0, "workers is 0"), (1, 0.0, "decode_limit is 0.0"), (1, float("nan"), "decode_limit is nan")],
)
def test_refuses_values_that_cannot_be(tmp_path, workers, limit, told):
    with pytest.raises(InputError, match=f"^{told}; it must be positive$"):
        TrackCache(tmp_path, SETTINGS).build([], workers=workers, decode_limit=limit)
