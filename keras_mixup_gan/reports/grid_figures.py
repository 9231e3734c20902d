"""Leakage over image quality of a whole grid: a panel for each family."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_mixup_gan.experiments.grid_arms import (
    BASELINE,
    Arm,
    Family,
    read_families,
)
from keras_mixup_gan.reports import compare_figures as look
from keras_mixup_gan.reports import compare_words, render
from keras_mixup_gan.reports.grid_words import arm_title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from keras_mixup_gan.typing import FloatArray

MAX_COLUMNS = 3


def panels(results: dict[str, Any]) -> Figure:
    """Strongest attack over FID: a thin line for each seed, a thick one for their mean.

    Arms have the same color, marker and line in every panel, in the order of the suite,
    so that they keep them while cells are missing.

    Args:
        results: Content of a grid's `results.json`.

    Returns:
        The figure.

    Raises:
        ValueError: If these are no results of a grid, or there is no cell.
        ImportError: If matplotlib is not installed.
    """
    families = read_families(results)
    if not families:
        raise ValueError(
            "There is nothing to draw. Expected at least one finished cell. Received: "
            "none. Run the grid first."
        )
    names = arm_names(results, families)
    styles = look.styles([{"name": name} for name in names])
    columns = 2 if len(families) == 4 else min(MAX_COLUMNS, len(families))
    rows = math.ceil(len(families) / columns)
    with render.figure_style():
        from matplotlib.figure import Figure

        size = (max(4.2 * columns, 6.4), 3.4 * rows + 0.9)
        figure = Figure(figsize=size)
        axes = figure.subplots(rows, columns, squeeze=False, sharey=True)
        for at, family in zip(axes.flat, families, strict=False):
            _panel(at, family, styles)
        for at in axes.flat[len(families) :]:
            at.axis("off")
        axes[0, 0].set_ylim(*_limits(families))
        for row in axes:
            row[0].set_ylabel("AUC of the strongest attack")
        drawn = {name for family in families for name in family.arms}
        shown = [name for name in names if name in drawn]
        _legend(figure, shown, styles, columns)
    return figure


def arm_names(results: dict[str, Any], families: Sequence[Family]) -> list[str]:
    """The arms of the suite, undefended first, and others that are there."""
    present = dict.fromkeys(name for family in families for name in family.arms)
    listed = [*results.get("suite", {}).get("arms", {}), *present]
    ordered = dict.fromkeys([BASELINE, *listed])
    return list(ordered)


def mean_curve(arm: Arm) -> tuple[FloatArray, FloatArray]:
    """Geometric mean of FID and mean AUC at the checkpoints that all seeds have."""
    shared = min(len(path.fid) for path in arm.paths.values())
    fids = [np.log(path.fid[:shared]) for path in arm.paths.values()]
    areas = [path.leakage[:shared] for path in arm.paths.values()]
    return np.exp(np.mean(fids, axis=0)), np.mean(areas, axis=0)


def _limits(families: Sequence[Family]) -> tuple[float, float]:
    """Limits of the AUC axis that all panels share."""
    areas = [
        area
        for family in families
        for arm in family.arms.values()
        for path in arm.paths.values()
        for area in path.leakage
    ]
    return min([0.46, *areas]) - 0.03, min(max([0.6, *areas]) + 0.03, 1.02)


def _panel(axes: Any, family: Family, styles: dict[str, look.Style]) -> None:
    axes.axhline(0.5, color=look.GRAY, linewidth=1)
    axes.annotate(
        "chance",
        (0, 0.5),
        xycoords=("axes fraction", "data"),
        xytext=(3, -3),
        textcoords="offset points",
        ha="left",
        va="top",
        color=look.SOFT,
        fontsize=8,
    )
    for arm in reversed(list(family.arms.values())):
        if not arm.paths:
            continue
        style = styles[arm.name]
        if len(arm.paths) > 1:
            for path in arm.paths.values():
                axes.plot(
                    path.fid,
                    path.leakage,
                    color=style.color,
                    linewidth=0.7,
                    alpha=0.4,
                )
        fids, areas = mean_curve(arm)
        axes.plot(fids, areas, **_thick(style))
        if arm.epsilon is not None:
            _epsilon(axes, fids[-1], areas[-1], arm.epsilon, style.color)
    model = compare_words.MODEL_TITLES.get(family.model, family.model)
    axes.set(xlabel="FID (log scale)", title=f"{model}, {family.members:,} members")
    axes.margins(0.09, 0.1)
    look.log_scale(axes, "x")


def _thick(style: look.Style) -> dict[str, Any]:
    return {
        "color": style.color,
        "linestyle": style.line,
        "marker": style.marker,
        "markersize": 4.5,
        "linewidth": 2.0,
    }


def _epsilon(axes: Any, fid: float, area: float, epsilon: float, color: str) -> None:
    axes.annotate(
        f"ε = {epsilon:.3g}",
        (fid, area),
        xytext=(0, -7),
        textcoords="offset points",
        color=color,
        fontsize=8,
        ha="center",
        va="top",
        bbox=look.BACKDROP,
    )


def _legend(
    figure: Any, names: Sequence[str], styles: dict[str, look.Style], columns: int
) -> None:
    from matplotlib.lines import Line2D

    handles: list[Any] = []
    for name in names:
        line: Any = Line2D([], [], **_thick(styles[name]))
        line.set_label(look.plain(arm_title(name)))
        handles.append(line)
    figure.legend(
        handles=handles,
        loc="outside upper center",
        ncols=min(len(handles), max(3, 2 * columns)),
        columnspacing=1.5,
        handlelength=3.2,
    )
