"""The figures of a comparison: leakage over image quality, over steps, and ROC."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from keras_mixup_gan.experiments.analysis.findings import (
    FamilyFindings,
    Finding,
    Findings,
)
from keras_mixup_gan.reports import render
from keras_mixup_gan.reports.tables import epsilon_text, family_title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from keras_mixup_gan.typing import FloatArray

BLACK = "#000000"
MARKERS = ("o", "s", "^", "D", "v", "P")
MAX_COLUMNS, MAX_ARMS = 3, 6
# Options of a line in matplotlib, the same in all figures of a page.
Look: TypeAlias = Mapping[str, Any]
_LETTER, _MARK = 0.075, 0.75  # inches that a letter of a legend takes, and its line
_BACKDROP = {"color": "white", "alpha": 0.9, "pad": 0.5, "linewidth": 0}


def groups(findings: Findings) -> list[tuple[str, ...]]:
    """Arms that are drawn in one figure, each time with the first one.

    Of arms that no family has there is nothing to draw. Those that most families have
    come first, otherwise those of the suite.
    """
    families = Counter(arm.arm for one in findings.families for arm in one.arms)
    drawn = [arm for arm in findings.arms if families[arm]]
    first, *others = sorted(drawn, key=lambda arm: -families[arm])
    return [
        (first, *others[start : start + MAX_ARMS - 1])
        for start in range(0, max(len(others), 1), MAX_ARMS - 1)
    ]


def styles(findings: Findings) -> dict[str, Look]:
    """What lines of each arm look like, the same in all figures.

    Black for the first; others have colors that differ within a figure, and a color
    and a mark that no other arm has.
    """
    return {
        name: {
            "color": BLACK if place == 0 else render.COLORS[place - 1],
            "linestyle": render.LINE_STYLES[
                (place and (MAX_ARMS - 1) * number + place) % len(render.LINE_STYLES)
            ],
            "marker": MARKERS[place and 1 + (place - 1 + number) % (MAX_ARMS - 1)],
            "markersize": 4.5,
            "linewidth": 2.0,
        }
        for number, group in enumerate(groups(findings))
        for place, name in enumerate(group)
    }


def leakage_over_quality(
    findings: Findings, group: Sequence[str] | None = None
) -> Figure:
    """Strongest attack over FID: a panel for each family, a line for each arm.

    A thick line is the mean over seeds, thin ones are the seeds; of a single seed,
    upright lines are the 95 % intervals of its queries. Arms have the same look in
    every panel. Drawn are the arms of a group, by default of the first.
    """
    if not findings.families:
        raise ValueError(
            "There is nothing to draw. Expected at least one finished cell. Received: "
            "none. Run the comparison first."
        )
    group = group or groups(findings)[0]
    looks, families = _looks(findings, group), families_with(findings, group)
    columns = 2 if len(families) == 4 else min(MAX_COLUMNS, len(families))
    rows = math.ceil(len(families) / columns)
    # No wider than a page, so that its letters are as large as those of the text.
    height = 3.4 if columns == 1 else 2.6
    with render.new_figure(max(3.1 * columns, 6.4), height * rows + 0.9) as figure:
        axes = figure.subplots(rows, columns, squeeze=False, sharey=True)
        for at, family in zip(axes.flat, families, strict=False):
            _panel(at, family, looks)
        for at in axes.flat[len(families) :]:
            at.axis("off")
        axes[0, 0].set_ylim(*_limits(findings.families))
        for row in axes:
            row[0].set_ylabel("AUC of the strongest attack")
        _legend(figure, families, looks)
    return figure


def families_with(findings: Findings, group: Sequence[str]) -> list[FamilyFindings]:
    """The families that a group is drawn for; the first group is for all."""
    if group == groups(findings)[0]:
        return list(findings.families)
    return [
        family
        for family in findings.families
        if any(arm.arm in group[1:] for arm in family.arms)
    ]


def _looks(findings: Findings, group: Sequence[str] | None) -> dict[str, Look]:
    """The looks of the arms of a group, by default of the first."""
    shown = groups(findings)[0] if group is None else group
    return {name: look for name, look in styles(findings).items() if name in shown}


def _drawn(family: FamilyFindings, looks: Mapping[str, Look]) -> list[Finding]:
    """Its arms that have a look."""
    return [arm for arm in family.arms if arm.arm in looks]


def along_training(
    findings: Findings, family: FamilyFindings, group: Sequence[str] | None = None
) -> Figure:
    """Strongest attack and FID of a family over steps, a line for each arm."""
    looks = _looks(findings, group)
    with render.new_figure(8.4, 3.7) as figure:
        left, right = figure.subplots(1, 2)
        for arm in reversed(_drawn(family, looks)):
            if arm.curves:
                steps, fids, areas = mean_curve(arm)
                left.plot(steps, areas, **looks[arm.arm])
                right.plot(steps, fids, **looks[arm.arm])
        _chance(left)
        left.set(ylabel="AUC of the strongest attack", ylim=_limits([family]))
        _log_scale(right, "y")
        right.set(ylabel="FID (log scale)")
        for axes in (left, right):
            axes.set_xlabel("discriminator steps")
            axes.locator_params(axis="x", nbins=5)
            axes.xaxis.set_major_formatter("{x:,.0f}")
        _legend(figure, [family], looks)
    return figure


def roc(
    findings: Findings,
    scores: Mapping[str, Mapping[str, FloatArray]],
    group: Sequence[str] | None = None,
) -> Figure:
    """ROC curves on log axes, a panel for each attack, a line for each arm.

    `scores` has for each arm the arrays `"ATTACK/members"` and `"ATTACK/non_members"`.
    """
    looks = _looks(findings, group)
    attacks = {
        name: leakage.title
        for family in findings.families
        for arm in family.arms
        for name, leakage in arm.attacks.items()
    }
    columns = min(MAX_COLUMNS, len(attacks))
    rows = math.ceil(len(attacks) / columns)
    with render.new_figure(3.4 * columns, 3.3 * rows + 0.6) as figure:
        panels = list(figure.subplots(rows, columns, squeeze=False).flat)
        for axes, (name, title) in zip(panels, attacks.items(), strict=False):
            drawn = {
                arm: arrays
                for arm, arrays in scores.items()
                if arm in looks and f"{name}/members" in arrays
            }
            others = [len(s[f"{name}/non_members"]) for s in drawn.values()]
            floor = render.roc_axes(axes, max([100, *others]))
            for arm, arrays in drawn.items():
                render.draw_roc(
                    axes,
                    arrays[f"{name}/members"],
                    arrays[f"{name}/non_members"],
                    floor,
                    color=looks[arm]["color"],
                    linestyle=looks[arm]["linestyle"],
                    linewidth=1.4,
                )
            axes.set_title(render.plain_title(title))
        for axes in panels[len(attacks) :]:
            axes.axis("off")
        _legend(figure, findings.families, looks)
    return figure


def samples(findings: Findings, images: Mapping[str, Any]) -> Figure:
    """Generated images of every arm side by side, with its FID and strongest AUC."""
    arms = [arm for arm in findings.families[0].arms if arm.arm in images]
    with render.new_figure(2.6 * len(arms), 3.1) as figure:
        panels = figure.subplots(1, len(arms), squeeze=False).flat
        for axes, arm in zip(panels, arms, strict=True):
            axes.imshow(render.tile(images[arm.arm]), cmap="gray", vmin=0, vmax=255)
            leak = arm.strongest and f", AUC {arm.strongest.auc.mean:.2f}"
            axes.set_title(
                f"{render.plain_title(arm.title)}\nFID {arm.fid.mean:.1f}{leak or ''}"
            )
            axes.axis("off")
    return figure


def mean_curve(arm: Finding) -> tuple[list[int], FloatArray, FloatArray]:
    """Steps, geometric mean of FID and mean AUC, where an attack ran in all seeds."""
    curves = [
        dict(zip(curve.steps, zip(curve.fid, curve.leakage, strict=True), strict=True))
        for curve in arm.curves.values()
    ]
    steps = sorted(set.intersection(*map(set, curves)))
    points = np.array([[curve[step] for step in steps] for curve in curves])
    fids, areas = np.moveaxis(points.reshape(len(curves), len(steps), 2), 2, 0)
    return steps, np.exp(np.log(fids).mean(axis=0)), areas.mean(axis=0)


def _limits(families: Sequence[FamilyFindings]) -> tuple[float, float]:
    """Limits of the AUC axis that all panels share."""
    areas = [
        area
        for family in families
        for arm in family.arms
        for curve in arm.curves.values()
        for area in curve.leakage
    ]
    return min([0.46, *areas]) - 0.03, min(max([0.6, *areas]) + 0.03, 1.02)


def _chance(axes: Any) -> None:
    axes.axhline(0.5, color=render.GRAY, linewidth=1)
    axes.annotate(
        "chance",
        (0, 0.5),
        xycoords=("axes fraction", "data"),
        xytext=(3, -3),
        textcoords="offset points",
        va="top",
        color=render.SOFT,
        fontsize=8,
    )


def _panel(axes: Any, family: FamilyFindings, looks: Mapping[str, Look]) -> None:
    _chance(axes)
    for arm in reversed(_drawn(family, looks)):
        if not arm.curves:
            continue
        color = looks[arm.arm]["color"]
        for curve in arm.curves.values():
            if len(arm.curves) > 1:
                axes.plot(curve.fid, curve.leakage, color=color, lw=0.7, alpha=0.4)
            else:
                ends = 1.96 * np.multiply(curve.standard_error, [[-1], [1]])
                low, high = np.clip(np.add(curve.leakage, ends), 0, 1)
                axes.vlines(curve.fid, low, high, color=color, lw=1, alpha=0.4)
        _, fids, areas = mean_curve(arm)
        axes.plot(fids, areas, **looks[arm.arm])
        in_legend = "ε" in arm.title
        if arm.epsilon is not None and len(fids) and not in_legend:
            axes.annotate(
                f"ε = {epsilon_text(arm.epsilon)}",
                (fids[-1], areas[-1]),
                xytext=(0, -7),
                textcoords="offset points",
                color=color,
                fontsize=8,
                ha="center",
                va="top",
                bbox=_BACKDROP,
            )
    axes.set(xlabel="FID (log scale)", title=family_title(family))
    axes.margins(0.09, 0.1)
    _log_scale(axes, "x")


def _legend(
    figure: Any,
    families: Sequence[FamilyFindings],
    looks: Mapping[str, Look],
) -> None:
    """The arms in rows that are about as long as each other."""
    from matplotlib.lines import Line2D

    drawn = {
        arm.arm: render.plain_title(arm.title)
        for family in families
        for arm in family.arms
    }
    handles = [
        Line2D([], [], label=drawn[name], **look)
        for name, look in looks.items()
        if name in drawn
    ]
    labels = [str(line.get_label()) for line in handles]
    figure.legend(
        handles=handles,
        loc="outside upper center",
        ncols=_legend_columns(labels, figure.get_figwidth()),
        columnspacing=1.5,
        handlelength=3.2,
    )


def _legend_columns(labels: Sequence[str], width: float) -> int:
    """As many columns of nearly equal length as a figure of this width has room for."""
    for most in range(int(width // 2), 1, -1):
        number = math.ceil(len(labels) / math.ceil(len(labels) / most))
        columns = np.array_split(labels, number)
        lengths = (max(map(len, column)) for column in columns)
        if sum(_MARK + _LETTER * length for length in lengths) <= width:
            return number
    return 1


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
