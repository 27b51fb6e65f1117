import dataclasses

import numpy as np
import pytest
from moving import panned

from videoattn.data.tracks import motion
from videoattn.data.tracks.settings import IDTSettings
from videoattn.errors import InputError

SHIFT = np.float64([[1, 0, 4], [0, 1, -3], [0, 0, 1]])


@pytest.mark.parametrize(("height", "width"), [(48, 64), (97, 131)])
@pytest.mark.parametrize("step", [(2, 1), (-4, 3)])
def test_flow_of_a_translation_is_exact_up_to_the_border(height, width, step):
    flow = motion.flow_between(*panned(2, height, width, step))
    assert (flow.shape, flow.dtype) == ((2, height, width), np.float32)
    assert np.abs(flow - np.float32(step)[:, None, None]).mean() < 0.06
    np.testing.assert_array_equal(motion.flow_between(*panned(2, height, width, (0, 0))), np.zeros((2, height, width)))


def test_flow_without_the_camera(monkeypatch):
    before, after = panned(2, 64, 80, (4, -3))
    asked = []

    def camera(*arguments):
        asked.append(arguments)
        return SHIFT

    monkeypatch.setattr(motion, "camera_homography", camera)
    plain, warped = motion.flows(before, after, camera=True)
    ((first, second, flow),) = asked
    assert first is before
    assert second is after
    np.testing.assert_array_equal(flow, plain)
    np.testing.assert_array_equal(plain, motion.flow_between(before, after))
    assert np.abs(warped).max() < 1e-3
    assert motion.flows(before, after, camera=False)[1] is not warped
    monkeypatch.setattr(motion, "camera_homography", lambda *_: np.eye(3))
    for on in (True, False):
        plain, warped = motion.flows(before, after, camera=on)
        assert warped is plain


def test_shrunk_flow_is_in_pixels_of_its_size_and_without_outliers():
    flow = np.empty((2, 60, 90), np.float32)
    flow[0], flow[1] = 6, -3
    np.testing.assert_allclose(motion.shrunk(flow, (30, 60)), np.stack([np.full((30, 60), 4), np.full((30, 60), -1.5)]))
    flow[:, 20, 20] = 99
    np.testing.assert_array_equal(motion.shrunk(flow, (60, 90))[:, 20, 20], [6, -3])


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"step": 0}, "step is 0; it must be a whole number of at least 1"),
        ({"length": 2}, "length is 2; .* at least 3"),
        ({"length": 7.0}, "length is 7.0; .* whole number"),
        ({"scales": True}, "scales is True"),
        ({"window": 31}, "window is 31; it must be even"),
        ({"window": 2}, "window is 2; .* at least 4"),
        ({"quality": 1.0}, "quality is 1.0; it must be below 1"),
        ({"quality": -0.1}, "quality is -0.1; it must be a non-negative number"),
        ({"min_spread": float("nan")}, "min_spread is nan"),
        ({"max_spread": 1.0}, r"max_spread is 1.0; it must be above min_spread, 1.73205"),
        ({"max_jump": float("inf")}, "max_jump is inf"),
        ({"short_side": 15}, "short_side is 15; .* at least 16"),
        ({"short_side": 17}, "short_side is 17; it must be even"),
        ({"kept": 0}, "kept is 0"),
        ({"gaussians": 0}, "gaussians is 0"),
        ({"sampled": 255}, "sampled is 255; it must be at least gaussians, 256"),
        ({"cost": 0.0}, "cost is 0.0; it must be a positive number"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_refuses_values_that_cannot_be(settings, says):
    with pytest.raises(InputError, match=says):
        IDTSettings(**settings)


def test_the_paper_is_the_default_and_the_key_holds_what_decides_the_tracks():
    paper = IDTSettings()
    assert (paper.step, paper.length, paper.scales, paper.window) == (5, 15, 8, 32)
    assert (paper.gaussians, paper.sampled, paper.cost) == (256, 256_000, 100.0)
    for same in ({"gaussians": 8}, {"sampled": 999}, {"cost": 1.0}, {"seed": 5}):
        assert dataclasses.replace(paper, **same).tracks_key() == paper.tracks_key()
    others = [{"step": 4}, {"length": 9}, {"camera": False}, {"short_side": 64}, {"kept": 5}, {"kept": 5, "seed": 1}]
    assert len({dataclasses.replace(paper, **other).tracks_key() for other in [{}, *others]}) == 7
