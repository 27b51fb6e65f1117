"""What reading videos costs with each decoder, bare and through `Decoder`, measured in turns in one run:

    python -m videoattn.data.decode.bench VIDEO VIDEO [VIDEO ...]

Of each video 8 frames that are evenly spread, and all. Bare PyAV decodes up to the last frame asked for; bare decord
seeks. Both use one thread. Of several rounds the shortest times count; what a video holds is known before.
"""

import sys
import time
from collections.abc import Callable, Sequence

import av
import cv2  # noqa: F401 - before decord, which otherwise crashes it
import decord
import numpy as np

from videoattn.data.decode.decoder import BACKENDS, Decoder
from videoattn.errors import InputError

ROUNDS = 5


def main(paths: Sequence[str]) -> None:
    """Print ms a video, and the ratio to bare PyAV, of each way to read.

    Raises UnreadableVideo, and InputError for less than two videos: the last one read stays open, and opening is to be
    measured too.
    """
    if len(set(paths)) < 2:
        raise InputError(f"{len(set(paths))} videos; at least two are needed")
    decoders = {backend: Decoder(time_limit=600, backend=backend) for backend in BACKENDS}
    ways: dict[str, Callable[[str, list[int]], np.ndarray]] = {"bare pyav": _bare_pyav, "bare decord": _bare_decord}
    ways |= {f"Decoder, {backend}": decoder.frames for backend, decoder in decoders.items()}
    counts = {path: min(decoder.info(path).frames for decoder in decoders.values()) for path in paths}
    for what in ("8 frames", "all frames"):
        times: dict[tuple[str, str], list[float]] = {(way, path): [] for way in ways for path in counts}
        for _ in range(ROUNDS):
            for path, count in counts.items():
                indices = np.linspace(0, count - 1, 8 if what == "8 frames" else count).astype(int).tolist()
                for way, read in ways.items():
                    begun = time.perf_counter()
                    read(path, indices)
                    times[way, path].append(time.perf_counter() - begun)
        shortest = {way: 1e3 * np.mean([min(times[way, path]) for path in counts]) for way in ways}
        for way, ms in shortest.items():
            print(f"{what:10}  {way:15}  {ms:9.1f} ms  {ms / shortest['bare pyav']:.2f}", flush=True)
    for decoder in decoders.values():
        decoder.close()


def _bare_pyav(path: str, indices: list[int]) -> np.ndarray:
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        pictures = np.empty((len(indices), stream.height, stream.width, 3), np.uint8)
        frames = enumerate(container.decode(stream))
        for picture, wanted in zip(pictures, indices, strict=True):
            frame = next(frame for number, frame in frames if number == wanted)
            picture[:] = frame.to_ndarray(format="rgb24")
    return pictures


def _bare_decord(path: str, indices: list[int]) -> np.ndarray:
    return decord.VideoReader(path, num_threads=1).get_batch(indices).asnumpy()


if __name__ == "__main__":
    main(sys.argv[1:])
