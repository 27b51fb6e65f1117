"""Write a generated clip as an H.264 file."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from videoattn.errors import InputError


def write_video(path: Path, frames: np.ndarray, fps: int | Fraction) -> None:
    """Encode frames (T, H, W, 3), uint8 RGB, H and W even, as H.264 in MP4.

    Each frame is coded by itself with a small constant quantiser, so that the artefacts of a frame depend on that frame
    alone and do not tell a reader of single frames what moves. One thread and no dates: equal frames give equal bytes.
    Raises `InputError` for frames that H.264 cannot hold.
    """
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3 or frames.shape[0] == 0:
        raise InputError(f"frames of shape {frames.shape} and type {frames.dtype}: expected (T, H, W, 3) of uint8")
    height, width = frames.shape[1:3]
    if height % 2 or width % 2 or min(height, width) < 16:
        raise InputError(f"frames of {height} x {width} pixels: H.264 takes even sizes, here from 16 on")
    if fps <= 0:
        raise InputError(f"fps {fps}: expected a positive rate")
    with av.open(str(path), "w", format="mp4", container_options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=Fraction(fps))
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        stream.codec_context.gop_size = 1
        stream.codec_context.options = {"qp": "8", "preset": "veryfast", "threads": "1"}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        container.mux(stream.encode())
