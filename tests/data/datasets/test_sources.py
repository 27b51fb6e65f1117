"""Parts of video files, by frames and by seconds, of short files and of long ones."""

import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
from clips import encode, gray, numbers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from videoattn.data.datasets.videos import Source
from videoattn.data.decode.decoder import Decoder, UnreadableVideo, VideoInfo
from videoattn.errors import InputError

UNEVEN = [0, 40, 100, 101, 500, 620, 1000, 1040]  # ms
SOME = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

# A child to which every video is a long one, and which writes a dot for each frame or packet that it reads.
LONG = """
import sys
from videoattn.data.decode import pyav as decode_pyav
decode_pyav.WHOLE = 0
dots = open(sys.argv[1], "ab", 0)
def dotted(value):
    dots.write(b".")
    return value
advance, packets = decode_pyav.Pictures.advance, decode_pyav.Pictures.packets
decode_pyav.Pictures.FRAMES_OR_PACKETS
from videoattn.data.decode import child as decode_child
decode_child.main()
"""
FRAMES = LONG.replace("FRAMES_OR_PACKETS", "advance = lambda self: dotted(advance(self))")
PACKETS = LONG.replace("FRAMES_OR_PACKETS", "packets = lambda self: map(dotted, packets(self))")


@pytest.fixture(scope="module")
def noise(tmp_path_factory) -> dict[str, Path]:
    """A clip of 40 frames for each decoder, none like another."""
    folder = tmp_path_factory.mktemp("noise")
    pictures = np.random.default_rng(0).integers(0, 255, (40, 32, 64, 3), dtype=np.uint8)
    return {"decord": encode(folder / "a.mp4", pictures), "pyav": encode(folder / "b.avi", pictures, b_frames=2)}


@pytest.mark.parametrize("served", ["decord", "pyav"])
@SOME
@given(
    first=st.integers(0, 39), length=st.integers(1, 60), indices=st.lists(st.integers(-9, 60), min_size=1, max_size=5)
)
def test_frames_of_a_part_are_those_of_the_whole(by_decord, noise, served, first, length, indices):
    path, decoder = noise[served], by_decord
    part = Source(path, frames=(first, first + length))
    count = min(length, 40 - first)
    assert decoder.info(part) == VideoInfo(count, 32, 64, 25.0, served, timed=True, first=first)
    there = [first + min(max(index, 0), count - 1) for index in indices]
    np.testing.assert_array_equal(decoder.frames(part, indices), decoder.frames(path, there))
    np.testing.assert_array_equal(
        decoder.frames(part, indices, size=(20, 96)), decoder.frames(Source(path), there, size=(20, 96))
    )


@pytest.fixture(scope="module")
def clocks(tmp_path_factory) -> dict[str, tuple[Path, list[float]]]:
    """Clips of numbered frames by kind, and when their frames are shown, in ms."""
    folder = tmp_path_factory.mktemp("clocks")
    even, thirds = [40 * i for i in range(30)], [1000 * i / 30 for i in range(30)]
    return {
        "decord": (encode(folder / "a.mp4", gray(30, 32, 32)), even),
        "pyav": (encode(folder / "a.avi", gray(30, 32, 32), b_frames=2), even),
        "late": (encode(folder / "a.ts", gray(30, 32, 32), b_frames=2), even),  # its clock begins above a second
        "raw": (encode(folder / "a.h264", gray(30, 32, 32)), even),  # without a clock
        "rounded": (encode(folder / "a.mkv", gray(30, 32, 32), rate=30), thirds),  # its clock ticks in ms
        "uneven": (encode(folder / "b.mkv", gray(8, 32, 32), times=UNEVEN), UNEVEN),
    }


@pytest.mark.parametrize("kind", ["decord", "pyav", "late", "raw", "rounded", "uneven"])
@SOME
@given(start=st.integers(0, 999), length=st.integers(1, 1500))  # the shortest clip ends at 1000 ms
def test_a_part_by_seconds_begins_with_the_frame_that_is_shown(decoder, clocks, kind, start, length):
    path, shown = clocks[kind]
    first = max(i for i, time in enumerate(shown) if time <= start)
    end = sum(time < start + length for time in shown)
    part = Source(path, seconds=(start / 1000, (start + length) / 1000))
    assert (decoder.info(part).first, decoder.info(part).frames) == (first, end - first)
    assert numbers(decoder.frames(part, [0, 100])) == [first, end - 1]


@pytest.mark.parametrize("kind", ["decord", "rounded"])
def test_neither_end_of_a_part_is_off_by_a_rounded_number(decoder, clocks, kind):
    path, shown = clocks[kind]
    rate = {"decord": 25, "rounded": 30}[kind]
    for first in range(29):
        for end in (first + 1, 30):
            info = decoder.info(Source(path, seconds=(first / rate, end / rate)))
            assert (info.first, info.frames) == (first, end - first)
            assert abs(shown[first] - 1000 * first / rate) < 1e-9
    with pytest.raises(UnreadableVideo, match="the video ends at"):
        decoder.info(Source(path, seconds=(30 / rate, 30.1 / rate)))


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        ({"frames": (24, 30)}, "the part begins at frame 24; the video has 24 frames"),
        ({"seconds": (0.96, 2)}, "the part begins at 0.96 s; the video ends at 0.96 s"),
        ({"seconds": (70.5, 71)}, "the part begins at 70.5 s; the video ends at 0.96 s"),
    ],
)
@pytest.mark.parametrize("served", ["decord", "pyav"])
def test_a_part_behind_the_end_is_unreadable_and_the_others_are_not(by_decord, clips, served, part, reason):
    source, decoder = Source(clips[served], **part), by_decord
    for read in (decoder.info, lambda source: decoder.frames(source, [0])):
        with pytest.raises(UnreadableVideo) as caught:
            read(source)
        assert (caught.value.source, caught.value.path, caught.value.reason) == (source, clips[served], reason)
    assert numbers(decoder.frames(Source(clips[served], frames=(23, 90)), [0, 5])) == [23, 23]
    assert numbers(decoder.frames(Source(clips[served], seconds=(0.95, 90)), [0, 5])) == [23, 23]


