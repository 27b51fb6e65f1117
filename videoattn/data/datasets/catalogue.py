"""The data sets that can be read: what they are, where a user gets them, and how they lie on disk."""

import textwrap
from collections.abc import Iterable

from videoattn.data.datasets import NAMES, dataset_info

WIDTH = 100  # columns
INDENT = 10


def catalogue(names: Iterable[str] | None = None) -> str:
    """A block of lines for each of the data sets named, or for all; it begins with the name that DATASET takes."""
    return "\n\n".join(map(_block, NAMES if names is None else names))


def _block(name: str) -> str:
    own = dataset_info(name)
    counts = [
        f"{f'split {split}: ' if len(own.counts) > 1 else ''}{train:,} for training, {test:,} for testing"
        for split, (train, test) in own.counts.items()
    ]
    told = {"page": [own.page] if own.page else [], "get it": [own.access], "root": own.layout, "videos": counts}
    lines = [f"{name}: {own.title}, {own.kind}"]
    for head, texts in told.items():
        for place, text in enumerate(texts):
            lines += _wrapped(head if place == 0 else "", text)
    return "\n".join(lines)


def _wrapped(head: str, text: str) -> list[str]:
    """Lines of a text, its head in front of the first; paths and addresses stay whole."""
    first, rest = f"  {head:{INDENT - 2}}", " " * (INDENT + 2)
    own = {"initial_indent": first, "subsequent_indent": rest, "break_long_words": False, "break_on_hyphens": False}
    return textwrap.wrap(text, WIDTH, **own)
