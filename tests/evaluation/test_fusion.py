"""Late fusion by hand."""

import pytest
import torch

from videoattn.errors import InputError
from videoattn.evaluation.fusion import fuse, sweep

SCORES = {"rgb": torch.tensor([[3.0, 0.0], [0.0, 1.0]]), "flow": torch.tensor([[0.0, 6.0], [4.0, 0.0]])}


def test_weights_are_brought_to_the_sum_one():
    expected = torch.tensor([[2.5, 1.0], [4 / 6, 5 / 6]])
    torch.testing.assert_close(fuse(SCORES, {"rgb": 5, "flow": 1}), expected)
    torch.testing.assert_close(fuse(SCORES, {"rgb": 50, "flow": 10}), expected)
    torch.testing.assert_close(fuse(SCORES, {"flow": 2}), SCORES["flow"])
    torch.testing.assert_close(fuse(SCORES, {"rgb": 0, "flow": 2}), SCORES["flow"])


def test_fusing_averages_equals_averaging_fused_frames():
    frames = {s: torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(len(s))) for s in ("rgb", "flow")}
    weights = {"rgb": 5, "flow": 1}
    late = fuse({s: f.mean(1) for s, f in frames.items()}, weights)
    early = fuse({s: f.flatten(0, 1) for s, f in frames.items()}, weights).view(3, 5, 4).mean(1)
    torch.testing.assert_close(late, early)


@pytest.mark.parametrize("weights", [{"audio": 1}, {"rgb": 0, "flow": 0}, {"rgb": 1, "flow": -2}, {}])
def test_weights_that_do_not_fit_are_named(weights):
    with pytest.raises(InputError, match="do not fit the streams rgb, flow"):
        fuse(SCORES, weights)


def test_sweep_by_hand():
    labels = torch.tensor([0, 0])
    # video 0: rgb wins where 3 s > 6 (1 - s), s > 2/3; video 1: class 0 wins where 4 (1 - s) > s, s < 4/5.
    assert sweep(SCORES, labels, "rgb", "flow", (0.0, 0.5, 0.7, 0.9, 1.0)) == [0.5, 0.5, 1.0, 0.5, 0.5]
