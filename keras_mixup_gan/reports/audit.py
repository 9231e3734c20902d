"""The page of an audit: HTML, its Markdown twin, JSON, plain text and raw scores."""

import base64
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_mixup_gan import storage
from keras_mixup_gan.auditing.report import AuditReport
from keras_mixup_gan.auditing.results import CONFIDENCE, TARGET_FPR, AttackResult
from keras_mixup_gan.auditing.text import defense, guarantee, of_the_set
from keras_mixup_gan.reports import render
from keras_mixup_gan.statistics.roc import OperatingPoint, WithheldPoint
from keras_mixup_gan.validation import eight_bits

NUM_BINS = 40
NUM_CURVES = 6
NUM_OPEN_HISTOGRAMS = 6
NUM_EXPOSED = 24
NUM_NEAREST = 8
MEMBER_COLOR, NON_MEMBER_COLOR = render.COLORS[1], render.COLORS[0]
_ASKED = {
    "samples": "generated images",
    "discriminator": "discriminator scores",
    "queries": "images of chosen latents",
}


@dataclass(frozen=True)
class ShownMember:
    """A member on the page: pictures are PNG as a `data:` address."""

    index: int  # its place in the order members were given, from 0
    name: str  # of its file, or `no. 7`
    note: str
    picture: str | None  # of the member, if members may be shown
    sample: str | None  # of the nearest generated image


def save_audit(
    report: AuditReport, path: str | os.PathLike[str], *, show_members: bool = False
) -> Path:
    """Writes the report of an audit; the suffix of `path` says in which form.

    Args:
        report: What `keras_mixup_gan.audit` returned.
        path: `.html` for one self-contained page, `.md` for its Markdown twin, `.txt`
            for what `print` shows, `.json` for `report.to_dict()`, `.npz` for the raw
            scores: arrays `"<attack>/members"` and `"<attack>/non_members"` in the
            order in which the images were given, and `"member_names"` where they have
            any. Missing folders are made.
        show_members: Show the most exposed and the copied members as pictures on the
            `.html` page, beside the generated images that are nearest to them. Off by
            default: they are images of the training set, and whoever is given the page
            is given them.

    Returns:
        The path.

    Raises:
        ValueError: If the suffix is another one, or the file cannot be written.
        ImportError: If a page is asked for and the `report` extra is missing.

    Example:
    ```python
    keras_mixup_gan.reports.save_audit(report, "audit.html")
    ```
    """
    path = Path(path)
    render.check_suffix(path, (".html", ".md", ".txt", ".json", ".npz"))
    if path.suffix == ".npz":
        split_hash = np.array(report.split_hash)
        arrays = {"split_hash": split_hash, **report.raw_scores()}
        if report.member_names is not None:
            arrays["member_names"] = np.array(report.member_names)
        return storage.write_arrays(path, arrays, private=True)
    if path.suffix == ".json":
        return storage.write_json(path, storage.finite(report.to_dict()))
    if path.suffix == ".html":
        text = _html(report, show_members)
    elif path.suffix == ".md":
        text = render.render_template("audit.md.j2", **_values(report))
    else:
        text = f"{report}\n"
    return storage.write_text(path, text)


def exposed_members(
    report: AuditReport, number: int = NUM_EXPOSED, *, show_members: bool = True
) -> tuple[ShownMember, ...]:
    """The members of the highest scores by the strongest attack, highest first."""
    strongest = report.strongest
    if strongest is None:
        return ()
    scores, others = strongest.member_scores, strongest.non_member_scores
    order = np.argsort(-scores, kind="stable")[:number]
    return tuple(
        _shown(
            report,
            int(index),
            f"{render.percent(float((others >= scores[index]).mean()))} of non-members",
            show_members,
        )
        for index in order
    )


def copied_members(
    report: AuditReport, number: int = NUM_EXPOSED, *, show_members: bool = True
) -> tuple[ShownMember, ...]:
    """The members of which a generated image is (nearly) a copy, the nearest first."""
    pairs = report.copies.copied[:number] if report.copies is not None else ()
    return tuple(
        _shown(
            report,
            pair.member,
            "exact copy" if pair.distance == 0 else f"distance {pair.distance:.2g}",
            show_members,
        )
        for pair in pairs
    )


def nearest_members(
    report: AuditReport, number: int = NUM_NEAREST, *, show_members: bool = True
) -> tuple[ShownMember, ...]:
    """The members nearest to a generated image, in pixels, the nearest first."""
    if report.copies is None:
        return ()
    distances = report.copies.distances
    return tuple(
        _shown(report, int(index), f"distance {distances[index]:.2g}", show_members)
        for index in np.argsort(distances, kind="stable")[:number]
    )


def _shown(
    report: AuditReport, index: int, note: str, show_members: bool
) -> ShownMember:
    names, copies = report.member_names, report.copies
    images = report.member_images
    return ShownMember(
        index,
        f"no. {index}" if names is None else names[index],
        note,
        _picture(images[index]) if show_members else None,
        None if copies is None else _picture(copies.nearest_images[index]),
    )


