"""The explorer: its controls ask for what they show, and the figure follows."""

import io

import matplotlib.pyplot as plt
import numpy as np
import pytest

from videoattn.reporting.explorer import explorer


@pytest.fixture(autouse=True)
def none_left_open():
    yield
    assert not plt.get_fignums()  # each figure is closed once it is shown


def painted(grey):
    """A figure all of one grey."""
    return plt.figure(figsize=(2, 1), dpi=50, facecolor=(grey,) * 3)


def shown(widget):
    """The grey of the picture in the widget."""
    pixels = plt.imread(io.BytesIO(widget.children[1].value))[..., :3]
    assert pixels.shape == (50, 100, 3)
    assert len(np.unique(pixels)) == 1
    return pixels[0, 0, 0]


def controls(widget):
    return {control.description: control for control in widget.children[0].children}


def test_every_control_looks_again():
    asked = []

    def look(clip, block, frame, at):
        asked.append((clip, block, frame, at))
        return painted(len(asked) / 10)

    widget = explorer(clips=["first", "second"], blocks=["a", "b"], frames=4, look=look)
    control = controls(widget)
    assert list(control) == ["clip", "block", "frame", "down", "right"]
    assert asked == [(0, "b", 0, (0.5, 0.5))]  # the last block first
    assert shown(widget) == pytest.approx(0.1, abs=0.01)
    control["clip"].value = 1
    control["block"].value = "a"
    control["frame"].value = 3
    control["down"].value = 0.99
    control["right"].value = 0.25
    assert asked[1:] == [
        (1, "b", 0, (0.5, 0.5)),
        (1, "a", 0, (0.5, 0.5)),
        (1, "a", 3, (0.5, 0.5)),
        (1, "a", 3, (0.99, 0.5)),
        (1, "a", 3, (0.99, 0.25)),
    ]
    assert shown(widget) == pytest.approx(0.6, abs=0.01)


def test_the_sliders_stay_inside_the_frame():
    asked = []
    control = controls(
        explorer(clips=["c"], blocks=["a"], frames=2, look=lambda *where: asked.append(where) or painted(0))
    )
    for name in ("down", "right"):
        control[name].value = 7.0
    assert asked[-1][3] == (0.99, 0.99)
    control["frame"].value = 7
    assert control["frame"].value == 1


@pytest.mark.parametrize(("frames", "disabled"), [(1, True), (2, False)])
def test_one_frame_leaves_nothing_to_slide(frames, disabled):
    control = controls(explorer(clips=["c"], blocks=["a"], frames=frames, look=lambda *_: painted(0)))
    assert control["frame"].disabled is disabled
    assert control["frame"].max == frames - 1


def test_without_a_location_there_are_clip_and_block():
    asked = []
    widget = explorer(clips=["a", "b"], blocks=["x"], frames=None, look=lambda *of: asked.append(of) or painted(0.5))
    control = controls(widget)
    assert list(control) == ["clip", "block"]
    control["clip"].value = 1
    assert asked == [(0, "x", 0, (0.5, 0.5)), (1, "x", 0, (0.5, 0.5))]
    assert shown(widget) == pytest.approx(0.5, abs=0.01)
