"""What is known of a data set before its files are read; the module of each has one as `INFO`."""

from dataclasses import dataclass

IMAGES = "images"  # the kind of a data set without videos: its reader checks its files, and nothing is decoded


@dataclass(frozen=True, kw_only=True)
class DatasetInfo:
    """A data set and where a user gets it; nothing here is ever downloaded.

    title: its name in the papers. kind: what its samples are, such as "video files", "folders of images", "parts of
    videos". page: address of its official page. access: how to ask for it, one sentence. layout: what must lie under
    its root, one line for each file or folder. counts: the official numbers of training and test samples, by split;
    empty where they differ from copy to copy.
    """

    title: str
    kind: str
    page: str
    access: str
    layout: tuple[str, ...]
    counts: dict[int, tuple[int, int]]
    splits: tuple[int, ...] = (1,)
