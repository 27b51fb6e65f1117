"""Videos that a data set lists and that are not there: counted, and named."""

from pathlib import Path

import pytest
from layouts import put

from videoattn.data.clips.held_out import held_out
from videoattn.data.datasets.annotations import without_missing
from videoattn.data.datasets.videos import Sample, VideoList
from videoattn.errors import InputError


@pytest.fixture
def listed(tmp_path):
    """Five videos of one class, of which the second and the fourth are missing."""
    put(tmp_path, "0.mp4", "2.mp4", "4.mp4")
    samples = tuple(Sample(f"{i}.mp4", tmp_path / f"{i}.mp4", 0, recording=str(i)) for i in range(5))
    return VideoList("set", "train", ("a", "b"), samples)


def test_a_list_without_the_missing_names_them(listed, tmp_path):
    found = without_missing(listed, root=tmp_path, allow_missing=True)
    assert [sample.name for sample in found.samples] == ["0.mp4", "2.mp4", "4.mp4"]
    assert (found.missing, found.absent) == (2, (listed.samples[1], listed.samples[3]))
    with pytest.raises(
        InputError, match=r"2 of 5 listed train videos are missing .*: 1\.mp4, 3\.mp4; ALLOW_MISSING=1 goes on without"
    ):
        without_missing(listed, root=tmp_path, allow_missing=False)


def test_where_all_are_missing_there_is_nothing_to_go_on_with(tmp_path):
    samples = tuple(Sample(f"{i}.mp4", tmp_path / f"{i}.mp4", 0) for i in range(1200))
    for allow_missing in (False, True):
        with pytest.raises(InputError, match=r"^1,200 of 1,200 listed train .*: 0\.mp4, 1\.mp4, 2\.mp4, \.\.\.$"):
            without_missing(VideoList("set", "train", ("a", "b"), samples), root=tmp_path, allow_missing=allow_missing)


def test_the_held_out_part_lacks_none(listed):
    found = without_missing(listed, root=Path(), allow_missing=True)
    fitted, held = held_out(found, share=0.4)
    assert (fitted.missing, fitted.absent) == (2, (listed.samples[1], listed.samples[3]))
    assert (held.missing, held.absent) == (0, ())
