"""Files that are damaged, mislabelled, odd or no videos at all."""

import os
from pathlib import Path

import av
import numpy as np
import pytest
from clips import REAL, damage, encode, everything, gray, numbers

from videoattn.data.datasets.splits import Unreadable
from videoattn.data.decode import pyav as decode_pyav
from videoattn.data.decode.decoder import Decoder, UnreadableVideo, VideoInfo
from videoattn.errors import InputError, RunError


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
    pictures = decode_pyav.Pictures(str(path), timed=True)
    order = [40, 41, 41, 3, 44, 0, 23, 24, 25, 12, 11]
    taken = np.empty((len(order), 64, 64, 3), np.uint8)
    for place, index in zip(taken, order, strict=True):
        pictures.write(index, place)
    assert numbers(taken) == order
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
    reasons = {"sound.wav": "no video stream", ".": "a folder without numbered images", "pipe.mp4": "not a file"}
    for name, reason in reasons.items():
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
    assert decoder.info(path) == VideoInfo(9, 32, 64, 25.0, "pyav")
    assert numbers(decoder.frames(path, [9])) == [8]


def test_nothing_reaches_the_terminal(tmp_path, capfd):
    path = damage(encode(tmp_path / "clip.mp4", gray(30, 64, 64)), 0.5, 200)
    with Decoder() as decoder:
        decoder.frames(path, range(30))
        (tmp_path / "text.mp4").write_text("text")
        with pytest.raises(UnreadableVideo):
            decoder.info(tmp_path / "text.mp4")
    assert capfd.readouterr() == ("", "")


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


@pytest.mark.skipif(not REAL.is_dir(), reason="the real clips are not here")
def test_real_odd_files(by_decord):
    found = {}
    for path in sorted((REAL / "odd").iterdir()):
        try:
            info = by_decord.info(path)
        except UnreadableVideo as error:
            found[path.name] = error.reason
            continue
        found[path.name] = (info.decoder, info.frames, info.height, info.width)
        pictures = by_decord.frames(path, [0, info.frames - 1, 10**6], size=(64, 64))
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