def test_an_unreadable_file_has_no_parts(decoder, tmp_path):
    (tmp_path / "text.mp4").write_text("no video\n" * 50)
    for part in ({"frames": (0, 3)}, {"seconds": (0, 3)}):
        with pytest.raises(UnreadableVideo, match=r"text\.mp4, .*: Invalid data found"):
            decoder.info(Source(tmp_path / "text.mp4", **part))


def test_errors_name_the_part_and_can_be_pickled():
    for part, named in (({"frames": (3, 7)}, "a.mp4, frames 3 to 7"), ({"seconds": (0.5, 2)}, "a.mp4, 0.5 to 2 s")):
        source = Source(Path("a.mp4"), **part)
        error = pickle.loads(pickle.dumps(UnreadableVideo(source, "why")))
        assert (error.source, error.path, str(error)) == (source, Path("a.mp4"), f"{named}: why")
        assert source.whole == Source(Path("a.mp4"))
    assert str(UnreadableVideo("a.mp4", "why")) == "a.mp4: why"


def test_a_part_that_is_none_is_refused(decoder, clips):
    with pytest.raises(InputError, match="must begin at 0 or later"):
        Source(clips["decord"], frames=(5, 5))
    with pytest.raises(InputError, match=r"frame 0\.5 is not a whole number"):
        decoder.info(Source(clips["decord"], frames=(0.5, 7)))


def test_a_part_of_a_file_that_changes_is_cut_anew(decoder, tmp_path):
    path = encode(tmp_path / "clip.mp4", gray(6, 64, 64))
    parts = [Source(path, frames=(2, 20)), Source(path, seconds=(0.08, 20))]
    assert [decoder.info(part).frames for part in parts] == [4, 4]
    encode(path, gray(9, 64, 64))
    assert [decoder.info(part).frames for part in parts] == [7, 7]
    assert numbers(decoder.frames(parts[1], [0, 9])) == [2, 8]


def test_one_file_is_inspected_once_for_all_its_parts(clips, monkeypatch):
    asked, ask = [], Decoder._ask
    monkeypatch.setattr(
        Decoder,
        "_ask",
        lambda self, deadline, request, *shape: (asked.append(request["do"]), ask(self, deadline, request, *shape))[1],
    )
    with Decoder() as decoder:
        parts = [Source(clips["pyav"], frames=(i, i + 2)) for i in range(5)]
        known = [decoder.info(part) for part in parts]
        assert asked == ["inspect"]
    with pickle.loads(pickle.dumps(decoder)) as other:
        assert [numbers(other.frames(p, [0, 1], info=i)) for p, i in zip(parts, known, strict=True)] == [
            [i, i + 1] for i in range(5)
        ]
    assert asked == ["inspect"] + ["read"] * 5


@pytest.fixture(scope="module")
def long(tmp_path_factory) -> Path:
    texture = np.random.default_rng(0).integers(0, 255, (400, 16, 16, 3), dtype=np.uint8)
    return encode(tmp_path_factory.mktemp("long") / "long.mp4", texture, b_frames=2, group=10)


@pytest.mark.parametrize("part", [{"frames": (203, 209)}, {"seconds": (8.125, 8.35)}])
def test_a_part_of_a_long_video_is_read_without_decoding_the_rest(decoder, long, tmp_path, part):
    class Spied(Decoder):
        command = (sys.executable, "-P", "-c", FRAMES, str(tmp_path / "dots"))

    with Spied() as spied:
        source = Source(long, **part)
        assert spied.info(source) == VideoInfo(6, 16, 16, 25.0, "pyav", timed=True, first=203)
        pictures = spied.frames(source, range(6))
    np.testing.assert_array_equal(pictures, decoder.frames(long, range(203, 209)))
    assert 7 < len((tmp_path / "dots").read_bytes()) < 100  # of 400: the first, some at both ends, the part's group


def test_a_long_video_is_listed_once_for_all_its_parts(long, tmp_path):
    class Spied(Decoder):
        command = (sys.executable, "-P", "-c", PACKETS, str(tmp_path / "dots"))

    other = encode(tmp_path / "other.mp4", gray(4, 32, 32))
    with Spied() as spied:
        spied.info(long)
        listed = len((tmp_path / "dots").read_bytes())
        for first in range(0, 50, 10):
            assert len(spied.frames(Source(long, frames=(first, first + 5)), range(5))) == 5
            spied.frames(other, [0])
    assert listed > 400
    assert 5 * 5 < len((tmp_path / "dots").read_bytes()) - listed < 400
