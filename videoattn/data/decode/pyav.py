"""Video files through PyAV: their frames by index, how many of them decode, and when each is shown."""

import bisect
import itertools
import os
import struct
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import av
import numpy as np
from av.stream import Disposition
from av.video.reformatter import Interpolation, VideoReformatter

WHOLE = 128_000_000  # pixels: a longer clip is not decoded whole, and is read by seeking where its times are sound
CACHED = 64_000_000  # bytes of decoded frames that are kept after an inspection
DECORD_CODECS = ("h264", "mpeg4", "vp8", "vp9")
DECORD_FORMATS = ("yuv420p", "yuvj420p")
UPRIGHT = (False, False, False)
_SAMPLE = 32  # frames whose times are compared with the container's
_NEAR = 8  # frames: what lies no further ahead is reached by decoding on, not by seeking
_AT = 1e-6  # seconds by which two moments may differ and be the same


class Refused(Exception):
    """The file cannot be read so; the message is the reason, one line."""


class Pictures:
    """The frames of one file, going forward from the last one taken.

    A packet that does not decode ends its group of pictures: what follows is built on it, so frames go on at the next
    key frame.

    timed: find frames by seeking to the key frame before them, by the times of the packets; `inspect` tells for which
    files this gives the same frames. Without it frames are counted from the first.
    """

    def __init__(self, path: str, *, timed: bool = False):
        self.path = path
        self.times, self.keys = times_of(path) if timed else (None, None)
        self.cached: list[av.VideoFrame] = []  # all frames, or none
        self.error = "it has no frames"
        self.reformatter = VideoReformatter()
        self.open()

    def open(self) -> None:
        self.container = av.open(self.path, metadata_errors="replace")
        streams = [s for s in self.container.streams.video if not s.disposition & Disposition.attached_pic]
        if not streams:
            raise Refused("no video stream")
        self.stream = streams[0]
        if self.stream.codec_context is None:
            raise Refused("no decoder for its codec")
        self.stream.codec_context.thread_count = 1
        self._restart()

    def close(self) -> None:
        """Give its memory back at once."""
        self._frames, self.current, self.cached = iter(()), None, []  # the first holds this object
        self.container.close()

    def seek(self, time: int) -> None:
        """Go to the key frame at or before `time`, or to the start where the container cannot seek."""
        try:
            self.container.seek(time, stream=self.stream)
        except av.FFmpegError:
            self.open()
        self._restart()

    def declared(self) -> float:
        """How many frames the container says that there are, 0 where it does not."""
        if self.stream.frames:
            return self.stream.frames
        seconds = (self.container.duration or 0) / av.time_base
        return seconds * float(self.stream.average_rate or self.stream.guessed_rate or 0)

    def packets(self) -> Iterator[av.Packet]:
        packets = self.container.demux(self.stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except av.FFmpegError as error:  # what was read until here still counts
                self.error = error.strerror
                return
            yield packet

    def advance(self) -> av.VideoFrame | None:
        """The next frame in display order, or None at the end."""
        self.current = next(self._frames, None)
        self.position += 1
        return self.current

    def frame(self, index: int) -> av.VideoFrame:
        """Raises Refused where it does not decode."""
        if self.cached:
            return self.cached[index]
        if self.times is not None:
            self._approach(index)
            while self.current is not None and self.current.pts < self.times[index]:
                self.advance()
        else:
            if index < self.position:
                self.open()
            while self.position < index:
                if self.advance() is None:
                    break
        if self.current is None:
            raise Refused(f"frame {index} does not decode: {self.error}")
        return self.current

    def write(self, index: int, picture: np.ndarray) -> None:
        """Put a frame, upright and scaled, into `picture`, uint8 (H, W, 3)."""
        frame = self.frame(index)
        transposed, mirrored, upset = turn_of(frame)
        target = picture[:: -1 if upset else 1, :: -1 if mirrored else 1]
        target = target.swapaxes(0, 1) if transposed else target
        h, w, _ = target.shape
        bilinear = Interpolation.BILINEAR  # as decord
        plane = self.reformatter.reformat(frame, w, h, "rgb24", interpolation=bilinear, threads=1).planes[0]
        rows = np.frombuffer(plane, np.uint8).reshape(h, plane.line_size)  # the rows are padded
        target[:] = rows[:, : 3 * w].reshape(h, w, 3)

    def _approach(self, index: int) -> None:
        """Make the current frame one at or before that of `index`, near it."""
        time = self.times[index]
        key = self.keys[bisect.bisect_right(self.keys, time) - 1]
        if self.current is not None and min(key, self.times[max(index - _NEAR, 0)]) <= self.current.pts <= time:
            return
        self.seek(key)
        if self.advance() is None or self.current.pts > time:  # the seek went past it
            self.open()
            self.advance()

    def _restart(self) -> None:
        self.position, self.current = -1, None
        self.met_times, self.met_keys = [], []  # of the packets so far, and of the key frames among them
        self.open_groups = False  # whether a frame so far follows a key frame that is shown after it
        self.sound = True  # all packets so far decoded
        self._frames = self._decoded()

    def _decoded(self) -> Iterator[av.VideoFrame]:
        broken = False
        for packet in self.packets():
            if packet.size and not packet.is_discard:
                broken = broken and not packet.is_keyframe
                self._note(packet)
            if broken:
                continue
            try:
                yield from packet.decode()
            except av.FFmpegError as error:
                self.error, broken, self.sound = error.strerror, True, False
                yield from self._drained()

    def _drained(self) -> list[av.VideoFrame]:
        """The sound frames that the decoder still has; then it forgets what it knows."""
        try:
            return [frame for frame in self.stream.codec_context.decode(None) if not frame.is_corrupt]
        except av.FFmpegError as error:
            self.error = error.strerror
            return []
        finally:
            self.stream.codec_context.flush_buffers()

    def _note(self, packet: av.Packet) -> None:
        self.met_times.append(packet.pts)
        if packet.is_keyframe:
            self.met_keys.append(packet.pts)
        elif self.met_keys and None not in (packet.pts, self.met_keys[-1]) and packet.pts < self.met_keys[-1]:
            self.open_groups = True


def times_of(path: str) -> tuple[Sequence[int], Sequence[int]]:
    """Times of all frames and of the key frames by the container, ascending; empty where it does not have them.

    Remembered for some files while they do not change.
    """
    return _times_of(path, *state_of(path))


def state_of(path: str) -> tuple[int, int, int]:
    """What changes when a file or folder does."""
    status = os.stat(path)
    return status.st_ino, status.st_size, status.st_mtime_ns


@lru_cache(maxsize=64)
def _times_of(path: str, *_: int) -> tuple[Sequence[int], Sequence[int]]:
    shown = [(p.pts, p.is_keyframe) for p in Pictures(path).packets() if p.size and not p.is_discard]
    times = [time for time, _ in shown]
    if not times or None in times or len(set(times)) < len(times):
        return (), ()
    return array("q", sorted(times)), array("q", sorted({min(times), *(time for time, key in shown if key)}))


def count_by_time(path: str, pixels: int) -> int:
    """How many frames of `pixels` a long clip has: those up to the last one that decodes in its last group of pictures.
    0 where the clip is not long, or its first frames come at other times than the container has (AVI)."""
    times, _ = times_of(path)
    if len(times) * pixels <= WHOLE:
        return 0
    pictures = Pictures(path)
    if any((frame := pictures.advance()) is None or frame.pts != time for time in times[:_SAMPLE]):
        return 0
    pictures.seek(times[-1])
    last = times[0] - 1
    while (frame := pictures.advance()) is not None:
        last = max(last, frame.pts)
    return bisect.bisect_right(times, last)


def turn_of(frame: av.VideoFrame) -> tuple[bool, bool, bool]:
    """(transposed, then mirrored left to right, then upside down): what a player does to show the frame upright."""
    for data in frame.side_data:
        if data.type.name == "DISPLAYMATRIX":
            a, b, _, c, d = struct.unpack("5i", bytes(data)[:20])  # x' = a x + c y, y' = b x + d y
            return (True, c < 0, b < 0) if abs(b) > abs(a) else (False, a < 0, d < 0)
    return UPRIGHT


@dataclass(frozen=True)
class Inspection:
    """What was found in a file. frames, height, width, fps, timed: as in `VideoInfo`.

    plain: nothing speaks against decord so far. shown: when the frames are shown, in seconds by the container's clock,
    ascending; empty where it does not tell. tick: of this clock, in seconds.
    """

    frames: int
    height: int
    width: int
    fps: float
    timed: bool
    plain: bool
    shown: np.ndarray
    tick: float


def inspect(pictures: Pictures) -> Inspection:
    """Of a file that was just opened. Raises Refused, and what PyAV raises.

    A short clip is decoded once, and its frames are left in `pictures.cached` where they are few; of a long one the
    packets alone are read, and its ends decoded.
    """
    first = pictures.advance()
    if first is None:
        raise Refused(pictures.error)
    turn, stream, context = turn_of(first), pictures.stream, pictures.stream.codec_context
    height, width = (first.width, first.height) if turn[0] else (first.height, first.width)
    frames, plain = 0, False
    if pictures.declared() * height * width > WHOLE:
        frames = count_by_time(pictures.path, height * width)
    timed = frames > 0
    if timed:
        times = times_of(pictures.path)[0][:frames]
    else:
        times, intra, last_key = _decode_all(pictures)
        frames = len(times)
        times = times if None not in times and all(a < b for a, b in itertools.pairwise(times)) else []
        plain = bool(times) and intra.issuperset(pictures.met_keys) and not pictures.open_groups
        declares_duration = bool(stream.duration or pictures.container.duration)
        timed = plain and pictures.sound and _seeks(pictures, times, last_key)
        plain = plain and turn == UPRIGHT and context.name in DECORD_CODECS and context.pix_fmt in DECORD_FORMATS
        plain = plain and not (context.name == "mpeg4" and context.has_b_frames) and declares_duration
    tick, fps = float(stream.time_base), float(stream.average_rate or stream.guessed_rate or 0)
    return Inspection(frames, height, width, fps, timed, plain, np.array(times, float) * tick, tick)


def _decode_all(pictures: Pictures) -> tuple[list[int | None], set[int | None], av.VideoFrame | None]:
    """From the current frame to the end: times of the frames and of those coded by themselves, and the last such."""
    times, intra, last_key, size = [], set(), None, 0
    while (frame := pictures.current) is not None:
        times.append(frame.pts)
        if frame.key_frame:
            intra.add(frame.pts)
            last_key = frame
        size += sum(plane.buffer_size for plane in frame.planes)
        if size <= CACHED:
            pictures.cached.append(frame)
        pictures.sound = pictures.sound and not frame.is_corrupt
        pictures.advance()
    if size > CACHED:
        pictures.cached = []
    return times, intra, last_key


def _seeks(pictures: Pictures, times: list[int], last_key: av.VideoFrame | None) -> bool:
    """Whether the packets have the times of the frames, and seeking to the last of several key frames gives the same
    frame as decoding up to it."""
    keys = pictures.met_keys
    if len(keys) < 2 or len(pictures.met_times) != len(times) or set(pictures.met_times) != set(times):
        return False
    pictures.seek(keys[-1])
    found = pictures.advance()
    return (
        found is not None
        and found.pts == keys[-1] == last_key.pts
        and np.array_equal(found.to_ndarray(format="rgb24"), last_key.to_ndarray(format="rgb24"))
    )


def between(found: Inspection, start: float, end: float) -> tuple[int, int]:
    """What is shown from `start` to `end`, in seconds from the first frame: its first frame, and the one behind its
    last.

    The first is the one that is shown at `start`; what is shown from `end` on is not in. Times are those of a constant
    frame rate where they are as near to it as the container's clock allows. Raises Refused where the video ends before
    `start`, or tells nothing of time.
    """
    if not len(found.shown) and not found.fps:
        raise Refused("neither its frames' times nor their rate is known: a part must be given in frames")
    numbers = np.arange(found.frames)
    seconds = found.shown - found.shown[0] if len(found.shown) else numbers / found.fps
    if found.fps:
        numbers = np.rint(seconds * found.fps)
        if (np.diff(numbers) == 1).all() and np.abs(seconds - numbers / found.fps).max() <= found.tick:
            seconds = numbers / found.fps
    last = 1 / found.fps if found.fps else 0.0
    if start >= seconds[-1] + max(last, 2 * _AT) - _AT:
        raise Refused(f"the part begins at {start:g} s; the video ends at {seconds[-1] + last:.6g} s")
    first = int(np.searchsorted(seconds, start + _AT, "right")) - 1
    return first, max(int(np.searchsorted(seconds, end - _AT)), first + 1)
