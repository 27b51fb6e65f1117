"""Salient receptive fields place by place, cells and boxes by hand, and what chance has on an object."""

import itertools
import math
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from pyramids import layer, pyramid
from random_weights import noise
from torch import Tensor

from videoattn.data.probes.clutter import ClutterProbe
from videoattn.errors import InputError
from videoattn.papers.istpa.attention import normalised
from videoattn.papers.istpa.salience import (
    boxes_of,
    columns,
    on_image,
    on_object,
    over_frames,
    over_outputs,
    painted,
    salient,
    salient_strips,
    touched,
)
from videoattn.reporting.figures import COLOURS

GRID = (2, 3)


def attended(frames: int = 2, sharpness: float = 2.0) -> Tensor:
    """Attention (2, 6 K, 6)."""
    return normalised(sharpness * noise(2, 6 * frames, 6))


def source(t: int, h: int, w: int) -> int:
    return (t * GRID[0] + h) * GRID[1] + w


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 0.7])
def test_salient_places_one_by_one(threshold):
    a = attended(3)
    for b, t, h, w, m in itertools.product(range(2), range(3), range(2), range(3), range(6)):
        value, column = a[b, source(t, h, w), m].item(), a[b, :, m].tolist()
        at = (b, m, h, w)
        literal = value > threshold  # Eq. (17), (18)
        found = salient(a, threshold=threshold, rule="value")
        assert over_frames(found, (m // 3, m % 3), grid=GRID)[b, t, h, w] == literal
        assert over_outputs(found, t, grid=GRID)[at] == literal
        found = over_outputs(salient(a, threshold=threshold), t, grid=GRID)
        assert found[at] == (value > threshold * max(column))
        below = sum(other < value for other in column) / (len(column) - 1)  # the quantile that the entry is itself
        found = over_outputs(salient(a, threshold=threshold, rule="quantile"), t, grid=GRID)
        assert abs(below - threshold) < 1e-9 or found[at] == (below > threshold)


@settings(max_examples=50, deadline=None)
@given(sources=st.integers(1, 12), sharpness=st.floats(0, 60), seed=st.integers(0, 99))
def test_the_printed_thresholds_pass_three_and_two_at_most(sources, sharpness, seed):
    a = normalised(sharpness * noise(1, sources, 5, seed=seed))
    assert salient(a, threshold=0.5, rule="value").sum(1).max() <= 3
    assert salient(a, threshold=0.7, rule="value").sum(1).max() <= 2
    assert salient(a, threshold=0.5).any(1).all()  # the largest is


def test_the_printed_thresholds_can_be_reached():
    three = torch.tensor([[[1.0], [1.0], [1.0], [0.1]]])
    assert salient(three / three.norm(), threshold=0.5, rule="value").sum() == 3
    assert salient(three[:, 1:] / three[:, 1:].norm(), threshold=0.7, rule="value").sum() == 2
    half = torch.tensor([[[0.5], [0.4], [1.0]]])  # 0.5 is not above 0.5
    assert salient(half, threshold=0.5, rule="value").flatten().tolist() == [False, False, True]
    even = normalised(torch.zeros(1, 16, 1))  # a frame of 4 x 4
    assert salient(even, threshold=0.5, rule="value").sum() == 0
    assert salient(even, threshold=0.99).all()
    assert not salient(even, threshold=0.0, rule="quantile").any()


def test_a_quantile_is_a_number_of_sources():
    a = attended(4)
    assert (salient(a, threshold=0.75, rule="quantile").sum(1) == 6).all()
    assert (salient(a, threshold=0.9, rule="quantile").sum(1) == 3).all()


def test_each_scale_alone_is_the_attention_of_a_pyramid_of_it():
    _, scores = layer(fusion="sum")(pyramid(), return_attention=True)
    found = columns(scores)
    assert list(found) == ["scale 1", "scale 2", "scale 3", "all"]
    assert found["all"] is scores.attention
    for name, y in zip(found, scores.scales, strict=False):
        shares = y.softmax(1)
        torch.testing.assert_close(found[name], shares / shares.norm(dim=1, keepdim=True))
    product = found["scale 1"] * found["scale 2"] * found["scale 3"]  # of exponentials, so the sum of the scores
    torch.testing.assert_close(product / product.norm(dim=1, keepdim=True), found["all"])
    torch.testing.assert_close(columns(scores, norm=1)["scale 2"], scores.scales[1].softmax(1))
    alone = layer((4,), ((2, 3),))
    _, scores = alone(pyramid()[-1:], return_attention=True)
    torch.testing.assert_close(columns(scores)["scale 1"], scores.attention)


@settings(max_examples=40, deadline=None)
@given(
    cells=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    size=st.tuples(st.integers(5, 20), st.integers(5, 20)),
    mask=st.booleans(),
)
def test_a_pixel_has_the_value_of_its_cell(cells, size, mask):
    maps = noise(2, 3, *cells)
    maps = maps > 0 if mask else maps
    found = on_image(maps, size)
    assert (found.shape, found.dtype) == ((2, 3, *size), maps.dtype)
    for y, x in itertools.product(range(size[0]), range(size[1])):
        places = [(2 * p + 1) * n // (2 * length) for p, n, length in zip((y, x), cells, size, strict=True)]
        assert torch.equal(found[..., y, x], maps[..., places[0], places[1]])


def test_cells_that_a_box_touches_by_hand():
    boxes = torch.tensor(
        [
            [5.0, 5.0, 4.0],  # inside the first cell of 10 x 10
            [10.0, 15.0, 2.0],  # across the border of the rows
            [10.0, 20.0, 20.0],  # its edges are borders
            [5.0, 5.0, 10.0],  # of the first cell
            [20.0, 0.0, 1.0],  # half outside, in the corner
            [-9.0, 5.0, 4.0],  # outside
            [torch.nan, torch.nan, torch.nan],
        ]
    )
    found = [sorted(map(tuple, cells.nonzero().tolist())) for cells in touched(boxes, grid=GRID, size=(20, 30))]
    assert found == [[(0, 0)], [(0, 1), (1, 1)], [(0, 1), (0, 2), (1, 1), (1, 2)], [(0, 0)], [(1, 0)], [], []]
    upper = touched(torch.tensor([10.2, 10.4, 0.4]), grid=GRID, size=(21, 32))  # borders at 10.5, 10.67 and 21.33
    assert upper.nonzero().tolist() == [[0, 0]]


def test_attention_on_an_object_by_loops():
    a = attended(3)
    boxes = torch.tensor([[[5, 5, 4], [10, 15, 2], [math.nan] * 3], [[math.nan] * 3, [15, 15, 9], [15, 25, 12]]])
    cells = [[[(0, 0)], [(0, 1), (1, 1)], []], [[], [(1, 1)], [(0, 2), (1, 1), (1, 2), (0, 1)]]]
    mass, chance, frames = on_object(a, boxes, grid=GRID, size=(20, 30))
    for b, t in itertools.product(range(2), range(3)):
        shares = [(a[b, :, m] / a[b, :, m].sum()).tolist() for m in range(6)]
        expected = sum(share[source(t, h, w)] for share in shares for h, w in cells[b][t]) / 6
        assert mass[b, t].item() == pytest.approx(expected)
        assert chance[b, t].item() == pytest.approx(len(cells[b][t]) / 18)
        whole = sum(share[source(t, h, w)] for share in shares for h in range(2) for w in range(3)) / 6
        assert frames[b, t].item() == pytest.approx(whole)
    torch.testing.assert_close(frames.sum(1), torch.ones(2).double())


def test_even_attention_is_chance_and_perfect_attention_is_all():
    boxes = torch.tensor([[[5.0, 5.0, 4.0], [10.0, 15.0, 2.0]]])
    even = on_object(normalised(torch.zeros(1, 12, 6)), boxes, grid=GRID, size=(20, 30))
    torch.testing.assert_close(even.mass, even.chance)
    torch.testing.assert_close(even.frames, torch.full((1, 2), 1 / 2))
    assert even.mass.sum().item() == pytest.approx(3 / 12)
    sharp = torch.zeros(1, 12, 6)
    sharp[0, [source(0, 0, 0), source(1, 1, 1), source(1, 0, 1)] * 2, range(6)] = 7.0  # of any norm
    perfect = on_object(sharp, boxes, grid=GRID, size=(20, 30))
    torch.testing.assert_close(perfect.mass, torch.tensor([[1 / 3, 2 / 3]]))
    torch.testing.assert_close(perfect.mass, perfect.frames)


def test_boxes_of_the_probe_lie_on_what_acts():
    probe = ClutterProbe(train=2, test=2, frames=6, acting=0.5, size=32, distractors=0, ground=0.0, swing=0.0, looks=2)
    _, _, truth = probe.clip("train", 1)
    acting = truth["acting"]
    found = boxes_of(truth, [0, 2, 3, 5])
    assert found.isnan().all(1).tolist() == [number not in acting for number in (0, 2, 3, 5)]
    some = boxes_of(truth, [0, 2, 3, 5], acting=False)
    torch.testing.assert_close(some, torch.tensor([truth["box"][number] for number in (0, 2, 3, 5)]))
    whole = boxes_of(truth, range(6), acting=False)
    torch.testing.assert_close(whole, torch.tensor(truth["box"]))
    frames, _, _ = probe.clip("train", 1)
    chroma = np.ptp(frames[0].astype(int), axis=-1)  # the ground is grey
    inside = on_image(touched(whole[0], grid=(32, 32), size=(32, 32)), (32, 32)).numpy()
    assert chroma[inside].mean() > 4 * chroma[~inside].mean()


def test_paint_and_strips():
    image = np.full((4, 6, 3), 100, dtype=np.uint8)
    mask = np.zeros((4, 6), dtype=bool)
    mask[:2, :2] = True
    found = painted(image, [("#ff0000", mask), ("#0000ff", mask)], alpha=0.5)
    assert found[0, 0].tolist() == [89, 25, 152]  # 100, 100, 100 -> 177.5, 50, 50 -> 88.75, 25, 152.5
    assert (found[2:] == 100).all()
    assert (image == 100).all()
    masks = {name: salient(attended())[:1, :, :1] for name in ("scale 1", "all")}
    masks = {name: mask.view(2, 2, 3) for name, mask in masks.items()}
    figure = salient_strips([image, image], masks, together=["scale 1", "all"])
    titles = [ax.get_ylabel() for ax in figure.axes]
    assert [title for title in titles if title] == ["frames", "scale 1", "all", "scale 1 + all"]
    shown = [np.asarray(ax.images[0].get_array()) for ax in figure.axes]
    assert (shown[0] == image).all()
    place = tuple(masks["all"][1].nonzero()[0].tolist())
    for row, colour in ((1, COLOURS[0]), (2, COLOURS[1])):
        tint = shown[2 * row + 1][2 * place[0], 2 * place[1]]
        np.testing.assert_allclose(tint, 50 + 127.5 * np.array(to_rgb(colour)), atol=1)
    plt.close(figure)
    with pytest.raises(InputError, match="7 masks: a figure holds 6 at most"):
        salient_strips([image], {str(i): masks["all"] for i in range(7)})


def test_bad_arguments_are_refused():
    a = attended()
    calls = {
        "unknown rule 'most'; choose from maximum, quantile, value": lambda: salient(a, rule="most"),
        "threshold=1.0: must lie in [0, 1)": lambda: salient(a, threshold=1.0),
        "threshold=-0.1": lambda: salient(a, threshold=-0.1, rule="value"),
        "output=(2, 0): rows 0 to 1 and columns 0 to 2": lambda: over_frames(a, (2, 0), grid=GRID),
        "output=(0, -1)": lambda: over_frames(a, (0, -1), grid=GRID),
        "frame=2: 0 to 1 are possible": lambda: over_outputs(a, 2, grid=GRID),
        "shape (2, 12, 6), grid=(2, 2): (B, 4 K, 4) is expected": lambda: over_outputs(a, 0, grid=(2, 2)),
        "shape (2, 11, 6), grid=(2, 3)": lambda: over_frames(a[:, 1:], (0, 0), grid=GRID),
        "boxes have shape (2, 3, 3); (2, 2, 3) is expected": lambda: on_object(
            a, torch.zeros(2, 3, 3), grid=GRID, size=(20, 30)
        ),
    }
    for message, call in calls.items():
        with pytest.raises(InputError, match=re.escape(message)):
            call()
