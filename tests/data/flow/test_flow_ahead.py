"""Flow of a data set computed ahead: what flow, the estimate, going on after a stop, and the exit codes."""

import pytest
from textures import write_moving

from videoattn import cli
from videoattn.data.clips.video_data import flow_cache
from videoattn.data.content_cache import CacheReport
from videoattn.data.decode.decoder import UnreadableVideo
from videoattn.data.flow import command as module
from videoattn.data.flow.cache import FlowCache, FlowSettings

DIS = FlowSettings(algorithm="dis", short_side=32)
ARGUMENTS = ("--algorithm", "dis", "--short-side", "32", "--workers", "1")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("VIDEOATTN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Two classes of four and of two training videos, and two test videos."""
    root = tmp_path_factory.mktemp("set")
    names = [*(f"train/a/{number}.mp4" for number in range(4)), "train/b/4.mp4", "train/b/5.mp4", "test/a/6.mp4"]
    for seed, name in enumerate([*names, "test/b/7.mp4"]):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        write_moving(root / name, seed, frames=3)
    return root


@pytest.fixture
def builds(monkeypatch):
    """(settings, names of videos) of each build; nothing is computed, and the first of all videos cannot be read."""
    asked = []

    def build(self, videos, *, workers, progress=True):
        asked.append((self.settings, [video.path.name for video in videos]))
        self.folder.mkdir(parents=True, exist_ok=True)
        return CacheReport(len(videos), 0, ())

    monkeypatch.setattr(FlowCache, "build", build)
    monkeypatch.setattr(FlowCache, "size", lambda self, video: 3_000_000)
    return asked


def run(root, *more, name="folder"):
    return cli.main(["data", "flow", name, str(root), *more])


def test_the_flow_is_there_for_trainings_and_is_not_computed_twice(root, capsys):
    assert run(root, *ARGUMENTS) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "8 videos, 0 more are missing"
    assert lines[1].startswith("flow: dis, shorter side 32, bound 20, png, into ")
    assert lines[2] == "time and space are estimated from 4 of the videos"
    assert lines[3].startswith("the other 4 take about 00:")
    assert lines[-1] == "computed: 8, there before: 0, unreadable: 0"
    cache = flow_cache(DIS)
    sizes = {video: cache.size(video) for video in root.rglob("*.mp4")}
    assert sizes == {video: cache.path(video).stat().st_size for video in sizes}
    assert len(sizes) == 8
    assert run(root, *ARGUMENTS) == 0
    out = capsys.readouterr().out
    assert "take about" not in out
    assert "estimated" not in out
    assert out.splitlines()[-1] == "computed: 0, there before: 8, unreadable: 0"
    cache.path(root / "train/a/0.mp4").unlink()  # one of the four
    cache.path(root / "train/a/1.mp4").unlink()  # one of the others
    assert run(root, *ARGUMENTS) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == "time and space are estimated from 4 of the videos"
    assert lines[-1] == "computed: 2, there before: 6, unreadable: 0"
    assert cache.has(root / "train/a/0.mp4")
    assert not cache.has(root / "train/a/none.mp4")


def test_time_and_space_are_estimated_from_videos_all_over_the_list(root, builds, monkeypatch, capsys):
    moments = iter((100.0, 104.0))
    monkeypatch.setattr(module, "monotonic", lambda: next(moments))
    monkeypatch.setattr(module.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 11_000_000}))
    assert run(root, *ARGUMENTS) == 0
    assert builds == [
        (DIS, ["0.mp4", "2.mp4", "4.mp4", "6.mp4"]),
        (DIS, [f"{number}.mp4" for number in range(8)]),
    ]
    lines = capsys.readouterr().out.splitlines()
    assert lines[3] == "the other 4 take about 00:04 and 12.0 MB; 11.0 MB are free"
    assert "may not suffice" in lines[4]


