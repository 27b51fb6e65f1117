"""A widget that shows what one location of a clip attends to; any network's attention can be put into it."""

import io
from collections.abc import Callable, Sequence

import ipywidgets as widgets
import matplotlib.pyplot as plt
from matplotlib.figure import Figure


def explorer(
    *,
    clips: Sequence[str],
    blocks: Sequence[str],
    frames: int,
    look: Callable[[int, str, int, tuple[float, float]], Figure],
) -> widgets.Widget:
    """Choose clip, block, frame and query location; the figure follows.

    Args:
        clips: what the clips are called. blocks: names of the attention blocks. frames: how many a clip has.
        look: (clip, block, frame, (down, right)) -> figure; down and right in [0, 1) of the frame.
    """
    clip = widgets.Dropdown(options=[(name, i) for i, name in enumerate(clips)], description="clip")
    block = widgets.Dropdown(options=list(blocks), value=blocks[-1], description="block")
    frame = widgets.IntSlider(min=0, max=max(frames - 1, 0), description="frame", disabled=frames < 2)
    options = {"min": 0.0, "max": 0.99, "step": 0.01, "value": 0.5, "continuous_update": False}
    down = widgets.FloatSlider(description="down", **options)
    right = widgets.FloatSlider(description="right", **options)
    # Not an Output widget: nbclient sends what that shows back to the kernel, and waits for ever after megabytes of it.
    picture = widgets.Image(format="png")

    def draw(_: object = None) -> None:
        figure = look(clip.value, block.value, frame.value, (down.value, right.value))
        png = io.BytesIO()
        figure.savefig(png, format="png")
        plt.close(figure)
        picture.value = png.getvalue()

    for control in (clip, block, frame, down, right):
        control.observe(draw, names="value")
    draw()
    return widgets.HBox([widgets.VBox([clip, block, frame, down, right]), picture])
