"""A small CIFAR-100 for tests."""

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import CIFAR100

CLASSES = [f"class {i}" for i in range(100)]


def small_cifar100(root: Path, patch: pytest.MonkeyPatch, *, train: int, test: int) -> Path:
    """CIFAR-100's three files under `root`, of random images; torchvision takes their checksums for the right ones."""
    folder = root / "cifar-100-python"
    folder.mkdir(parents=True)
    rng, sums = np.random.default_rng(0), {}
    contents = {"meta": {"fine_label_names": CLASSES}}
    for subset, count in (("train", train), ("test", test)):
        labels = [int(label) for label in rng.integers(0, 100, count)]
        contents[subset] = {"data": rng.integers(0, 256, (count, 3072), dtype=np.uint8), "fine_labels": labels}
    for name, content in contents.items():
        (folder / name).write_bytes(pickle.dumps(content))
        sums[name] = hashlib.md5((folder / name).read_bytes()).hexdigest()
    patch.setattr(CIFAR100, "train_list", [["train", sums["train"]]])
    patch.setattr(CIFAR100, "test_list", [["test", sums["test"]]])
    patch.setattr(CIFAR100, "meta", CIFAR100.meta | {"md5": sums["meta"]})
    return root