def test_what_is_there_takes_neither_time_nor_space(root, builds, monkeypatch, capsys):
    moments = iter((100.0, 104.0))
    monkeypatch.setattr(module, "monotonic", lambda: next(moments))
    monkeypatch.setattr(FlowCache, "build", lambda self, videos, **_: CacheReport(1, len(videos) - 1, ()))
    monkeypatch.setattr(module.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 4_000_000_000}))
    assert run(root, *ARGUMENTS) == 0
    assert "the other 4 take about 00:04 and 3.0 MB; 4.0 GB are free\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("where", "code", "told"),
    [
        (["test/a/20.mp4"], 0, ""),
        (["train/a/20.mp4", "train/b/20.mp4"], 0, ""),  # of 40, more than a twentieth of the 20 test videos
        (["test/a/20.mp4", "test/a/21.mp4"], 1, "2 of 20 videos cannot be read (10.0%)"),
    ],
)
def test_more_than_a_twentieth_of_a_list_unreadable_fails(tmp_path, builds, monkeypatch, capsys, where, code, told):
    for place in ("train/a", "train/b", "test/a"):
        (tmp_path / place).mkdir(parents=True)
        for number in range(20, 40):
            (tmp_path / place / f"{number}.mp4").touch()
    failures = tuple(UnreadableVideo(tmp_path / name, "an empty file") for name in where)
    monkeypatch.setattr(FlowCache, "build", lambda self, videos, **_: CacheReport(0, 0, failures))
    assert run(tmp_path, *ARGUMENTS) == code
    said = capsys.readouterr()
    assert f"unreadable: {len(where)}\n  {tmp_path / where[0]}: an empty file\n" in said.out
    assert told in said.err


def test_unreadable_and_missing_videos(root, tmp_path, capsys):
    lists = {"classInd": "1 a\n2 b\n", "trainlist01": "a/0.mp4 1\nb/4.mp4 2\na/8.mp4\n", "testlist01": "a/1.mp4\n"}
    (tmp_path / "ucfTrainTestlist").mkdir()
    for name, text in lists.items():
        (tmp_path / "ucfTrainTestlist" / f"{name}.txt").write_text(text)
    (tmp_path / "UCF-101").symlink_to(root / "train")
    assert run(tmp_path, *ARGUMENTS, name="ucf101") == 0
    assert "3 videos, 1 more are missing" in capsys.readouterr().out


def test_the_flow_that_options_name(root, builds, capsys):
    assert run(root) == 0
    exact = FlowSettings(algorithm="tvl1", short_side=256)
    assert {settings for settings, _ in builds} == {exact}
    told = capsys.readouterr().out
    assert "algorithm tvl1 and short side 256, since no other is named" in told
    builds.clear()
    assert run(root, *ARGUMENTS, "--bound", "8", "--encoding", "jpeg", "--warped") == 0
    kind = {"algorithm": "dis", "short_side": 32, "bound": 8.0, "encoding": "jpeg"}
    assert list(dict.fromkeys(settings for settings, _ in builds)) == [
        FlowSettings(**kind),
        FlowSettings(**kind, warped=True),
    ]
    assert "since no other is named" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--algorithm", "farneback"], "unknown --algorithm 'farneback'; choose from tvl1, dis\n"),
        (["--short-side", "31"], "--short-side is 31; it must be an even number of pixels from 16 to 2048\n"),
        (["--short-side", "32000"], "--short-side is 32000; it must be an even number of pixels from 16 to 2048\n"),
        (["--bound", "-1"], "--bound is -1.0; it must"),
        (["--encoding", "gif"], "unknown --encoding 'gif'; choose from png, jpeg"),
        (["--workers", "0"], "videoattn: --workers is 0; it must be 1 or more\n"),
        (["--split", "2"], "split 2"),
        (["--paper", "cam"], "unknown paper 'cam' (did you mean cma?)"),
        (["--paper", "rcca"], "the studies of rcca look at RGB alone on folder"),
        (["--paper", "cma", "--warped"], "--warped is given, but --paper decides it"),
        (["--paper", "cma", "--short-side", "64"], "--short-side is given, but --paper decides it"),
        (["--paper", "cma", "--algorithm", "none"], "unknown --algorithm 'none'; choose from tvl1, dis\n"),
    ],
)
def test_wrong_options(root, capsys, arguments, told):
    assert run(root, *arguments) == 2
    said = capsys.readouterr()
    assert told in said.err
    assert "videos" not in said.out  # nothing was listed


def test_images_have_no_flow(root, capsys):
    assert run(root, name="cifar100") == 2
    assert "data set cifar100 holds images" in capsys.readouterr().err


def test_an_interrupt_says_how_to_go_on(root, monkeypatch, capsys):
    def interrupted(self, videos, **_):
        raise KeyboardInterrupt

    monkeypatch.setattr(FlowCache, "build", interrupted)
    assert run(root, *ARGUMENTS) == 130
    assert capsys.readouterr().err == "stopped; what is done is kept, and the same command goes on from there\n"
