"""The figures of a comparison: leakage over quality, over steps, ROC, samples."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_mixup_gan.attacks.results import TARGET_FPR
from keras_mixup_gan.attacks.statistics import roc_curve
from keras_mixup_gan.experiments.frontier import fid_of
from keras_mixup_gan.reports import compare_words as words
from keras_mixup_gan.reports import render

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from keras_mixup_gan.typing import FloatArray

COLUMNS = 8
MAX_TILE = 64
MAX_GRID_BYTES = 900_000
GRAY, SOFT = "#8a8f98", "#5b616b"
MARKERS = ("o", "s", "^", "D", "v", "P")
BLACK = "#000000"


@dataclass(frozen=True)
class Style:
    """The look of one arm in all figures and tables."""

    color: str
    marker: str
    line: str


def styles(cells: Sequence[Mapping[str, Any]]) -> dict[str, Style]:
    """Looks by name of the arm: black for the first, colors for the others."""
    colors = [BLACK, *(color for color in render.COLORS if color != BLACK)]
    return {
        cell["name"]: Style(
            colors[number % len(colors)],
            MARKERS[number % len(MARKERS)],
            render.LINE_STYLES[number % len(render.LINE_STYLES)],
        )
        for number, cell in enumerate(cells)
    }


def frontier_figure(cells: Sequence[Mapping[str, Any]], legend: bool = True) -> Figure:
    """AUC of the strongest attack over FID, one line per arm along its training.

    Args:
        cells: Entries of the results.
        legend: Whether to name the arms in the figure itself.

    Returns:
        The figure.
    """
    with render.figure_style():
        figure, axes = _panel((6.6, 4.2) if legend else (5.6, 3.9))
        axes.axhline(0.5, color=GRAY, linewidth=1)
        for cell, style in _styled(cells):
            points = [(p, words.strongest(p)) for p in cell["curve"]]
            drawn = [(fid_of(p), a, p["d_steps"]) for p, a in points if a is not None]
            if drawn:
                fids, attacks, steps = zip(*drawn, strict=True)
                _line(axes, fids, attacks, style, words.arm_title(cell))
                _label_steps(axes, fids, attacks, steps, style)
        axes.margins(0.09, 0.1)
        _log_scale(axes, "x")
        axes.set(xlabel="FID (log scale)", ylabel="AUC of the strongest attack")
        axes.annotate(
            "better",
            xy=(0.015, 0.02),
            xytext=(0.13, 0.13),
            xycoords="axes fraction",
            color=SOFT,
            ha="center",
            va="center",
            arrowprops={"arrowstyle": "->", "color": SOFT},
        )
        if legend:
            handles, labels = axes.get_legend_handles_labels()
            figure.legend(
                handles[::-1],
                labels[::-1],
                loc="outside upper center",
                ncols=4 if sum(map(len, labels)) < 60 else 2,
                columnspacing=1.5,
            )
    return figure


def leakage_figure(
    cells: Sequence[Mapping[str, Any]], attack: str, limits: tuple[float, float]
) -> Figure:
    """AUC of one attack over steps, one line per arm."""
    with render.figure_style():
        figure, axes = _panel((4.6, 3.0))
        axes.axhline(0.5, color=GRAY, linewidth=1)
        for cell, style in _styled(cells):
            points = [
                (point["d_steps"], point["attacks"][attack])
                for point in cell["curve"]
                if point["attacks"].get(attack, {}).get("auc") is not None
            ]
            if points:
                _line(axes, *zip(*points, strict=True), style)
        axes.set(ylabel="AUC", ylim=limits)
        _steps_axis(axes)
    return figure


def fid_figure(cells: Sequence[Mapping[str, Any]]) -> Figure:
    """FID over steps, one line per arm."""
    with render.figure_style():
        figure, axes = _panel((4.6, 3.0))
        for cell, style in _styled(cells):
            steps = [point["d_steps"] for point in cell["curve"]]
            fids = [fid_of(point) for point in cell["curve"]]
            axes.plot(steps, fids, **_look(style))
        _log_scale(axes, "y")
        axes.set(ylabel="FID (log scale)")
        _steps_axis(axes)
    return figure


def roc_figure(
    cells: Sequence[Mapping[str, Any]],
    scores: Mapping[str, Mapping[str, Any]],
    attack: str,
) -> Figure:
    """ROC curves of one attack on log axes, one for each arm, and the chance line.

    Args:
        cells: Entries of the results.
        scores: For each arm the arrays of its last checkpoint.
        attack: Name of the attack.

    Returns:
        The figure.
    """
    with render.figure_style():
        figure, axes = _panel((3.6, 3.3))
        non_members = max(
            (len(arrays.get(f"{attack}/non_members", ())) for arrays in scores.values())
        )
        floor = 10.0 ** np.floor(np.log10(1 / max(non_members, 100)))
        axes.plot([floor, 1], [floor, 1], color=GRAY, linewidth=1)
        axes.annotate("chance", (0.25, 0.19), color=SOFT, va="top")
        axes.axvline(TARGET_FPR, color="#c9ccd2", linewidth=0.8, zorder=0)
        for cell, style in _styled(cells):
            arrays = scores[cell["name"]]
            if f"{attack}/members" in arrays:
                rates = _thinned(
                    *roc_curve(
                        arrays[f"{attack}/members"], arrays[f"{attack}/non_members"]
                    )
                )
                axes.plot(
                    *np.maximum(rates, floor),
                    color=style.color,
                    linestyle=style.line,
                    linewidth=1.4,
                    drawstyle="steps-post",
                )
        axes.set(
            xscale="log",
            yscale="log",
            xlim=(floor, 1),
            ylim=(floor, 1.15),
            xlabel="false-positive rate",
            ylabel="true-positive rate",
        )
    return figure


def samples_figure(
    cells: Sequence[Mapping[str, Any]], samples: Mapping[str, Any]
) -> Figure:
    """Generated images of every arm side by side, with its FID and strongest AUC."""
    with render.figure_style():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(2.6 * len(cells), 3.1))
        for number, cell in enumerate(cells, start=1):
            axes = figure.add_subplot(1, len(cells), number)
            grid = tile(samples[cell["name"]])
            axes.imshow(grid, cmap="gray", vmin=0, vmax=255)
            attack = words.strongest(cell)
            leak = "" if attack is None else f", AUC {attack['auc']:.2f}"
            axes.set_title(f"{words.arm_title(cell)}\nFID {fid_of(cell):.1f}{leak}")
            axes.axis("off")
    return figure


def auc_limits(cells: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """Limits of an axis that shows the intervals of all attacks at all checkpoints."""
    ends = [
        end
        for cell in cells
        for point in cell["curve"]
        for attack in point["attacks"].values()
        if attack["auc"] is not None
        for end in attack["auc_ci"]
    ]
    return min([0.48, *ends]) - 0.02, min(max([0.6, *ends]) + 0.02, 1.02)


def tile(images: Any, rows: int = COLUMNS) -> Any:
    """The first images as one picture of eight columns.

    Args:
        images: uint8 array `(num_images, height, width, channels)`, 1 or 3 channels.
        rows: Number of rows, fewer where there are not enough images.

    Returns:
        uint8 array `(height, width)` for gray images, else `(height, width, 3)`.
    """
    images = np.asarray(images)[: rows * COLUMNS]
    rows = -(-len(images) // COLUMNS)
    blank = np.full((rows * COLUMNS, *images.shape[1:]), 255, "uint8")
    blank[: len(images)] = images
    padded = np.pad(blank, [(0, 0), (0, 1), (0, 1), (0, 0)], constant_values=255)
    height, width, channels = padded.shape[1:]
    grid = padded.reshape(rows, COLUMNS, height, width, channels).swapaxes(1, 2)
    grid = grid.reshape(rows * height, COLUMNS * width, channels)[:-1, :-1]
    return grid[..., 0] if channels == 1 else grid


def sample_pngs(samples: Mapping[str, Any]) -> tuple[dict[str, bytes], int]:
    """PNG files of the sample grids, together small enough for one page.

    Args:
        samples: For each arm a uint8 array `(num_images, height, width, channels)`.

    Returns:
        The files by arm, and the number of images that each of them shows.
    """
    small = {name: _shrunk(images) for name, images in samples.items()}
    for rows, side in ((8, 448), (8, 1), (4, 1), (2, 1), (1, 1)):
        files = {name: _png(tile(some, rows), side) for name, some in small.items()}
        if sum(map(len, files.values())) <= MAX_GRID_BYTES:
            break
    return files, min([rows * COLUMNS, *map(len, small.values())])


def _panel(size: tuple[float, float]) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=size)
    return figure, figure.add_subplot()


def _styled(
    cells: Sequence[Mapping[str, Any]],
) -> Iterator[tuple[Mapping[str, Any], Style]]:
    """Arms with their looks, the first drawn last: on top."""
    looks = styles(cells)
    return ((cell, looks[cell["name"]]) for cell in reversed(cells))


def _look(style: Style) -> dict[str, Any]:
    return {
        "color": style.color,
        "linestyle": style.line,
        "marker": style.marker,
        "markersize": 5,
        "linewidth": 1.4,
    }


def _line(
    axes: Any,
    x: Sequence[float],
    attacks: Sequence[Mapping[str, Any]],
    style: Style,
    label: str | None = None,
) -> None:
    """AUCs joined by a line, each with its interval."""
    areas = [attack["auc"] for attack in attacks]
    axes.plot(x, areas, label=label, **_look(style))
    low, high = zip(*(attack["auc_ci"] for attack in attacks), strict=True)
    axes.vlines(x, low, high, color=style.color, linewidth=1, alpha=0.4)


def _label_steps(
    axes: Any,
    fids: Sequence[float],
    attacks: Sequence[Mapping[str, Any]],
    steps: Sequence[int],
    style: Style,
) -> None:
    """Writes steps beside the first and the last checkpoint."""
    for at in sorted({0, len(steps) - 1}):
        axes.annotate(
            f"{steps[at]:,}",
            (fids[at], attacks[at]["auc"]),
            xytext=(4, 4),
            textcoords="offset points",
            color=style.color,
            fontsize=8,
            bbox={"color": "white", "alpha": 0.75, "pad": 0.5, "linewidth": 0},
        )


def _steps_axis(axes: Any) -> None:
    axes.set_xlabel("discriminator steps")
    axes.locator_params(axis="x", nbins=5)
    axes.xaxis.set_major_formatter("{x:,.0f}")


def _log_scale(axes: Any, name: str) -> None:
    """A logarithmic axis with plain numbers, however little it spans."""
    from matplotlib import ticker

    axes.set(**{f"{name}scale": "log"})
    axis = getattr(axes, f"{name}axis")
    low, high = axis.get_view_interval()
    if high > 1.6 * low:
        axis.set_major_locator(ticker.LogLocator(subs=(1, 1.5, 2, 3, 4, 5, 7)))
    else:
        axis.set_major_locator(ticker.MaxNLocator(4))
    axis.set_major_formatter(ticker.FormatStrFormatter("%g"))
    axis.set_minor_locator(ticker.NullLocator())


def _thinned(fpr: FloatArray, tpr: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The corners of the steps only, which look the same."""
    still = [np.diff(rates) == 0 for rates in (fpr, tpr)]
    straight = [flat[1:] & flat[:-1] for flat in still]
    keep = np.ones(len(fpr), dtype=bool)
    keep[1:-1] = ~(straight[0] | straight[1])
    return fpr[keep], tpr[keep]


def _shrunk(images: Any) -> Any:
    """Images no larger than a tile may be."""
    from PIL import Image

    images = np.asarray(images)
    height, width = images.shape[1:3]
    scale = MAX_TILE / max(height, width)
    if scale >= 1:
        return images
    size = (max(round(scale * width), 1), max(round(scale * height), 1))
    modes = {1: lambda image: image[..., 0]}
    take = modes.get(images.shape[-1], lambda image: image)
    shrunk = [np.asarray(Image.fromarray(take(image)).resize(size)) for image in images]
    return np.stack(shrunk).reshape(len(images), size[1], size[0], -1)


def _png(grid: Any, side: int) -> bytes:
    """A PNG file, enlarged by whole pixels towards `side` so that it stays sharp."""
    from PIL import Image

    image = Image.fromarray(grid)
    factor = max(side // max(image.size), 1)
    image = image.resize(
        (factor * image.width, factor * image.height), Image.Resampling.NEAREST
    )
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
