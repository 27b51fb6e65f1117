import errno
import os
import zipfile
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from videoattn.data.content_cache import is_complete
from videoattn.data.flow.archive import count_fields, read_fields, write_archive
from videoattn.errors import InputError, RunError


def random_fields(count=5, height=18, width=25, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 2, height, width), np.uint8)


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "ab" / "abcd.zip"
    write_archive(path, iter(random_fields()), "png")
    return path


def test_png_gives_back_the_same_fields(archive):
    fields = random_fields()
    assert is_complete(archive)
    assert count_fields(archive, "png") == 5
    np.testing.assert_array_equal(read_fields(archive, range(5), "png"), fields)
    np.testing.assert_array_equal(read_fields(archive, np.array([4, 0, 4]), "png"), fields[[4, 0, 4]])


def test_transposed_fields_are_stored_as_seen(tmp_path):
    pixels = np.random.default_rng(1).integers(0, 256, (16, 20, 2), np.uint8)
    write_archive(tmp_path / "a.zip", [pixels.transpose(2, 0, 1)], "png")
    np.testing.assert_array_equal(read_fields(tmp_path / "a.zip", [0], "png")[0, 1], pixels[..., 1])


def test_jpeg_is_close_where_flow_is_smooth(tmp_path):
    row, column = np.mgrid[0:32, 0:40]
    fields = np.uint8([[100 + row, 60 + 3 * column], [200 - 2 * row, 128 + 0 * row]])
    write_archive(tmp_path / "a.zip", fields, "jpeg")
    read = read_fields(tmp_path / "a.zip", [0, 1], "jpeg").astype(int)
    assert np.abs(read - fields).max() <= 4
    assert np.abs(read - fields).mean() < 1


def test_same_fields_give_the_same_bytes(archive, tmp_path):
    write_archive(tmp_path / "again.zip", random_fields(), "png")
    assert (tmp_path / "again.zip").read_bytes() == archive.read_bytes()


def test_fields_lie_uncompressed_so_that_one_is_read_alone(archive):
    with zipfile.ZipFile(archive) as opened:
        assert {member.compress_type for member in opened.infolist()} == {zipfile.ZIP_STORED}
        first = opened.infolist()[0]
    data = bytearray(archive.read_bytes())
    data[first.header_offset + 60] ^= 1  # inside the first image
    archive.write_bytes(data)
    np.testing.assert_array_equal(read_fields(archive, [3], "png"), random_fields()[[3]])
    with pytest.raises(RunError, match=r"damaged .*CRC"):
        read_fields(archive, [0], "png")


def test_an_index_out_of_range_is_named(archive):
    with pytest.raises(InputError, match=r"\[5, -1\] asked for; .* holds 0 to 4"):
        read_fields(archive, [0, 5, -1], "png")
    with pytest.raises(InputError, match="none asked for"):
        read_fields(archive, [], "png")


def test_a_missing_file_says_what_to_do(tmp_path):
    with pytest.raises(RunError, match="build the flow cache first"):
        count_fields(tmp_path / "none.zip", "png")
    assert not is_complete(tmp_path / "none.zip")


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_a_damaged_file_is_refused_or_harmless(archive, tmp_path, data):
    content = bytearray(archive.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    damaged = tmp_path / "damaged.zip"
    damaged.write_bytes(content)
    with suppress(RunError, InputError):
        np.testing.assert_array_equal(read_fields(damaged, [1], "png"), random_fields()[[1]])


@given(st.floats(0, 0.999))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
def test_a_truncated_file_is_not_complete(archive, tmp_path, share):
    content = archive.read_bytes()
    truncated = tmp_path / "truncated.zip"
    truncated.write_bytes(content[: int(share * len(content))])
    assert not is_complete(truncated)
    with pytest.raises(RunError, match="damaged"):
        count_fields(truncated, "png")


@pytest.mark.parametrize("name", ["../000000.png", "/000000.png", "000001.png", "000000.jpg"])
def test_foreign_members_are_refused(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as opened:
        opened.writestr(name, b"x")
    with pytest.raises(RunError, match="is named"):
        count_fields(tmp_path / "a.zip", "png")


def test_compressed_members_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("000000.png", bytes(1000))
    with pytest.raises(RunError, match="compressed"):
        read_fields(tmp_path / "a.zip", [0], "png")


def test_a_member_that_is_no_grey_image_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as opened:
        opened.writestr("000000.png", b"not an image")
    with pytest.raises(RunError, match="not grey"):
        read_fields(tmp_path / "a.zip", [0], "png")


def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match="No space left on device"):
        write_archive(tmp_path / "a.zip", random_fields(), "png")
    assert list(tmp_path.iterdir()) == []


def test_what_the_fields_raise_passes_through_and_leaves_nothing(tmp_path):
    def fields():
        yield from random_fields(2)
        raise KeyError("decoder")

    with pytest.raises(KeyError, match="decoder"):
        write_archive(tmp_path / "a.zip", fields(), "png")
    assert list(tmp_path.iterdir()) == []
