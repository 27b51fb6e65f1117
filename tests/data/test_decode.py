"""Frames by index from all kinds of files, and a decoder that hangs, dies, or is forked."""

import multiprocessing
import os
import pickle
import random
import select
import signal
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from videoattn.data import decode, decode_process, decode_pyav
from videoattn.data.decode import Decoder, Unreadable, UnreadableVideo, VideoInfo, short_side
from videoattn.errors import InputError, RunError

REAL = Path(__file__).parents[3] / "shared" / "real"
GONE = 10.0  # seconds within which a process has to end


def gray(frames: int, height: int, width: int) -> np.ndarray:
    """Frames whose number is their brightness."""
    values = (20 + 5 * np.arange(frames)).astype(np.uint8)
    return np.broadcast_to(values[:, None, None, None], (frames, height, width, 3))


def numbers(pictures: np.ndarray) -> list[int]:
    """The numbers of frames made by `gray`; fails where a picture is not of one brightness."""
    levels = pictures.reshape(len(pictures), -1).astype(float)
    assert np.ptp(levels, axis=1).max(initial=0) <= 4
    return np.rint((levels.mean(1) - 20) / 5).astype(int).tolist()


def encode(
    path: Path,
    pictures: np.ndarray,
    *,
    codec: str = "libx264",
    b_frames: int = 0,
    group: int = 12,
    pixels: str = "yuv420p",
    turn: dict | None = None,
    after: int = 0,
    options: dict | None = None,
) -> Path:
    """Write a clip. after: packets without a picture behind it, which the container counts as frames."""
    frames, height, width, _ = pictures.shape
    faststart = {"movflags": "+faststart"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=faststart) as container:
        stream = container.add_stream(codec, rate=25, options=options or {})
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = width, height, pixels, 8_000_000
        stream.codec_context.gop_size, stream.codec_context.max_b_frames = group, b_frames
        stream.codec_context.thread_count = 1
        if turn is not None:
            stream.set_display_rotation(**turn)
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")))
        container.mux(stream.encode())
        for index in range(frames, frames + after):
            packet = av.Packet(b"\x00\x00\x00\x01\x09\xf0")
            packet.stream, packet.time_base = stream, stream.time_base
            packet.pts = packet.dts = round(index / 25 / stream.time_base)
            container.mux(packet)
    return path


def damage(path: Path, part: float, count: int) -> Path:
    data = bytearray(path.read_bytes())
    start = int(len(data) * part)
    data[start : start + count] = bytes(len(data[start : start + count]))
    path.write_bytes(data)
    return path


def everything(path: Path) -> np.ndarray:
    """All frames, decoded from first to last with nothing but PyAV."""
    with av.open(str(path)) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        return np.stack(pictures)


def has_ended(pid: int) -> bool:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], GONE)[0])
    finally:
        os.close(descriptor)


@pytest.fixture(scope="module")
def decoder():
    with Decoder() as one:
        yield one


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> dict[str, Path]:
    """One clip of 24 numbered frames for each decoder."""
    folder = tmp_path_factory.mktemp("clips")
    return {
        "decord": encode(folder / "h264.mp4", gray(24, 64, 64), b_frames=2, group=8),
        "pyav": encode(folder / "mpeg4.avi", gray(24, 64, 64), codec="mpeg4", b_frames=2, group=8),
    }


def test_frames_come_in_the_order_asked_for(decoder, tmp_path):
    path = encode(tmp_path / "clip.mp4", gray(8, 64, 64))
    assert decoder.info(path) == VideoInfo(frames=8, height=64, width=64, fps=25.0, decoder="decord")
    pictures = decoder.frames(path, [5, 0, 3])
    assert (pictures.shape, pictures.dtype) == ((3, 64, 64, 3), np.uint8)
    assert numbers(pictures) == [5, 0, 3]
    assert numbers(decoder.frames(str(path), [2, 2, 2])) == [2, 2, 2]
    assert decoder.frames(path, []).shape == (0, 64, 64, 3)


