"""The explorer: its controls ask for what they show, and the figure follows."""

import ipywidgets as widgets
import matplotlib
import numpy as np
import pytest

from videoattn.reporting import explorer as module
from videoattn.reporting.explorer import Attended, explorer

matplotlib.use("Agg")


@pytest.fixture
def figures(monkeypatch):
    """What the explorer drew: (query, grid, title) of each figure that it displayed."""
    drawn = []
    draw = module.attention_figure

    def attention_figure(frame, context, weights, query, grid, *, title):
        drawn.append((query, grid, title))
        return draw(frame, context, weights, query, grid, title=title)

    shown = []
    monkeypatch.setattr(module, "attention_figure", attention_figure)
    monkeypatch.setattr(module, "display", shown.append)
    yield drawn
    assert len(shown) == len(drawn)
    assert len({id(figure) for figure in shown}) == len(shown)
    assert not module.plt.get_fignums()  # each is closed once it is shown


def attended(title, grid=(4, 10)):
    image = np.zeros((8, 10, 3), np.uint8)
    return Attended(image, image, np.full((2, 5), 0.1), grid, title)


def controls(widget):
    return {control.description: control for control in widget.children[0].children}


def test_every_control_looks_again(figures):
    asked = []

    def look(clip, block, frame, at):
        asked.append((clip, block, frame, at))
        return attended(f"look {len(asked)}")

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
    assert [title for _, _, title in figures] == [f"look {n}" for n in range(1, 7)]
    assert [query for query, _, _ in figures[-3:]] == [(2, 5), (3, 5), (3, 2)]


def test_the_sliders_stay_inside_the_frame(figures):
    control = controls(explorer(clips=["c"], blocks=["a"], frames=2, look=lambda *_: attended("", grid=(1, 100))))
    for name in ("down", "right"):
        control[name].value = 7.0
    assert figures[-1][0] == (0, 99)
    control["frame"].value = 7
    assert control["frame"].value == 1


@pytest.mark.parametrize(("frames", "disabled"), [(1, True), (2, False)])
def test_one_frame_leaves_nothing_to_slide(figures, frames, disabled):
    control = controls(explorer(clips=["c"], blocks=["a"], frames=frames, look=lambda *_: attended("")))
    assert control["frame"].disabled is disabled
    assert control["frame"].max == frames - 1
