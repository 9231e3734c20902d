"""The audit report as plain text, Markdown and one HTML page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from keras_mixup_gan.auditing.results import CONFIDENCE, TARGET_FPR
from keras_mixup_gan.reports import render
from keras_mixup_gan.reports.audit_members import exposed_members
from keras_mixup_gan.statistics.roc import WithheldPoint, roc_curve

if TYPE_CHECKING:
    from keras_mixup_gan.auditing.results import AttackResult, AuditReport
    from keras_mixup_gan.statistics.roc import OperatingPoint

NUM_BINS = 40
NUM_CURVES = len(render.COLORS)
NUM_OPEN_HISTOGRAMS = 6
MEMBER_COLOR, NON_MEMBER_COLOR = render.COLORS[1], render.COLORS[0]


def to_text(report: AuditReport) -> str:
    """The report as a table of plain text, about 90 columns wide."""
    header = (
        "attack",
        f"AUC [{CONFIDENCE:.0%}]",
        f"TPR at {TARGET_FPR:.0%} FPR",
        "FPR",
    )
    rows = [header, *(_text_row(result) for result in report.done)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        f"Audit of {report.model}: {report.num_members} members, "
        f"{report.num_non_members} non-members, {report.num_reference} reference "
        f"images, seed {report.seed}",
        "",
    ]
    for number, row in enumerate(rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        lines.append("  ".join(cells).rstrip())
        if number == 0:
            lines.append("  ".join("-" * width for width in widths))
    for result in report.attacks:
        if result.status != "done":
            lines.append(f"{result.title}: {result.status}. {result.reason}")
    lines += ["", *_facts_in_words(report), "", report.verdict]
    lines += [f"Warning: {warning}" for warning in report.warnings]
    lines += ["", *(f"* {caveat}" for caveat in report.caveats)]
    return "\n".join(lines)


def to_markdown(report: AuditReport) -> str:
    """The report as Markdown, without figures."""
    return render.render_template("audit.md.j2", **_values(report))


def to_html(report: AuditReport, show_members: bool = False) -> str:
    """The report as one HTML page that needs no other file and no network.

    Args:
        report: The report.
        show_members: Show the most exposed members. They are training images: to give
            the page away is to give them away.

    Returns:
        The page.
    """
    roc = render.figure_to_svg(
        roc_figure(report),
        "Log-log ROC curves: true-positive rate over false-positive rate by attack",
    )
    histograms = [
        (
            result,
            render.figure_to_svg(
                score_figure(result),
                f"Histogram of the scores of {result.title}, members and non-members",
            ),
        )
        for result in report.done
    ]
    return render.render_template(
        "audit.html.j2",
        roc=roc,
        histograms=histograms,
        num_open=NUM_OPEN_HISTOGRAMS,
        exposed=exposed_members(report) if show_members else (),
        **_values(report),
    )


def roc_figure(report: AuditReport) -> Any:
    """ROC curves on log axes, as steps, with the chance line and the 1 % points.

    Args:
        report: The report; the most threatening attacks are drawn, as many as there
            are colors.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    with render.figure_style():
        from matplotlib.figure import Figure

        drawn = report.done[:NUM_CURVES]
        figure = Figure(figsize=(4.7, 3.9 + 0.2 * len(drawn)))
        axes = figure.add_subplot()
        floor = 10.0 ** np.floor(np.log10(1 / max(report.num_non_members, 1000)))
        axes.plot([floor, 1], [floor, 1], color="#8a8f98", linewidth=1)
        axes.annotate(
            "chance", (floor * 1.3, floor * 1.3), color="#5b616b", va="top", ha="left"
        )
        axes.axvline(TARGET_FPR, color="#c9ccd2", linewidth=0.8, zorder=0)
        for number, result in enumerate(drawn):
            _draw_roc(axes, result, number, floor)
        axes.set(
            xscale="log",
            yscale="log",
            xlim=(floor, 1),
            ylim=(floor, 1.15),
            xlabel="false-positive rate",
            ylabel="true-positive rate",
        )
        if drawn:
            figure.legend(loc="outside lower center")
    return figure


