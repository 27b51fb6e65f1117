"""Adaptive max-pooling in the form that goes to ONNX: PyTorch's values, bit by bit."""

import itertools

import pytest
import torch
from random_weights import noise
from torch.nn import functional

from videoattn.layers.pooling import AdaptiveMaxPool2d, adaptive_max_pool2d, windows


def test_windows_are_pytorchs():
    for length, to in itertools.product(range(1, 12), range(1, 12)):
        x = torch.arange(length).double()[None]
        last, first = functional.adaptive_max_pool1d(x, to)[0], -functional.adaptive_max_pool1d(-x, to)[0]
        assert windows(length, to) == [(int(a), int(b) + 1) for a, b in zip(first, last, strict=True)]


@pytest.mark.parametrize(("sides", "size"), [((7, 5), (3, 2)), ((6, 4), (3, 2)), ((3, 2), (5, 4)), ((5, 5), (1, 5))])
def test_values_are_pytorchs(monkeypatch, sides, size):
    x = noise(2, 3, *sides).round(decimals=1)
    expected = functional.adaptive_max_pool2d(x, size)
    assert torch.equal(adaptive_max_pool2d(x, size), expected)
    monkeypatch.setattr(torch.onnx, "is_in_onnx_export", lambda: True)
    monkeypatch.delattr(functional, "adaptive_max_pool2d")
    assert torch.equal(adaptive_max_pool2d(x, size), expected)
    assert torch.equal(AdaptiveMaxPool2d(size)(x), expected)
