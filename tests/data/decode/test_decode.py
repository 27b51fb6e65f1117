"""Frames by index from all kinds of files."""

import random

import numpy as np
import pytest
from clips import REAL, encode, everything, gray, numbers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from videoattn.data.decode.decoder import Decoder, VideoInfo, short_side
from videoattn.errors import InputError


def test_frames_come_in_the_order_asked_for(decoder, tmp_path):
    path = encode(tmp_path / "clip.mp4", gray(8, 64, 64))
    assert decoder.info(path) == VideoInfo(frames=8, height=64, width=64, fps=25.0, decoder="pyav")
    pictures = decoder.frames(path, [5, 0, 3])
    assert (pictures.shape, pictures.dtype) == ((3, 64, 64, 3), np.uint8)
    assert numbers(pictures) == [5, 0, 3]
    assert numbers(decoder.frames(str(path), [2, 2, 2])) == [2, 2, 2]
    assert decoder.frames(path, []).shape == (0, 64, 64, 3)


@pytest.mark.parametrize("served", ["decord", "pyav"])
@given(indices=st.lists(st.integers(-5, 60), min_size=1, max_size=6))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_indices_are_clamped_and_right(decoder, by_decord, clips, served, indices):
    assert (decoder.info(clips[served]).decoder, by_decord.info(clips[served]).decoder) == ("pyav", served)
    for reader in (decoder, by_decord):
        assert numbers(reader.frames(clips[served], indices)) == [min(max(index, 0), 23) for index in indices]


@pytest.mark.parametrize("backend", ["decord", "pyav"])
def test_what_is_known_is_not_inspected(clips, monkeypatch, backend):
    with Decoder(backend=backend) as decoder:
        known = {name: decoder.info(path) for name, path in clips.items()}
    asked, ask = [], Decoder._ask
    monkeypatch.setattr(
        Decoder,
        "_ask",
        lambda self, deadline, request, *shape: (asked.append(request["do"]), ask(self, deadline, request, *shape))[1],
    )
    for name, path in clips.items():
        with Decoder(backend=backend) as decoder:
            assert numbers(decoder.frames(path, [20, 3], info=known[name])) == [20, 3]
            assert numbers(decoder.frames(path, [30], info=known[name])) == [23]
    assert asked == ["read"] * 4


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
def test_kinds_of_files(decoder, by_decord, tmp_path, name, how, served):
    path = encode(tmp_path / name, gray(30, 48, 64), **how)
    order = random.Random(0).sample(range(30), 30)
    for reader, kind in ((by_decord, served), (decoder, "pyav")):
        info = reader.info(path)
        assert (info.frames, info.height, info.width, info.decoder) == (30, 48, 64, kind)
        assert numbers(reader.frames(path, order)) == order
        assert [numbers(reader.frames(path, [index])) for index in order[:6]] == [[index] for index in order[:6]]
    with Decoder() as fresh:  # which has nothing decoded, and seeks where it can
        assert [numbers(fresh.frames(path, [index], info=info)) for index in order] == [[index] for index in order]


@pytest.mark.parametrize("width", [16, 24, 48, 72, 34, 98])
def test_widths(decoder, by_decord, tmp_path, width):
    texture = np.random.default_rng(0).integers(0, 255, (6, 32, width, 3), dtype=np.uint8)
    path = encode(tmp_path / "clip.mp4", texture)
    for reader in (decoder, by_decord):
        np.testing.assert_array_equal(reader.frames(path, range(6)), everything(path))


@pytest.mark.parametrize("size", [(16, 16), (32, 48), (96, 72), (30, 50)])
@pytest.mark.parametrize("served", ["decord", "pyav"])
def test_sizes(by_decord, clips, served, size):
    pictures = by_decord.frames(clips[served], [3, 1], size=size)
    assert pictures.shape == (2, *size, 3)
    assert numbers(pictures) == [3, 1]