def score_figure(result: AttackResult) -> Any:
    """Histogram of the scores of members and of non-members.

    The outermost half percent at either end is counted into the last bins.

    Args:
        result: A result of an attack that ran.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    with render.figure_style():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(3.5, 2.5))
        axes = figure.add_subplot()
        members, non_members = _scores(result)
        low, high = np.quantile(np.concatenate([members, non_members]), [0.005, 0.995])
        if high - low <= 1e-12 * max(abs(low), abs(high)):
            low, high = low - 0.5, high + 0.5
        bins = np.linspace(low, high, NUM_BINS + 1)
        for scores, color, label in (
            (non_members, NON_MEMBER_COLOR, "non-members"),
            (members, MEMBER_COLOR, "members"),
        ):
            shares = np.full(len(scores), 1 / len(scores))
            clipped = np.clip(scores, low, high)
            axes.hist(
                clipped,
                bins,
                weights=shares,
                color=color,
                alpha=0.3,
                histtype="stepfilled",
            )
            axes.hist(
                clipped, bins, weights=shares, color=color, histtype="step", label=label
            )
        axes.set(xlabel="score", ylabel="share of the images")
        axes.locator_params(axis="x", nbins=5)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderpad=0)
    return figure


def _draw_roc(axes: Any, result: AttackResult, number: int, floor: float) -> None:
    """One curve, with the interval of the true-positive rate at 1 %."""
    color = render.COLORS[number % len(render.COLORS)]
    fpr, tpr = roc_curve(*_scores(result))
    axes.plot(
        np.maximum(fpr, floor),
        np.maximum(tpr, floor),
        color=color,
        drawstyle="steps-post",
        linestyle=render.LINE_STYLES[number % len(render.LINE_STYLES)],
        label=f"{_as_plain_text(result.title)}, AUC {result.auc:.3f}",
    )
    point = result.operating_point
    if point is not None:
        low, high = np.maximum(point.tpr_interval, floor)
        at = TARGET_FPR * 1.06 ** (number - 1)  # side by side, so that all are seen
        axes.plot([at, at], [low, high], color=color, linewidth=2.5, alpha=0.6)


def _as_plain_text(title: str) -> str:
    """A title without formulas, and without the underscore that hides a curve."""
    return title.replace("$", r"\$").lstrip("_")


def _values(report: AuditReport) -> dict[str, Any]:
    """What both templates need."""
    return {
        "report": report,
        "confidence": f"{100 * CONFIDENCE:.0f} %",
        "target_fpr": f"{100 * TARGET_FPR:g} %",
        "colors": render.COLORS,
        "num_curves": NUM_CURVES,
        "points": _reported_points,
        "rate": _rate_in_words,
        "withheld": _withheld(report),
        "asked": _queries_in_words,
        "held_out": _held_out_in_words(report),
    }


def _reported_points(result: AttackResult) -> list[OperatingPoint]:
    """The further operating points that were not withheld."""
    points = result.other_points
    return [point for point in points if not isinstance(point, WithheldPoint)]


def _withheld(report: AuditReport) -> list[WithheldPoint]:
    """The operating points that no attack has; the reasons are the same for all."""
    points = report.done[0].other_points if report.done else ()
    return [point for point in points if isinstance(point, WithheldPoint)]


def _rate_in_words(point: OperatingPoint) -> str:
    """A true-positive rate with its interval and counts."""
    rate = render.percent_with_interval(point.tpr, point.tpr_interval)
    return (
        f"{rate}: {point.true_positives:,} of {point.num_members:,} members, "
        f"{point.false_positives:,} of {point.num_non_members:,} non-members"
    )


def _queries_in_words(result: AttackResult) -> str:
    """What an attack asked of the model."""
    words = {
        "samples": "generated images",
        "discriminator": "discriminator scores",
        "queries": "images of chosen latents",
    }
    counts = result.num_queries.items()
    return ", ".join(f"{count:,} {words.get(name, name)}" for name, count in counts)


def _held_out_in_words(report: AuditReport) -> str:
    """The strongest attack where it was not chosen."""
    found = report.strongest_held_out
    if found is None or len(report.done) < 2:
        return ""
    point = found.operating_point
    return (
        f"Strongest attack, chosen on one random half of the images and judged on the "
        f"other: {report[found.name].title}, AUC "
        f"{render.with_interval(found.auc, found.interval)}, finds "
        f"{render.percent_with_interval(point.tpr, point.tpr_interval)} of the members "
        f"at {render.percent(point.realized_fpr)} false positives."
    )


def _facts_in_words(report: AuditReport) -> list[str]:
    """What an audit of this size and this split can show at all."""
    facts = []
    if report.blind is not None:
        blind = render.with_interval(report.blind.auc, report.blind.interval)
        facts.append(f"Without any model, from the pixels alone: AUC {blind}.")
    if report.null_target is not None:
        facts.append(report.null_target.sentence)
    facts.append(
        f"Smallest AUC that this many images tell from .5: {report.detectable_auc:.3f}."
    )
    return facts


def _text_row(result: AttackResult) -> tuple[str, ...]:
    point, interval, area = result.operating_point, result.auc_interval, result.auc
    if point is None or interval is None or area is None:
        return (result.title, "-", "-", "-")
    return (
        result.title,
        render.with_interval(area, interval),
        render.percent_with_interval(point.tpr, point.tpr_interval),
        render.percent(point.realized_fpr),
    )


def _scores(result: AttackResult) -> tuple[Any, Any]:
    if result.member_scores is None or result.non_member_scores is None:
        raise ValueError(
            f"{result.title} has no scores to draw. Received: status={result.status!r}."
        )
    return result.member_scores, result.non_member_scores
