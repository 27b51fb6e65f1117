"""A video as a folder of numbered images: `frame_0000000001.jpg`, `<id>-000001.jpg`, `00001.jpg`, and so on.

The number stands at the end of the name; what is before it, and the suffix, are the same for all. Numbers begin at 0 or
at 1, with or without leading zeros, and none is left out. Hidden files and what is no image by its suffix are ignored.
"""

import errno
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SUFFIXES = (".jpg", ".jpeg", ".png")
_NUMBERED = re.compile(r"(.*?)([0-9]+)", re.DOTALL)


@dataclass(frozen=True)
class NumberedImages:
    """The images of a folder in their order.

    prefix, suffix: of all names. digits: of a number, or more. first: 0 or 1, where the `count` numbers begin.
    """

    prefix: str
    suffix: str
    digits: int
    first: int
    count: int

    def name(self, index: int) -> str:
        """Of the image with this index, from 0."""
        return f"{self.prefix}{self.first + index:0{self.digits}d}{self.suffix}"

    def names(self) -> Iterator[str]:
        """Of all images, in order."""
        return (self.name(index) for index in range(self.count))


def numbered_images(folder: Path | str) -> NumberedImages:
    """The images that a folder holds; none of them is opened.

    Raises OSError: the folder cannot be listed; it holds no images (IsADirectoryError); one is missing between others,
    which is named; one is named otherwise than the others.
    """
    with os.scandir(folder) as entries:
        names = {e.name for e in entries if e.name.lower().endswith(SUFFIXES) and not e.name.startswith(".")}
    if not names:
        raise IsADirectoryError(errno.EISDIR, "a folder without numbered images")
    stems = {name: _NUMBERED.fullmatch(os.path.splitext(name)[0]) for name in names}
    strays = sorted(name for name, found in stems.items() if found is None)
    if strays:
        raise _not_numbered(f"the image {strays[0]} has no number at the end of its name")
    lowest = min(names, key=lambda name: (int(stems[name][2]), name))
    prefix, number = stems[lowest].groups()
    first = min(int(number), 1)
    images = NumberedImages(prefix, os.path.splitext(lowest)[1], len(number), first, len(names))
    missing = next((name for name in images.names() if name not in names), None)
    if missing is None:
        return images
    strange = sorted(names - {images.name(int(found[2]) - first) for found in stems.values()})
    also = f"; {strange[0]} is named otherwise than {lowest}" if strange else ""
    raise _not_numbered(f"the image {missing} is missing{also}")


def _not_numbered(reason: str) -> OSError:
    return OSError(errno.EINVAL, reason)
