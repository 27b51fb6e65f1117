"""Frames through PyAV, which reads what decord does not."""

import bisect
import os
import struct
from array import array
from collections.abc import Iterator, Sequence
from functools import lru_cache

import av
import numpy as np
from av.stream import Disposition
from av.video.reformatter import Interpolation, VideoReformatter

UPRIGHT = (False, False, False)
WHOLE = 128_000_000  # pixels: a longer clip is not decoded whole, and is read by seeking where its times are sound
_SAMPLE = 32  # frames whose times are compared with the container's


class Refused(Exception):
    """The file cannot be read so; the message is the reason, one line."""


class Pictures:
    """The frames of one file through PyAV, going forward from the last one taken.

    A packet that does not decode ends its group of pictures: what follows is built on it, so frames go on at the next
    key frame. With `times` (of all frames, ascending) and `keys` (of the key frames) a frame is found by seeking, which
    needs a sound container; without them frames are counted from the first.
    """

    def __init__(self, path: str, times: Sequence[int] | None = None, keys: Sequence[int] | None = None):
        self.path, self.times, self.keys = path, times, keys
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
        if self.times is not None:
            self._approach(self.times[index])
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

    def picture(self, index: int, height: int, width: int) -> np.ndarray:
        """uint8 (height, width, 3), upright."""
        frame = self.frame(index)
        transposed, mirrored, upset = turn_of(frame)
        h, w = (width, height) if transposed else (height, width)
        bilinear = Interpolation.BILINEAR  # as decord
        picture = self.reformatter.reformat(frame, w, h, "rgb24", interpolation=bilinear, threads=1).to_ndarray()
        picture = picture.swapaxes(0, 1) if transposed else picture
        return picture[:: -1 if upset else 1, :: -1 if mirrored else 1]

    def _approach(self, time: int) -> None:
        """Make the current frame one at or before `time`, near it."""
        key = self.keys[bisect.bisect_right(self.keys, time) - 1]
        if self.current is not None and key <= self.current.pts <= time:
            return
        self.seek(key)
        if self.advance() is None or self.current.pts > time:  # the seek went past it
            self.open()
            self.advance()

    def _restart(self) -> None:
        self.position, self.current = -1, None
        self.met_keys, self.open_groups = [], False  # times of key frames so far; whether frames before one follow it
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
                self.error, broken = error.strerror, True
                yield from self._drained()

    def _drained(self) -> list[av.VideoFrame]:
        """The sound frames that the decoder still holds; then it forgets what it knows."""
        try:
            return [frame for frame in self.stream.codec_context.decode(None) if not frame.is_corrupt]
        except av.FFmpegError as error:
            self.error = error.strerror
            return []
        finally:
            self.stream.codec_context.flush_buffers()

    def _note(self, packet: av.Packet) -> None:
        if packet.is_keyframe:
            self.met_keys.append(packet.pts)
        elif self.met_keys and None not in (packet.pts, self.met_keys[-1]) and packet.pts < self.met_keys[-1]:
            self.open_groups = True


def times_of(path: str) -> tuple[Sequence[int], Sequence[int]]:
    """Times of all frames and of the key frames by the container, ascending; empty where it does not have them.

    Remembered for some files while they do not change.
    """
    status = os.stat(path)
    return _times_of(path, status.st_ino, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=16)
def _times_of(path: str, *_: int) -> tuple[Sequence[int], Sequence[int]]:
    shown = [(p.pts, p.is_keyframe) for p in Pictures(path).packets() if p.size and not p.is_discard]
    times = [time for time, _ in shown]
    if not times or None in times or len(set(times)) < len(times):
        return (), ()
    return array("q", sorted(times)), array("q", sorted({min(times), *(time for time, key in shown if key)}))


def count_by_time(path: str, pixels: int) -> int:
    """How many frames of `pixels` a long clip has: those up to the last one that decodes in its last group of pictures.
    0 where the clip is not long, or its first frames come at other times than the container has (AVI)."""
    times, keys = times_of(path)
    if len(times) * pixels <= WHOLE:
        return 0
    pictures = Pictures(path, times, keys)
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