@pytest.mark.parametrize("served", ["decord", "pyav"])
@given(indices=st.lists(st.integers(-5, 60), min_size=1, max_size=6))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_indices_are_clamped_and_right(decoder, clips, served, indices):
    assert decoder.info(clips[served]).decoder == served
    assert numbers(decoder.frames(clips[served], indices)) == [min(max(index, 0), 23) for index in indices]


@pytest.mark.parametrize(
    ("name", "how", "served"),
    [
        ("still.mp4", {}, "decord"),
        ("b.mp4", {"b_frames": 3}, "decord"),
        ("open.mp4", {"options": {"x264-params": "open-gop=1:bframes=3"}}, "pyav"),
        ("b.mkv", {"b_frames": 3}, "decord"),
        ("b.ts", {"b_frames": 2}, "pyav"),
        ("still.ts", {}, "decord"),
        ("b.avi", {"b_frames": 2}, "pyav"),
        ("refresh.mp4", {"options": {"x264-params": "intra-refresh=1"}}, "pyav"),
        ("tenbit.mp4", {"pixels": "yuv420p10le"}, "pyav"),
        ("xvid.avi", {"codec": "mpeg4", "b_frames": 2}, "pyav"),
        ("divx.avi", {"codec": "mpeg4"}, "decord"),
        ("xvid.mp4", {"codec": "mpeg4", "b_frames": 2}, "pyav"),
        ("mpeg2.mpg", {"codec": "mpeg2video", "b_frames": 2}, "pyav"),
        ("vp8.webm", {"codec": "libvpx", "options": {"auto-alt-ref": "1", "lag-in-frames": "8"}}, "decord"),
        ("raw.h264", {"b_frames": 2}, "pyav"),
    ],
)
def test_kinds_of_files(decoder, tmp_path, name, how, served):
    path = encode(tmp_path / name, gray(30, 48, 64), **how)
    info = decoder.info(path)
    assert (info.frames, info.height, info.width, info.decoder) == (30, 48, 64, served)
    order = random.Random(0).sample(range(30), 30)
    assert numbers(decoder.frames(path, order)) == order
    assert [numbers(decoder.frames(path, [index])) for index in order[:6]] == [[index] for index in order[:6]]


@pytest.mark.parametrize("width", [16, 24, 48, 72, 34, 98])
def test_widths(decoder, tmp_path, width):
    texture = np.random.default_rng(0).integers(0, 255, (6, 32, width, 3), dtype=np.uint8)
    path = encode(tmp_path / "clip.mp4", texture)
    np.testing.assert_array_equal(decoder.frames(path, range(6)), everything(path))


@pytest.mark.parametrize("size", [(16, 16), (32, 48), (96, 72), (30, 50)])
@pytest.mark.parametrize("served", ["decord", "pyav"])
def test_sizes(decoder, clips, served, size):
    pictures = decoder.frames(clips[served], [3, 1], size=size)
    assert pictures.shape == (2, *size, 3)
    assert numbers(pictures) == [3, 1]