def test_both_decoders_scale_alike(decoder, by_decord, tmp_path):
    smooth = np.linspace(0, 255, 64 * 96 * 3).reshape(1, 64, 96, 3).astype(np.uint8).repeat(4, 0)
    path = encode(tmp_path / "a.mp4", smooth)
    assert [reader.info(path).decoder for reader in (by_decord, decoder)] == ["decord", "pyav"]
    pictures = [reader.frames(path, [0], size=(32, 40)).astype(int) for reader in (by_decord, decoder)]
    assert np.abs(pictures[0] - pictures[1]).mean() < 1


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("hflip", [False, True])
def test_turned_clips_come_back_upright(by_decord, tmp_path, degrees, hflip):
    stored = np.full((3, 64, 96, 3), 40, np.uint8)
    stored[:, :32, :48] = 220
    stored[:, 32:, :48] = 130
    path = encode(tmp_path / "phone.mp4", stored, turn={"degrees": degrees, "hflip": hflip})
    shown = np.rot90(stored, degrees // 90, axes=(1, 2))
    shown = shown[:, :, ::-1] if hflip else shown
    info = by_decord.info(path)
    assert (info.height, info.width) == shown.shape[1:3]
    assert info.decoder == ("pyav" if degrees or hflip else "decord")
    pictures = by_decord.frames(path, [0, 2])
    assert np.abs(pictures.astype(int) - shown[:2]).mean() < 3
    half = by_decord.frames(path, [1], size=(info.height // 2, info.width // 2))
    assert np.abs(half.astype(int) - shown[:1, ::2, ::2]).mean() < 5


def test_the_backend_is_chosen_by_name(clips, monkeypatch):
    monkeypatch.setenv("VIDEOATTN_DECODER", "decord")
    with Decoder() as named, Decoder(backend="pyav") as given:
        info = named.info(clips["decord"])
        assert (info.decoder, given.info(clips["decord"]).decoder) == ("decord", "pyav")
        assert numbers(given.frames(clips["pyav"], [3], info=info)) == [3]  # read by PyAV, whatever the other chose
    monkeypatch.setenv("VIDEOATTN_DECODER", "opencv")
    with pytest.raises(InputError, match="VIDEOATTN_DECODER 'opencv' is unknown; choose from pyav, decord"):
        Decoder()
    with pytest.raises(InputError, match="backend 'torchcodec' is unknown; choose from pyav, decord"):
        Decoder(backend="torchcodec")


def test_colour_lies_where_h264_places_it_when_frames_are_scaled(decoder, tmp_path):
    """Two pixels share a colour that belongs to the left one: between those of columns 46 and 48 the edge is at 47.5,
    counted in sides of pixels."""
    edge = np.full((2, 64, 96, 3), (200, 60, 60), np.uint8)
    edge[:, :, 48:] = (60, 60, 200)
    path = encode(tmp_path / "edge.mp4", edge, options={"qp": "0"})
    for size, place in ((None, 48.0), ((128, 192), 47.5), ((256, 384), 47.5), ((32, 48), 47.5)):
        levels = decoder.frames(path, [0], size=size)[0].astype(float).mean(0)
        colour = levels[:, 2] - levels[:, 0]
        found = ((colour - colour[-1]) / (colour[0] - colour[-1])).sum() * 96 / len(colour)
        assert abs(found - place) < 0.03


def test_bad_values_are_refused(decoder, clips):
    for limit in (0, -1.0, float("nan")):
        with pytest.raises(InputError, match=f"time_limit is {limit}"):
            Decoder(time_limit=limit)
    with pytest.raises(InputError, match=r"index 1\.5"):
        decoder.frames(clips["decord"], [1.5])
    for size in ((0, 4), (4,), (4, 4, 3)):
        with pytest.raises(InputError, match="height and a width"):
            decoder.frames(clips["decord"], [1], size=size)


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
    assert short_side(320, 240, 128, 4 / 3) == short_side(9, 30, 128, 4 / 3) == (128, 170)  # stretched
    for bad in ((240, 320, 255), (240, 320, 0), (0, 320, 64)):
        with pytest.raises(InputError, match=f"shorter side {bad[2]}"):
            short_side(*bad)


@pytest.mark.skipif(not REAL.is_dir(), reason="the real clips are not here")
def test_real_clips_by_index(decoder):
    for path in [*sorted((REAL / "ucf101_30").rglob("*.avi"))[::4], REAL / "odd" / "xvid_bframes.avi"]:
        frames = everything(path)
        assert decoder.info(path).frames == len(frames)
        indices = [*random.Random(0).choices(range(len(frames)), k=6), len(frames) - 1]
        difference = np.abs(decoder.frames(path, indices).astype(int) - frames[indices])
        assert difference.mean((1, 2, 3)).max() < 0.01
