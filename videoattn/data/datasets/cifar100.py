"""CIFAR-100: 60,000 images of 32 x 32 in 100 classes, from the folder `cifar-100-python` that its authors distribute.

A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.
"""

from pathlib import Path

import numpy as np
from torchvision.datasets import CIFAR100

from videoattn.data.datasets.info import IMAGES, DatasetInfo
from videoattn.data.datasets.videos import Sample, VideoList
from videoattn.errors import InputError

NAME = "cifar100"
INFO = DatasetInfo(
    title="CIFAR-100",
    kind=IMAGES,
    page="https://www.cs.toronto.edu/~kriz/cifar.html",
    access=f"download {CIFAR100.filename} from the page and unpack it",
    layout=(f"{CIFAR100.base_folder}/train, test, meta",),
    counts={1: (50000, 10000)},
)


def load(
    root: Path, subset: str, *, split: int = 1, allow_missing: bool = False, allow_counts: bool = False
) -> VideoList:
    """The images of `subset` ("train" or "test"), named "train/00000" and so on, all in one file; none can be missing.

    Raises `InputError` where the files are not the distributed ones.
    """
    images = _opened(root, subset)
    path = root / CIFAR100.base_folder / subset
    samples = tuple(Sample(f"{subset}/{i:05d}", path, int(label)) for i, label in enumerate(images.targets))
    return VideoList(data_set=NAME, subset=subset, classes=tuple(images.classes), samples=samples)


def pixels(root: Path, subset: str) -> np.ndarray:
    """The images of `load`, in its order: uint8 (N, 32, 32, 3). Raises `InputError` as it does."""
    return _opened(root, subset).data


def _opened(root: Path, subset: str) -> CIFAR100:
    # The files are pickles: torchvision opens only those whose checksums are the distributed ones'.
    try:
        return CIFAR100(root, train=subset == "train", download=False)
    except RuntimeError as error:
        raise InputError(
            f"data set {NAME}: {root / CIFAR100.base_folder} is missing or is not as distributed; unpack there "
            f"{CIFAR100.filename} from {CIFAR100.url.rpartition('/')[0]}"
        ) from error