def test_both_decoders_scale_alike(decoder, tmp_path):
    smooth = np.linspace(0, 255, 64 * 96 * 3).reshape(1, 64, 96, 3).astype(np.uint8).repeat(4, 0)
    one, other = encode(tmp_path / "a.mp4", smooth), encode(tmp_path / "a.avi", smooth, b_frames=2)
    assert [decoder.info(path).decoder for path in (one, other)] == ["decord", "pyav"]
    pictures = [decoder.frames(path, [0], size=(32, 40)).astype(int) for path in (one, other)]
    assert np.abs(pictures[0] - pictures[1]).mean() < 1


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("hflip", [False, True])
def test_turned_clips_come_back_upright(decoder, tmp_path, degrees, hflip):
    stored = np.full((3, 64, 96, 3), 40, np.uint8)
    stored[:, :32, :48] = 220
    stored[:, 32:, :48] = 130
    path = encode(tmp_path / "phone.mp4", stored, turn={"degrees": degrees, "hflip": hflip})
    shown = np.rot90(stored, degrees // 90, axes=(1, 2))
    shown = shown[:, :, ::-1] if hflip else shown
    info = decoder.info(path)
    assert (info.height, info.width) == shown.shape[1:3]
    assert info.decoder == ("pyav" if degrees or hflip else "decord")
    pictures = decoder.frames(path, [0, 2])
    assert np.abs(pictures.astype(int) - shown[:2]).mean() < 3
    half = decoder.frames(path, [1], size=(info.height // 2, info.width // 2))
    assert np.abs(half.astype(int) - shown[:1, ::2, ::2]).mean() < 5


def test_a_truncated_file_has_the_frames_that_decode(decoder, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (40, 64, 64, 3), dtype=np.uint8)
    path = encode(tmp_path / "clip.mp4", noise, b_frames=2)
    clean = everything(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 6 // 10])
    frames = decoder.info(path).frames
    assert 15 < frames < 30
    np.testing.assert_array_equal(decoder.frames(path, [39, 7, frames - 2]), clean[[frames - 1, 7, frames - 2]])


@pytest.mark.parametrize("b_frames", [0, 2])
def test_a_container_that_counts_too_many(decoder, tmp_path, b_frames):
    path = encode(tmp_path / "clip.mp4", gray(20, 64, 64), after=12, b_frames=b_frames)
    with av.open(str(path)) as container:
        assert container.streams.video[0].frames == 32
    assert decoder.info(path).frames == 20
    assert numbers(decoder.frames(path, [31, 4, 19])) == [19, 4, 19]


def test_a_damaged_group_of_pictures_is_left_out(decoder, tmp_path):
    noise = np.random.default_rng(0).integers(0, 60, (40, 64, 64, 3), dtype=np.uint8)
    path = encode(tmp_path / "clip.mp4", noise, group=10)
    clean = everything(path)
    damage(path, 0.55, 900)
    frames = decoder.frames(path, range(decoder.info(path).frames))
    assert 30 <= len(frames) < 40
    kept = [int(np.abs(clean.astype(int) - frame).mean((1, 2, 3)).argmin()) for frame in frames]
    np.testing.assert_array_equal(frames, clean[kept])
    assert kept == sorted(kept)
    assert {*range(20), *range(30, 40)} <= set(kept)


def test_long_clips_are_read_by_seeking(tmp_path, monkeypatch):
    monkeypatch.setattr(decode_pyav, "WHOLE", 0)
    path = encode(tmp_path / "clip.mp4", gray(45, 64, 64), b_frames=2, options={"x264-params": "open-gop=1"})
    assert decode_pyav.count_by_time(str(path), 64 * 64) == 45
    pictures = decode_pyav.Pictures(str(path), *decode_pyav.times_of(str(path)))
    order = [40, 41, 41, 3, 44, 0, 23, 24, 25, 12, 11]
    assert numbers(np.stack([pictures.picture(index, 64, 64) for index in order])) == order
    noise = np.random.default_rng(0).integers(0, 255, (45, 64, 64, 3), dtype=np.uint8)
    path = damage(encode(tmp_path / "noise.mp4", noise, b_frames=2), 0.9, 10**6)
    assert 36 <= decode_pyav.count_by_time(str(path), 64 * 64) < 45


def test_long_clips_without_sound_times_are_not(tmp_path, monkeypatch):
    monkeypatch.setattr(decode_pyav, "WHOLE", 0)
    path = encode(tmp_path / "clip.avi", gray(45, 64, 64), b_frames=2)
    assert decode_pyav.count_by_time(str(path), 64 * 64) == 0


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("text.mp4", b"not a video\n" * 100, "Invalid data found"),
        ("empty.mp4", b"", "an empty file"),
        ("tiny.flv", b"FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00", "Invalid data found|no video stream"),
        ("missing.mp4", None, "No such file"),
    ],
)
def test_what_is_no_video_is_refused(decoder, tmp_path, name, data, reason):
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    for read in (decoder.info, lambda path: decoder.frames(path, [0])):
        with pytest.raises(UnreadableVideo, match=reason) as caught:
            read(path)
        assert caught.value.path == path
        assert "\n" not in caught.value.reason
        assert str(caught.value) == f"{path}: {caught.value.reason}"


def test_sound_and_folders_are_refused(decoder, tmp_path):
    with av.open(str(tmp_path / "sound.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    os.mkfifo(tmp_path / "pipe.mp4")
    for name, reason in (("sound.wav", "no video stream"), (".", "not a file"), ("pipe.mp4", "not a file")):
        with pytest.raises(UnreadableVideo) as caught:
            decoder.info(tmp_path / name)
        assert caught.value.reason == reason


@pytest.mark.parametrize(
    "name", ["a [b] c.mp4", "-dash.mp4", "vidéo 動画.mp4", "a:b%03d.mp4", "#?&'\"*.mp4", os.fsdecode(b"\xff.mp4")]
)
def test_file_names(decoder, tmp_path, monkeypatch, name):
    encode(tmp_path / "plain.mp4", gray(6, 64, 64)).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert numbers(decoder.frames(name, [4, 1])) == [4, 1]


def test_a_file_that_changes_is_read_anew(decoder, tmp_path):
    path = encode(tmp_path / "clip.mp4", gray(6, 64, 64))
    assert numbers(decoder.frames(path, [9])) == [5]
    encode(path, gray(9, 32, 64))
    assert decoder.info(path) == VideoInfo(9, 32, 64, 25.0, "decord")
    assert numbers(decoder.frames(path, [9])) == [8]


def test_nothing_reaches_the_terminal(tmp_path, capfd):
    path = damage(encode(tmp_path / "clip.mp4", gray(30, 64, 64)), 0.5, 200)
    with Decoder() as decoder:
        decoder.frames(path, range(30))
        (tmp_path / "text.mp4").write_text("text")
        with pytest.raises(UnreadableVideo):
            decoder.info(tmp_path / "text.mp4")
    assert capfd.readouterr() == ("", "")


# A child that answers as the test wants: it is ready, then runs the line given for each request.
FAKE = """
import json, os, signal, socket, struct
link = socket.socket(fileno=0)
def answer(head, data=b""):
    text = json.dumps(head).encode()
    link.sendall(struct.pack("!I", len(text)) + text + data)
answer({{"ready": True}})
for line in link.makefile("rb"):
    request = json.loads(line)
    if request["do"] == "inspect" and not {inspect}:
        found = {{"frames": 3, "height": 2, "width": 2, "fps": 1.0, "timed": False, "plain": True}}
        answer(found)
    elif request["do"] == "check":
        answer({{}})
    elif request.get("decoder") == "pyav":
        answer({{"shape": [1, 2, 2, 3]}}, bytes(range(12)))
    else:
        {act}
"""
HANG, DIE, HALF = "signal.pause()", "os.kill(os.getpid(), signal.SIGSEGV)", "link.sendall(b'ab'); signal.pause()"


def fake(act: str, *, at_inspect: bool) -> type[Decoder]:
    class Fake(Decoder):
        command = (sys.executable, "-c", FAKE.format(inspect=at_inspect, act=act))

    return Fake


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (HANG, "it did not decode within 0.3 s"),
        (HALF, "it did not decode within 0.3 s"),
        (DIE, "the decoder died (SIGSEGV)"),
    ],
)
def test_a_decoder_that_hangs_or_dies_is_replaced(tmp_path, act, reason):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"data")
    with fake(act, at_inspect=True)(time_limit=0.3) as decoder:
        with pytest.raises(UnreadableVideo) as caught:
            decoder.info(path)
        assert caught.value.reason == reason
        assert decoder._child is None
        with pytest.raises(UnreadableVideo) as caught:
            decoder.frames(path, [0])  # remembered: the new child is not asked
        assert caught.value.reason == reason
        assert decoder._child.alive()


@pytest.mark.parametrize("act", [HANG, HALF, DIE])
def test_pyav_takes_over_where_decord_hangs_or_dies(tmp_path, act):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"data")
    with fake(act, at_inspect=False)(time_limit=2.0) as decoder:
        assert decoder.info(path).decoder == "decord"
        for _ in range(2):
            assert decoder.frames(path, [1]).ravel().tolist() == list(range(12))
            assert decoder.info(path).decoder == "pyav"


