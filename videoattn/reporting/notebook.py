"""What the notebooks show with: Markdown, source and figures that are also kept as files."""

import inspect
from pathlib import Path

import matplotlib.pyplot as plt
from IPython.display import Code, Image, Markdown, display
from matplotlib.figure import Figure


def markdown(text: str) -> None:
    """Show Markdown."""
    display(Markdown(text))


def source(thing: object) -> None:
    """Show the source of a class or a function as it stands in the library."""
    display(Code(inspect.getsource(thing), language="python"))


def picture(figure: Figure, path: Path) -> None:
    """Show a figure and keep it as a PNG file at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130, bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)
    display(Image(data=path.read_bytes()))


def kept_picture(path: Path, otherwise: str) -> None:
    """Show a figure that a published run has left, or say what stands instead where there is none."""
    if path.exists():
        display(Image(data=path.read_bytes()))
    else:
        markdown(otherwise)
