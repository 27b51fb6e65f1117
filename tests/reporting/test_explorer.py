"""The explorer: its controls ask for what they show, and the figure follows."""

import ipywidgets as widgets
import matplotlib
import matplotlib.pyplot as plt
import pytest

from videoattn.reporting import explorer as module
from videoattn.reporting.explorer import explorer

matplotlib.use("Agg")


@pytest.fixture
def shown(monkeypatch):
    """The figures that the explorer displayed."""
    figures = []
    monkeypatch.setattr(module, "display", figures.append)
    yield figures
    assert len({id(figure) for figure in figures}) == len(figures)
    assert not plt.get_fignums()  # each is closed once it is shown


def controls(widget):
    return {control.description: control for control in widget.children[0].children}


def test_every_control_looks_again(shown):
    asked, drawn = [], []

    def look(clip, block, frame, at):
        asked.append((clip, block, frame, at))
        drawn.append(plt.figure())
        return drawn[-1]

    widget = explorer(clips=["first", "second"], blocks=["a", "b"], frames=4, look=look)
    control = controls(widget)
    assert list(control) == ["clip", "block", "frame", "down", "right"]
    assert isinstance(widget.children[1], widgets.Output)
    assert asked == [(0, "b", 0, (0.5, 0.5))]  # the last block first
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
    assert shown == drawn


def test_the_sliders_stay_inside_the_frame(shown):
    asked = []
    control = controls(
        explorer(clips=["c"], blocks=["a"], frames=2, look=lambda *where: asked.append(where) or plt.figure())
    )
    for name in ("down", "right"):
        control[name].value = 7.0
    assert asked[-1][3] == (0.99, 0.99)
    control["frame"].value = 7
    assert control["frame"].value == 1


@pytest.mark.parametrize(("frames", "disabled"), [(1, True), (2, False)])
def test_one_frame_leaves_nothing_to_slide(shown, frames, disabled):
    control = controls(explorer(clips=["c"], blocks=["a"], frames=frames, look=lambda *_: plt.figure()))
    assert control["frame"].disabled is disabled
    assert control["frame"].max == frames - 1
