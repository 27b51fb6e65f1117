"""Figures of the notebooks; each function gives a matplotlib figure."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.colors import CenteredNorm
from matplotlib.figure import Figure
from torch import Tensor
from torchvision.utils import flow_to_image

from videoattn.data.clips.clips import Clips
from videoattn.errors import InputError
from videoattn.evaluation.psychometric import AT, AtLevel

INK = "#222222"
QUERY = {"marker": "s", "markersize": 7, "markerfacecolor": "none", "markeredgecolor": "white", "markeredgewidth": 2}
COLOURS = ("#0b6e99", "#d1495b", "#edae49", "#5d576b", "#3a7d44", "#b07aa1")  # told apart by colour-blind readers, too
MARKERS = ("o", "s", "^", "D", "v", "P")


def flow_image(flow: Tensor, bound: float = 0.25) -> np.ndarray:
    """(2, H, W) flow as an RGB image: hue is direction, saturation speed, full at `bound` (units of the flow)."""
    field = flow.float() / bound
    field = field / torch.linalg.vector_norm(field, dim=0).clamp(min=1)
    full = torch.zeros_like(field)
    full[0] = 1  # torchvision gives the fastest of its batch full saturation
    return flow_to_image(torch.stack([field, full]))[0].permute(1, 2, 0).numpy()


def film_strips(clips: Sequence[tuple[str, Sequence[np.ndarray]]]) -> Figure:
    """One row of images a clip, its title at the left."""
    columns = max(len(images) for _, images in clips)
    figure, axes = plt.subplots(len(clips), columns, figsize=(1.35 * columns + 0.8, 1.4 * len(clips)), squeeze=False)
    for row, (title, images) in zip(axes, clips, strict=True):
        for ax, image in zip(row, images, strict=False):
            ax.imshow(image)
        for ax in row:
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
        row[0].set_ylabel(title, rotation=0, ha="right", va="center", fontsize=9)
    figure.tight_layout(pad=0.3)
    return figure


def fusion_curves(shares: Sequence[float], curves: Mapping[str, Sequence[Sequence[float]]], *, first: str) -> Figure:
    """Accuracy over the weight of the first stream: a line for the mean over seeds, a band from lowest to highest."""
    figure, ax = plt.subplots(figsize=(6, 3.4))
    for (name, seeds), colour in zip(curves.items(), COLOURS, strict=False):
        values = 100 * np.asarray(seeds)
        ax.plot(shares, values.mean(0), color=colour, label=name)
        ax.fill_between(shares, values.min(0), values.max(0), color=colour, alpha=0.15, linewidth=0)
    ax.set(xlabel=f"weight of {first}; the other stream has 1 - weight", ylabel="top-1 accuracy, %", ylim=(0, 102))
    ax.legend(frameon=False, fontsize=9)
    _plain(ax)
    figure.tight_layout()
    return figure


def level_curves(curves: Mapping[str, Sequence[Sequence[AtLevel]]], *, chance: float, label: str) -> Figure:
    """Accuracy over the level of difficulty: for each row a line for the mean over seeds and a dot for each seed.

    Args:
        curves: by row, what `by_level` gives of each seed. chance: what guessing reaches, as a fraction.
        label: what the levels are, with their unit.
    """
    figure, ax = plt.subplots(figsize=(8, 3.6))
    for (name, seeds), colour, marker in zip(curves.items(), COLOURS, MARKERS, strict=False):
        levels = [level for level, _, _ in seeds[0]]
        values = 100 * np.array([[right / clips for _, right, clips in counts] for counts in seeds])
        ax.plot(levels, values.mean(0), color=colour, label=name)
        ax.plot(levels, values.T, color=colour, marker=marker, markersize=3, linestyle="none", alpha=0.6)
    for share in (chance, AT):
        ax.axhline(100 * share, color=INK, linewidth=0.8, linestyle=":")
    ax.set_xscale("log", base=2)
    ax.set_xticks(levels, [f"{level:g}" for level in levels])
    ax.set(xlabel=label, ylabel="top-1 accuracy, %", ylim=(0, 102))
    ax.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))  # beside the curves, which cross
    _plain(ax)
    figure.tight_layout()
    return figure


def attention_figure(
    frame: np.ndarray,
    flow: np.ndarray,
    weights: np.ndarray,
    query: tuple[int, int],
    grid: tuple[int, int],
    *,
    arrows: int = 3,
    title: str = "",
) -> Figure:
    """Frame, flow, and where one query location attends.

    Args:
        frame, flow: (H, W, 3) images. weights: (h, w) attention over the keys' grid.
        query: (row, column) on the queries' `grid` (rows, columns).
        arrows: how many of the strongest keys are pointed at.
    """
    height, width = frame.shape[:2]
    figure, axes = plt.subplots(1, 3, figsize=(7.5, 2.9), layout="constrained")
    for ax, image, name in zip(axes, (frame, flow, frame), ("frame and query", "flow", "attention"), strict=True):
        ax.imshow(image, extent=(0, width, height, 0))
        ax.set(xticks=[], yticks=[])
        ax.set_title(name, fontsize=9)
    at = ((query[1] + 0.5) * width / grid[1], (query[0] + 0.5) * height / grid[0])
    overlay = axes[2].imshow(
        weights, extent=(0, width, height, 0), cmap="magma", alpha=0.65, interpolation="nearest", vmin=0
    )
    figure.colorbar(overlay, ax=axes[2], fraction=0.046, pad=0.03).ax.tick_params(labelsize=7)
    for ax in axes:
        ax.plot(*at, **QUERY)
        ax.plot(*at, **QUERY | {"markersize": 9, "markeredgecolor": INK, "markeredgewidth": 1})
    for index in np.argsort(weights, axis=None)[::-1][:arrows]:
        row, column = np.unravel_index(index, weights.shape)
        end = ((column + 0.5) * width / weights.shape[1], (row + 0.5) * height / weights.shape[0])
        arrow = {
            "arrowstyle": "->",
            "color": "white",
            "linewidth": 1.5,
            "alpha": float(weights[row, column] / weights.max()),
        }
        axes[2].annotate("", xy=end, xytext=at, arrowprops=arrow)
    figure.suptitle(title, fontsize=10)
    return figure


def heat_strips(
    frames: Sequence[np.ndarray],
    rows: Sequence[tuple[str, Tensor | None]],
    *,
    query: tuple[tuple[int, int, int], tuple[int, int]] | None = None,
    title: str = "",
) -> Figure:
    """The frames of a clip in a row, and below them maps over space-time, each row on a scale of its own.

    Args:
        frames: T images (H, W, 3).
        rows: title and map (T, h, w), which is laid over the frames; None shows the frames alone.
        query: (t, row, column) and the grid (rows, columns) that it counts on; it is marked in every row.
    """
    height, width = frames[0].shape[:2]
    figure, axes = plt.subplots(
        len(rows),
        len(frames),
        figsize=(1.3 * len(frames) + 1.3, 1.3 * len(rows) + 0.3),
        squeeze=False,
        layout="constrained",
    )
    for line, (name, maps) in zip(axes, rows, strict=True):
        for t, (ax, image) in enumerate(zip(line, frames, strict=True)):
            ax.imshow(image, extent=(0, width, height, 0))
            if maps is not None:
                low, high = min(float(maps.min()), 0.0), max(float(maps.max()), 0.0)
                scale = {"vmin": low, "vmax": high if high > low else 1.0}
                heat = ax.imshow(
                    maps[t].numpy(),
                    extent=(0, width, height, 0),
                    cmap="magma",
                    alpha=0.75,
                    interpolation="nearest",
                    **scale,
                )
            if query and query[0][0] == t:
                (_, row, column), (rows_, columns) = query
                at = ((column + 0.5) * width / columns, (row + 0.5) * height / rows_)
                ax.plot(
                    *at, marker="s", markersize=9, markerfacecolor="none", markeredgecolor="white", markeredgewidth=2
                )
            ax.set(xticks=[], yticks=[], xlim=(0, width), ylim=(height, 0))
            ax.spines[:].set_visible(False)
        if maps is not None:
            figure.colorbar(heat, ax=list(line), fraction=0.02, pad=0.01).ax.tick_params(labelsize=6)
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=8)
    figure.suptitle(title, fontsize=10)
    return figure


def dots(
    series: Mapping[str, Sequence[Sequence[float]]],
    ticks: Sequence[str],
    *,
    xlabel: str,
    ylabel: str,
    levels: Mapping[str, float] | None = None,
    bottom: float = 30,
) -> Figure:
    """Fractions over named ticks, in percent: a dot for each seed, a line through the medians, dashed lines at levels.

    Args:
        series: name -> the seeds' values, one sequence for each tick; an empty one leaves a gap. levels: in percent.
        bottom: where the axis begins.
    """
    if len(series) > len(COLOURS):
        raise InputError(f"{len(series)} series: a figure holds {len(COLOURS)} at most")
    figure, ax = plt.subplots(figsize=(5.6, 3.2))
    for i, (name, values) in enumerate(series.items()):
        aside = 0.06 * (i - (len(series) - 1) / 2)
        medians = [100 * np.median(seeds) if len(seeds) else np.nan for seeds in values]
        style = {"color": COLOURS[i], "marker": MARKERS[i]}
        ax.plot([tick + aside for tick in range(len(ticks))], medians, linewidth=1.2, markersize=5, label=name, **style)
        at = [tick + aside for tick, seeds in enumerate(values) for _ in seeds]
        shown = [100 * value for seeds in values for value in seeds]
        ax.plot(at, shown, linestyle="none", markersize=4, alpha=0.45, markeredgewidth=0, **style)
    for name, level in (levels or {}).items():
        ax.axhline(level, color=INK, linewidth=0.8, linestyle="--")
        ax.annotate(name, (len(ticks) - 1, level), fontsize=7, ha="right", va="bottom")
    ax.set_xticks(range(len(ticks)), ticks)
    ax.set(xlabel=xlabel, ylabel=ylabel, ylim=(bottom, 103))
    ax.legend(frameon=False, fontsize=8)
    _plain(ax)
    figure.tight_layout()
    return figure


def grid(
    values: Sequence[Sequence[float]], rows: Sequence[str], columns: Sequence[str], *, label: str, signed: bool = False
) -> Figure:
    """Percentages as a coloured table, or differences if `signed`; not a number stays blank. `label`: what they are."""
    shown = np.asarray(values, dtype=float)
    figure, ax = plt.subplots(figsize=(0.75 * len(columns) + 2.4, 0.3 * len(rows) + 1.2), layout="constrained")
    colours = {"cmap": "RdBu", "norm": CenteredNorm()} if signed else {"cmap": "magma", "vmin": 0, "vmax": 100}
    image = ax.imshow(shown, aspect="auto", **colours)
    for (i, j), value in np.ndenumerate(shown):
        if np.isfinite(value):
            dark = abs(value) > 0.6 * np.nanmax(abs(shown)) if signed else value < 60
            ax.text(j, i, f"{value:.0f}", ha="center", va="center", fontsize=7, color="white" if dark else INK)
    ax.set_xticks(range(len(columns)), columns, rotation=30, ha="right", fontsize=8)
    ax.set_yticks(range(len(rows)), rows, fontsize=8)
    ax.spines[:].set_visible(False)
    figure.colorbar(image, ax=ax, fraction=0.04, pad=0.02, label=label).ax.tick_params(labelsize=7)
    return figure


def learning_curves(log, *, jobs: Sequence[str]) -> Figure:
    """Training loss over epochs from a `log.csv` as a data frame: a panel a job, a line a seed."""
    figure, axes = plt.subplots(1, len(jobs), figsize=(1.9 * len(jobs) + 0.6, 2.2), sharey=True, squeeze=False)
    for ax, job in zip(axes[0], jobs, strict=True):
        for seed, colour in zip(sorted(log.loc[log["job"] == job, "seed"].unique()), COLOURS * 4, strict=False):
            rows = log[(log["job"] == job) & (log["seed"] == seed)]
            ax.plot(rows["epoch"], rows["loss"], color=colour, linewidth=1.2, marker=".", label=f"seed {seed}")
        ax.set_title(job, fontsize=9)
        ax.set_xlabel("epoch", fontsize=8)
        ax.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        ax.tick_params(labelsize=7)
        _plain(ax)
    axes[0][0].set_ylabel("training loss", fontsize=8)
    axes[0][0].legend(frameon=False, fontsize=7)
    figure.tight_layout()
    return figure


def clip_images(data: Clips, index: int) -> list[np.ndarray]:
    """The frames of the first clip of a test video, before they are cropped."""
    frames = data.settings.taken(test=not data.train)
    return list(data.raw(index)["rgb"][:, :frames].permute(1, 2, 3, 0).numpy())


def to_image(rgb: Tensor) -> np.ndarray:
    """(3, H, W) uint8 tensor as an (H, W, 3) image."""
    return rgb.permute(1, 2, 0).to(torch.uint8).numpy()


def _plain(ax) -> None:
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(alpha=0.25)