def roc_figure(report: AuditReport) -> Any:
    """ROC curves of the first attacks on log axes, as steps, and their 1 % points."""
    drawn = report.done[:NUM_CURVES]
    with render.new_figure(4.7, 3.9 + 0.2 * len(drawn)) as figure:
        axes = figure.add_subplot()
        floor = render.roc_axes(axes, max(report.num_non_members, 1000))
        axes.annotate("chance", (0.12, 0.1), color=render.SOFT, va="top", ha="left")
        for number, result in enumerate(drawn):
            _draw_roc(axes, result, number, floor)
        if drawn:
            figure.legend(loc="outside lower center")
    return figure


def score_figure(result: AttackResult) -> Any:
    """Histogram of the scores; the last bins hold the outermost half percent too."""
    with render.new_figure(3.5, 2.5) as figure:
        axes = figure.add_subplot()
        members, non_members = result.member_scores, result.non_member_scores
        low, high = np.quantile(np.concatenate([members, non_members]), [0.005, 0.995])
        if high - low <= 1e-12 * max(abs(low), abs(high)):
            low, high = low - 0.5, high + 0.5
        bins = np.linspace(low, high, NUM_BINS + 1)
        for scores, color, label in (
            (non_members, NON_MEMBER_COLOR, "non-members"),
            (members, MEMBER_COLOR, "members"),
        ):
            weights = np.full(len(scores), 1 / len(scores))
            drawn = {"x": np.clip(scores, low, high), "bins": bins, "weights": weights}
            axes.hist(**drawn, color=color, alpha=0.3, histtype="stepfilled")
            axes.hist(**drawn, color=color, histtype="step", label=label)
        axes.set(xlabel="score", ylabel="share of the images")
        axes.locator_params(axis="x", nbins=5)
        axes.ticklabel_format(axis="x", scilimits=(-2, 4), useMathText=True)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderpad=0)
    return figure


def _draw_roc(axes: Any, result: AttackResult, number: int, floor: float) -> None:
    """One curve, with the interval of the true-positive rate at 1 %."""
    color = render.COLORS[number % len(render.COLORS)]
    render.draw_roc(
        axes,
        result.member_scores,
        result.non_member_scores,
        floor,
        color=color,
        linestyle=render.LINE_STYLES[number % len(render.LINE_STYLES)],
        label=f"{render.plain_title(result.title)}, AUC {result.auc:.3f}",
    )
    point = result.operating_point
    low, high = np.maximum(point.tpr_interval, floor)
    at = point.target_fpr * 1.06 ** (number - 1)  # side by side, so that all are seen
    axes.plot([at, at], [low, high], color=color, linewidth=2.5, alpha=0.6)


def _html(report: AuditReport, show_members: bool) -> str:
    """The report as one page that needs no other file and no network."""
    roc = render.figure_to_svg(
        roc_figure(report),
        "ROC curves on log axes: members found over non-members taken for members",
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
        exposed=exposed_members(report, show_members=show_members),
        copied=copied_members(report, show_members=show_members),
        nearest=nearest_members(report, show_members=show_members),
        show_members=show_members,
        colors=render.COLORS,
        num_curves=NUM_CURVES,
        **_values(report),
    )


def _values(report: AuditReport) -> dict[str, Any]:
    """What both templates need."""
    # The rates that are withheld, and why, are the same for all attacks.
    others = report.done[0].other_points if report.done else ()
    return {
        "report": report,
        "confidence": f"{100 * CONFIDENCE:.0f} %",
        "target_fpr": f"{100 * TARGET_FPR:g} %",
        "points": _reported_points,
        "withheld": [point for point in others if isinstance(point, WithheldPoint)],
        "rate": _rate_in_words,
        "asked": _queries_in_words,
        "held_out": len(report.done) > 1 and report.strongest_held_out,
        "guarantee": list(guarantee(report)),
        "defense": defense(report),
        "of_the_set": report.set_inference and of_the_set(report.set_inference),
        "called": _called(report.member_names),
        "releases": list(report.verdicts.items()),
        "fewest": min(report.num_members, report.num_non_members),
    }


def _called(names: tuple[str, ...] | None) -> str:
    """By what the page names members; rows of an array are no files."""
    if names is not None and not all(re.fullmatch(r"no\. \d+", name) for name in names):
        return "file name"
    return "number, in the order they were given (from 0)"


def _reported_points(result: AttackResult) -> list[OperatingPoint]:
    """The further operating points that were not withheld."""
    points = result.other_points
    return [point for point in points if isinstance(point, OperatingPoint)]


def _rate_in_words(point: OperatingPoint) -> str:
    """A true-positive rate with its interval and counts."""
    rate = render.percent_with_interval(point.tpr, point.tpr_interval)
    return (
        f"{rate}: {point.true_positives:,} of {point.num_members:,} members, "
        f"{point.false_positives:,} of {point.num_non_members:,} non-members"
    )


def _queries_in_words(result: AttackResult) -> str:
    """What an attack asked of the model."""
    counts = result.num_queries.items()
    return ", ".join(f"{count:,} {_ASKED.get(name, name)}" for name, count in counts)


def _picture(image: Any) -> str:
    """A PNG of an image, uint8 or in `[-1, 1]`."""
    pixels = image
    if image.dtype != np.uint8:
        pixels = eight_bits(image.astype("float64"))
    content = render.png(render.tile(pixels[None], 1))
    return "data:image/png;base64," + base64.b64encode(content).decode()
