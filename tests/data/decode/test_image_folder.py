"""Folders of numbered images as videos: what counts as one, what is opened, and which values come back."""

import os
import shutil
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from clips import encode, gray, numbers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from textures import texture

from videoattn.data.datasets.videos import Source
from videoattn.data.decode.decoder import Decoder, UnreadableVideo, VideoInfo
from videoattn.data.decode.images import NumberedImages, numbered_images


def put(folder: Path, name: str, picture: np.ndarray) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(folder / name), picture[..., ::-1])


def images(folder: Path, pictures: np.ndarray, *, pattern: str = "{:05d}.png", first: int = 1) -> Path:
    for number, picture in enumerate(pictures, first):
        put(folder, pattern.format(number), picture)
    return folder


def colours(frames: int, height: int, width: int) -> np.ndarray:
    channels = [[texture(height, width, seed=3 * t + c) for c in range(3)] for t in range(frames)]
    return np.moveaxis(np.array(channels), 1, -1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return images(tmp_path_factory.mktemp("folders") / "numbered", gray(24, 20, 30))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["frame_0000000001.jpg", "frame_0000000002.jpg"], NumberedImages("frame_", ".jpg", 10, 1, 2)),
        (["46GP8-000001.jpg"], NumberedImages("46GP8-", ".jpg", 6, 1, 1)),
        ([f"{n:05d}.jpg" for n in range(1, 30)], NumberedImages("", ".jpg", 5, 1, 29)),
        ([f"{n}.PNG" for n in range(12)], NumberedImages("", ".PNG", 1, 0, 12)),
        ([f"img{n:02d}.jpeg" for n in range(1, 103)], NumberedImages("img", ".jpeg", 2, 1, 102)),
        (["0.png", ".1.png", ".hidden.jpg", "notes.txt", "sound_2.wav"], NumberedImages("", ".png", 1, 0, 1)),
    ],
)
def test_names_that_are_numbered(tmp_path, names, expected):
    for name in names:
        (tmp_path / name).touch()
    found = numbered_images(tmp_path)
    assert found == expected
    assert set(found.names()) == {name for name in names if not name.startswith((".", "notes", "sound"))}
    assert found.name(found.count - 1) == list(found.names())[-1]


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["1.jpg", "2.jpg", "4.jpg"], "the image 3.jpg is missing"),
        (["00005.jpg", "00006.jpg"], "the image 00001.jpg is missing"),
        (["a_1.jpg", "b_1.jpg"], "the image a_2.jpg is missing; b_1.jpg is named otherwise than a_1.jpg"),
        (["001.jpg", "002.png"], "the image 002.jpg is missing; 002.png is named otherwise than 001.jpg"),
        (["001.jpg", "2.jpg"], "the image 002.jpg is missing; 2.jpg is named otherwise than 001.jpg"),
        (["1.jpg", "2.jpg", "cover.jpg"], "the image cover.jpg has no number at the end of its name"),
        (["notes.txt", ".1.jpg"], "a folder without numbered images"),
        ([], "a folder without numbered images"),
    ],
)
def test_what_is_no_row_of_images_is_refused(decoder, tmp_path, names, reason):
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(OSError, match=reason) as caught:
        numbered_images(tmp_path)
    assert caught.value.strerror == reason
    with pytest.raises(UnreadableVideo) as refused:
        decoder.info(tmp_path)
    assert refused.value.reason == reason


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    part=st.none() | st.tuples(st.integers(0, 23), st.integers(1, 40)),
    indices=st.lists(st.integers(-5, 40), min_size=1, max_size=6),
)
def test_any_frames_of_any_part(decoder, folder, part, indices):
    first, length = part or (0, 24)
    source = Source(folder, frames=(first, first + length)) if part else folder
    count = min(length, 24 - first)
    assert decoder.info(source) == VideoInfo(count, 20, 30, 0.0, "images", first=first)
    expected = [first + min(max(index, 0), count - 1) for index in indices]
    assert numbers(decoder.frames(source, indices)) == expected


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_pixels_are_those_of_the_files_in_rgb(decoder, tmp_path, suffix):
    pictures = colours(3, 33, 47)
    images(tmp_path, pictures, pattern=f"{{:03d}}.{suffix}", first=0)
    frames = decoder.frames(tmp_path, range(3))
    stored = [cv2.imread(str(tmp_path / f"{i:03d}.{suffix}"))[..., ::-1] for i in range(3)]
    np.testing.assert_array_equal(frames, stored)
    if suffix == "png":
        np.testing.assert_array_equal(frames, pictures)


def test_grey_transparent_and_deep_images_are_rgb_too(decoder, tmp_path):
    picture = colours(1, 16, 24)[0]
    cv2.imwrite(str(tmp_path / "0.png"), picture[..., 0])
    cv2.imwrite(str(tmp_path / "1.png"), np.dstack([picture[..., ::-1], np.zeros((16, 24), np.uint8)]))
    cv2.imwrite(str(tmp_path / "2.png"), picture[..., ::-1].astype(np.uint16) * 257)
    grey = np.repeat(picture[..., :1], 3, axis=2)
    np.testing.assert_array_equal(decoder.frames(tmp_path, range(3)), [grey, picture, picture])


