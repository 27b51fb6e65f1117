"""Frames and flow that are stretched to one aspect ratio: what is decoded is what the decoder gives at that size."""

import cv2
import numpy as np
import pytest
import torch
from clips import encode

from videoattn.data.clips.clips import Clips
from videoattn.data.clips.settings import ClipSettings
from videoattn.data.datasets.videos import Sample, VideoList
from videoattn.data.decode.decoder import Decoder
from videoattn.data.flow.algorithms import dequantise, quantise, successive
from videoattn.data.flow.cache import FlowCache, FlowSettings
from videoattn.errors import InputError


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """A wide and a high video of noise that moves."""
    folder = tmp_path_factory.mktemp("stretched")
    samples = []
    for i, (height, width) in enumerate(((32, 64), (64, 32))):
        noise = np.random.default_rng(i).integers(0, 255, (height, width, 3), np.uint8)
        path = encode(folder / f"{i}.mp4", np.stack([np.roll(noise, 2 * t, 1) for t in range(4)]))
        samples.append(Sample(path.name, path, i))
    return VideoList("folder", "test", ("wide", "high"), tuple(samples))


@pytest.mark.parametrize(("aspect", "size"), [(1.0, (40, 40)), (4 / 3, (40, 54)), (None, None)])
def test_clips_are_cut_out_of_stretched_frames(videos, aspect, size):
    settings = ClipSettings(frames=2, size=40, short_side=40, aspect=aspect)
    clips = Clips(videos, settings, train=False)
    for i, sample in enumerate(videos.samples):
        own = size or ((40, 80) if i == 0 else (80, 40))
        with Decoder() as decoder:
            frames = decoder.frames(sample.path, [1, 3], size=own)
        expected = torch.from_numpy(frames).permute(3, 0, 1, 2)
        assert torch.equal(clips.raw(i)["rgb"], expected)
    clips.close()


def test_views_of_another_aspect_are_refused(videos):
    clips = Clips(videos, ClipSettings(frames=2, size=40, short_side=40), train=False)
    with pytest.raises(InputError, match=r"aspect is 1\.0; frames that are decoded at None cannot be shared with it"):
        clips.view(settings=ClipSettings(frames=2, size=40, short_side=40, aspect=1.0))


def test_flow_is_that_of_the_stretched_frames(videos, tmp_path):
    flow = FlowSettings(algorithm="dis", short_side=32, aspect=1.0)
    cache = FlowCache(tmp_path, flow)
    plain = FlowCache(tmp_path, FlowSettings(algorithm="dis", short_side=32))
    assert (cache.folder.name, plain.folder.name) == ("dis-32x1-20.0-png-v1", "dis-32-20.0-png-v1")
    paths = [sample.path for sample in videos.samples]
    assert cache.build(paths, workers=1, progress=False).computed == 2
    chosen = ClipSettings(frames=1, fields=2, size=32, short_side=32, aspect=1.0)
    clips = Clips(videos, chosen, train=False, streams=("rgb", "flow"), flow=cache)
    for i, path in enumerate(paths):
        with Decoder() as decoder:
            frames = decoder.frames(path, range(4), size=(32, 32))
        clip = clips.raw(i)
        assert torch.equal(clip["rgb"][:, 0], torch.from_numpy(frames[1]).permute(2, 0, 1))
        assert clip["flow"].shape[-2:] == (32, 32)
        gray = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames)
        expected = [quantise(field, 20.0) for field in successive(gray, "dis")]
        np.testing.assert_array_equal(cache.fields(path, range(3)), dequantise(np.stack(expected)))
    clips.close()


@pytest.mark.parametrize("aspect", [0.5, 5.0, float("nan")])
def test_impossible_ratios_are_named(aspect):
    with pytest.raises(InputError, match=f"aspect is {aspect}; it must be a number from 1"):
        FlowSettings(algorithm="dis", short_side=32, aspect=aspect)
    with pytest.raises(InputError, match=f"aspect is {aspect}; it must be a number from 1"):
        ClipSettings(aspect=aspect)
