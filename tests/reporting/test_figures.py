"""Figures: what is drawn, where it stands in data coordinates, and the colours of flow."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

from videoattn.errors import InputError
from videoattn.reporting import figures

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def drawn():
    yield
    for number in plt.get_fignums():
        plt.figure(number).canvas.draw()
    plt.close("all")


def picture(height=6, width=8, seed=0):
    return np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)


def field(x, y):
    return torch.tensor([x, y])[:, None, None].expand(2, 4, 5)


def test_flow_image_tells_directions_and_speeds_apart():
    still = figures.flow_image(field(0.0, 0.0))
    assert (still.shape, still.dtype) == ((4, 5, 3), np.uint8)
    np.testing.assert_array_equal(still, 255)
    images = [figures.flow_image(field(x, y)).astype(int)[0, 0] for x, y in ((0.2, 0.0), (-0.2, 0.0), (0.0, 0.2))]
    assert min(np.abs(a - b).sum() for a, b in zip(images, images[1:] + images[:1], strict=True)) > 100


def test_flow_image_has_one_scale_for_all_fields():
    slow, fast = (figures.flow_image(field(speed, 0.0)).astype(int)[0, 0] for speed in (0.05, 0.2))
    assert (255 - slow).sum() < (255 - fast).sum() / 2
    both = torch.cat([field(0.05, 0.0), field(0.2, 0.0)], dim=2)
    np.testing.assert_array_equal(figures.flow_image(both)[0, 0], slow)
    np.testing.assert_array_equal(figures.flow_image(field(0.25, 0.0)), figures.flow_image(field(9.0, 0.0)))


def test_film_strips():
    strips = [("one", [picture(seed=1), picture(seed=2)]), ("a longer name", [picture(seed=3)])]
    figure = figures.film_strips(strips)
    axes = np.array(figure.axes).reshape(2, 2)
    assert [[len(ax.images) for ax in row] for row in axes] == [[1, 1], [1, 0]]
    np.testing.assert_array_equal(axes[1, 0].images[0].get_array(), picture(seed=3))
    assert [row[0].get_ylabel() for row in axes] == ["one", "a longer name"]


def test_fusion_curves():
    figure = figures.fusion_curves([0, 0.5, 1], {"CMA": [[0.2, 0.6, 0.4], [0.4, 0.8, 0.4]]}, first="RGB")
    (ax,) = figure.axes
    (line,) = ax.lines
    np.testing.assert_allclose(line.get_xydata(), [[0, 30], [0.5, 70], [1, 40]])
    band = ax.collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == (pytest.approx(20), pytest.approx(80))
    assert ax.get_xlabel().startswith("weight of RGB")
    assert ax.get_legend().get_texts()[0].get_text() == "CMA"


def test_level_curves():
    curves = {
        "CMA": [[(0.5, 4, 10), (2.0, 9, 10)], [(0.5, 6, 10), (2.0, 10, 10)]],
        "sum": [[(0.5, 2, 10), (2.0, 3, 10)]],
    }
    figure = figures.level_curves(curves, chance=0.125, label="pixels")
    (ax,) = figure.axes
    first, dots, second, other, guess, at = (line.get_xydata().tolist() for line in ax.lines[:2] + ax.lines[3:7])
    assert first == [[0.5, 50], [2, 95]]
    assert (dots, ax.lines[2].get_xydata().tolist()) == ([[0.5, 40], [2, 90]], [[0.5, 60], [2, 100]])
    assert second == other == [[0.5, 20], [2, 30]]
    assert [y for _, y in guess + at] == [12.5, 12.5, 75, 75]
    assert [label.get_text() for label in ax.get_legend().get_texts()] == ["CMA", "sum"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0.5", "2"]
    assert (ax.get_xlabel(), ax.get_xscale()) == ("pixels", "log")


def test_attention_figure_points_at_the_right_places():
    weights = np.array([[0.0, 0.1, 0.0], [0.6, 0.0, 0.3]])
    frame, flow = picture(40, 60), picture(40, 60, seed=1)
    figure = figures.attention_figure(frame, flow, weights, (1, 4), (4, 6), arrows=2, title="clip")
    panels = [ax for ax in figure.axes if ax.get_title()]
    assert [ax.get_title() for ax in panels] == ["frame and query", "flow", "attention"]
    for ax in panels:
        for mark in ax.lines:
            np.testing.assert_allclose(mark.get_xydata(), [[45, 15]])
        assert (ax.get_xlim(), ax.get_ylim()) == ((0, 60), (40, 0))
    overlay = panels[2].images[1]
    np.testing.assert_array_equal(overlay.get_array(), weights)
    assert overlay.get_extent() == [0, 60, 40, 0] or tuple(overlay.get_extent()) == (0, 60, 40, 0)
    arrows = [text for text in panels[2].texts if text.arrow_patch is not None]
    assert [arrow.xy for arrow in arrows] == [(10, 30), (50, 30)]  # strongest first
    assert [arrow.xyann for arrow in arrows] == [(45, 15)] * 2
    assert [arrow.arrow_patch.get_alpha() for arrow in arrows] == [1.0, 0.5]
    assert not panels[0].texts + panels[1].texts


def test_attention_figure_of_one_key():
    figure = figures.attention_figure(picture(), picture(), np.ones((1, 1)), (0, 0), (1, 1))
    (arrow,) = figure.axes[2].texts
    assert arrow.xy == arrow.xyann == (4, 3)


def test_heat_strips_lay_maps_over_frames_and_mark_the_query():
    maps = torch.arange(2 * 2 * 4, dtype=torch.float32).view(2, 2, 4)
    shown = [picture(40, 60, seed=t) for t in range(2)]
    figure = figures.heat_strips(shown, [("frames", None), ("map", maps)], query=((1, 0, 2), (2, 4)), title="clip")
    panels = np.array(figure.axes[:4]).reshape(2, 2)
    assert [line[0].get_ylabel() for line in panels] == ["frames", "map"]
    for t in (0, 1):
        np.testing.assert_array_equal(panels[0, t].images[0].get_array(), shown[t])
        assert len(panels[0, t].images) == 1
        heat = panels[1, t].images[1]
        np.testing.assert_array_equal(heat.get_array(), maps[t])
        assert tuple(heat.get_extent()) == (0, 60, 40, 0)
        assert heat.get_clim() == (0.0, 15.0)  # one scale for the row
    assert [len(ax.lines) for ax in panels[:, 0]] == [0, 0]
    for ax in panels[:, 1]:
        np.testing.assert_allclose(ax.lines[0].get_xydata(), [[37.5, 10]])


def test_heat_strips_show_negative_and_empty_maps():
    negative = figures.heat_strips([picture()], [("map", -torch.ones(1, 2, 2))])
    assert negative.axes[0].images[1].get_clim()[0] == -1.0
    figures.heat_strips([picture()], [("map", torch.zeros(1, 2, 2))])


def test_dots():
    series = {"one": [[0.4, 0.5, 0.9], [0.9]], "two": [[0.6, 0.7], []]}
    figure = figures.dots(series, ["a", "b"], xlabel="x", ylabel="y", levels={"chance": 50.0})
    (ax,) = figure.axes
    assert [label.get_text() for label in ax.get_xticklabels()] == ["a", "b"]
    medians, seeds, others, last, _ = (line.get_ydata() for line in ax.lines)
    np.testing.assert_allclose(medians, [50, 90])
    np.testing.assert_allclose(seeds, [40, 50, 90, 90])
    np.testing.assert_allclose(others, [65, np.nan])
    np.testing.assert_allclose(last, [60, 70])
    np.testing.assert_allclose(ax.lines[1].get_xdata(), [-0.03, -0.03, -0.03, 0.97])
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["one", "two"]
    assert len({line.get_marker() for line in ax.lines[::2][:2]}) == 2
    assert [t.get_text() for t in ax.texts] == ["chance"]
    assert ax.get_ylim() == (30, 103)
    assert figures.dots(series, ["a", "b"], xlabel="x", ylabel="y", bottom=0).axes[0].get_ylim() == (0, 103)
    with pytest.raises(InputError, match="7 series: a figure holds 6 at most"):
        figures.dots({str(n): [[1.0]] for n in range(7)}, ["a"], xlabel="x", ylabel="y")


def test_learning_curves():
    log = pd.DataFrame(
        [("rgb", 1, 1, 2.0), ("rgb", 0, 1, 3.0), ("rgb", 0, 2, 1.0), ("flow", 0, 1, 5.0)],
        columns=["job", "seed", "epoch", "loss"],
    )
    panels = figures.learning_curves(log, jobs=["rgb", "flow"]).axes
    assert [ax.get_title() for ax in panels] == ["rgb", "flow"]
    assert [[line.get_xydata().tolist() for line in ax.lines] for ax in panels] == [
        [[[1, 3], [2, 1]], [[1, 2]]],
        [[[1, 5]]],
    ]
    assert [text.get_text() for text in panels[0].get_legend().get_texts()] == ["seed 0", "seed 1"]
    assert all(tick == int(tick) for ax in panels for tick in ax.get_xticks())


def test_to_image():
    rgb = torch.arange(24, dtype=torch.uint8).reshape(3, 2, 4)
    image = figures.to_image(rgb)
    assert (image.shape, image.dtype) == ((2, 4, 3), np.uint8)
    assert image[1, 2].tolist() == rgb[:, 1, 2].tolist()


def test_grid():
    figure = figures.grid([[10, 90.4], [float("nan"), 50]], ["a", "b"], ["x", "y"], label="top-1, %")
    ax = figure.axes[0]
    assert [text.get_text() for text in ax.texts] == ["10", "90", "50"]
    assert [text.get_position() for text in ax.texts] == [(0, 0), (1, 0), (1, 1)]
    assert [label.get_text() for label in ax.get_xticklabels() + ax.get_yticklabels()] == ["x", "y", "a", "b"]