def test_a_child_that_cannot_start_stops_the_run(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"data")

    class Broken(Decoder):
        command = (sys.executable, "-c", "import no_such_module")

    class Absent(Decoder):
        command = ("/no/such/python",)

    for kind in (Broken, Absent):
        with pytest.raises(RunError, match=r"the video decoder does not start: .*(no_such_module|No such file)"):
            kind().info(path)


def child_of(decoder: Decoder) -> int:
    return decoder._child.process.pid


def test_a_killed_child_is_started_again(clips):
    with Decoder() as decoder:
        decoder.info(clips["decord"])
        before = child_of(decoder)
        os.kill(before, signal.SIGKILL)
        assert numbers(decoder.frames(clips["decord"], [7, 2])) == [7, 2]
        assert child_of(decoder) != before
        assert decoder.info(clips["decord"]).decoder == "decord"
    assert has_ended(before)


def test_an_interrupt_leaves_no_answer_under_way(clips, monkeypatch):
    with Decoder() as decoder:
        assert numbers(decoder.frames(clips["pyav"], [7])) == [7]
        with monkeypatch.context() as patch:
            patch.setattr(decode_process.Child, "_receive", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                decoder.frames(clips["pyav"], [3])
        assert numbers(decoder.frames(clips["pyav"], [5])) == [5]


def test_the_child_is_replaced_after_some_files(clips, monkeypatch):
    monkeypatch.setattr(decode, "_RECYCLE", 3)
    pids = []
    with Decoder() as decoder:
        for index in range(8):
            path = clips[("decord", "pyav")[index % 2]]
            assert numbers(decoder.frames(path, [index])) == [index]
            pids.append(child_of(decoder))
    assert len(set(pids)) == 3
    assert all(has_ended(pid) for pid in pids)


def test_the_child_is_light(decoder, clips):
    decoder.info(clips["decord"])
    assert "torch" not in Path(f"/proc/{child_of(decoder)}/maps").read_text()


OWNER = """
import sys
from videoattn.data.decode import Decoder
decoder = Decoder()
decoder.info(sys.argv[1])
print(decoder._child.process.pid, flush=True)
sys.stdin.read()
"""


def test_the_child_ends_with_its_owner(clips):
    root = Path(decode.__file__).parents[2]
    command = [sys.executable, "-c", OWNER, str(clips["decord"])]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        pid = int(owner.stdout.readline())
        os.kill(pid, 0)
        owner.kill()
    assert has_ended(pid)


def read_in_fork(decoder: Decoder, path: Path, index: int, answers) -> None:
    answers.put((numbers(decoder.frames(path, [index, 0])), child_of(decoder)))


def test_forked_daemons_have_children_of_their_own(clips):
    context = multiprocessing.get_context("fork")
    with Decoder() as decoder:
        decoder.info(clips["decord"])
        own = child_of(decoder)
        answers = context.SimpleQueue()
        workers = [
            context.Process(target=read_in_fork, args=(decoder, clips["decord"], 9, answers), daemon=True)
            for _ in range(2)
        ]
        for worker in workers:
            worker.start()
        got = [answers.get() for _ in workers]
        for worker in workers:
            worker.join()
        assert [read for read, _ in got] == [[9, 0], [9, 0]]
        assert len({own, *(pid for _, pid in got)}) == 3
        assert not any(Path(f"/proc/{pid}").exists() for _, pid in got)  # nor left as zombies
        assert numbers(decoder.frames(clips["pyav"], [4])) == [4]
        assert child_of(decoder) == own


def test_closing_ends_the_child(clips):
    decoder = Decoder()
    decoder.info(clips["decord"])
    pid = child_of(decoder)
    decoder.close()
    assert not Path(f"/proc/{pid}").exists()
    decoder.close()


def test_decoders_and_errors_can_be_pickled(clips):
    with pickle.loads(pickle.dumps(Decoder(time_limit=3.0))) as copy:
        assert copy.time_limit == 3.0
        assert copy.info(clips["decord"]).frames == 24
    error = pickle.loads(pickle.dumps(UnreadableVideo(Path("a.mp4"), "why")))
    assert (error.path, error.reason, str(error)) == (Path("a.mp4"), "why", "a.mp4: why")


def test_bad_values_are_refused(decoder, clips):
    for limit in (0, -1.0, float("nan")):
        with pytest.raises(InputError, match=f"time_limit is {limit}"):
            Decoder(time_limit=limit)
    with pytest.raises(InputError, match=r"index 1\.5"):
        decoder.frames(clips["decord"], [1.5])
    for size in ((0, 4), (4,), (4, 4, 3)):
        with pytest.raises(InputError, match="height and a width"):
            decoder.frames(clips["decord"], [1], size=size)


def test_unreadable_videos_are_counted_once_and_stop_a_run():
    unreadable = Unreadable(0.25)
    for index in [0, 1, 2, 3, 3]:
        unreadable.add(UnreadableVideo(Path(f"{index}.mp4"), f"reason {index}"))
    assert len(unreadable) == 4
    unreadable.check(16)
    message = (
        "4 of 15 videos cannot be read (26.7%), more than the 25.0% that may be: "
        "0.mp4: reason 0; 1.mp4: reason 1; 2.mp4: reason 2; and 1 more"
    )
    with pytest.raises(RunError) as caught:
        unreadable.check(15)
    assert str(caught.value) == message
    Unreadable(0).check(0)
    with pytest.raises(InputError, match=r"1\.5"):
        Unreadable(1.5)


@given(height=st.integers(2, 4000), width=st.integers(2, 4000), short=st.integers(1, 300).map(lambda half: 2 * half))
def test_short_side(height, width, short):
    h, w = short_side(height, width, short)
    assert min(h, w) == short
    assert h % 2 == w % 2 == 0
    assert (h <= w) == (height <= width) or h == w
    exact = short * max(height, width) / min(height, width)
    assert abs(max(h, w) - exact) <= 1


def test_short_side_of_ucf101():
    assert short_side(240, 320, 256) == (256, 342)
    assert short_side(320, 240, 128) == (170, 128)
    for bad in ((240, 320, 255), (240, 320, 0), (0, 320, 64)):
        with pytest.raises(InputError, match=f"shorter side {bad[2]}"):
            short_side(*bad)


@pytest.mark.skipif(not REAL.is_dir(), reason="the real clips are not here")
def test_real_odd_files(decoder):
    found = {}
    for path in sorted((REAL / "odd").iterdir()):
        try:
            info = decoder.info(path)
        except UnreadableVideo as error:
            found[path.name] = error.reason
            continue
        found[path.name] = (info.decoder, info.frames, info.height, info.width)
        pictures = decoder.frames(path, [0, info.frames - 1, 10**6], size=(64, 64))
        np.testing.assert_array_equal(pictures[1], pictures[2])
    assert found == {
        "audio_only.mp3": "no video stream",
        "corrupted_midstream.mp4": ("pyav", 29, 720, 1280),
        "empty.flv": "Invalid data found when processing input",
        "h264_10bit.mp4": ("pyav", 30, 200, 200),
        "no_duration.webm": ("pyav", 74, 720, 1280),
        "ordinary.mp4": ("decord", 280, 256, 340),
        "rotated_90.mov": ("pyav", 3, 568, 320),
        "xvid_bframes.avi": ("pyav", 84, 240, 320),
    }


@pytest.mark.skipif(not REAL.is_dir(), reason="the real clips are not here")
def test_real_clips_by_index(decoder):
    for path in [*sorted((REAL / "ucf101_30").rglob("*.avi"))[::4], REAL / "odd" / "xvid_bframes.avi"]:
        frames = everything(path)
        assert decoder.info(path).frames == len(frames)
        indices = [*random.Random(0).choices(range(len(frames)), k=6), len(frames) - 1]
        difference = np.abs(decoder.frames(path, indices).astype(int) - frames[indices])
        assert difference.mean((1, 2, 3)).max() < 0.01
