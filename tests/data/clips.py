"""Encoded clips for the tests of decoding: made, damaged, and read back without the decoder that is tested."""

import os
import select
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

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
    rate: int = 25,
    times: Sequence[int] | None = None,
) -> Path:
    """Write a clip. after: packets without a picture behind it, which the container counts as frames. times: of the
    frames in ms, instead of those of a constant rate."""
    frames, height, width, _ = pictures.shape
    faststart = {"movflags": "+faststart"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=faststart) as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = width, height, pixels, 8_000_000
        stream.codec_context.gop_size, stream.codec_context.max_b_frames = group, b_frames
        stream.codec_context.thread_count = 1
        if turn is not None:
            stream.set_display_rotation(**turn)
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = times[index], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        for index in range(frames, frames + after):
            packet = av.Packet(b"\x00\x00\x00\x01\x09\xf0")
            packet.stream, packet.time_base = stream, stream.time_base
            packet.pts = packet.dts = round(index / rate / stream.time_base)
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
