"""The table of a comparison: its rows, and how it looks as plain text."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keras_mixup_gan.experiments.frontier import fid_of
from keras_mixup_gan.reports import compare_words as words
from keras_mixup_gan.reports import render

TEXT_WIDTH = 98
MISSING = "-"


@dataclass(frozen=True)
class Row:
    """A row of the table: an arm, or the undefended model at an arm's quality.

    Attributes:
        cell: The arm.
        title: What to call the row.
        short_title: The same where there is little room.
        point: The checkpoint it shows; `None` if there is no such checkpoint.
        early: Whether it is the undefended model, stopped early.
    """

    cell: dict[str, Any]
    title: str
    short_title: str
    point: dict[str, Any] | None
    early: bool = False


def rows(cells: Sequence[dict[str, Any]]) -> list[Row]:
    """Every arm, each defense followed by the undefended model at its quality."""
    found = []
    for number, cell in enumerate(cells):
        title = words.arm_title(cell)
        found.append(Row(cell, title, title, cell))
        if number == 0:
            continue
        match = cell["undefended_at_same_quality"]
        if match is None:
            titles = ("undefended: never at this quality", "undefended: never as good")
        else:
            step = f"(step {match['d_steps']:,})"
            titles = (
                f"undefended, stopped at the same quality {step}",
                "undefended, as good",
            )
        found.append(Row(cell, *titles, match, early=True))
    return found


def auc(point: dict[str, Any], name: str) -> str:
    """An attack's AUC with its interval, or why there is none."""
    attack = point["attacks"].get(name)
    if attack is None:
        return MISSING
    if attack["auc"] is None:
        return str(attack["status"])
    return render.with_interval(attack["auc"], attack["auc_ci"])


def tpr(point: dict[str, Any], name: str) -> str:
    """The share of members found, with its interval."""
    at = point["attacks"].get(name, {}).get("tpr_at_fpr")
    if at is None:
        return MISSING
    return render.percent_with_interval(at["tpr"], at["tpr_ci"])


def realized_fprs(cells: Sequence[dict[str, Any]]) -> str:
    """The range of false-positive rates behind the shares of members found."""
    rates = [
        attack["tpr_at_fpr"]["realized_fpr"]
        for row in rows(cells)
        if row.point is not None
        for attack in row.point["attacks"].values()
        if attack["tpr_at_fpr"] is not None
    ]
    if not rates:
        return MISSING
    low, high = (render.percent(rate, 2) for rate in (min(rates), max(rates)))
    return low if low == high else f"{low} to {high}"


def as_text(results: dict[str, Any]) -> str:
    """The outcome, the table in two halves, and the findings."""
    cells = results["cells"]
    findings = [
        f"{finding.title} {finding.verdict}. {finding.text}"
        for finding in words.findings(results)
    ]
    caveat = (
        "One training seed: the intervals cover which images are queried, not what "
        "another training run would give. Mixup carries no epsilon. FID and KID: "
        f"{words.quality_label(cells[0])}."
    )
    blocks = [
        _filled(words.headline(results)),
        _aligned(_leakage_half(cells)),
        _aligned(_quality_half(cells)),
        "\n".join(_filled(line) for line in _unfinished(cells)),
        "\n\n".join(_filled(finding) for finding in findings),
        _filled(caveat),
    ]
    return "\n\n".join(block for block in blocks if block)


def _leakage_half(cells: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    titles = words.attack_titles(cells)
    lines = [("AUC [95 %]", "step", *_heads(titles))]
    for row in rows(cells):
        values = [MISSING] * (1 + len(titles))
        if row.point is not None:
            values = [f"{row.point['d_steps']:,}"]
            values += [auc(row.point, name) for name in titles]
        lines.append((_indented(row), *values))
    return lines


def _quality_half(cells: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    titles = words.attack_titles(cells)
    epsilon = f"epsilon ({cells[0]['delta']:g})"
    head = ("found at 1 % FPR", *_heads(titles), "FID", "KID", epsilon, "step time")
    lines = [head]
    for row in rows(cells):
        point = row.point
        if point is None:
            continue
        kid = words.quality_figure(point, "KID")
        lines.append(
            (
                _indented(row),
                *(tpr(point, name).split(" [")[0] for name in titles),
                f"{fid_of(point):.1f}",
                MISSING if kid is None else f"{kid:.3f}",
                "inf" if point["epsilon"] is None else f"{point['epsilon']:.1f}",
                "" if row.early else f"x {row.cell['step_time_ratio']:.2f}",
            )
        )
    return lines


def _unfinished(cells: Sequence[dict[str, Any]]) -> list[str]:
    return [
        f"{words.arm_title(cell)}: {attack['title']} {attack['status']}. "
        f"{attack['reason']}"
        for cell in cells
        for attack in cell["attacks"].values()
        if attack["auc"] is None
    ]


def _heads(titles: Mapping[str, str]) -> list[str]:
    return [title.split(" (")[0] for title in titles.values()]


def _indented(row: Row) -> str:
    return f"  {row.short_title}" if row.early else row.short_title


def _aligned(lines: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    ruled = [lines[0], tuple("-" * width for width in widths), *lines[1:]]
    return "\n".join(
        "  ".join(
            value.ljust(width) for value, width in zip(line, widths, strict=True)
        ).rstrip()
        for line in ruled
    )


def _filled(text: str) -> str:
    return textwrap.fill(text, TEXT_WIDTH, break_on_hyphens=False)