def test_the_orientation_that_a_camera_noted_is_ignored(decoder, tmp_path):
    images(tmp_path, colours(1, 24, 40), pattern="{}.jpg")
    plain = decoder.frames(tmp_path, [0])
    entry = struct.pack(">2sHIHHHIHHI", b"MM", 42, 8, 1, 0x0112, 3, 1, 6, 0, 0)  # orientation 6: a quarter turn
    block = b"Exif\0\0" + entry
    data = (tmp_path / "1.jpg").read_bytes()
    (tmp_path / "1.jpg").write_bytes(data[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + data[2:])
    assert cv2.imread(str(tmp_path / "1.jpg")).shape == (40, 24, 3)  # as a viewer shows it
    np.testing.assert_array_equal(decoder.frames(tmp_path, [0]), plain)


@pytest.mark.parametrize("size", [None, (16, 20), (37, 48), (60, 80)])
def test_a_lossless_video_and_its_images_agree(decoder, tmp_path, size):
    pictures = np.repeat(colours(4, 48, 64)[..., :1], 3, axis=3)
    video = encode(tmp_path / "video.mkv", pictures, codec="ffv1", pixels="gray")
    images(tmp_path / "images", pictures)
    frames = [decoder.frames(path, [3, 0, 2], size=size) for path in (video, tmp_path / "images")]
    np.testing.assert_allclose(*np.array(frames, int), atol=0 if size is None else 1)  # rounded on other ways
    assert len(np.unique(frames[0])) > 50


def test_each_colour_is_scaled_as_grey_is(decoder, tmp_path):
    picture = colours(1, 48, 64)
    images(tmp_path / "colour", picture)
    scaled = decoder.frames(tmp_path / "colour", [0], size=(21, 30))
    for channel in range(3):
        images(tmp_path / f"{channel}", np.repeat(picture[..., channel : channel + 1], 3, axis=3))
        alone = decoder.frames(tmp_path / f"{channel}", [0], size=(21, 30))
        np.testing.assert_array_equal(scaled[..., channel], alone[..., 0])


def test_colours_of_a_video_and_of_its_images_agree(decoder, tmp_path):
    pictures = colours(2, 48, 64)
    video = encode(tmp_path / "video.mkv", pictures, codec="ffv1", pixels="bgr0")
    images(tmp_path / "images", pictures)
    np.testing.assert_array_equal(decoder.frames(video, [0, 1]), decoder.frames(tmp_path / "images", [0, 1]))


def test_images_of_other_sizes_take_that_of_the_first(decoder, tmp_path):
    images(tmp_path, np.full((1, 20, 30, 3), 90, np.uint8))
    put(tmp_path, "00002.png", np.full((40, 40, 3), 170, np.uint8))
    frames = decoder.frames(tmp_path, [0, 1])
    assert frames.shape == (2, 20, 30, 3)
    assert [np.unique(frame).tolist() for frame in frames] == [[90], [170]]


def damaged(path: Path, how: str) -> None:
    data = path.read_bytes()
    path.write_bytes({"cut": data[: len(data) // 2], "empty": b"", "text": b"no image" * 20}[how])


@pytest.mark.parametrize("suffix", ["jpg", "png"])
@pytest.mark.parametrize("how", ["cut", "empty", "text"])
def test_a_damaged_image_is_named_when_it_is_read(decoder, tmp_path, suffix, how):
    images(tmp_path, colours(4, 32, 32), pattern=f"{{:02d}}.{suffix}")
    damaged(tmp_path / f"03.{suffix}", how)
    assert decoder.info(tmp_path).frames == 4  # not opened
    assert len(decoder.frames(tmp_path, [0, 1, 3])) == 3
    with pytest.raises(UnreadableVideo) as caught:
        decoder.frames(Source(tmp_path, frames=(1, 4)), [1])
    assert (caught.value.path, caught.value.reason) == (tmp_path, f"03.{suffix}: it does not decode")
    damaged(tmp_path / f"01.{suffix}", how)
    with Decoder() as fresh, pytest.raises(UnreadableVideo, match=rf"01\.{suffix}: it does not decode"):
        fresh.info(tmp_path)


def test_only_what_is_asked_for_is_opened(tmp_path):
    images(tmp_path, gray(6, 16, 16))
    for number in (2, 3, 5, 6):
        (tmp_path / f"{number:05d}.png").unlink()
        os.mkfifo(tmp_path / f"{number:05d}.png")  # opening it would wait for ever
    with Decoder(time_limit=1.0) as decoder:
        assert decoder.info(tmp_path).frames == 6
        assert numbers(decoder.frames(tmp_path, [3, 0])) == [3, 0]
        with pytest.raises(UnreadableVideo, match="it did not decode within 1 s"):
            decoder.frames(tmp_path, [1])
        assert numbers(decoder.frames(tmp_path, [3])) == [3]


def test_a_folder_that_changes_is_listed_anew(decoder, tmp_path):
    folder = images(tmp_path / "images", gray(5, 16, 16))
    assert numbers(decoder.frames(folder, [9])) == [4]
    images(folder, gray(8, 16, 16))
    assert numbers(decoder.frames(folder, [9])) == [7]
    (folder / "00003.png").unlink()
    with pytest.raises(UnreadableVideo, match=r"the image 00003\.png is missing"):
        decoder.frames(folder, [0])
    known = VideoInfo(5, 16, 16, 0.0, "images")
    shutil.rmtree(folder)
    with pytest.raises(UnreadableVideo, match="No such file"):
        decoder.frames(folder, [0], info=known)


def test_images_have_no_seconds(decoder, folder):
    with pytest.raises(UnreadableVideo, match="images have no times: a part must be given in frames"):
        decoder.info(Source(folder, seconds=(0, 1)))
    with pytest.raises(UnreadableVideo, match="the part begins at frame 24; the video has 24 frames"):
        decoder.info(Source(folder, frames=(24, 30)))
