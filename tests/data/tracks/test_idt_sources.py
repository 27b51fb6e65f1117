"""Tracks and scores of parts of videos and of folders of images."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from moving import panned, with_object
from test_idt_features import SETTINGS, write

from videoattn.data.datasets.videos import Sample, Source, VideoList
from videoattn.data.decode.decoder import Decoder
from videoattn.data.tracks.classify import idt_scores
from videoattn.data.tracks.features import TrackCache
from videoattn.data.tracks.tracks import extract, rooted
from videoattn.errors import InputError, RunError

STEPS = {"down": (0, 2), "right": (2, 0)}


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> Path:
    """A square that moves down for 8 frames and then to the right, 3 times, as a file and as a folder of images."""
    root = tmp_path_factory.mktemp("moves")
    clips = [
        with_object(panned(8, 48, 48, (0, 0), seed=n), (3 + n, 4 - n), step)
        for n in range(3)
        for step in STEPS.values()
    ]
    path = write(root / "moves.mp4", np.concatenate(clips))
    (root / "moves").mkdir()
    with Decoder() as decoder:
        for number, frame in enumerate(decoder.frames(path, range(48))):
            cv2.imwrite(str(root / "moves" / f"{number}.png"), frame)
    return path


def test_tracks_of_a_part_are_those_of_its_frames(video, tmp_path):
    cache = TrackCache(tmp_path, SETTINGS)
    folder = video.with_suffix("")
    parts = [Source(path, frames=frames) for path in (video, folder) for frames in ((0, 8), (8, 16), (8, 12), (48, 50))]
    report = cache.build(parts, workers=1, progress=False)
    assert (report.computed, report.cached) == (6, 0)
    assert report.trackless == (parts[2], parts[6])
    assert [error.source for error in report.unreadable] == [parts[3], parts[7]]
    with Decoder() as decoder:
        frames = decoder.frames(video, range(8, 16))
    expected = rooted(extract([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames], SETTINGS))
    assert cache.count(parts[1]) == len(expected["hof"]) > 5
    for name, array in expected.items():
        np.testing.assert_allclose(cache.descriptor(parts[1], name), array, atol=5e-4)
    assert not np.array_equal(cache.descriptor(parts[0], "hof"), cache.descriptor(parts[1], "hof"))
    with pytest.raises(RunError, match=r"no tracks of .*moves\.mp4 in"):
        cache.count(video)
    files = {file.stem for file in cache.folder.glob("*/*.npz")}
    digests = [cache.digest(path) for path in (video, folder)]
    assert files == {f"{digest}-frames-{a}-{b}" for digest in digests for a, b in ((0, 8), (8, 16), (8, 12))}


def test_scores_of_parts_tell_their_classes(video, tmp_path):
    samples = tuple(
        Sample(f"{n} {name}", path, label, frames=(8 * (2 * n + label), 8 * (2 * n + label) + 8))
        for n, path in enumerate((video, video, video.with_suffix("")))
        for label, name in enumerate(STEPS)
    )
    train = VideoList("parts", "train", tuple(STEPS), samples[:4])
    test = replace(train, subset="test", samples=samples[4:])
    chosen = replace(SETTINGS, gaussians=1, sampled=400)
    found = idt_scores(train, test, root=tmp_path, settings=chosen, workers=1, progress=False)
    assert found.scores.values.argmax(axis=1).tolist() == [0, 1]
    assert found.report.computed == 6
    for wrong in ({"multilabel": True}, {"heads": (("verb", tuple(STEPS)), ("noun", ("square",)))}):
        with pytest.raises(InputError, match="videos of parts have several labels"):
            idt_scores(replace(train, **wrong), test, root=tmp_path, settings=chosen, workers=1, progress=False)
