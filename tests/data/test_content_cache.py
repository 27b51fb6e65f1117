"""The cache of what is computed from videos: who waits for whom, and what killed processes leave."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import videoattn
from videoattn.data import content_cache as module
from videoattn.data.content_cache import CacheReport, ContentCache
from videoattn.data.datasets.videos import Source
from videoattn.errors import InputError, RunError

HOLD = """
import sys
from pathlib import Path
from videoattn.io import locked
with locked(Path(sys.argv[1]), busy=""):
    print("held", flush=True)
    sys.stdin.read()
"""


def sized(decoder, video, target):
    """Computes a zip file that holds the size of a file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("size", str(Path(video).stat().st_size))


@pytest.fixture
def cache(tmp_path):
    return ContentCache(tmp_path / "cache", ".zip", "sizes", sized)


@pytest.fixture
def videos(tmp_path):
    for name, content in (("a", b"one"), ("b", b"two"), ("copy", b"one")):
        (tmp_path / name).write_bytes(content)
    return [tmp_path / name for name in ("a", "b", "copy", "none")]


def test_each_content_is_computed_once(cache, videos):
    report = cache.build([*videos, Source(videos[0])], workers=1, progress=False)
    assert (report.computed, report.cached) == (2, 2)  # the source is the whole of the first
    assert [(error.path, error.reason) for error in report.unreadable] == [(videos[3], "No such file or directory")]
    assert cache.path(videos[0]) == cache.path(videos[2]) != cache.path(videos[1])
    assert [cache.has(video) for video in videos] == [True, True, True, False]
    assert cache.size(videos[0]) == cache.path(videos[0]).stat().st_size > 0
    assert cache.build(videos[:3], workers=1, progress=False) == CacheReport(0, 3, ())


def test_what_is_not_there_is_named(cache, videos):
    with pytest.raises(RunError, match=r"no sizes of .*/a in .*/cache: build the cache first"):
        cache.size(videos[0])
    with pytest.raises(RunError, match=r"cannot read .*/none: No such file or directory"):
        cache.size(videos[3])
    for wrong in ({"workers": 0}, {"workers": 1, "decode_limit": 0.0}):
        with pytest.raises(InputError, match=r"it must be positive$"):
            cache.build(videos, **wrong)


def test_another_build_waits_and_says_so(cache, videos, capfd, monkeypatch):
    command = [sys.executable, "-c", HOLD, str(cache.folder / ".lock")]
    path = {"PYTHONPATH": str(Path(videoattn.__file__).parents[1])}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    build, write = cache._build, print
    with subprocess.Popen(command, env=os.environ | path, **pipes) as holder:
        assert holder.stdout.readline() == "held\n"

        def said(busy, **options):
            write(busy, **options)
            holder.stdin.close()  # now the other ends

        def built(*arguments):
            assert holder.wait() == 0
            return build(*arguments)

        monkeypatch.setattr("videoattn.io.print", said, raising=False)
        monkeypatch.setattr(cache, "_build", built)
        assert cache.build(videos[:1], workers=1).computed == 1
    assert capfd.readouterr().out.startswith(
        f"waiting for another process that computes sizes in {cache.folder}\nsizes: 1 of 1"
    )


@pytest.mark.parametrize("locks", [True, False])
def test_half_files_of_killed_processes_are_removed_where_no_other_can_be_at_work(cache, videos, monkeypatch, locks):
    half = cache.path(videos[0]).with_name(".half.4711.part")
    half.parent.mkdir(parents=True)
    half.write_bytes(b"half")

    def none(file, operation):
        raise OSError("no locks here")

    if not locks:
        monkeypatch.setattr("fcntl.flock", none)
    monkeypatch.setattr(module, "each", lambda work, jobs, **_: ((job, work(job)) for job in jobs))
    monkeypatch.setattr(module, "worker_decoder", lambda: None)
    assert cache.build(videos[:1], workers=1, progress=False).computed == 1
    assert half.exists() != locks
