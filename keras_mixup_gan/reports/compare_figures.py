"""The curves of a comparison: leakage over quality and over steps, ROC."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_mixup_gan.auditing.results import TARGET_FPR
from keras_mixup_gan.experiments.frontier import fid_of
from keras_mixup_gan.reports import compare_words as words
from keras_mixup_gan.reports import render
from keras_mixup_gan.statistics.roc import roc_curve

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from keras_mixup_gan.typing import FloatArray

GRAY, SOFT = "#8a8f98", "#5b616b"
MARKERS = ("o", "s", "^", "D", "v", "P")
BLACK = "#000000"
BACKDROP = {"color": "white", "alpha": 0.75, "pad": 0.5, "linewidth": 0}


@dataclass(frozen=True)
class Style:
    """The look of one arm in all figures and tables."""

    color: str
    marker: str
    line: str


def styles(cells: Sequence[dict[str, Any]]) -> dict[str, Style]:
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


def frontier_figure(cells: Sequence[dict[str, Any]], legend: bool = True) -> Figure:
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
                _line(axes, fids, attacks, style, plain(words.arm_title(cell)))
                _label_steps(axes, fids, attacks, steps, style)
        axes.margins(0.09, 0.1)
        log_scale(axes, "x")
        axes.set(xlabel="FID (log scale)", ylabel="AUC of the strongest attack")
        axes.annotate(
            "better",
            xy=(0.015, 0.02),
            xytext=(0.13, 0.11),
            xycoords="axes fraction",
            color=SOFT,
            ha="center",
            va="center",
            bbox=BACKDROP,
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
    cells: Sequence[dict[str, Any]], attack: str, limits: tuple[float, float]
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
                steps, attacks = zip(*points, strict=True)
                _line(axes, steps, attacks, style)
        axes.set(ylabel="AUC", ylim=limits)
        _steps_axis(axes)
    return figure


def fid_figure(cells: Sequence[dict[str, Any]]) -> Figure:
    """FID over steps, one line per arm."""
    with render.figure_style():
        figure, axes = _panel((4.6, 3.0))
        for cell, style in _styled(cells):
            steps = [point["d_steps"] for point in cell["curve"]]
            fids = [fid_of(point) for point in cell["curve"]]
            axes.plot(steps, fids, **_look(style))
        log_scale(axes, "y")
        axes.set(ylabel="FID (log scale)")
        _steps_axis(axes)
    return figure


def roc_figure(
    cells: Sequence[dict[str, Any]],
    scores: Mapping[str, dict[str, Any]],
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
            len(arrays.get(f"{attack}/non_members", ())) for arrays in scores.values()
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
            xlabel="non-members taken for members",
            ylabel="members found",
        )
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda rate, _: f"{100 * rate:g} %")
    return figure


def plain(text: str) -> str:
    """Text in which matplotlib looks for no mathematics."""
    return text.replace("$", r"\$")


def auc_limits(cells: Sequence[dict[str, Any]]) -> tuple[float, float]:
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


def _panel(size: tuple[float, float]) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=size)
    return figure, figure.add_subplot()


def _styled(
    cells: Sequence[dict[str, Any]],
) -> Iterator[tuple[dict[str, Any], Style]]:
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
    attacks: Sequence[dict[str, Any]],
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
    attacks: Sequence[dict[str, Any]],
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
            bbox=BACKDROP,
        )


def _steps_axis(axes: Any) -> None:
    axes.set_xlabel("discriminator steps")
    axes.locator_params(axis="x", nbins=5)
    axes.xaxis.set_major_formatter("{x:,.0f}")


def log_scale(axes: Any, name: str) -> None:
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
