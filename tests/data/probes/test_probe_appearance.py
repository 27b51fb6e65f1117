import itertools

import cv2
import numpy as np
import pytest

from videoattn.data.probes.appearance import HUES, PATTERNS, chroma, paint, to_rgb


def test_grey_sees_no_hue():
    images = np.zeros((len(HUES), 32, 32, 3))
    for hue, image in enumerate(images):
        paint(image, np.array([15.3, 16.8]), 12.0, "square", PATTERNS[3], hue)
    greys = np.stack([cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in to_rgb(images)]).astype(int)
    assert np.ptp(greys, axis=0).max() <= 1
    assert np.ptp(greys[0, 10:20, 11:22]) > 25


def test_paint_displaces_by_parts_of_a_pixel():
    image, moved = np.zeros((2, 24, 24, 3))
    paint(image, np.array([12.0, 12.0]), 8.0, "square", PATTERNS[0], 0)
    paint(moved, np.array([12.0, 12.25]), 8.0, "square", PATTERNS[0], 0)
    np.testing.assert_allclose(moved[:, 1:], 0.75 * image[:, 1:] + 0.25 * image[:, :-1], atol=1e-12)
    np.testing.assert_allclose(image[8:16, 8:16, 1:], np.broadcast_to(chroma(0), (8, 8, 2)))
    assert not image[:8].any()
    assert not image[:, 16:].any()


def test_disc_has_the_area_of_a_disc():
    image = np.zeros((32, 32, 3))
    paint(image, np.array([15.6, 16.2]), 20.0, "disc", PATTERNS[0], 4)
    assert image[..., 2].sum() / chroma(4)[1] == pytest.approx(np.pi * 100, rel=0.02)


def test_mirrored_textures_stay_apart():
    for first, second in itertools.permutations(PATTERNS, 2):
        assert (first != second).sum() >= 4
        assert (first != second[:, ::-1]).sum() >= 4
