"""A widget that shows what a network makes of a clip, or of one location of it; any figure can be put into it."""

import io
from collections.abc import Callable, Sequence

import ipywidgets as widgets
import matplotlib.pyplot as plt
from matplotlib.figure import Figure


def explorer(
    *,
    clips: Sequence[str],
    blocks: Sequence[str],
    frames: int | None,
    look: Callable[[int, str, int, tuple[float, float]], Figure],
) -> widgets.Widget:
    """Choose clip, block and, where there are any, frame and query location; the figure follows.

    Args:
        clips: what the clips are called. blocks: names of the attention blocks, or of what else there is to compare.
        frames: how many a clip has; None where the figure shows them all and no location is asked about.
        look: (clip, block, frame, (down, right)) -> figure; down and right in [0, 1) of the frame.
    """
    clip = widgets.Dropdown(options=[(name, i) for i, name in enumerate(clips)], description="clip")
    block = widgets.Dropdown(options=list(blocks), value=blocks[-1], description="block")
    last = max((frames or 1) - 1, 0)
    frame = widgets.IntSlider(min=0, max=last, description="frame", disabled=not last)
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

    controls = [clip, block] if frames is None else [clip, block, frame, down, right]
    for control in controls:
        control.observe(draw, names="value")
    draw()
    return widgets.HBox([widgets.VBox(controls), picture])
