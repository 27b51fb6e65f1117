"""What the tests of decoding share, and a cache for each test file."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from clips import encode, gray

from videoattn.data.decode.decoder import Decoder


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory) -> Iterator[None]:
    """What tests remember of files does not stand in the cache of the checkout."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIDEOATTN_CACHE", str(tmp_path_factory.mktemp("own_cache")))
        yield


@pytest.fixture(scope="module")
def decoder():
    with Decoder() as one:
        yield one


@pytest.fixture(scope="module")
def by_decord():
    """Reads with decord what it reads right."""
    with Decoder(backend="decord") as one:
        yield one


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> dict[str, Path]:
    """One clip of 24 numbered frames that decord reads right, and one that is for PyAV alone."""
    folder = tmp_path_factory.mktemp("clips")
    return {
        "decord": encode(folder / "h264.mp4", gray(24, 64, 64), b_frames=2, group=8),
        "pyav": encode(folder / "mpeg4.avi", gray(24, 64, 64), codec="mpeg4", b_frames=2, group=8),
    }
