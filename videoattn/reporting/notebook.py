"""What the notebooks show with: Markdown, source and figures that are also kept as files."""

import inspect
from pathlib import Path

import matplotlib.pyplot as plt
from IPython.display import Image, Markdown, display
from matplotlib.figure import Figure
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer


def markdown(text: str) -> None:
    """Show Markdown."""
    display(Markdown(text))


def source(thing: object) -> None:
    """Show the source of a class or a function as it stands in the library."""
    text = inspect.getsource(thing)
    # Pages made by nbconvert give `pre` no font of its own.
    font = "font: var(--jp-code-font-size, 13px) var(--jp-code-font-family, monospace)"
    formatter = HtmlFormatter(cssclass="source", nobackground=True, prestyles=font)
    html = f"<style>{formatter.get_style_defs('.source')}</style>{highlight(text, PythonLexer(), formatter)}"
    display({"text/html": html, "text/plain": text}, raw=True)


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
