import av
import decord
import numpy as np
import pytest

from videoattn.data.probes.video import write_video
from videoattn.errors import InputError


def clip(seed, frames=6, size=64):
    blocks = np.random.default_rng(seed).integers(60, 200, (frames, size // 8, size // 8, 3), dtype=np.uint8)
    return blocks.repeat(8, axis=1).repeat(8, axis=2)


def decoded(path):
    reader = decord.VideoReader(str(path), num_threads=1)
    return reader.get_batch(range(len(reader))).asnumpy()


def test_reads_back(tmp_path):
    frames = clip(0)
    frames[..., 1:] = frames[..., :1]  # grey: nothing is lost to the coarser grid of the chroma
    write_video(tmp_path / "clip.mp4", frames, 10)
    read = decoded(tmp_path / "clip.mp4")
    assert read.shape == frames.shape
    assert np.abs(read.astype(int) - frames).mean() < 2
    assert decord.VideoReader(str(tmp_path / "clip.mp4")).get_avg_fps() == 10


def test_colour_reads_back(tmp_path):
    frames = np.empty((3, 32, 32, 3), dtype=np.uint8)
    frames[:] = [(200, 60, 90), (50, 140, 80), (90, 110, 210)][0]
    write_video(tmp_path / "clip.mp4", frames, 10)
    assert np.abs(decoded(tmp_path / "clip.mp4").astype(int) - frames).max() <= 4


def test_same_frames_same_bytes(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        write_video(tmp_path / name, clip(1), 10)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_a_frame_is_coded_from_itself_alone(tmp_path):
    first, second = clip(2), clip(3)
    second[2] = first[2]
    for name, frames in (("a.mp4", first), ("b.mp4", second)):
        write_video(tmp_path / name, frames, 10)
    a, b = decoded(tmp_path / "a.mp4"), decoded(tmp_path / "b.mp4")
    np.testing.assert_array_equal(a[2], b[2])
    assert np.abs(a[3].astype(int) - b[3]).max() > 50
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert [frame.key_frame for frame in container.decode(stream)] == [True] * 6


@pytest.mark.parametrize(
    ("frames", "fps", "says"),
    [
        (clip(0)[:, :63], 10, "63 x 64"),
        (clip(0)[:, :, :63], 10, "64 x 63"),
        (clip(0)[:, :8], 10, "8 x 64"),
        (clip(0)[:0], 10, r"\(0, 64, 64, 3\)"),
        (clip(0)[0], 10, r"\(64, 64, 3\)"),
        (clip(0)[..., :1], 10, r"\(6, 64, 64, 1\)"),
        (clip(0).astype(np.float32), 10, "float32"),
        (clip(0), 0, "fps 0"),
    ],
)
def test_refuses(tmp_path, frames, fps, says):
    with pytest.raises(InputError, match=says):
        write_video(tmp_path / "clip.mp4", frames, fps)
    assert not (tmp_path / "clip.mp4").exists()
